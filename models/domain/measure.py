"""The applicability domain of a model: the part of its trust that says how far a compound is from the training compounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.models.coded_input import molecules_of
from cinchona.models.domain.embedding import EmbeddingSpace
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.index import NearestIndex
from cinchona.models.domain.profile import Profile
from cinchona.models.domain.threshold import Threshold
from cinchona.models.predictions import Predictions
from cinchona.models.trusting import Whereabouts
from cinchona.records import DOMAIN_UNKNOWN, CompoundBatch, Endpoint

KIND: Final = "nearest-fingerprint-1"
"""Version of the record."""
BARS: Final = 20
"""Bars of histograms of distances, of equal width in [0, 1]."""
_MOST: Final = 1 << 24


@dataclass(frozen=True, eq=False)
class DomainMeasure:
    """Fingerprints of the training compounds, and what a distance from them means. It judges and never blocks a prediction."""

    folding: Folding
    """How compounds become bits."""
    words: np.ndarray
    """Distinct fingerprints, by number of bits and then by bits, so that their order tells nothing; uint64, (m, size / 64)."""
    thresholds: tuple[Threshold, ...]
    """One an endpoint."""
    own: tuple[int, ...]
    """Training compounds by distance to the nearest other one, :data:`BARS` bars."""
    profile: Profile
    """What the training compounds are like."""
    ids: tuple[str, ...] | None = None
    """Id of one compound of each fingerprint, where the user allowed it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Held-out errors by distance, plain data."""
    embedding: EmbeddingSpace | None = None
    """Training compounds as a graph network sees them; where it is known, only what is near there too is inside."""

    @cached_property
    def _index(self) -> NearestIndex:
        return NearestIndex(self.words)

    def locate(self, batch: CompoundBatch, found: Predictions) -> Whereabouts:
        """Locate the n rows of ``batch`` that have a prediction, each by itself.

        A molecule of more atoms than graph codes hold is at distance 1, and whether it is inside is not known.
        """
        molecules, known = _coded(batch, found)
        distance, place = self.distances(molecules)
        if not known.all():
            distance, place = _spread(distance, known, 1.0), _spread(place, known, -1)
        inside = (distance[:, None] <= self.limits).astype(np.int8)
        if self.embedding is not None and found.vectors is not None:
            inside[self.embedding.distances(found.vectors) > self.embedding.limit] = 0
        inside[~known] = DOMAIN_UNKNOWN
        nearest = None if self.ids is None else tuple(self.ids[p] if p >= 0 else "" for p in place.tolist())
        return Whereabouts(inside, distance.astype(np.float64), nearest)

    def distances(self, molecules: CodedMolecules) -> tuple[np.ndarray, np.ndarray]:
        """Distance of n molecules to the nearest training compound, and its place, as :meth:`.index.NearestIndex.nearest`."""
        return self._index.nearest(self.folding.bits(molecules))

    @property
    def needs_vectors(self) -> bool:
        """Whether the model shall hand over its molecule vectors."""
        return self.embedding is not None

    @property
    def limits(self) -> np.ndarray:
        """Largest distance inside, for each endpoint, float32, shape (t,)."""
        return np.array([threshold.distance for threshold in self.thresholds], np.float32)

    def spec(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON data."""
        return {
            "kind": KIND,
            "folding": self.folding.to_json(),
            "compounds": len(self.words),
            "thresholds": [threshold.to_json() for threshold in self.thresholds],
            "own": list(self.own),
            "properties": self.profile.spec(),
            "ids": None if self.ids is None else list(self.ids),
            "evidence": dict(self.evidence),
            "embedding": None if self.embedding is None else self.embedding.spec(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Fingerprints, and hashes of the scaffolds."""
        seen = {} if self.embedding is None else self.embedding.arrays()
        return {"fingerprints": self.words, "scaffolds": self.profile.array(), **seen}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the part.

        Raises:
            ValueError: if it is of another version, or its parts do not fit together or to the endpoints.
            KeyError: if something is missing.
        """
        if spec["kind"] != KIND:
            raise ValueError(f"a domain of kind {str(spec['kind'])[:40]!r}, expected {KIND!r}")
        folding, words = Folding.from_json(spec["folding"]), arrays["fingerprints"]
        if (
            words.dtype != np.uint64
            or words.ndim != 2
            or words.shape[1] * 64 != folding.size
            or not 0 < len(words) <= _MOST
        ):
            raise ValueError(f"fingerprints of type {words.dtype} and shape {words.shape}")
        thresholds = tuple(Threshold.from_json(record) for record in spec["thresholds"])
        ids = None if spec["ids"] is None else tuple(str(text) for text in spec["ids"])
        if len(thresholds) != len(endpoints) or (ids is not None and len(ids) != len(words)):
            raise ValueError("not one threshold an endpoint or not one id a fingerprint")
        profile = Profile.restore(spec["properties"], arrays["scaffolds"])
        own = tuple(int(n) for n in spec["own"])
        seen = None if spec.get("embedding") is None else EmbeddingSpace.restore(spec["embedding"], arrays)
        return cls(folding, words, thresholds, own, profile, ids, dict(spec["evidence"]), seen)


def histogram(distance: np.ndarray) -> tuple[int, ...]:
    """Compounds by distance (float, shape (n,)): :data:`BARS` bars of equal width in [0, 1], the last one closed."""
    return tuple(np.histogram(distance, bins=BARS, range=(0.0, 1.0))[0].tolist())


def _coded(batch: CompoundBatch, found: Predictions) -> tuple[CodedMolecules, np.ndarray]:
    """Graph codes of the predicted rows that can have them, and which these are (bool, shape (n,))."""
    if isinstance(found.molecules, CodedMolecules):
        return found.molecules, np.ones(len(found.molecules), bool)
    if found.molecules is None:
        molecules, known, _ = molecules_of(batch.take(np.flatnonzero(found.kept)))
        return molecules, known
    known = np.array([mol.GetNumAtoms() <= MAX_ATOMS for mol in found.molecules], bool)
    return codes_of_many([mol for mol, small in zip(found.molecules, known.tolist(), strict=True) if small]), known


def _spread(values: np.ndarray, known: np.ndarray, missing: float) -> np.ndarray:
    wide = np.full(len(known), missing, values.dtype)
    wide[known] = values
    return wide


__all__ = ["BARS", "KIND", "DomainMeasure", "histogram"]
