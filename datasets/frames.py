"""A whole table in memory as text columns, from a file, an Arrow table or a DataFrame; for assay tables only."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.datasets.columns import find_id_column, find_smiles_column, named
from cinchona.datasets.config import ReaderConfig
from cinchona.errors import ColumnError, InputError, NoUsableRowsError
from cinchona.records import Reject, Stage

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Frame:
    """Readable rows of a table, aligned, and the rows that could not be read."""

    name: str
    """What the table is called in messages."""
    row_ids: np.ndarray
    """Position in the source, int64, shape (n,)."""
    compound_ids: list[str]
    """Identifiers, length n."""
    smiles: list[str]
    """Structures as given, length n."""
    flags: list[str]
    """Flags of the reader, joined by ``;``, length n."""
    columns: Mapping[str, Sequence[str]]
    """All other columns as text, length n each; missing cells are empty."""
    rejects: tuple[Reject, ...]
    """Rows that could not be read."""
    n_in: int
    """Rows of the source."""
    decisions: tuple[str, ...]
    """What was found out about the layout."""


def read_frame(source: str | Path | pa.Table | pd.DataFrame, reader: ReaderConfig, *, targets: Sequence[str]) -> Frame:
    """Read a whole table; columns named in ``targets`` are matched without regard to case and never taken for
    structures or identifiers.

    Raises:
        ColumnError: if a column is missing or ambiguous.
        InputError: if the source cannot be read.
        NoUsableRowsError: if it has no row.
    """
    if isinstance(source, str | Path):
        return _from_file(str(source), reader, targets)
    table = source if isinstance(source, pa.Table) else _from_pandas(source)
    return _from_arrow(table, reader, targets)


def _from_file(source: str, reader: ReaderConfig, targets: Sequence[str]) -> Frame:
    from cinchona.datasets.sources import open_library, read_partition  # noqa: PLC0415 - sources is heavy

    with tempfile.TemporaryDirectory(prefix="cinchona-") as staging:
        library = open_library([source], staging=Path(staging), reader=reader, extra_columns=None)
        parts = [read_partition(partition) for partition in library.partitions(50_000)]
    tables = pa.Table.from_batches([batch.data for batch, _ in parts])
    rejects = tuple(reject for _, rejected in parts for reject in rejected)
    _check_targets(tables.schema.names, targets, source)
    base = {"row_id", "compound_id", "smiles", "flags"}
    return Frame(
        name=library.files[0].name,
        row_ids=tables["row_id"].to_numpy(),
        compound_ids=tables["compound_id"].to_pylist(),
        smiles=tables["smiles"].to_pylist(),
        flags=tables["flags"].to_pylist(),
        columns={name.removeprefix("="): tables[name].to_pylist() for name in tables.schema.names if name not in base},
        rejects=rejects,
        n_in=library.n_rows,
        decisions=tuple(f"{sentence}" for file in library.files for sentence in file.decisions),
    )


def _check_targets(names: Sequence[str], targets: Sequence[str], where: str) -> None:
    sample: dict[str, Sequence[str]] = {name: () for name in names}
    for target in targets:
        named(sample, target, where=where, setting="--target")


def _from_pandas(frame: Any) -> pa.Table:  # noqa: ANN401 - pandas is not imported
    if not hasattr(frame, "columns"):
        raise InputError(
            f"a table of type {type(frame).__name__} cannot be read",
            expected="a path, a pyarrow Table or a pandas DataFrame",
        )
    return pa.Table.from_pandas(frame.rename(columns=str), preserve_index=False)


def _from_arrow(table: pa.Table, reader: ReaderConfig, targets: Sequence[str]) -> Frame:
    where = "the table in memory"
    if not table.num_rows:
        raise NoUsableRowsError("the table has no row", where=where)
    columns = {name: _texts(table[name], name) for name in table.schema.names}
    _check_targets(list(columns), targets, where)
    sample = {name: cells[: reader.sample_rows] for name, cells in columns.items() if name not in targets}
    smiles, how = find_smiles_column(sample, reader.smiles_column, where=where)
    identifier, how_id = find_id_column(sample, reader.id_column, smiles=smiles, where=where)
    present = np.array([bool(text.strip()) for text in columns[smiles]])
    rows = np.flatnonzero(present)
    take = {name: [cells[k] for k in rows] for name, cells in columns.items()}
    return Frame(
        name=where,
        row_ids=rows.astype(np.int64),
        compound_ids=take[identifier] if identifier is not None else [str(row) for row in rows],
        smiles=take[smiles],
        flags=[""] * len(rows),
        columns={name: cells for name, cells in take.items() if name not in {smiles, identifier}},
        rejects=tuple(Reject(int(row), Stage.READ, "empty SMILES") for row in np.flatnonzero(~present)),
        n_in=table.num_rows,
        decisions=tuple(filter(None, (how, how_id))),
    )


def _texts(column: pa.ChunkedArray, name: str) -> list[str]:
    try:
        texts = pc.fill_null(pc.cast(column, pa.string()), "")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ColumnError(
            f"column {name!r} holds {column.type}, which has no text form",
            expected="text, numbers, dates or booleans",
            remedy="drop the column or turn it into text",
        ) from error
    return [str(text) for text in texts.to_pylist()]


__all__ = ["Frame", "read_frame"]
