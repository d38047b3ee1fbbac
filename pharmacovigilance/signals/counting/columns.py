"""Frames of any kind to Arrow columns: which column is the case, the drug, the event, the role."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.errors import ColumnError, InputError
from cinchona.settings import Config


class ReportColumns(Config):
    """Names of the columns that the counting reads."""

    case_id: str = "case_id"
    """Id of the case, in every table: text or whole number."""
    drug: str = "drug"
    """Drug, in the drug table."""
    role: str = "role"
    """Role of the drug (PS, SS, C, I, …), in the drug table; may be absent when no roles are chosen."""
    event: str = "event"
    """Reaction term, in the reaction table."""


_PLAIN_NUMBERS: Final = (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())


def to_arrow(frame: Any, columns: Sequence[str], *, what: str) -> pa.Table:  # noqa: ANN401 - frames of four libraries
    """Return ``columns`` of an Arrow table or reader, a Polars (lazy) frame or a pandas frame.

    Args:
        frame: The table.
        columns: Columns wanted.
        what: Name of the table for messages, for example ``drug table``.

    Raises:
        ColumnError: if a column is missing; the message names the nearest one.
        InputError: if ``frame`` is of no known kind.
    """
    if isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    if hasattr(frame, "collect") and hasattr(frame, "lazy"):  # polars.LazyFrame
        frame = frame.collect()
    if hasattr(frame, "to_arrow"):
        frame = frame.to_arrow()
    elif hasattr(frame, "iloc"):
        _require(list(frame.columns), columns, what)
        frame = pa.Table.from_pandas(frame[list(columns)], preserve_index=False)
    if not isinstance(frame, pa.Table):
        raise InputError(
            f"the {what} is a {type(frame).__name__}", expected="an Arrow table, a Polars frame or a pandas frame"
        )
    _require(frame.column_names, columns, what)
    return frame.select(list(columns))


def _require(have: Sequence[str], wanted: Sequence[str], what: str) -> None:
    for name in wanted:
        if name not in have:
            near = difflib.get_close_matches(name, [str(h) for h in have], n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ColumnError(
                f"the {what} has no column {name!r}",
                expected=f"one of {', '.join(str(h) for h in have)}",
                remedy=f"{hint}name the columns with ReportColumns(...)",
            )


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Widen whole numbers to int64 and texts to large_string, so that ids of several tables can meet."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if kind in _PLAIN_NUMBERS:
        return column.cast(pa.int64())
    if kind == pa.int64() or kind == pa.large_string():
        return column
    if pa.types.is_float64(kind) and pc.all(pc.equal(pc.round(column), column)).as_py() is not False:
        return column.cast(pa.int64())  # pandas turns whole numbers with gaps into floats
    return column.cast(pa.large_string())


def distinct_ids(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Distinct non-null ids of all ``columns``, ascending; ids of mixed kinds are compared as text."""
    widened = [plain(column) for column in columns]
    if len({column.type for column in widened}) > 1:
        widened = [column.cast(pa.large_string()) for column in widened]
    if widened[0].type == pa.int64():
        keys = np.sort(np.concatenate([pc.drop_null(column).to_numpy() for column in widened]))
        return pa.array(keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys)
    ids = pc.drop_null(pc.unique(pa.chunked_array([pc.unique(column) for column in widened])))
    return ids.take(pc.sort_indices(ids))


def positions(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    """Position of each value of ``column`` in the ascending ``ids``, int32, shape (rows,); -1 for null or unknown."""
    values = plain(column).cast(ids.type)
    if ids.type == pa.int64() and len(ids):
        return _integer_positions(values, ids.to_numpy(zero_copy_only=False))
    found = pc.fill_null(pc.index_in(values, value_set=ids), -1)
    return np.asarray(found.to_numpy(), np.int32)


def _integer_positions(values: pa.ChunkedArray, ids: np.ndarray) -> np.ndarray:
    keys = pc.fill_null(values, int(ids[0]) - 1).to_numpy()
    low, span = int(ids[0]), int(ids[-1]) - int(ids[0]) + 1
    if span > max(16 * len(ids), 1 << 16):
        found = pc.fill_null(pc.index_in(values, value_set=pa.array(ids)), -1)
        return np.asarray(found.to_numpy(), np.int32)
    table = np.full(span + 2, -1, np.int32)  # one place below and one above for values outside
    table[ids - low + 1] = np.arange(len(ids), dtype=np.int32)
    return np.asarray(table[np.clip(keys - low + 1, 0, span + 1)])


def encode_labels(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Codes (int32, shape (rows,), -1 for null or blank) and the distinct labels (string), ascending.

    Labels are sorted by their bytes, so the codes do not depend on the order of rows.
    """
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    joined = column.unify_dictionaries().combine_chunks()
    chunk = joined.chunk(0) if isinstance(joined, pa.ChunkedArray) and joined.num_chunks else joined
    if len(chunk) == 0:
        return np.zeros(0, np.int32), pa.array([], pa.string())
    labels = chunk.dictionary.cast(pa.string())
    codes = pc.fill_null(chunk.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    return _canonical(codes, labels)


def _canonical(codes: np.ndarray, labels: pa.Array) -> tuple[np.ndarray, pa.Array]:
    used = np.zeros(len(labels), bool)
    used[codes[codes >= 0]] = True
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(labels)), 0)
    used &= ~np.asarray(pc.fill_null(blank, fill_value=True).to_numpy(zero_copy_only=False))
    distinct = pc.unique(labels.filter(pa.array(used)))
    distinct = distinct.take(pc.sort_indices(distinct))
    new_code = np.asarray(pc.fill_null(pc.index_in(labels, value_set=distinct), -1).to_numpy(zero_copy_only=False))
    new_code = np.append(np.where(used, new_code, -1), -1).astype(np.int32)
    return new_code[codes], distinct
