"""Where a model fails: its held-out errors by chemical series and by ranges of properties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from cinchona.datasets.clusters import leader_clusters
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.scaffolds import NO_SCAFFOLD, scaffolds
from cinchona.models.comparison import holm
from cinchona.models.domain.profile import PROPERTIES, properties_of

FEWEST: Final = 5
"""Held-out compounds of a series that gets a row of its own."""
SIMILARITY: Final = 0.6
"""Tanimoto similarity (Morgan, radius 2) from which scaffolds make one series."""
NO_RINGS: Final = "no rings"
"""Name of the group of compounds without a scaffold."""
_PARTS: Final = 4
_SIGNIFICANT: Final = 0.05
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Spot:
    """Held-out compounds of one kind."""

    name: str
    """What they have in common."""
    compounds: int
    error: float
    """Mean absolute error, in the unit of the target; of a class, distance of the probability from 0 or 1."""
    bias: float
    """Mean of predicted minus measured."""
    ratio: float
    """Error over the mean error of all held-out compounds; NaN if that is 0."""
    p_value: float
    """Chance that as many compounds drawn at random among all err as much, by the normal approximation for sampling without
    replacement, adjusted for all groups that were looked at together (Holm)."""
    scaffold: str = ""
    """Most frequent scaffold of a series, SMILES."""

    @property
    def worse(self) -> bool:
        """Whether the model errs more here than elsewhere, beyond chance."""
        return self.p_value < _SIGNIFICANT

    def to_json(self) -> dict[str, Any]:
        """The record as plain data; null where a figure is no number."""
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}
        return plain | {"worse": self.worse}


def by_series(smiles: Sequence[str], measured: np.ndarray, predicted: np.ndarray) -> list[Spot]:
    """Errors by chemical series, largest first.

    A series is a cluster of Bemis-Murcko scaffolds, the most frequent scaffold leading. Compounds without rings are one series;
    series of fewer than five compounds are put together.

    Args:
        smiles: n held-out compounds.
        measured: Labels, float64, shape (n,).
        predicted: Predictions, float64, shape (n,).
    """
    own = scaffolds(smiles)
    series = _series(own)
    sizes = Counter(series)
    names = [name if sizes[name] >= FEWEST else "other series" for name in series]
    spots = spots_of(names, measured, predicted)
    return sorted(spots, key=lambda spot: -spot.error)


def by_property(
    smiles: Sequence[str], measured: np.ndarray, predicted: np.ndarray, *, is_class: bool = False
) -> dict[str, list[Spot]]:
    """Errors in quarters of each property and of the measured value itself, from low to high.

    Args:
        smiles: n held-out compounds.
        measured: Labels, float64, shape (n,).
        predicted: Predictions, float64, shape (n,).
        is_class: Whether the labels are 0 and 1.
    """
    table = properties_of(smiles).astype(np.float64)
    found = {}
    if is_class:
        rising = np.argsort(measured, kind="stable")
        found["measured class"] = spots_of([f"{v:g}" for v in measured[rising]], measured[rising], predicted[rising])
    columns = {} if is_class else {"measured value": measured}
    for label, values in {**columns, **{PROPERTIES[n]: table[:, k] for k, n in enumerate(PROPERTIES)}}.items():
        names, order = _quarters(values), np.argsort(values, kind="stable")
        if len(set(names)) > 1:
            found[label] = spots_of([names[k] for k in order], measured[order], predicted[order])
    return found


def spots_of(names: Sequence[str], measured: np.ndarray, predicted: np.ndarray) -> list[Spot]:
    """Errors by group, in the order in which the groups first occur.

    Args:
        names: Group of each of n compounds.
        measured: Labels, float64, shape (n,).
        predicted: Predictions, float64, shape (n,).
    """
    error, off = np.abs(predicted - measured), predicted - measured
    groups = np.array(names, object)
    listed = list(dict.fromkeys(names))
    chances = holm(np.array([_chance(error, groups == name) for name in listed]))
    mean = float(error.mean()) if len(error) else math.nan
    return [
        Spot(
            name=name,
            compounds=int((groups == name).sum()),
            error=float(error[groups == name].mean()),
            bias=float(off[groups == name].mean()),
            ratio=float(error[groups == name].mean()) / mean if mean > 0 else math.nan,
            p_value=1.0 if math.isnan(chance) else float(chance),
            scaffold=name if name not in {"other series", NO_RINGS} else "",
        )
        for name, chance in zip(listed, chances, strict=True)
    ]


def _series(own: Sequence[str]) -> list[str]:
    """Leading scaffold of each compound's series."""
    counts = Counter(text for text in own if text != NO_SCAFFOLD)
    ordered = sorted(counts, key=lambda text: (-counts[text], text))
    if not ordered:
        return [NO_RINGS] * len(own)
    cluster = leader_clusters(morgan_packed(ordered), similarity=SIMILARITY)
    leader: dict[int, str] = {}
    for text, number in zip(ordered, cluster.tolist(), strict=True):
        leader.setdefault(number, text)
    place = {text: leader[number] for text, number in zip(ordered, cluster.tolist(), strict=True)}
    return [place.get(text, NO_RINGS) for text in own]


def _quarters(values: np.ndarray) -> list[str]:
    """Range of the quarter that each value is in; "not known" for NaN."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ["not known"] * len(values)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _PARTS + 1)))
    inner = edges[1:-1]
    part = np.searchsorted(inner, values, side="right")
    spans = [_span(known[np.searchsorted(inner, known, side="right") == k]) for k in range(len(inner) + 1)]
    return [spans[k] if np.isfinite(v) else "not known" for k, v in zip(part.tolist(), values.tolist(), strict=True)]


def _span(values: np.ndarray) -> str:
    if not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _chance(error: np.ndarray, inside: np.ndarray) -> float:
    """One-sided p-value of the mean error of a group among all; NaN where it has none or all of them."""
    n, k = len(error), int(inside.sum())
    spread = float(error.std(ddof=1)) if n > 1 else 0.0
    if not FEWEST <= k < n or spread <= 0:
        return math.nan
    z = (float(error[inside].mean()) - float(error.mean())) / (spread * math.sqrt((1 - k / n) / k))
    return 1 - _NORMAL.cdf(z)


__all__ = ["FEWEST", "NO_RINGS", "SIMILARITY", "Spot", "by_property", "by_series", "spots_of"]
