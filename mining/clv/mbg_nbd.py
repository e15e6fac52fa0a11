"""MBG/NBD: each purchase may be the last, the first one too.

Batislam, Denizel, Filiztekin (2007), Empirical validation and comparison of models for customer
base analysis, International Journal of Research in Marketing 24. Hoppe and Wagner (2007) have it as
CBG/NBD.
"""

from typing import Final

from mining.clv.beta_geometric import BetaGeometric

MBG_NBD: Final = BetaGeometric("mbg_nbd", chances_at_first=1)
