"""A table that is not read until it is asked for, and then as Arrow, Polars or pandas."""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cinchona.pharmacovigilance.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class LazyTable:
    """A query over a store that runs when its rows are asked for.

    Every method that narrows returns another lazy table; ``arrow``, ``polars``, ``pandas`` and ``batches`` run it.
    """

    connect: Callable[[], duckdb.DuckDBPyConnection]
    """Gives a connection on which ``query`` is valid."""
    query: str
    """SELECT statement."""
    name: str = ""
    """Name for messages."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [str(row[0]) for row in self.connect().execute(f"DESCRIBE {self.query}").fetchall()]

    def select(self, *columns: str) -> LazyTable:
        """Keep only ``columns``."""
        chosen = ", ".join(identifier(c) for c in columns)
        return LazyTable(self.connect, f"SELECT {chosen} FROM ({self.query})", self.name)

    def where(self, condition: str, parameters: Sequence[object] = ()) -> LazyTable:
        """Keep rows for which the SQL ``condition`` holds; ``?`` marks are filled from ``parameters`` as literals."""
        return LazyTable(self.connect, f"SELECT * FROM ({self.query}) WHERE {_fill(condition, parameters)}", self.name)

    def sql(self, query: str) -> LazyTable:
        """Run ``query`` with this table under the name ``this``, for example ``SELECT count(*) FROM this``."""
        return LazyTable(self.connect, f"WITH this AS ({self.query}) {query}", self.name)

    def count(self) -> int:
        """Count the rows."""
        row = self.connect().execute(f"SELECT count(*) FROM ({self.query})").fetchone()
        assert row is not None
        return int(row[0])

    def arrow(self) -> pa.Table:
        """Read all rows as an Arrow table."""
        return self.connect().sql(self.query).to_arrow_table()

    def batches(self, rows: int = 100_000) -> pa.RecordBatchReader:
        """Read the rows as a stream of Arrow batches of about ``rows`` rows, so that no table need fit in memory."""
        return self.connect().sql(self.query).to_arrow_reader(rows)

    def polars(self) -> pl.DataFrame:
        """Read all rows as a Polars frame."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def pandas(self) -> pd.DataFrame:
        """Read all rows as a pandas frame."""
        return self.arrow().to_pandas()

    def __repr__(self) -> str:
        return f"LazyTable({self.name or self.query!r}, columns={self.columns})"


def _fill(condition: str, parameters: Sequence[object]) -> str:
    from cinchona.pharmacovigilance.sql import literal

    parts = condition.split("?")
    if len(parts) - 1 != len(parameters):
        raise ValueError(f"{len(parts) - 1} marks in {condition!r}, {len(parameters)} parameters")
    text = parts[0]
    for value, rest in zip(parameters, parts[1:], strict=True):
        text += literal(value) + rest
    return text
