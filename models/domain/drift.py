"""How far a library lies from what a model was trained on: distances of all compounds, properties and scaffolds of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.models.domain.measure import BARS, DomainMeasure, histogram
from cinchona.models.domain.profile import PROPERTIES, Spread, properties_of, scaffold_hashes
from cinchona.seeds import rng

SAMPLE: Final = 10_000
"""Compounds of a library whose properties and scaffolds are looked at."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Compounds of a library beyond the threshold of one target."""

    target: str
    threshold: float
    """Largest distance inside."""
    meaning: str
    """What the threshold stands for."""
    outside: int
    """Compounds beyond it, or beyond the limit of :class:`OutsideVectors`."""
    share: float
    """Their share; NaN without compounds."""


@dataclass(frozen=True, slots=True)
class OutsideVectors:
    """Compounds of a library that are far from training in the vectors of a network, where the model looks at them too."""

    limit: float
    """Largest distance inside: Euclidean, in the components that are kept; only comparisons with it mean something."""
    outside: int
    """Compounds beyond it; they are outside for every target."""
    share: float
    """Their share; NaN without compounds."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How one property differs between library and training set."""

    label: str
    library: Spread
    training: Spread
    shift: float
    """Difference of the means in standard deviations of the training set; NaN where that has none."""
    beyond: float
    """Share of the sample outside the central 95 % of the training set; about 0.05 without drift."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A library beside a training set."""

    compounds: int
    """Compounds whose distance was measured."""
    targets: tuple[Outside, ...]
    library: tuple[int, ...]
    """Compounds by distance to the nearest training compound, 20 bars of equal width in [0, 1]."""
    training: tuple[int, ...]
    """Training compounds by distance to the nearest other one, likewise."""
    known: int
    """Compounds at distance 0: by fingerprint they may be training compounds."""
    sample: int
    """Compounds whose properties and scaffolds were looked at."""
    shifts: tuple[Shift, ...]
    with_rings: int
    """Compounds of the sample with a scaffold."""
    unseen: int
    """Those of them whose scaffold no training compound has."""
    vectors: OutsideVectors | None = None
    """Distance in the vectors of the network, where the model looks at them."""

    @property
    def share_unseen(self) -> float:
        """Share of the scaffolds that are new, by compounds; NaN without any."""
        return self.unseen / self.with_rings if self.with_rings else float("nan")

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "compounds": self.compounds,
            "known": self.known,
            "targets": [_record(target) for target in self.targets],
            "vectors": None if self.vectors is None else _record(self.vectors),
            "distances": {
                "edges": [k / BARS for k in range(BARS + 1)], "library": list(self.library), "training": list(self.training),
            },
            "sample": self.sample,
            "properties": [
                _record(shift) | {"library": _record(shift.library), "training": _record(shift.training)}
                for shift in self.shifts
            ],
            "scaffolds": {"with_rings": self.with_rings, "unseen": self.unseen, "share_unseen": self.share_unseen},
        }  # fmt: skip


@dataclass(slots=True)
class Drift:
    """Counts a library batch by batch; memory does not grow with it."""

    domain: DomainMeasure
    targets: Sequence[str]
    """Names of the endpoints."""
    seed: int
    """Seed of the sample."""
    compounds: int = 0
    known: int = 0
    bars: np.ndarray = field(default_factory=lambda: np.zeros(BARS, np.int64))
    beyond: np.ndarray = field(init=False)
    strange: int = 0
    """Compounds that are far in the vectors of the network."""
    _sample: list[str] = field(default_factory=list)
    _draw: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.beyond = np.zeros(len(self.targets), np.int64)
        self._draw = rng(self.seed, "drift sample")

    def add(self, molecules: CodedMolecules, smiles: Sequence[str], vectors: np.ndarray | None = None) -> None:
        """Count n compounds.

        Args:
            molecules: Their graph codes.
            smiles: Their SMILES.
            vectors: What the network makes of them, float32, shape (n, h); needed if the domain looks at vectors.
        """
        distance, _ = self.domain.distances(molecules)
        beyond = distance[:, None] > self.domain.limits
        if self.domain.embedding is not None:
            assert vectors is not None, "this domain needs vectors"
            far = self.domain.embedding.distances(vectors) > self.domain.embedding.limit
            self.strange += int(far.sum())
            beyond |= far[:, None]
        self.bars += np.array(histogram(distance), np.int64)
        self.beyond += beyond.sum(axis=0)
        self.known += int((distance == 0).sum())
        self._keep(smiles)
        self.compounds += len(smiles)

    def _keep(self, smiles: Sequence[str]) -> None:
        """Reservoir sampling: every compound so far stands in the sample with the same chance."""
        fresh = SAMPLE - len(self._sample)
        self._sample += smiles[: max(fresh, 0)]
        for seen, text in enumerate(smiles[max(fresh, 0) :], start=self.compounds + max(fresh, 0) + 1):
            place = int(self._draw.integers(seen))
            if place < SAMPLE:
                self._sample[place] = text

    def report(self) -> DriftReport:
        """Sum up."""
        table = properties_of(self._sample)
        profile, shares = self.domain.profile, self.beyond / max(self.compounds, 1)
        rings = [value for value in scaffold_hashes(self._sample, salt=self.domain.folding.salt) if value]
        return DriftReport(
            compounds=self.compounds,
            targets=tuple(
                Outside(name, t.distance, t.meaning, int(n), float(share) if self.compounds else float("nan"))
                for name, t, n, share in zip(self.targets, self.domain.thresholds, self.beyond, shares, strict=True)
            ),
            library=tuple(self.bars.tolist()),
            training=self.domain.own,
            known=self.known,
            sample=len(self._sample),
            shifts=tuple(_shift(table[:, k], name, profile.properties[name]) for k, name in enumerate(PROPERTIES)),
            with_rings=len(rings),
            unseen=sum(value not in profile.scaffolds for value in rings),
            vectors=self._vectors(),
        )

    def _vectors(self) -> OutsideVectors | None:
        if self.domain.embedding is None:
            return None
        share = self.strange / self.compounds if self.compounds else float("nan")
        return OutsideVectors(self.domain.embedding.limit, self.strange, share)


def _shift(values: np.ndarray, name: str, training: Spread) -> Shift:
    found, known = Spread.of(values), values[np.isfinite(values)]
    step = (found.mean - training.mean) / training.deviation if training.deviation > 0 else float("nan")
    low, high = training.quantiles[0], training.quantiles[-1]
    beyond = float(((known < low) | (known > high)).mean()) if len(known) else float("nan")
    return Shift(PROPERTIES[name], found, training, step, beyond)


def _record(record: Any) -> dict[str, Any]:  # noqa: ANN401 - one of the records above
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


__all__ = ["SAMPLE", "Drift", "DriftReport", "Outside", "OutsideVectors", "Shift"]
