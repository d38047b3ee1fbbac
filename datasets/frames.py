"""A whole table in memory as text columns, from a file, an Arrow table or a DataFrame; for assay tables only."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.datasets.catalogue import PREFIX, UNIT, entry_of, resolve
from cinchona.datasets.columns import find_id_column, find_smiles_column
from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.deepchem_disk import (
    from_deepchem,
    is_deepchem_dataset,
    is_deepchem_folder,
    read_deepchem_folder,
)
from cinchona.datasets.rowbuilder import extra_name
from cinchona.datasets.sdfrecords import property_names
from cinchona.datasets.sources import Library, open_library, raw_records
from cinchona.errors import ColumnError, InputError, NoUsableRowsError
from cinchona.records import Reject, Stage

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


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
    targets: tuple[str, ...]
    """Names of the target columns as they are in ``columns``."""
    decisions: tuple[str, ...]
    """What was found out about the layout; readers log it."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units that the source itself states for its columns."""


def read_frame(source: str | Path | pa.Table | pd.DataFrame, reader: ReaderConfig, *, targets: Sequence[str]) -> Frame:
    """Read a whole table.

    Args:
        source: A file, ``catalogue:NAME``, an Arrow table, a DataFrame, or a dataset of DeepChem, in memory or as its folder.
        reader: What is known of it.
        targets: Columns that must be there and hold neither structures nor identifiers.

    Raises:
        ColumnError: if a column is missing or ambiguous.
        InputError: if the source cannot be read.
        NoUsableRowsError: if it has no row.
    """
    if is_deepchem_dataset(source):
        return _from_arrow(from_deepchem(source), reader, targets, where="the dataset of DeepChem in memory")
    if isinstance(source, str | Path):
        if is_deepchem_folder(Path(source)):
            return _from_arrow(read_deepchem_folder(Path(source)), reader, targets, where=str(source))
        if str(source).startswith(PREFIX) and entry_of(str(source)).table is not None:
            return _from_arrow(resolve(str(source)), reader, targets, where=str(source))
        return _from_file(str(source), reader, targets)
    table = source if isinstance(source, pa.Table) else _from_pandas(source)
    return _from_arrow(table, reader, targets, where="the table in memory")


def _from_file(source: str, reader: ReaderConfig, targets: Sequence[str]) -> Frame:
    with tempfile.TemporaryDirectory(prefix="cinchona-") as staging:
        library = _with_all_properties(open_library([source], staging=Path(staging), reader=reader, extra_columns=None))
        names = _common_columns(library, source)
        parts = list(library.batches(50_000))
    rows = pa.Table.from_batches([batch.data for batch, _ in parts])
    return Frame(
        name=library.files[0].name,
        row_ids=rows["row_id"].to_numpy(),
        compound_ids=rows["compound_id"].to_pylist(),
        smiles=rows["smiles"].to_pylist(),
        flags=rows["flags"].to_pylist(),
        columns={name: rows[extra_name(name)].to_pylist() for name in names},
        rejects=tuple(reject for _, rejected in parts for reject in rejected),
        n_in=library.n_rows,
        targets=target_columns(names, targets, where=source),
        decisions=tuple(dict.fromkeys(sentence for file in library.files for sentence in file.decisions)),
    )


def _common_columns(library: Library, source: str) -> tuple[str, ...]:
    names = library.files[0].layout.extra
    for file in library.files[1:]:
        if file.layout.extra != names:
            raise ColumnError(
                f"{file.name} has other columns than {library.files[0].name}",
                where=source,
                expected="files of one table with the same columns in the same order",
            )
    return names


def _with_all_properties(library: Library) -> Library:
    """Carry every property that occurs anywhere in SDF files, since those of later records are not in the sample."""
    if all(file.layout.record != "sdf" for file in library.files):
        return library
    found: dict[str, None] = {}
    for partition in library.partitions(50_000):
        for record, _ in raw_records(partition):
            found.update(dict.fromkeys(property_names(record or b"")))
    files = [
        replace(file, layout=replace(file.layout, extra=tuple(n for n in found if n != file.layout.identifier)))
        for file in library.files
    ]
    return Library(tuple(files))


def target_columns(names: Sequence[str], targets: Sequence[str], *, where: str) -> tuple[str, ...]:
    """The columns that ``targets`` name; case and blanks around matter only if two columns differ by nothing else.

    Raises:
        ColumnError: if one is missing, naming those that are there.
    """
    return tuple(_target_column(names, target, where) for target in targets)


def _target_column(names: Sequence[str], target: str, where: str) -> str:
    alike = [target] if target in names else [n for n in names if n.strip().lower() == target.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    near = get_close_matches(target, names, n=1, cutoff=0.3)
    raise ColumnError(
        f"there is no target column {target!r}",
        where=where,
        expected=f"one of {', '.join(map(repr, names[:40]))}" if names else "columns beside id and SMILES",
        remedy=f"did you mean {near[0]!r}?" if near else "",
    )


def _from_pandas(frame: Any) -> pa.Table:  # noqa: ANN401 - pandas is not imported
    if not hasattr(frame, "columns"):
        raise InputError(
            f"a table of type {type(frame).__name__} cannot be read",
            expected="a path, a pyarrow Table or a pandas DataFrame",
        )
    named = frame.rename(columns=str)
    try:
        return pa.Table.from_pandas(named, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # cells of several types in one column, such as 12 and ">12"
        texts = {name: cells.map(str, na_action="ignore") for name, cells in named.select_dtypes(object).items()}
        return pa.Table.from_pandas(named.assign(**texts), preserve_index=False)


def _from_arrow(table: pa.Table, reader: ReaderConfig, targets: Sequence[str], *, where: str) -> Frame:
    if not table.num_rows:
        raise NoUsableRowsError("the table has no row", where=where)
    columns = {name: _texts(table[name], name) for name in table.schema.names}
    wanted = target_columns(list(columns), targets, where=where)
    sample: dict[str, Sequence[str]] = {
        name: cells[: reader.sample_rows] for name, cells in columns.items() if name not in wanted
    }
    smiles, how = find_smiles_column(sample, reader.smiles_column, where=where)
    identifier, how_id = find_id_column(sample, reader.id_column, smiles=smiles, where=where)
    decisions = tuple(filter(None, (how, how_id)))
    for sentence in decisions:
        logger.info("%s: %s", where, sentence)
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
        targets=wanted,
        decisions=decisions,
        units={f.name: f.metadata[UNIT].decode() for f in table.schema if f.metadata and UNIT in f.metadata},
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


__all__ = ["Frame", "read_frame", "target_columns"]
