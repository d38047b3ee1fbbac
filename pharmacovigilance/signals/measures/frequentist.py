"""Closed-form measures of 2x2 tables, as functions over many tables.

References:
    Evans SJW, Waller PC, Davis S. Pharmacoepidemiol Drug Saf 2001;10:483-486. doi:10.1002/pds.677
    van Puijenbroek EP, et al. Pharmacoepidemiol Drug Saf 2002;11:3-10. doi:10.1002/pds.668
    Mantel N, Haenszel W. J Natl Cancer Inst 1959;22:719-748. doi:10.1093/jnci/22.4.719
    Robins J, Breslow N, Greenland S. Biometrics 1986;42:311-323. doi:10.2307/2531052
"""

from __future__ import annotations

import warnings
from typing import Final, Literal

import numpy as np
from scipy.special import ndtri

from cinchona.pharmacovigilance.signals.counting.pairs import Cells
from cinchona.pharmacovigilance.signals.errors import SparseTableWarning
from cinchona.pharmacovigilance.signals.measures import hypergeometric, kernels
from cinchona.pharmacovigilance.signals.measures.information import Interval

SPARSE: Final = 5.0
"""A table with an expected cell below this is sparse."""


def relative_reporting_ratio(cells: Cells) -> np.ndarray:
    """Return RRR = a / E with E = (a + b)(a + c) / total. Range [0, inf); null value 1; no interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(cells.a / cells.expected)


def proportional_reporting_ratio(cells: Cells, *, level: float = 0.95) -> Interval:
    r"""Proportional reporting ratio.

    .. math:: PRR = \frac{a / (a + b)}{c / (c + d)}, \quad
              \exp\left(\log PRR \pm z \sqrt{1/a - 1/(a+b) + 1/c - 1/(c+d)}\right)

    Range [0, inf]; null value 1. Infinite when c = 0; the bounds are NaN when a or c is 0.
    """
    return Interval(*kernels.prr(cells.a, cells.b, cells.c, cells.d, _z(level)))


def reporting_odds_ratio(cells: Cells, *, level: float = 0.95, correction: float = 0.0) -> Interval:
    r"""Reporting odds ratio.

    .. math:: ROR = \frac{a d}{b c}, \quad \exp\left(\log ROR \pm z \sqrt{1/a + 1/b + 1/c + 1/d}\right)

    Range [0, inf]; null value 1. Infinite when b c = 0; the bounds are NaN when a cell is 0. With ``correction`` = 0.5
    (Haldane-Anscombe) half a report is added to each cell and everything is finite.
    """
    arrays = (cells.a, cells.b, cells.c, cells.d)
    if correction:
        arrays = tuple(x + correction for x in arrays)  # type: ignore[assignment]
    return Interval(*kernels.ror(*arrays, _z(level)))


def chi_squared(cells: Cells, *, yates: bool = False) -> np.ndarray:
    """Pearson's chi-squared with 1 degree of freedom, with Yates's correction if asked for.

    Range [0, inf); null value 0. Two-sided: it is as large for a deficit as for an excess. NaN when a margin is empty.
    """
    return np.asarray(kernels.chi_squared(cells.a, cells.b, cells.c, cells.d, 0.5 if yates else 0.0))


def fisher(cells: Cells, *, alternative: Literal["greater", "greater_mid_p", "two_sided"] = "greater") -> np.ndarray:
    """P-value of Fisher's exact test given the margins, float64, shape (n,), in [0, 1]; null expectation about 0.5.

    ``greater`` is P(A >= a); ``greater_mid_p`` counts half of P(A = a); ``two_sided`` adds all tables at most as likely
    as the one seen, as R does.
    """
    if alternative == "two_sided":
        return np.asarray(hypergeometric.fisher_two_sided(cells.a, cells.b, cells.c, cells.d))
    log10_upper, mid, _ = hypergeometric.fisher_tails(cells.a, cells.b, cells.c, cells.d)
    return np.asarray(mid if alternative == "greater_mid_p" else 10.0**log10_upper)


def mantel_haenszel_ror(strata: Cells, *, level: float = 0.95) -> tuple[float, float, float]:
    """Reporting odds ratio of one pair pooled over strata, with Robins-Breslow-Greenland bounds.

    Args:
        strata: One table a stratum; empty strata say nothing.
        level: Confidence of the two-sided interval.

    Returns:
        Value, lower and upper; range [0, inf], null value 1.
    """
    total = strata.total
    used = total > 0
    a, b, c, d, n = (x[used] for x in (strata.a, strata.b, strata.c, strata.d, total))
    r, s = a * d / n, b * c / n
    p, q = (a + d) / n, (b + c) / n
    if r.sum() == 0 or s.sum() == 0:
        value = np.inf if r.sum() > 0 else (0.0 if s.sum() > 0 else np.nan)
        return float(value), float("nan"), float("nan")
    value = r.sum() / s.sum()
    variance = (p * r).sum() / (2 * r.sum() ** 2) + (p * s + q * r).sum() / (2 * r.sum() * s.sum())
    variance += (q * s).sum() / (2 * s.sum() ** 2)
    spread = float(np.exp(_z(level) * np.sqrt(variance)))
    return float(value), float(value / spread), float(value * spread)


def is_sparse(cells: Cells) -> np.ndarray:
    """Mask of tables with an expected cell below :data:`SPARSE`, bool, shape (n,)."""
    return np.asarray(cells.smallest_expected() < SPARSE)


def warn_if_sparse(cells: Cells, *, drug: str = "drug", event: str = "event") -> None:
    """Issue a :class:`SparseTableWarning` for the first table if it is sparse, naming drug, event and the cells."""
    smallest = float(cells.smallest_expected()[0])
    if smallest < SPARSE:
        a, b, c, d = (int(x[0]) for x in (cells.a, cells.b, cells.c, cells.d))
        warnings.warn(
            f"{drug} x {event}: a={a}, b={b}, c={c}, d={d} has an expected cell of {smallest:.2g} < {SPARSE:g}; "
            "intervals and chi-squared are not reliable, look at the exact and the shrinkage measures",
            SparseTableWarning,
            stacklevel=3,
        )


def _z(level: float) -> float:
    return float(ndtri((1.0 + level) / 2.0))
