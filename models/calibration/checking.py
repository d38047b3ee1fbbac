"""Whether intervals and probabilities keep what they promise, on compounds that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import binomtest

from cinchona.models.calibration.intervals import ConformalIntervals
from cinchona.models.calibration_error import equal_mass_bins, expected_calibration_error
from cinchona.models.scorers import ArrayScorer
from cinchona.models.trusting import Judged
from cinchona.records import CompoundBatch, Endpoint

SHOWN: Final = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""Levels at which the coverage of a measured endpoint is shown."""


def check_trust(model: ArrayScorer, smiles: Sequence[str], truth: np.ndarray) -> list[dict[str, Any]]:
    """Compare what ``model`` promises with what was measured.

    Args:
        model: With or without intervals.
        smiles: n curated compounds that the model was neither fitted nor calibrated to.
        truth: Their exact labels, float64, shape (n, t); NaN where missing or a bound.

    Returns:
        One record, JSON data, for each endpoint that has intervals and a label. All have ``target``, ``kind``, ``level``, ``n``,
        ``coverage`` (share of labels within the interval) and ``coverage_interval`` (95 %, Wilson), and for ``levels`` the coverage
        ``found`` at each. Of a regression ``width`` (mean) and ``widths``; of a classification ``single`` (share of sets of one label), ``singles``,
        ``ece`` (expected calibration error over ten bins of equal count) and ``bins``: mean probability ``promised``, share of
        actives ``found`` with its 95 % interval ``lower`` to ``upper`` (Wilson), and ``n``. Of a model with a domain ``domain``: how many
        compounds lie ``inside`` and ``outside``, with the coverage of each.
    """
    conformal = model.trust.conformal
    if not isinstance(conformal, ConformalIntervals):
        return []
    batch = CompoundBatch.of(list(smiles))
    found = model.predict(batch)
    place = None if model.trust.domain is None else model.trust.domain.locate(batch, found)
    distance = None if place is None else place.distance
    judged = {level: conformal.at_level(level).judge(found, distance) for level in {*SHOWN, conformal.level}}
    inside = None if place is None else np.broadcast_to(place.inside.T, (len(model.endpoints), len(found.value))).T
    looked = _Looked(judged, conformal.level, truth[found.kept], inside)
    known = [
        (k, e) for k, (e, one) in enumerate(zip(model.endpoints, conformal.endpoints, strict=True)) if one is not None
    ]
    return [looked.record(endpoint, column) for column, endpoint in known if looked.rows(column).any()]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was promised for n compounds at each level, and what was measured."""

    judged: dict[float, Judged]
    level: float
    labels: np.ndarray
    inside: np.ndarray | None
    """1 inside the domain, 0 outside, -1 unknown, int8, shape (n, t)."""

    def rows(self, column: int) -> np.ndarray:
        """Compounds with a label, bool, shape (n,)."""
        known: np.ndarray = np.isfinite(self.labels[:, column])
        return known

    def record(self, endpoint: Endpoint, column: int) -> dict[str, Any]:
        """The entry of one endpoint."""
        rows, one, is_class = self.rows(column), self.judged[self.level], endpoint.kind == "classification"
        held = {level: covered(judged, self.labels, column, rows) for level, judged in self.judged.items()}
        name, size = ("single", _single) if is_class else ("width", _width)
        record = {"target": endpoint.name, "kind": endpoint.kind, "level": self.level, **_coverage(held[self.level])}
        record |= {"levels": list(SHOWN), "found": [float(held[level].mean()) for level in SHOWN]}
        record |= {name: size(*_ends(one, column, rows))}
        record |= {f"{name}s": [size(*_ends(self.judged[level], column, rows)) for level in SHOWN]}
        if self.inside is not None:
            record |= {"domain": _by_domain(held[self.level], self.inside[rows, column])}
        return record | (_probabilities(one, self.labels, column, rows) if is_class else {})


def at_level(record: Mapping[str, Any], level: float) -> dict[str, Any]:
    """What ``record``, an entry of :func:`check_trust`, tells of intervals of another level; as it is where it does not tell that."""
    name = "single" if record.get("kind") == "classification" else "width"
    levels, found, sizes = (record.get(key) or [] for key in ("levels", "found", f"{name}s"))
    if level not in levels or not len(levels) == len(found) == len(sizes):
        return dict(record)
    place, n = list(levels).index(level), int(record["n"])
    span = list(share_interval(round(found[place] * n), n))
    kept = {key: value for key, value in record.items() if key != "domain"}
    return {**kept, "level": level, "coverage": found[place], "coverage_interval": span, name: sizes[place]}


def covered(judged: Judged, labels: np.ndarray, column: int, rows: np.ndarray) -> np.ndarray:
    """Which labels lie within their interval, bool, shape (k,); an interval without ends holds everything."""
    lower, upper = _ends(judged, column, rows)
    label = labels[rows, column]
    inside: np.ndarray = ~((label < lower) | (label > upper))
    return inside


def share_interval(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953)."""
    found = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def _coverage(held: np.ndarray) -> dict[str, Any]:
    hits, n = int(held.sum()), len(held)
    return {"n": n, "coverage": hits / n, "coverage_interval": list(share_interval(hits, n))}


def _by_domain(held: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    """Compounds inside and outside the domain, and the coverage of each; None where there is none."""
    parts = {"inside": held[inside == 1], "outside": held[inside == 0]}
    counts = {name: len(part) for name, part in parts.items()}
    return counts | {f"coverage_{name}": float(part.mean()) if len(part) else None for name, part in parts.items()}


def _ends(one: Judged, column: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    assert one.lower is not None
    assert one.upper is not None
    return one.lower[rows, column], one.upper[rows, column]


def _probabilities(one: Judged, labels: np.ndarray, column: int, rows: np.ndarray) -> dict[str, Any]:
    probability, label = one.value[rows, column], labels[rows, column]
    bins = []
    for place in equal_mass_bins(probability):
        hits, n = int(label[place].sum()), int(place.sum())
        low, high = share_interval(hits, n)
        bins.append(
            {"promised": float(probability[place].mean()), "found": hits / n, "lower": low, "upper": high, "n": n}
        )
    pair = np.column_stack([probability, probability])
    return {"ece": expected_calibration_error(label, pair), "bins": bins}


def _width(lower: np.ndarray, upper: np.ndarray) -> float | None:
    """Mean width; None where an interval has no ends."""
    mean = float((upper - lower).mean())
    return mean if np.isfinite(mean) else None


def _single(lower: np.ndarray, upper: np.ndarray) -> float:
    """Share of sets that name one label."""
    return float(((lower > 0) | (upper < 1)).mean())


__all__ = ["at_level", "check_trust", "covered", "share_interval", "SHOWN"]
