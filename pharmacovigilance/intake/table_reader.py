"""Turning blocks of one file into rows of one table; rows without a report, and repeats, are put aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cinchona.errors import ColumnError
from cinchona.pharmacovigilance.intake.fields import Fields
from cinchona.pharmacovigilance.intake.layout import NEEDED, FileLayout, find_name
from cinchona.pharmacovigilance.intake.textfile import REASONS, Block
from cinchona.pharmacovigilance.intake.writer import GROUP_ROWS

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.intake.writer import Account, SetWriter


class TableReader:
    """Reads one file of a set.

    Args:
        names: Columns of the file.
        kind: What they mean.
        writer: Where rows go.
        account: Account of the file and table.
        last_year: Latest year that a date may have.

    Raises:
        ColumnError: if the id or a required column is missing.
    """

    def __init__(
        self, names: list[str], kind: FileLayout, writer: SetWriter, account: Account, *, last_year: int
    ) -> None:
        self._kind, self._writer, self._account = kind, writer, account
        self._id_column = self._require(names, kind.id_names)
        places = self._resolve(names)
        self._fields = Fields(kind, places, writer, account, last_year=last_year)
        self._needed = NEEDED.get(kind.table, ())
        self._pieces: dict[str, list[Any]] = {}
        self._places: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._waiting = 0

    def _require(self, names: list[str], wanted: tuple[str, ...]) -> int:
        place = find_name(names, wanted)
        if place is None:
            shown = ", ".join(n for n in names if n)
            raise ColumnError(
                f"the file has no column {wanted[0]!r}", where=self._account.name, expected=" or ".join(wanted),
                remedy=f"its header names: {shown[:500]}",
            )  # fmt: skip
        return place

    def _resolve(self, names: list[str]) -> dict[str, int]:
        places, missing = {}, []
        for source in self._kind.columns:
            place = self._require(names, source.names) if source.required else find_name(names, source.names)
            if place is None:
                missing.append(source.names[0])
            else:
                places[source.target] = place
        known = {*places.values(), self._id_column}
        unknown = [n for i, n in enumerate(names) if i not in known and n and n not in self._kind.silent]
        if missing:
            self._account.notes.append(f"columns not in this file: {', '.join(missing)}")
        if unknown:
            self._account.notes.append(f"columns that the store does not keep: {', '.join(unknown)}")
        return places

    def take(self, block: Block) -> None:
        """Read a block."""
        self._broken_aside(block)
        self._account.repaired += block.repaired
        good, places, reasons = self._match(block)
        done: dict[str, Any] = {}
        if self._needed:
            says, done = self._fields.present(block, self._needed)
            reasons["no_content"] = good & ~says
            places, good = places[says[good]], good & says
        for reason, where in reasons.items():
            self._aside(block, reason, where)
        pieces = self._fields.read(block, good, done)
        if self._kind.table == "cases":
            pieces["report_id"] = block.text(self._id_column, np.flatnonzero(good))
        for name, piece in pieces.items():
            self._pieces.setdefault(name, []).append(piece)
        self._places.append(places)
        self._rows.append(block.rows[good])
        self._waiting += len(places)
        if self._waiting >= GROUP_ROWS:
            self.flush()

    def _match(self, block: Block) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Which records belong to a report, the place of each one's report, and the others by reason."""
        keys = self._writer.keys
        ids, usable, reasons = keys.read(block, self._id_column)
        if self._kind.table == "cases":
            first = keys.used
            good = keys.add(ids, usable)
            return good, first + np.arange(good.sum()), {**reasons, "repeated_id": usable & ~good}
        found = np.where(usable, keys.find(ids), -1)
        return found >= 0, found[found >= 0], {**reasons, "orphan": usable & (found < 0)}

    def _broken_aside(self, block: Block) -> None:
        _, _, codes, rows = block.broken
        if len(rows):
            contents = np.array(block.raw_broken(), dtype=object)
            for code, reason in REASONS.items():
                where = codes == code
                self._writer.set_aside_rows(self._account, reason, rows[where], contents[where].tolist())

    def _aside(self, block: Block, reason: str, where: np.ndarray) -> None:
        chosen = np.flatnonzero(where)
        if len(chosen):
            self._writer.set_aside_rows(self._account, reason, block.rows[chosen], block.raw(chosen))

    def flush(self) -> None:
        """Hand the waiting rows to the writer."""
        if not self._waiting:
            return
        rows = np.concatenate(self._rows)
        columns = self._fields.join(self._pieces, rows)
        columns["report_key"] = self._writer.report_keys(np.concatenate(self._places))
        if self._kind.table == "cases":
            given = columns.get("case_id")
            columns["case_id"] = pa.compute.coalesce(given, columns["report_id"]) if given else columns["report_id"]
        self._pieces, self._places, self._rows, self._waiting = {}, [], [], 0
        self._writer.append(self._account, columns, rows)
