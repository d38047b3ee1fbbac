"""Conformal quantiles, with the correction for a finite number of calibration compounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

LEVELS: Final = (*(round(0.05 * k, 2) for k in range(1, 20)), 0.99)
"""Levels whose quantiles are kept with a model, so that intervals of another level need no data."""


def conformal_quantiles(scores: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    r"""Smallest bounds that a new score, exchangeable with those given, keeps with at least the wanted probability.

    .. math:: \hat q_p = s_{(\lceil (n + 1) p \rceil)}

    the order statistic of n scores; infinite where :math:`\lceil (n + 1) p \rceil > n`, since so few scores promise nothing.

    Args:
        scores: Nonconformity of calibration compounds, finite, float64, shape (n,).
        levels: Wanted probabilities p, each in (0, 1).

    Returns:
        float64, shape (len(levels),).

    References:
        Papadopoulos, Proedrou, Vovk, Gammerman, ECML 2002, https://doi.org/10.1007/3-540-36755-1_29; Lei et al., JASA 2018,
        113, 1094, https://doi.org/10.1080/01621459.2017.1307116

    >>> conformal_quantiles(np.arange(1.0, 10.0), [0.5, 0.9, 0.95]).tolist()
    [5.0, 9.0, inf]
    """
    ordered = np.append(np.sort(scores), np.inf)
    # A hair is taken off, so that 0.9 of 10 is the ninth score and not, by rounding, the tenth.
    ranks = [math.ceil((len(scores) + 1) * level - 1e-9) for level in levels]
    found: np.ndarray = ordered[[min(max(rank, 1), len(scores) + 1) - 1 for rank in ranks]]
    return found


__all__ = ["conformal_quantiles", "LEVELS"]
