"""Metrics of a ranking of actives and inactives; ties always count by expectation over their random order.

In all functions ``labels`` has shape (n,) with 1 for active and 0 for inactive, ``scores`` has shape (n,) and higher is
better; the order of the rows does not matter.
"""

from __future__ import annotations

import math

import numpy as np

from cinchona.errors import ShapeError


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    r"""Probability that a random active is ranked above a random inactive; a tie counts one half.

    .. math:: AUC = P(s_a > s_i) + \tfrac12 P(s_a = s_i)

    Range [0, 1]; a random ranking expects 0.5.

    Raises:
        ValueError: if there is no active or no inactive.

    References:
        Hanley and McNeil, Radiology 1982, 143, 29, https://doi.org/10.1148/radiology.143.1.7063747
    """
    found = TiedRanking.of(labels, scores, both=True)
    below = found.n_inactive - np.cumsum(found.inactives)
    wins = (found.actives * (below + 0.5 * found.inactives)).sum()
    return float(wins / (found.n_active * found.n_inactive))


def pr_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    r"""Average precision: mean over the actives of the precision at their rank.

    .. math:: AP = \frac{1}{n_a} \sum_{i=1}^{n_a} \frac{i}{r_i}

    with :math:`r_i` the rank of the i-th best active. Tied rows take the mean over all their orders. Range (0, 1]; a
    random ranking expects about the share of actives.

    Raises:
        ValueError: if there is no active.

    References:
        Davis and Goadrich, ICML 2006, https://doi.org/10.1145/1143844.1143874
    """
    found = TiedRanking.of(labels, scores)
    total = 0.0
    for group in np.flatnonzero(found.actives):
        a, m = float(found.actives[group]), float(found.actives[group] + found.inactives[group])
        before, active_before = float(found.rows_before[group]), float(found.actives_before[group])
        place = np.arange(1, int(m) + 1)
        others = (place - 1) * (a - 1) / (m - 1) if m > 1 else 0.0
        total += float((a / m * (active_before + 1 + others) / (before + place)).sum())
    return total / found.n_active


def enrichment_factor(labels: np.ndarray, scores: np.ndarray, fraction: float = 0.01) -> float:
    r"""Enrichment of actives in the best-scored ``fraction``.

    .. math:: EF_x = \frac{a_x / k}{n_a / n}, \quad k = \lceil x n \rceil

    Range [0, min(n / k, n / n_a)]; a random ranking expects 1. Ties across the cut count by expectation, so a constant
    scorer gets exactly 1.

    Raises:
        ValueError: if there is no active or ``fraction`` is not in (0, 1].

    References:
        Truchon and Bayly, J. Chem. Inf. Model. 2007, 47, 488, https://doi.org/10.1021/ci600426e

    >>> enrichment_factor(np.array([1, 0, 0, 0]), np.zeros(4), 0.25)
    1.0
    """
    found = TiedRanking.of(labels, scores)
    cut = _cut(found.n, fraction)
    return found.actives_within(cut) / cut / (found.n_active / found.n)


def rie(labels: np.ndarray, scores: np.ndarray, alpha: float = 20.0) -> float:
    r"""Robust initial enhancement: exponentially weighted ranks of the actives, relative to a random ranking.

    .. math:: RIE = \frac{\frac{1}{n_a}\sum_{i=1}^{n_a} e^{-\alpha r_i / n}}
              {\frac{1}{n}\,\frac{1 - e^{-\alpha}}{e^{\alpha/n} - 1}}

    Range depends on the share of actives; a random ranking expects 1. Ties count by expectation.

    Raises:
        ValueError: if there is no active or ``alpha`` is not positive.

    References:
        Sheridan et al., J. Chem. Inf. Comput. Sci. 2001, 41, 1395, https://doi.org/10.1021/ci0100144
    """
    found = TiedRanking.of(labels, scores)
    if alpha <= 0:
        raise ValueError(f"alpha is {alpha}, expected a positive number")
    weight = np.exp(-alpha * np.arange(1, found.n + 1) / found.n)
    ahead = np.concatenate([[0.0], np.cumsum(weight)])
    rows = found.actives + found.inactives
    mean_weight = (ahead[found.rows_before + rows] - ahead[found.rows_before]) / rows
    return float((found.actives * mean_weight).sum() / found.n_active / weight.mean())


def bedroc(labels: np.ndarray, scores: np.ndarray, alpha: float = 20.0) -> float:
    r"""Boltzmann-enhanced discrimination of ROC: :func:`rie` brought to [0, 1].

    .. math:: BEDROC = \frac{RIE - RIE_{min}}{RIE_{max} - RIE_{min}}, \quad
              RIE_{min} = \frac{1 - e^{\alpha R}}{R (1 - e^{\alpha})}, \quad
              RIE_{max} = \frac{1 - e^{-\alpha R}}{R (1 - e^{-\alpha})}, \quad R = n_a / n

    Range about [0, 1] (exact as n grows); with few actives a random ranking expects about :math:`1/\alpha`, 0.05 for
    :math:`\alpha = 20`, at which the best 8 % carry 80 % of the weight. Ties count by expectation.

    Raises:
        ValueError: if there is no active, no inactive or ``alpha`` is not positive.

    References:
        Truchon and Bayly, J. Chem. Inf. Model. 2007, 47, 488, https://doi.org/10.1021/ci600426e
    """
    found = TiedRanking.of(labels, scores, both=True)
    share = found.n_active / found.n
    # Multiplied through by exp(-alpha), so that a large alpha does not overflow.
    lowest = (math.exp(-alpha) - math.exp(alpha * (share - 1))) / (share * math.expm1(-alpha))
    highest = math.expm1(-alpha * share) / (share * math.expm1(-alpha))
    return (rie(labels, scores, alpha) - lowest) / (highest - lowest)


def log_auc(labels: np.ndarray, scores: np.ndarray, least: float = 0.001) -> float:
    r"""Area under the ROC curve over :math:`\log_{10}` of the false-positive rate, less that of a random ranking.

    .. math:: \frac{1}{\log_{10}(1/\lambda)} \int_\lambda^1 TPR \; d\log_{10} FPR
              - \frac{1 - \lambda}{\ln(1/\lambda)}

    with :math:`\lambda` = ``least``: the "adjusted logAUC". Range [-0.145, 0.855] for 0.001; a random ranking expects 0.
    Tied rows are a straight line of the curve, which is their expectation.

    Raises:
        ValueError: if there is no active or no inactive, or ``least`` is not in (0, 1).

    References:
        Mysinger and Shoichet, J. Chem. Inf. Model. 2010, 50, 1561, https://doi.org/10.1021/ci100214a
    """
    found = TiedRanking.of(labels, scores, both=True)
    if not 0 < least < 1:
        raise ValueError(f"least is {least}, expected a rate between 0 and 1")
    x = np.concatenate([[0.0], np.cumsum(found.inactives) / found.n_inactive])
    y = np.concatenate([[0.0], np.cumsum(found.actives) / found.n_active])
    rise = np.diff(x) > 0
    left, right, low, high = x[:-1][rise], x[1:][rise], y[:-1][rise], y[1:][rise]
    slope = (high - low) / (right - left)
    start = np.maximum(left, least)
    inside = right > start
    start, end, slope = start[inside], right[inside], slope[inside]
    level = high[inside] - slope * end
    area = (slope * (end - start) + level * np.log(end / start)).sum() / math.log(1 / least)
    return float(area - (1 - least) / math.log(1 / least))


def power_metric(labels: np.ndarray, scores: np.ndarray, fraction: float = 0.01) -> float:
    r"""True-positive rate over the sum of true- and false-positive rate in the best-scored ``fraction``.

    .. math:: PM_x = \frac{TPR_x}{TPR_x + FPR_x}

    Range [0, 1]; a random ranking expects about 0.5. The rates of tied rows are their expectations.

    Raises:
        ValueError: if there is no active or no inactive, or ``fraction`` is not in (0, 1].

    References:
        Lopes et al., J. Cheminform. 2017, 9, 7, https://doi.org/10.1186/s13321-016-0189-4
    """
    found = TiedRanking.of(labels, scores, both=True)
    cut = _cut(found.n, fraction)
    actives = found.actives_within(cut)
    true_rate, false_rate = actives / found.n_active, (cut - actives) / found.n_inactive
    return true_rate / (true_rate + false_rate)


class TiedRanking:
    """Rows grouped by score, best group first.

    Args:
        actives: Actives of each group, int64, shape (g,).
        inactives: Inactives of each group, int64, shape (g,).
    """

    def __init__(self, actives: np.ndarray, inactives: np.ndarray) -> None:
        self.actives, self.inactives = actives, inactives
        rows = actives + inactives
        self.rows_before = np.cumsum(rows) - rows
        self.actives_before = np.cumsum(actives) - actives
        self.n_active, self.n_inactive = int(actives.sum()), int(inactives.sum())
        self.n = self.n_active + self.n_inactive

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray, *, both: bool = False) -> TiedRanking:
        """Group rows by score.

        Raises:
            ShapeError: if the arrays differ in shape.
            ValueError: if a label is not 0 or 1, a score is NaN, there is no active, or ``both`` and no inactive.
        """
        labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
        if labels.shape != scores.shape or labels.ndim != 1:
            raise ShapeError.of("scores", scores.shape, f"{labels.shape}, one score a label")
        active = labels == 1
        if not bool((active | (labels == 0)).all()) or bool(np.isnan(scores).any()):
            raise ValueError("labels must be 0 or 1 and scores numbers; leave out rows that are neither")
        if not active.any() or (both and active.all()):
            raise ValueError(f"got {int(active.sum())} actives of {len(labels)} rows, the metric is not defined")
        _, group = np.unique(-scores, return_inverse=True)
        rows = np.bincount(group)
        hits = np.bincount(group, weights=active).astype(np.int64)
        return cls(hits, rows - hits)

    def actives_within(self, cut: int) -> float:
        """Expected actives among the best ``cut`` rows."""
        group = int(np.searchsorted(self.rows_before, cut, side="left")) - 1
        rows = self.actives[group] + self.inactives[group]
        share = (cut - self.rows_before[group]) / rows
        return float(self.actives_before[group] + self.actives[group] * share)


def _cut(n: int, fraction: float) -> int:
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}, expected a share above 0 and at most 1")
    return max(1, math.ceil(fraction * n - 1e-9))  # 0.07 * 100 is 7.000000000000001
