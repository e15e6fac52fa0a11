"""Nodes and weights that turn means over a beta distribution, and integrals, into short sums."""

from functools import cache, lru_cache
from typing import Final

import numpy as np
from scipy.linalg import eigh_tridiagonal

from mining.clv.histories import Numbers

# Enough for ten digits where a horizon is 200 times what is known of a customer.
BETA_NODES: Final = 96
UNIT_NODES: Final = 48
_SMALLEST: Final = 1e-18  # of a share: below, rounding decides


def beta_nodes(a: float, b: Numbers) -> tuple[Numbers, Numbers]:
    """Give nodes and weights for means over beta distributions (a, b).

    Gauss-Jacobi quadrature by the eigenvalues of the Jacobi matrix (Golub, Welsch 1969,
    Calculation of Gauss quadrature rules), with weights that sum to 1: nothing overflows, however
    great a or b is.

    Args:
        a: above 0.
        b: above 0, for each distribution.

    Returns:
        Nodes between 0 and 1 and their weights, a row of `BETA_NODES` for each distribution.
    """
    each = [_beta_nodes(a, float(one)) for one in b]
    return np.array([nodes for nodes, _ in each]), np.array([weights for _, weights in each])


@lru_cache(maxsize=4096)  # a forecast of 36 months asks for the same ones 36 times
def _beta_nodes(a: float, b: float) -> tuple[Numbers, Numbers]:
    n = np.arange(1, BETA_NODES)
    total = a + b
    twice = 2 * n + total - 2
    later = (1 + (a - b) * (total - 2) / (twice * (twice + 2))) / 2
    # the first of these by itself, for the others' form is 0 / 0 there at a + b = 1
    variance = a * b / (total**2 * (total + 1))
    n_2, twice_2 = n[1:], twice[1:]
    variances = n_2 * (n_2 + a - 1) * (n_2 + b - 1) * (n_2 + total - 2)
    variances = variances / (twice_2**2 * (twice_2 + 1) * (twice_2 - 1))
    nodes, vectors = eigh_tridiagonal(
        np.append(a / total, later), np.sqrt(np.append(variance, variances))
    )
    return np.maximum(nodes, _SMALLEST), vectors[0] ** 2


@cache
def unit_nodes() -> tuple[Numbers, Numbers]:
    """Give nodes and weights of Gauss-Legendre quadrature between 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(UNIT_NODES)
    return (nodes + 1) / 2, weights / 2
