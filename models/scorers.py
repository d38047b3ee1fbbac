"""What all scorers of this room share: from predictions to scores, and what a model folder needs to know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.labels import TargetColumn
from cinchona.digests import digest_bytes, digest_json
from cinchona.models.predictions import Predictions
from cinchona.models.trusting import Trust, pack_arrays
from cinchona.protocols import Requirement
from cinchona.records import CompoundBatch, Direction, Endpoint, Scores, default_objective


class ArrayScorer(ABC):
    """A scorer whose content is plain data and arrays, so that it can be saved without pickle.

    A subclass predicts, and says what it consists of: :meth:`spec` (JSON) and :meth:`arrays`.

    Args:
        endpoints: What is predicted; the first one ranks, in its good direction.
    """

    kind: ClassVar[str]
    """Name of the class in model folders."""

    trust: Trust = Trust()
    """How far to trust what is predicted; set by training and by :func:`~cinchona.models.folder.open_scorer`."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = tuple(endpoints)

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name for reports."""

    @abstractmethod
    def predict(self, batch: CompoundBatch) -> Predictions:
        """Predict the rows of ``batch``; a row that cannot be predicted is a reject."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON data."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""

    @classmethod
    @abstractmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the scorer from what :meth:`spec` and :meth:`arrays` gave."""

    def notes(self) -> dict[str, Any]:
        """What the trust card shall say of how the model came about, by topic, as JSON data; does not count for the fingerprint."""
        return {}

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is predicted."""
        return self._endpoints

    @property
    def requires(self) -> frozenset[Requirement]:
        """SMILES only."""
        return frozenset({Requirement.SMILES})

    @property
    def objective(self) -> str:
        """The first endpoint, in its good direction."""
        first = self._endpoints[0]
        return first.name if first.direction is Direction.HIGHER else f"-{first.name}"

    @property
    def fingerprint(self) -> str:
        """Digest of the kind, the endpoints, the specification and all arrays, and of its trust where it has any, hex."""
        return digest_json([self._content, self.trust.digest]) if self.trust.digest else self._content

    @cached_property
    def _content(self) -> str:
        ends = [[e.name, e.unit, str(e.direction), e.kind] for e in self._endpoints]
        return digest_json([self.kind, ends, self.spec(), digest_bytes(pack_arrays(self.arrays()))])

    def score(self, batch: CompoundBatch) -> Scores:
        """Score every row of ``batch`` or reject it with a reason."""
        found = self.predict(batch)
        judged = self.trust.judge(batch, found)
        value = np.ascontiguousarray(judged.value, dtype=np.float32)
        place = judged.whereabouts
        return Scores(
            row_ids=batch.row_ids[found.kept],
            endpoints=self._endpoints,
            value=value,
            score=default_objective(self._endpoints, value),
            uncertainty=_narrow(judged.uncertainty),
            lower=_narrow(judged.lower),
            upper=_narrow(judged.upper),
            in_domain=None if place is None else _each_endpoint(place.inside, value.shape),
            nearest_train_ids=None if place is None else place.nearest_ids,
            rejects=found.rejects,
        )


def _narrow(column: np.ndarray | None) -> np.ndarray | None:
    return None if column is None else np.ascontiguousarray(column, dtype=np.float32)


def _each_endpoint(inside: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    wide = inside[:, None] if inside.ndim == 1 else inside
    return np.ascontiguousarray(np.broadcast_to(wide, shape), dtype=np.int8)


def endpoints_of(targets: Sequence[TargetColumn], lower_is_better: Sequence[str] = ()) -> tuple[Endpoint, ...]:
    """What a model of these targets predicts."""
    return tuple(
        Endpoint(
            name=target.name,
            unit=target.unit,
            direction=Direction.LOWER if target.name in lower_is_better else Direction.HIGHER,
            kind=target.kind,
        )
        for target in targets
    )


def batch_of(table: AssayTable, rows: np.ndarray) -> CompoundBatch:
    """The compounds ``rows`` (int64) of an assay table as a batch; row ids are positions in the table."""
    return CompoundBatch.of(
        [table.smiles[row] for row in rows], compound_ids=[table.compound_ids[row] for row in rows], row_ids=rows
    )


__all__ = ["ArrayScorer", "batch_of", "endpoints_of", "pack_arrays", "Predictions"]
