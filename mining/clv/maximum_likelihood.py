"""Fit positive parameters by maximum likelihood, and say how sure they are."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from mining.clv.histories import Numbers

LogLikelihood = Callable[[Numbers], tuple[float, Numbers]]

# Of more observations so many are climbed first, then so many, then all: the top of some lies
# within some standard errors of that of more.
_CLIMBED_FIRST: Final = (2_000, 20_000)

# how far a parameter may go from where a search begins: beyond, a likelihood is flat for the data
# that shops have
_FARTHEST: Final = np.log(1e6)

_Z: Final = 1.959963984540054  # of the normal distribution, 95 % lie within
_STEP: Final = 1e-4  # of a logarithm, to difference the gradient by
_NEWTON_STEPS: Final = 20
_FAR: Final = 0.2  # of the slope before: a step that leaves more of it calls for a new curvature
_ROUNDING: Final = 1e-12  # of a cost
_GRADIENT: Final = 1e-9  # for each observation: smaller is at the top ...
_ENOUGH: Final = 1e-12  # ... and to go on from here would change no digit


class Fit(NamedTuple):
    """Parameters where the likelihood is greatest.

    Attributes:
        parameters: in the order of the model.
        standard_errors: of their logarithms, from the curvature at the top (the inverse of the
            observed information); infinite where the likelihood does not bound a parameter.
        log_likelihood: there.
        has_converged: whether the gradient is 0 there; at a bound it need not be.
    """

    parameters: Numbers
    standard_errors: Numbers
    log_likelihood: float
    has_converged: bool

    def intervals(self) -> tuple[Numbers, Numbers]:
        """Give the 95 % interval of each parameter, symmetric in its logarithm."""
        width = np.exp(np.minimum(_Z * self.standard_errors, 2 * _FARTHEST))
        return self.parameters / width, self.parameters * width


def fit(
    log_likelihood: LogLikelihood,
    starts: Sequence[Sequence[float]],
    observations: float,
) -> Fit:
    """Find the parameters of greatest likelihood.

    L-BFGS-B over the logarithms of the parameters from each start, then Newton's method with the
    differenced gradient, which reaches the last digits that a line search leaves. A single start is
    taken for near: there Newton's method goes first, and is enough where it gets to the top.

    Args:
        log_likelihood: of parameters, with its gradient over them.
        starts: parameters to begin at, each above 0.
        observations: how many the likelihood sums over.
    """
    begins = np.log(np.asarray(starts, np.float64))
    bounds = begins.min(axis=0) - _FARTHEST, begins.max(axis=0) + _FARTHEST

    def climb(begin: Numbers) -> tuple[float, Numbers]:
        found = minimize(
            lambda logs: _cost(log_likelihood, logs, observations),
            begin,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(*bounds, strict=True)),
            options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7},
        )
        return float(found.fun), np.asarray(found.x)

    def polish(logs: Numbers) -> tuple[Numbers, float, Numbers]:
        return _polished(log_likelihood, logs, observations, bounds)

    with threadpool_limits(1):  # on four numbers the threads of BLAS wait longer than they work
        if len(begins) == 1:
            logs, cost, slope = polish(begins[0])
        if len(begins) > 1 or np.abs(slope).max() >= _GRADIENT:
            logs, cost, slope = polish(min(map(climb, begins), key=lambda one: one[0])[1])
        errors = _standard_errors(log_likelihood, logs, observations, slope)
    return Fit(np.exp(logs), errors, -cost * observations, bool(np.abs(slope).max() < 1e-6))


def fit_in_steps(
    climb: Callable[[int | None, Sequence[Sequence[float]]], Fit],
    starts: Sequence[Sequence[float]],
    observations: int,
) -> Fit:
    """Fit some observations from each start, more from where that ended, and so on to all.

    Args:
        climb: fits about so many observations, or all of them (None), from starts.
        starts: parameters to begin at.
        observations: how many there are.
    """
    for some in _CLIMBED_FIRST:
        if observations >= 2 * some:
            starts = [tuple(climb(some, starts).parameters)]
    return climb(None, starts)


def _cost(
    log_likelihood: LogLikelihood, logs: Numbers, observations: float
) -> tuple[float, Numbers]:
    """Turn a likelihood over parameters into a cost over their logarithms, per observation."""
    parameters = np.exp(logs)
    value, gradient = log_likelihood(parameters)
    return -value / observations, -gradient * parameters / observations


def _polished(
    log_likelihood: LogLikelihood,
    logs: Numbers,
    observations: float,
    bounds: tuple[Numbers, Numbers],
) -> tuple[Numbers, float, Numbers]:
    """Go the last steps to the top, as long as they lead upwards; give cost and slope there too.

    A curvature serves for as many steps as it brings far (the chord method): it costs as much as
    four of them.
    """
    cost, slope = _cost(log_likelihood, logs, observations)
    curvature = None
    for _ in range(_NEWTON_STEPS):
        if np.abs(slope).max() < _ENOUGH:
            break
        if curvature is None:
            curvature = _curvature(log_likelihood, logs, observations, slope)
            if np.linalg.eigvalsh(curvature).min() <= 0:
                break  # a ridge: a step along it leads anywhere
        ahead = np.clip(logs - np.linalg.solve(curvature, slope), *bounds)
        reached, next_slope = _cost(log_likelihood, ahead, observations)
        # so near to the top that rounding decides which cost is less, the slope still tells
        if not reached <= cost + _ROUNDING * abs(cost):
            break
        if not (reached <= cost or np.abs(next_slope).max() < np.abs(slope).max()):
            break
        if np.abs(next_slope).max() > _FAR * np.abs(slope).max():
            curvature = None
        logs, cost, slope = ahead, reached, next_slope
    return logs, cost, slope


def _curvature(
    log_likelihood: LogLikelihood, logs: Numbers, observations: float, slope: Numbers
) -> Numbers:
    """Difference the gradient of the cost: the second derivatives over the logarithms.

    To one side, where the slope is at hand: half the work, and right to the fourth digit.
    """
    columns = []
    for place in range(len(logs)):
        step = np.zeros(len(logs))
        step[place] = _STEP
        columns.append((_cost(log_likelihood, logs + step, observations)[1] - slope) / _STEP)
    curvature: Numbers = np.array(columns)
    return (curvature + curvature.T) / 2


def _standard_errors(
    log_likelihood: LogLikelihood, logs: Numbers, observations: float, slope: Numbers
) -> Numbers:
    information = _curvature(log_likelihood, logs, observations, slope) * observations
    values, vectors = np.linalg.eigh(information)
    # along a direction without curvature nothing bounds the parameters that it leads through
    flat = values <= 1e-9 * max(values.max(), 1.0)
    shares = vectors**2
    variances = (shares[:, ~flat] / values[~flat]).sum(axis=1)
    errors: Numbers = np.sqrt(variances)
    errors[(shares[:, flat] > 1e-6).any(axis=1)] = np.inf
    return errors
