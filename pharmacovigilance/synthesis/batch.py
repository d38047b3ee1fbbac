"""A batch of cases as arrays: what the generator draws, corrupts and writes, and what real cases are turned into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING: Final = -1
"""Code of a missing category."""
NO_DATE: Final = 0
"""Event date that is not given."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Lists of codes, one list per case."""

    offsets: np.ndarray
    """int64, shape (n + 1,); list i is ``values[offsets[i]:offsets[i + 1]]``."""
    values: np.ndarray
    """int32, shape (total,)."""

    @classmethod
    def of(cls, counts: np.ndarray, values: np.ndarray) -> Ragged:
        """Build from the length of each list."""
        return cls(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), values.astype(np.int32))

    @property
    def counts(self) -> np.ndarray:
        """Length of each list, int64, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> np.ndarray:
        """Case of each value, int64, shape (total,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Positions in ``values`` of the lists ``rows``, in that order."""
        counts = self.counts[rows]
        shift = np.repeat(self.offsets[rows] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        return np.asarray(np.arange(counts.sum()) + shift)

    def take(self, rows: np.ndarray) -> Ragged:
        """Lists ``rows`` in that order."""
        return Ragged.of(self.counts[rows], self.values[self.positions(rows)])

    def keep(self, mask: np.ndarray) -> Ragged:
        """Only the values where ``mask`` (bool, shape (total,)) is true."""
        counts = np.bincount(self.owners[mask], minlength=len(self.offsets) - 1)
        return Ragged.of(counts, self.values[mask])

    def append(self, owners: np.ndarray, values: np.ndarray) -> Ragged:
        """With ``values`` added at the end of the lists of ``owners``."""
        all_owners = np.concatenate([self.owners, owners])
        order = np.argsort(all_owners, kind="stable")
        counts = np.bincount(all_owners, minlength=len(self.offsets) - 1)
        return Ragged.of(counts, np.concatenate([self.values, values])[order])


@dataclass(frozen=True, slots=True)
class CaseBatch:
    """n cases as columns."""

    event_no: np.ndarray
    """Number of the true event; equal for duplicates and versions, int64, shape (n,)."""
    sex: np.ndarray
    """0 female, 1 male, -1 missing, int8, shape (n,)."""
    age: np.ndarray
    """Years, NaN missing, float32, shape (n,)."""
    country: np.ndarray
    """Code of the country, -1 missing, int16, shape (n,)."""
    event_date: np.ndarray
    """yyyymmdd with 00 for a part that is not given, 0 missing, int32, shape (n,)."""
    received: np.ndarray
    """yyyymmdd, int32, shape (n,)."""
    sender_no: np.ndarray
    """Number of the case at its sender, int64, shape (n,)."""
    drugs: Ragged
    """Drug codes, the primary suspect first."""
    reactions: Ragged
    """Reaction codes."""

    def __len__(self) -> int:
        return len(self.event_no)

    def take(self, rows: np.ndarray) -> CaseBatch:
        """Cases ``rows`` in that order."""
        flat = {name: getattr(self, name)[rows] for name in FLAT}
        return CaseBatch(**flat, drugs=self.drugs.take(rows), reactions=self.reactions.take(rows))

    def with_(self, **changes: Any) -> CaseBatch:  # noqa: ANN401 - columns by name
        """Return a copy with some columns replaced."""
        return replace(self, **changes)


FLAT: Final = ("event_no", "sex", "age", "country", "event_date", "received", "sender_no")
"""Columns with one value a case."""


def concatenate(batches: Sequence[CaseBatch]) -> CaseBatch:
    """Join batches in order."""
    flat = {name: np.concatenate([getattr(b, name) for b in batches]) for name in FLAT}
    drugs, reactions = (_joined([getattr(b, name) for b in batches]) for name in ("drugs", "reactions"))
    return CaseBatch(**flat, drugs=drugs, reactions=reactions)


def _joined(lists: Sequence[Ragged]) -> Ragged:
    return Ragged.of(np.concatenate([part.counts for part in lists]), np.concatenate([part.values for part in lists]))
