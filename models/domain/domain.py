"""The applicability domain of a model, as it is kept in ``trust.json`` and asked when scoring."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from cinchona.datasets.binarycodes import CodedMolecules
from cinchona.errors import ModelFileError
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.index import NearestIndex
from cinchona.models.domain.profile import Profile
from cinchona.models.domain.threshold import Threshold

KIND: Final = "nearest-fingerprint-1"
"""Version of the record."""
BARS: Final = 20
"""Bars of histograms of distances, of equal width in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Where n compounds lie."""

    distance: np.ndarray
    """Distance to the nearest training compound, float32, shape (n,)."""
    inside: np.ndarray
    """1 inside, 0 outside, for each endpoint, int8, shape (n, t)."""
    nearest: tuple[str, ...] | None
    """Id of that training compound, where the model may tell; empty where no bit is shared."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Fingerprints of the training compounds and what a distance from them means. It judges and never blocks a prediction."""

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

    @cached_property
    def _index(self) -> NearestIndex:
        return NearestIndex(self.words)

    def judge(self, molecules: CodedMolecules) -> Judged:
        """Measure the distance of n compounds and compare it with the thresholds."""
        distance, place = self._index.nearest(self.folding.bits(molecules))
        limits = np.array([threshold.distance for threshold in self.thresholds], np.float32)
        nearest = None if self.ids is None else tuple(self.ids[p] if p >= 0 else "" for p in place.tolist())
        return Judged(distance, (distance[:, None] <= limits).astype(np.int8), nearest)

    def to_json(self) -> dict[str, Any]:
        """The domain as plain data."""
        packed = zlib.compress(np.ascontiguousarray(self.words, "<u8").tobytes(), 9)
        return {
            "kind": KIND,
            "folding": self.folding.to_json(),
            "fingerprints": len(self.words),
            "bits": base64.b64encode(packed).decode("ascii"),
            "thresholds": [threshold.to_json() for threshold in self.thresholds],
            "own": list(self.own),
            "profile": self.profile.to_json(),
            "ids": None if self.ids is None else list(self.ids),
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any], *, n_endpoints: int) -> Self:
        """Read what :meth:`to_json` gave.

        Raises:
            ModelFileError: if it is of another version, or its parts do not fit together.
        """
        if record.get("kind") != KIND:
            raise _damaged(f"has kind {str(record.get('kind'))[:40]!r}, expected {KIND!r}")
        try:
            folding = Folding.from_json(record["folding"])
            found = cls(
                folding, _words(record, folding), tuple(Threshold.from_json(t) for t in record["thresholds"]),
                tuple(int(n) for n in record["own"]), Profile.from_json(record["profile"]),
                None if record["ids"] is None else tuple(str(text) for text in record["ids"]), record["evidence"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise _damaged(f"cannot be read: {type(error).__name__}: {error}") from error
        if len(found.thresholds) != n_endpoints or (found.ids is not None and len(found.ids) != len(found.words)):
            raise _damaged("does not fit its model: one threshold an endpoint, one id a fingerprint")
        return found


def histogram(distance: np.ndarray) -> tuple[int, ...]:
    """Compounds by distance (float, shape (n,)): :data:`BARS` bars of equal width in [0, 1], the last one closed."""
    return tuple(np.histogram(distance, bins=BARS, range=(0.0, 1.0))[0].tolist())


def _words(record: Mapping[str, Any], folding: Folding) -> np.ndarray:
    """Unpack the fingerprints, and no byte more than are stated."""
    count = int(record["fingerprints"])
    wanted = count * folding.size // 8
    if not 0 < count <= 1 << 24:
        raise ValueError(f"{count} fingerprints")
    reader = zlib.decompressobj()
    data = reader.decompress(base64.b64decode(record["bits"], validate=True), wanted + 1)
    if len(data) != wanted:
        raise ValueError(f"the fingerprints do not have {wanted:,} bytes")
    return np.frombuffer(data, "<u8").astype(np.uint64).reshape(count, folding.size // 64)


def _damaged(what: str) -> ModelFileError:
    return ModelFileError(
        f"the applicability domain {what}", where="trust.json", expected="the domain as it was saved",
        remedy="install the version of Cinchona that saved the model, or train it again",
    )  # fmt: skip


__all__ = ["BARS", "KIND", "Domain", "Judged", "histogram"]
