r"""Weights of the hit-miss model: how much more likely two values are in two reports of one event than in any two.

A report gives the true value of a field (a hit), a value drawn from all reports (a miss) or none (a blank). For two
reports of one event, with :math:`c = 1 - (1 - a)^2` for a miss rate :math:`a` and :math:`\beta_j` the share of value j,

.. math:: W_{jj} = \log_2 \frac{1 - c(1 - \beta_j)}{\beta_j}, \qquad W_{jk} = \log_2 c, \qquad W_{j,blank} = 0.

Sharing a rare value says much, sharing a common one little, and a blank says nothing. Drugs and reactions are taken as
one yes-or-no field per term, of which those that neither report names are left out. Ages and dates may also be near:
with rates :math:`p_h + p_n + p_m = 1` of equal, near and random values and :math:`g` the distribution of near gaps,

.. math:: W(x, y) = \log_2\Big( \frac{p_h [x = y] + p_n g(x - y)}{\sqrt{\beta_x \beta_y}} + p_m \Big).

The rates are taken from pairs that share a manufacturer's number, with the defaults below as pseudo-observations.

References:
    J. B. Copas, F. J. Hilton, J. R. Stat. Soc. A 153 (1990) 287. G. N. Norén, R. Orre, A. Bate, KDD 2005, 459;
    G. N. Norén, R. Orre, A. Bate, I. R. Edwards, Data Min. Knowl. Discov. 14 (2007) 305.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cinchona.pharmacovigilance.linking import kernels, pair_kernels
from cinchona.pharmacovigilance.linking.records import DAY, MONTH, NO_DATE, UNKNOWN

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.linking.records import Records, TermLists

_NEAR_AGE: Final = 2
_NEAR_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Rates:
    """Error rates of two reports of one event; the defaults are those of a careful second report."""

    sex: float = 0.02
    """Chance c that a known sex was drawn at random in one of the two."""
    country: float = 0.06
    """The same for countries."""
    drug: float = 0.25
    """The same for each drug."""
    reaction: float = 0.35
    """The same for each reaction."""
    age: tuple[float, float, float] = (0.84, 0.12, 0.04)
    """Shares of equal, near (one or two years) and random ages."""
    date: tuple[float, float, float] = (0.80, 0.12, 0.08)
    """Shares of equal, near (up to seven days) and random dates of the event."""
    pairs: int = 0
    """Pairs that they were estimated from; 0 means the defaults alone."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the header of a run."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Weights:
    """Tables from which pairs are weighed; arrays as :func:`.kernels.weigh_pairs` wants them."""

    rates: Rates
    sex: np.ndarray
    age_share: np.ndarray
    country: np.ndarray
    shares: tuple[np.ndarray, np.ndarray, np.ndarray]
    """Share of each case's day, month and year among dated cases."""
    drugs: np.ndarray
    """Weight of a shared drug by code, float32."""
    reactions: np.ndarray
    """Weight of a shared reaction by code, float32."""

    @property
    def misses(self) -> np.ndarray:
        """Weight of different sex, country, drug, reaction, float64."""
        return np.log2([self.rates.sex, self.rates.country, self.rates.drug, self.rates.reaction])


def make_weights(records: Records, rates: Rates) -> Weights:
    """Weights for the values of ``records`` under ``rates``."""
    return Weights(
        rates=rates,
        sex=_hit(_shares(records.sex, 2), rates.sex),
        age_share=_shares(records.age, 200),
        country=_hit(_shares(records.country, max(1, len(records.countries))), rates.country),
        shares=_date_shares(records),
        drugs=_hit(_term_shares(records.drugs, len(records)), rates.drug).astype(np.float32),
        reactions=_hit(_term_shares(records.reactions, len(records)), rates.reaction).astype(np.float32),
    )


def _shares(codes: np.ndarray, size: int) -> np.ndarray:
    known = codes[codes >= 0]
    counts = np.bincount(known, minlength=size).astype(np.float64)
    return np.maximum(counts, 1) / max(1, len(known))


def _term_shares(lists: TermLists, n: int) -> np.ndarray:
    return np.asarray(np.maximum(lists.counts, 1) / max(1, n))


def _hit(share: np.ndarray, c: float) -> np.ndarray:
    share = np.minimum(share, 1.0)
    return np.asarray(np.log2((1 - c * (1 - share)) / share))


def _date_shares(records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    months, years = kernels.calendar(records.day)
    out = []
    for values, worst in ((records.day, DAY), (months, MONTH), (years, NO_DATE - 1)):
        known = records.precision <= worst
        distinct, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
        share = np.ones(len(records))
        if len(distinct):
            share[known] = counts[place] / known.sum()
        out.append(share)
    return out[0], out[1], out[2]


def weigh(records: Records, weights: Weights, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weights of pairs by field, float32, shape (n, 6), fields in the order of :data:`.kernels.FIELDS`."""
    return np.asarray(
        kernels.weigh_pairs(
            left, right, records.sex, records.age, records.country, records.day, records.precision, *weights.shares,
            records.drugs.offsets, records.drugs.values, weights.drugs, records.reactions.offsets,
            records.reactions.values, weights.reactions, weights.sex, weights.age_share, weights.country,
            np.array(weights.rates.age), np.array(weights.rates.date), weights.misses,
        )
    )  # fmt: skip


def estimate_rates(records: Records, left: np.ndarray, right: np.ndarray, *, pseudo: float) -> Rates:
    """Error rates seen in pairs that are thought to be one event, shrunk to the defaults.

    Args:
        records: All cases.
        left: First case of each pair, int32 (n,).
        right: Second.
        pseudo: Number of pairs that the defaults are worth.
    """
    default = Rates()
    days = np.abs(records.day[left] - records.day[right])
    ages = np.abs(records.age[left].astype(int) - records.age[right])
    dated = (records.precision[left] == DAY) & (records.precision[right] == DAY)
    aged = (records.age[left] >= 0) & (records.age[right] >= 0)
    return Rates(
        sex=_differ(records.sex, left, right, default.sex, pseudo),
        country=_differ(records.country, left, right, default.country, pseudo),
        drug=_lists_differ(records.drugs, left, right, default.drug, pseudo),
        reaction=_lists_differ(records.reactions, left, right, default.reaction, pseudo),
        age=_three(ages[aged], _NEAR_AGE, default.age, pseudo),
        date=_three(days[dated], _NEAR_DAYS, default.date, pseudo),
        pairs=len(left),
    )


def _differ(codes: np.ndarray, left: np.ndarray, right: np.ndarray, default: float, pseudo: float) -> float:
    known = (codes[left] != UNKNOWN) & (codes[right] != UNKNOWN)
    share = np.bincount(codes[codes >= 0]).astype(float) if (codes >= 0).any() else np.ones(1)
    by_chance = 1 - ((share / share.sum()) ** 2).sum()
    differ = (codes[left] != codes[right])[known].sum() / max(by_chance, 0.05)
    return float(np.clip((differ + pseudo * default) / (known.sum() + pseudo), 0.001, 0.9))


def _lists_differ(lists: TermLists, left: np.ndarray, right: np.ndarray, default: float, pseudo: float) -> float:
    # One report alone names a term with chance 2 c beta (1 - beta), both with beta (1 - c (1 - beta)).
    offsets, _ = pair_kernels.shared_terms(left, right, lists.offsets, lists.values)
    sizes = np.diff(lists.offsets)
    both = float(offsets[-1])
    alone = float(sizes[left].sum() + sizes[right].sum() - 2 * both)
    prior_both = 3 * pseudo
    ratio = (alone + prior_both * 2 * default / (1 - default)) / (both + prior_both)
    return float(np.clip(ratio / (2 + ratio), 0.01, 0.9))


def _three(
    gaps: np.ndarray, near: int, default: tuple[float, float, float], pseudo: float
) -> tuple[float, float, float]:
    seen = np.array([(gaps == 0).sum(), ((gaps > 0) & (gaps <= near)).sum(), (gaps > near).sum()], float)
    rates = (seen + pseudo * np.array(default)) / (seen.sum() + pseudo)
    rates = np.clip(rates, 0.005, None)
    rates /= rates.sum()
    return float(rates[0]), float(rates[1]), float(rates[2])
