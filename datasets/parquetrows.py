"""Rows of Parquet files: what is in them, and a range of rows in bounded memory."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cinchona.datasets.columns import find_id_column, find_smiles_column, named
from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.partitions import Layout, Partition
from cinchona.datasets.rowbuilder import LATIN1, Row, RowBuilder, Unreadable
from cinchona.errors import ColumnError, InputError, UnsafeFileError

_BATCH = 16_384


def open_parquet(path: Path, *, name: str, max_row_group_bytes: int | None = None) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        InputError: if it is damaged.
        UnsafeFileError: if a row group unpacks beyond the cap.
    """
    with _damage(name):
        file = pq.ParquetFile(path)
    groups = range(file.metadata.num_row_groups)
    largest = max((file.metadata.row_group(k).total_byte_size for k in groups), default=0)
    if max_row_group_bytes is not None and largest > max_row_group_bytes:
        raise UnsafeFileError(
            f"a row group unpacks to {largest:,} bytes",
            where=name,
            expected=f"at most {max_row_group_bytes:,}",
            remedy="write the file with smaller row groups, or raise reader.max_row_group_bytes",
        )
    return file


def parquet_layout(
    file: pq.ParquetFile, name: str, reader: ReaderConfig, *, extra: Sequence[str] | None
) -> tuple[Layout, tuple[str, ...]]:
    """Find the columns of a Parquet file.

    Raises:
        ColumnError: if a column is missing or ambiguous.
    """
    schema = file.schema_arrow
    readable = [field.name for field in schema if _has_text(field.type)]
    with _damage(name):
        sample = _sample(file, readable, reader.sample_rows)
    carried = () if extra is None else tuple(named(sample, c, where=name, setting="the column") for c in extra)
    texts = {c: cells for c, cells in sample.items() if c not in carried and _is_text(schema.field(c).type)}
    smiles, how = find_smiles_column(texts, reader.smiles_column, where=name)
    others = {c: cells for c, cells in sample.items() if c not in carried}
    identifier, how_id = find_id_column(others, reader.id_column, smiles=smiles, where=name)
    if extra is None:
        carried = tuple(c for c in readable if c not in {smiles, identifier})
    layout = Layout(
        record="row", columns=tuple(readable), smiles=smiles, identifier=identifier, extra=carried,
        max_record_bytes=reader.max_record_bytes, max_cell_length=reader.max_cell_length,
    )  # fmt: skip
    return layout, tuple(filter(None, (how, how_id)))


def read_rows(partition: Partition, builder: RowBuilder) -> None:
    """Read the rows of a Parquet partition into ``builder``."""
    layout = partition.layout
    wanted = [layout.smiles, *([] if layout.identifier is None else [layout.identifier]), *layout.extra]
    for batch in row_range(Path(partition.path), wanted, start=partition.start, stop=partition.stop):
        odd: set[int] = set()
        texts = [_cells(batch.column(batch.schema.get_field_index(name)), name, odd) for name in wanted]
        smiles, rest = texts[0], texts[1:]
        ids = rest.pop(0) if layout.identifier is not None else [""] * batch.num_rows
        extra = zip(*rest, strict=True) if rest else [()] * batch.num_rows
        for k, (text, identifier, values) in enumerate(zip(smiles, ids, extra, strict=True)):
            row = Row(text.strip(), identifier.strip(), tuple(values), LATIN1 if k in odd else "")
            builder.add(row if "\0" not in text else Unreadable("NUL byte in the row"))


def row_range(path: Path, columns: Sequence[str], *, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """Rows ``start`` to ``stop`` of a Parquet file in small batches; row groups outside are not touched.

    Raises:
        InputError: if the file is gone, damaged or shorter.
    """
    file = open_parquet(path, name=path.name)
    groups, first = _groups(file.metadata, start, stop)
    position = first
    for batch in _batches(file, groups, columns, name=path.name):
        low, high = max(start - position, 0), min(stop - position, batch.num_rows)
        if low < high:
            yield batch.slice(low, high - low)
        position += batch.num_rows
        if position >= stop:
            return
    if position < stop:
        raise InputError(
            f"the file ends at row {position:,}, rows up to {stop:,} were there when it was scanned", where=path.name
        )


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turn what the reader says of a damaged file into a refusal; a sound file on a failing disk stays what it is."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno in {errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}:
            raise
        raise InputError(
            f"the Parquet file cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            where=name,
            remedy="it may be cut short: fetch or write it again",
        ) from error


def _batches(
    file: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str], *, name: str
) -> Iterator[pa.RecordBatch]:
    batches = file.iter_batches(_BATCH, row_groups=groups, columns=list(columns), use_threads=False)
    while True:
        with _damage(name):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _groups(metadata: pq.FileMetaData, start: int, stop: int) -> tuple[list[int], int]:
    """Row groups that overlap the range, and the first row of the first of them."""
    found: list[int] = []
    first = position = 0
    for k in range(metadata.num_row_groups):
        size = metadata.row_group(k).num_rows
        if position < stop and position + size > start:
            if not found:
                first = position
            found.append(k)
        position += size
    return found, first


def _sample(file: pq.ParquetFile, columns: Sequence[str], rows: int) -> dict[str, list[str]]:
    for batch in file.iter_batches(rows, columns=list(columns), use_threads=False):
        return {name: _cells(batch.column(batch.schema.get_field_index(name)), name, set()) for name in columns}
    return {name: [] for name in columns}


def _cells(column: pa.Array, name: str, odd: set[int]) -> list[str]:
    """Cells as text, missing ones empty; rows that are not UTF-8 are read as Latin-1 and added to ``odd``."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if not _is_text(column.type):
            column = pc.cast(column, pa.string())
        raw = pc.cast(column, pa.large_binary()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ColumnError(f"column {name!r} does not turn into text: {error}", expected="text or numbers") from error
    texts = []
    for k, cell in enumerate(raw):
        try:
            texts.append((cell or b"").decode())
        except UnicodeDecodeError:
            texts.append(cell.decode("latin-1"))
            odd.add(k)
    return texts


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)
        or pa.types.is_binary(value) or pa.types.is_large_binary(value) or pa.types.is_null(value)
    )  # fmt: skip


def _has_text(kind: pa.DataType) -> bool:
    """Whether values of the type turn into text: numbers, dates, booleans and texts do, lists and records do not."""
    return not (pa.types.is_nested(kind) or pa.types.is_fixed_size_binary(kind)) and not isinstance(
        kind, pa.BaseExtensionType
    )


__all__ = ["open_parquet", "parquet_layout", "read_rows", "row_range"]
