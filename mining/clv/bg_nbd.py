"""BG/NBD: who has bought once is still a customer; each later purchase may be the last.

Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
Model, Marketing Science 24.
"""

from typing import Final

from mining.clv.beta_geometric import BetaGeometric

BG_NBD: Final = BetaGeometric("bg_nbd", chances_at_first=0)
