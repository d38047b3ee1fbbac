"""Collects readable rows into a batch and unreadable ones into rejects, one call a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import pyarrow as pa

from cinchona.datasets.partitions import Layout
from cinchona.records import CompoundBatch, Reject, Stage

LATIN1: Final = "latin1"
"""Flag of a row that is not UTF-8 and was read as Latin-1."""


ROW_COLUMNS: Final = ("row_id", "compound_id", "smiles", "flags")
"""Columns of every batch that is read, in this order; the extra ones follow."""


def extra_name(name: str) -> str:
    """Name in a batch of the source's column ``name``: the same, unless it is one of :data:`ROW_COLUMNS`."""
    return f"source_{name}" if name in ROW_COLUMNS else name


class Row(NamedTuple):
    """A record that could be read."""

    smiles: str
    """Structure."""
    identifier: str = ""
    """Identifier; empty if the record has none."""
    extra: tuple[str, ...] = ()
    """Values of the extra columns, in the order of the layout."""
    flags: str = ""
    """Names of flags, joined by ``;``."""


class Unreadable(NamedTuple):
    """A record that could not."""

    reason: str
    """One line for a human."""
    stage: Stage = Stage.READ
    """``PARSE`` for a whole record whose structure RDKit refuses."""


@dataclass(slots=True)
class RowBuilder:
    """Gathers the rows of one partition; rows are numbered as they are added."""

    layout: Layout
    """Caps and extra columns."""
    next_row: int
    """Row id of the next record."""
    row_ids: list[int] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    smiles: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    extra: list[tuple[str, ...]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, row: Row | Unreadable) -> None:
        """Take the next record."""
        limit = self.layout.max_cell_length
        if isinstance(row, Row) and 0 < len(row.smiles) <= limit and len(row.identifier) <= limit:
            self.row_ids.append(self.next_row)
            self.identifiers.append(row.identifier or str(self.next_row))
            self.smiles.append(row.smiles)
            self.flags.append(row.flags)
            self.extra.append(row.extra)
        else:
            fault = row if isinstance(row, Unreadable) else self._fault(row)
            self.rejects.append(Reject(self.next_row, fault.stage, fault.reason))
        self.next_row += 1

    def finish(self) -> tuple[CompoundBatch, tuple[Reject, ...]]:
        """The rows so far: columns ``row_id``, ``compound_id``, ``smiles``, ``flags``, then the extra ones."""
        arrays = [
            pa.array(self.row_ids, pa.int64()),
            pa.array(self.identifiers, pa.string()),
            pa.array(self.smiles, pa.string()),
            pa.array(self.flags, pa.string()),
        ]
        columns: Sequence[tuple[str, ...]] = list(zip(*self.extra, strict=True)) or [()] * len(self.layout.extra)
        arrays += [pa.array(column, pa.string()) for column in columns]
        names = [*ROW_COLUMNS, *(extra_name(name) for name in self.layout.extra)]
        return CompoundBatch(pa.RecordBatch.from_arrays(arrays, names=names)), tuple(self.rejects)

    def _fault(self, row: Row) -> Unreadable:
        if not row.smiles:
            return Unreadable("empty SMILES")
        limit = self.layout.max_cell_length
        name, cell = ("SMILES", row.smiles) if len(row.smiles) > limit else ("identifier", row.identifier)
        return Unreadable(f"{name} of {len(cell):,} characters, at most {limit:,} are read")


__all__ = ["LATIN1", "ROW_COLUMNS", "Row", "RowBuilder", "Unreadable", "extra_name"]
