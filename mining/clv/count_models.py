"""The models of repeat buying that a shop may have, fitted and chosen."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from mining.clv.bg_nbd import BG_NBD
from mining.clv.histories import Histories, Numbers
from mining.clv.maximum_likelihood import Fit, fit, fit_in_steps
from mining.clv.mbg_nbd import MBG_NBD
from mining.clv.pareto_nbd import PARETO_NBD
from mining.clv.ragged import Ragged

_ROUNDING: Final = 1e-6  # of a score: a customer's mean log chance
_TINY: Final = 1e-300  # a chance below: its logarithm would be infinite

# The standard error of the logarithm of a parameter of drop-out from which on its 95 % interval
# spans a factor of fifty: the data do not tell it from others.
_UNKNOWN: Final = 1.0


class CountModel(Protocol):
    """What is asked of a model of repeat buying; each says more in its own file."""

    name: str
    parameter_names: tuple[str, str, str, str]

    def starts(self, of: Histories) -> list[tuple[float, ...]]:
        """Give parameters to begin a search at."""

    def log_likelihood(self, parameters: Numbers, of: Histories) -> tuple[float, Numbers]:
        """Give the log density of the individual purchase times, and its gradient."""

    def probability_alive(self, parameters: Numbers, of: Histories) -> Numbers:
        """Give the probability that each customer has not dropped out by the last day."""

    def expected_purchases_if_alive(
        self, parameters: Numbers, of: Histories, weeks: float
    ) -> Numbers:
        """Give the purchases to expect in the weeks after the last day, of customers alive."""

    def weeks_to_next(
        self, parameters: Numbers, of: Histories, share: float, until: float
    ) -> Numbers:
        """Give the weeks by which a share of customers alive will have bought again."""

    def count_probability_if_alive(
        self, parameters: Numbers, of: Histories, weeks: Numbers, purchases: Numbers
    ) -> Numbers:
        """Give the chance of a count of purchases in the weeks after the last day, if alive."""

    def cumulative_chances_if_alive(
        self, parameters: Numbers, of: Histories, weeks: float, until: float
    ) -> Ragged:
        """Give the chances of at most 0, 1, 2, … purchases in the weeks to come, if alive."""


COUNT_MODELS: Final[tuple[CountModel, ...]] = (BG_NBD, MBG_NBD, PARETO_NBD)


class FittedModel(NamedTuple):
    """A model with the parameters that its shop has.

    Attributes:
        model: which.
        fit: its parameters, and how sure they are.
        customers: of whom it was learned.
    """

    model: CountModel
    fit: Fit
    customers: int

    @property
    def is_drop_out_identified(self) -> bool:
        """Whether the data tell the two parameters of drop-out from others.

        Where customers buy often and hardly anybody leaves, as a grocer's households, the
        likelihood has a ridge: many such pairs explain the same purchases, with the same
        purchases to expect.
        """
        return bool((self.fit.standard_errors[2:] <= _UNKNOWN).all())


def fitted(model: CountModel, of: Histories) -> FittedModel:
    """Fit a model by maximum likelihood."""

    def climb(most: int | None, starts: Sequence[Sequence[float]]) -> Fit:
        some = of if most is None else of.thinned(most)
        return fit(
            lambda parameters: model.log_likelihood(parameters, some), starts, some.customer_count
        )

    found = fit_in_steps(climb, model.starts(of), len(of.customers))
    return FittedModel(model, found, of.customer_count)


def log_score(fitted: FittedModel, of: Histories, weeks: float, purchases: Numbers) -> float:
    """Give the mean log chance that a model gave to what customers did later.

    A proper score (Good 1952, Rational decisions): in the mean nothing scores better than the
    truth.

    Args:
        fitted: the model, which knows nothing of what came later.
        of: the histories until then, with how many customers had each and the same later.
        weeks: that came after.
        purchases: days with a purchase in them, for each of the histories.

    Returns:
        A customer's mean, at most 0.
    """
    model, parameters = fitted.model, fitted.fit.parameters
    alive = model.probability_alive(parameters, of)
    chances = alive * model.count_probability_if_alive(
        parameters, of, np.full(len(purchases), weeks), purchases
    )
    chances += np.where(purchases == 0, 1 - alive, 0)
    return float(np.average(np.log(np.maximum(chances, _TINY)), weights=of.customers))


def best_place(scores: Sequence[float]) -> int:
    """Give the place of the best score, the first of those that differ from it by rounding alone.

    Where drop-out is not identified all models become one, and only the place on the ridge at which
    a search ended would tell them apart.
    """
    best = max(scores)
    return next(place for place, score in enumerate(scores) if score >= best - _ROUNDING)
