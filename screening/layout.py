"""Columns of the score table of a run, fixed when it is planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from cinchona.digests import digest_json
from cinchona.errors import ContractError
from cinchona.protocols import Requirement, Scorer
from cinchona.records import CompoundBatch, Direction, Endpoint, Scores

BASE_FIELDS: Final = (
    pa.field("row_id", pa.int64(), nullable=False),
    pa.field("compound_id", pa.string()),
    pa.field("smiles", pa.string()),
    pa.field("parent_smiles", pa.string()),
    pa.field("status", pa.string(), nullable=False),
    pa.field("stage", pa.string()),
    pa.field("reason", pa.string()),
    pa.field("flags", pa.string(), nullable=False),
    pa.field("duplicate_of", pa.int64(), nullable=False),
    pa.field("score", pa.float32()),
)
"""What every score table begins with.

``row_id``: position in the library. ``smiles``: as given. ``parent_smiles``: standardized (canonical where changed or where
it has stereo, otherwise as written; always canonical with ``standardize.canonical``), null where that failed. ``status``: ``scored`` or ``rejected``, then with ``stage`` and ``reason``. ``flags``: joined by ``;``.
``duplicate_of``: row of this partition whose score was copied, or -1. ``score``: what ranks, higher is better, null for
rejected rows.
"""
NEAREST: Final = "nearest_train_id"
"""Optional column: the nearest training compound."""

Detail = Literal["uncertainty", "lower", "upper", "in_domain", "status"]
DETAILS: Final[dict[Detail, pa.DataType]] = {
    "uncertainty": pa.float32(),
    "lower": pa.float32(),
    "upper": pa.float32(),
    "in_domain": pa.int8(),
    "status": pa.int8(),
}
"""What a scorer may say of each endpoint beside its value; columns ``<endpoint>_<detail>``."""

_PROBES: Final = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "c1ccc2[nH]ccc2c1", "CCN(CC)CC")
_PREPARED: Final = frozenset({Requirement.SMILES})


class EndpointColumn(BaseModel):
    """One endpoint and the name of its column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    """Column of the value; further columns add ``_uncertainty`` and so on."""
    name: str
    """The endpoint's name."""
    unit: str
    """Unit of the value."""
    direction: Direction
    """Which way is good."""
    kind: Literal["regression", "classification", "score"]
    """Kind of the value."""


class TableLayout(BaseModel):
    """Which columns the score table has beside :data:`BASE_FIELDS`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[EndpointColumn, ...]
    """Endpoints in the scorer's order."""
    details: tuple[Detail, ...] = ()
    """What the scorer says of each endpoint."""
    nearest: bool = False
    """Whether the scorer names the nearest training compound."""

    @classmethod
    def probe(cls, scorer: Scorer) -> Self:
        """Learn the columns by scoring four small molecules.

        Raises:
            ContractError: if the scorer wants columns that a screen does not prepare, or fails on every molecule.
        """
        missing = frozenset(scorer.requires) - _PREPARED
        if missing:
            raise ContractError(
                f"the scorer {scorer.name!r} requires {', '.join(sorted(missing))}",
                expected=f"at most {', '.join(sorted(_PREPARED))}, which a screen prepares",
            )
        scores = probe_scores(scorer)
        details = tuple(name for name in DETAILS if getattr(scores, name) is not None)
        columns = _columns(scorer.endpoints, details)
        return cls(endpoints=columns, details=details, nearest=scores.nearest_train_ids is not None)

    def arrow_schema(self) -> pa.Schema:
        """Arrow schema of a part file."""
        fields = list(BASE_FIELDS)
        for endpoint in self.endpoints:
            fields.append(pa.field(endpoint.column, pa.float32()))
            fields += [pa.field(f"{endpoint.column}_{detail}", DETAILS[detail]) for detail in self.details]
        if self.nearest:
            fields.append(pa.field(NEAREST, pa.string()))
        return pa.schema(fields)

    def digest(self) -> str:
        """Digest of the schema, part of the plan's fingerprint."""
        return digest_json([[f.name, str(f.type), f.nullable] for f in self.arrow_schema()])

    def columns(self, scores: Scores) -> dict[str, pa.Array]:
        """Arrow columns of ``scores`` (n rows), by name; what the scorer left out is null."""
        table: dict[str, pa.Array] = {"score": pa.array(np.asarray(scores.score, np.float32))}
        for i, endpoint in enumerate(self.endpoints):
            table[endpoint.column] = pa.array(np.asarray(scores.value[:, i], np.float32))
            for detail in self.details:
                table[f"{endpoint.column}_{detail}"] = _column(getattr(scores, detail), i, DETAILS[detail], len(scores))
        if self.nearest:
            table[NEAREST] = pa.array(scores.nearest_train_ids or [None] * len(scores), pa.string())
        return table


def _column(values: np.ndarray | None, i: int, kind: pa.DataType, n: int) -> pa.Array:
    if values is None:
        return pa.nulls(n, kind)
    return pa.array(values[:, i].astype(kind.to_pandas_dtype()))


def probe_scores(scorer: Scorer) -> Scores:
    """Scores of a few small molecules, of one if all together fail.

    Raises:
        ContractError: if the scorer fails on every one.
    """
    error: Exception | None = None
    for smiles in (_PROBES, *((s,) for s in _PROBES)):
        batch = CompoundBatch.of(smiles)
        try:
            return scorer.score(batch).check_accounts_for(batch)
        except Exception as failure:  # noqa: BLE001 - one odd molecule must not decide
            error = error or failure
    raise ContractError(
        f"the scorer {scorer.name!r} fails on every probe: {type(error).__name__}: {error}",
        where=f"probes {', '.join(_PROBES)}",
        expected="a score or a reject for each",
    ) from error


def _columns(endpoints: Sequence[Endpoint], details: tuple[Detail, ...]) -> tuple[EndpointColumn, ...]:
    """Name the columns: the endpoint's name, prefixed where it is taken already."""
    taken = {field.name for field in BASE_FIELDS} | {NEAREST}
    columns = []
    for endpoint in endpoints:
        name = endpoint.name or "endpoint"
        while taken & {name, *(f"{name}_{detail}" for detail in details)}:
            name = f"endpoint_{name}"
        taken |= {name, *(f"{name}_{detail}" for detail in details)}
        columns.append(
            EndpointColumn(
                column=name,
                name=endpoint.name,
                unit=endpoint.unit,
                direction=endpoint.direction,
                kind=endpoint.kind,
            )
        )
    return tuple(columns)
