"""Feeding parts of tables into the store: one opened reader per file and table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cinchona.pharmacovigilance.intake.arrow_blocks import Part, block_of
from cinchona.pharmacovigilance.intake.table_reader import TableReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.intake.layout import FileLayout
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress


class Sink:
    """One file's rows on their way into one table.

    Args:
        layout: What the columns mean.
        name: File and member.
        writer: Writer of the set.
        names: Columns that the file has.
        bar: Counter of rows.
        last_year: Latest year that a date may have.
    """

    def __init__(
        self, layout: FileLayout, name: str, writer: SetWriter, *, names: Sequence[str], bar: Progress,
        last_year: int = 2100,
    ) -> None:  # fmt: skip
        self.account = writer.account(name, layout.table)
        self._reader = TableReader(list(names), layout, writer, self.account, last_year=last_year)
        self._names, self._writer, self._bar = list(names), writer, bar

    def add(self, part: Part, *, records: int | None = None) -> None:
        """Take rows; ``records`` says how many records of the file they stand for, if not one each."""
        total = len(part.rows) + len(part.broken)
        if total:
            self._reader.take(block_of(part.with_table(part.table.select(self._names))))
        self.account.rows_in += total
        self.account.records += total if records is None else records
        self._bar.advance(total)

    def add_rows(self, rows: Sequence[dict[str, Any]], numbers: Sequence[int], *, records: int | None = None) -> None:
        """Take rows given as dictionaries."""
        columns = {name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in self._names}
        self.add(Part(pa.table(columns), np.asarray(numbers, np.int64)), records=records)

    def set_aside(self, reason: str, numbers: Sequence[int], contents: Sequence[str]) -> None:
        """Put rows aside that the source repeats."""
        self._writer.set_aside_rows(self.account, reason, np.asarray(numbers, np.int64), contents)
        self.account.rows_in += len(numbers)

    def close(self) -> None:
        """Hand over what waits."""
        self._reader.flush()


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else str(value)
