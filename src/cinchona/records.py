"""The records that cross the seams between rooms: batches of compounds, scores, rejects.

All are frozen and columnar; nothing here knows chemistry or torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from cinchona.errors import ContractError, ShapeError

BASE_COLUMNS: Final = ("row_id", "compound_id", "smiles")
"""Columns that every :class:`CompoundBatch` has, in this order."""

GRAPH_CODES: Final = "graph_codes"
"""Optional binary column: compact molecular graph of one row; its schema version is in the field's metadata."""


class Stage(StrEnum):
    """Where on its way a row was rejected."""

    READ = "read"
    PARSE = "parse"
    STANDARDIZE = "standardize"
    CURATE = "curate"
    FEATURIZE = "featurize"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Reject:
    """An input row that ends here, with the reason."""

    row_id: int
    """Position of the row in its input, from 0, headers and blank trailing lines not counted."""
    stage: Stage
    """Stage that could not go on."""
    reason: str
    """One line for a human: what is wrong with the row."""


@dataclass(frozen=True, slots=True)
class CompoundBatch:
    """A slice of a library as one Arrow record batch; the unit that a :class:`~cinchona.protocols.Scorer` takes."""

    data: pa.RecordBatch
    """Columns ``row_id`` (int64, unique), ``compound_id`` (string), ``smiles`` (string), then what was asked for."""

    def __post_init__(self) -> None:
        names = tuple(self.data.schema.names[: len(BASE_COLUMNS)])
        if names != BASE_COLUMNS:
            raise ContractError(f"batch has columns {self.data.schema.names}", expected=f"first {BASE_COLUMNS}")
        if self.data.column(0).type != pa.int64():
            raise ContractError(f"row_id has type {self.data.column(0).type}", expected="int64")

    @classmethod
    def of(
        cls,
        smiles: Sequence[str],
        *,
        compound_ids: Sequence[str] | None = None,
        row_ids: Sequence[int] | np.ndarray | None = None,
    ) -> CompoundBatch:
        """Build a batch from SMILES; ids default to the row number.

        Raises:
            ShapeError: if the sequences differ in length.
        """
        n = len(smiles)
        rows = np.arange(n, dtype=np.int64) if row_ids is None else np.asarray(row_ids, dtype=np.int64)
        ids = [str(r) for r in rows] if compound_ids is None else list(compound_ids)
        for name, length in (("row_ids", len(rows)), ("compound_ids", len(ids))):
            if length != n:
                raise ShapeError.of(name, (length,), f"({n},), one entry per SMILES")
        columns = [pa.array(rows, pa.int64()), pa.array(ids, pa.string()), pa.array(list(smiles), pa.string())]
        return cls(pa.RecordBatch.from_arrays(columns, names=list(BASE_COLUMNS)))

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def row_ids(self) -> np.ndarray:
        """Row ids, int64, shape (n,)."""
        return np.asarray(self.data.column(0).to_numpy(zero_copy_only=False))

    @property
    def compound_ids(self) -> list[str]:
        """Identifiers as the source gave them, length n; an absent one is empty."""
        return ["" if value is None else str(value) for value in self.data.column(1).to_pylist()]

    @property
    def smiles(self) -> list[str]:
        """SMILES, length n; an absent one is empty, which no scorer takes for a molecule."""
        return ["" if value is None else str(value) for value in self.data.column(2).to_pylist()]

    def slice(self, start: int, length: int) -> CompoundBatch:
        """Rows ``start`` to ``start + length`` without a copy."""
        return CompoundBatch(self.data.slice(start, length))

    def take(self, indices: np.ndarray) -> CompoundBatch:
        """Rows at ``indices`` (int, shape (m,)), in that order."""
        return CompoundBatch(self.data.take(pa.array(indices, pa.int64())))


class Direction(StrEnum):
    """Which way of an endpoint is good."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a scorer predicts."""

    name: str
    """Name of the target, for example ``pIC50``."""
    unit: str = ""
    """Unit of the value; empty for dimensionless figures."""
    direction: Direction = Direction.HIGHER
    """Which way is good; the default objective follows it."""
    kind: Literal["regression", "classification", "score"] = "regression"
    """``classification`` values are probabilities of the positive class in [0, 1]."""


class EndpointStatus(IntEnum):
    """Status of one endpoint of one row."""

    OK = 0
    FAILED = 1
    """The scorer could not compute this endpoint; the value is NaN."""
    CLIPPED = 2
    """The value was limited to the endpoint's range."""
    SKIPPED = 3
    """A first stage found the row hopeless, so it was not computed; the value is NaN."""


DOMAIN_UNKNOWN: Final = -1
"""``in_domain`` of a scorer that does not measure it."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a scorer says of a batch: n scored rows, t endpoints, and the rows it had to reject.

    Rows that are scored keep the order of the batch. Together with ``rejects`` they are exactly the rows of the batch.
    """

    row_ids: np.ndarray
    """Rows that were scored, int64, shape (n,)."""
    endpoints: tuple[Endpoint, ...]
    """The t endpoints, in the order of the columns below."""
    value: np.ndarray
    """Predictions in the endpoint's unit, float32, shape (n, t); NaN where the status is FAILED."""
    score: np.ndarray
    """The one figure that ranks, higher is better, float32, shape (n,); NaN ranks last."""
    uncertainty: np.ndarray | None = None
    """Standard deviation in the endpoint's unit, float32, shape (n, t); None when the scorer has none."""
    lower: np.ndarray | None = None
    """Lower end of the prediction interval, float32, shape (n, t), or None."""
    upper: np.ndarray | None = None
    """Upper end of the prediction interval, float32, shape (n, t), or None."""
    in_domain: np.ndarray | None = None
    """1 inside, 0 outside, -1 unknown, int8, shape (n, t), or None."""
    status: np.ndarray | None = None
    """:class:`EndpointStatus` codes, int8, shape (n, t); None means all OK."""
    nearest_train_ids: tuple[str, ...] | None = None
    """Id of the nearest training compound, length n, where the model may tell."""
    rejects: tuple[Reject, ...] = field(default=())
    """Rows of the batch without a score, with reasons."""

    def __post_init__(self) -> None:
        n, t = len(self.row_ids), len(self.endpoints)
        if self.score.shape != (n,):
            raise ShapeError.of("score", self.score.shape, f"({n},)")
        for name in ("value", "uncertainty", "lower", "upper", "in_domain", "status"):
            column: np.ndarray | None = getattr(self, name)
            if column is not None and column.shape != (n, t):
                raise ShapeError.of(name, column.shape, f"({n}, {t})")
        if self.nearest_train_ids is not None and len(self.nearest_train_ids) != n:
            raise ShapeError.of("nearest_train_ids", (len(self.nearest_train_ids),), f"({n},)")

    def __len__(self) -> int:
        return len(self.row_ids)

    def check_accounts_for(self, batch: CompoundBatch) -> Scores:
        """Return self if every row of ``batch`` is scored or rejected exactly once.

        Raises:
            ContractError: naming how many rows are missing, doubled or foreign.
        """
        rejected = np.array([r.row_id for r in self.rejects], dtype=np.int64)
        got = np.sort(np.concatenate([np.asarray(self.row_ids, np.int64), rejected]))
        want = np.sort(batch.row_ids)
        if not np.array_equal(got, want):
            raise ContractError(
                f"{len(batch)} rows went in, {len(self)} were scored and {len(self.rejects)} rejected",
                where=f"rows missing {len(np.setdiff1d(want, got))}, foreign {len(np.setdiff1d(got, want))}, "
                f"doubled {len(got) - len(np.unique(got))}",
                expected="each row of the batch scored or rejected exactly once",
            )
        return self


def default_objective(endpoints: Sequence[Endpoint], value: np.ndarray) -> np.ndarray:
    """Rank by the first endpoint, in its good direction.

    Args:
        endpoints: The t endpoints.
        value: Predictions, float32, shape (n, t).

    Returns:
        Score, float32, shape (n,); higher is better.
    """
    sign = 1.0 if endpoints[0].direction is Direction.HIGHER else -1.0
    return np.ascontiguousarray(value[:, 0] * np.float32(sign), dtype=np.float32)


def concatenate(parts: Iterable[Scores]) -> Scores:
    """Join scores of consecutive batches of one scorer.

    Raises:
        ContractError: if there is no part, or the endpoints or the optional columns differ.
    """
    items = list(parts)
    if not items or any(p.endpoints != items[0].endpoints for p in items):
        raise ContractError("cannot join scores", expected="at least one part, all with the same endpoints")

    def column(name: str) -> np.ndarray | None:
        values = [getattr(p, name) for p in items]
        if all(value is None for value in values):
            return None
        if any(value is None for value in values):
            raise ContractError(f"some parts have {name} and some have not", expected="the same columns in all parts")
        return np.concatenate(values)

    nearest = None
    if items[0].nearest_train_ids is not None:
        nearest = tuple(i for p in items for i in (p.nearest_train_ids or ()))
    return Scores(
        row_ids=np.concatenate([p.row_ids for p in items]),
        endpoints=items[0].endpoints,
        value=np.concatenate([p.value for p in items]),
        score=np.concatenate([p.score for p in items]),
        uncertainty=column("uncertainty"),
        lower=column("lower"),
        upper=column("upper"),
        in_domain=column("in_domain"),
        status=column("status"),
        nearest_train_ids=nearest,
        rejects=tuple(r for p in items for r in p.rejects),
    )
