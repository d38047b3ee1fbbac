"""Digests: one algorithm (SHA-256, hex) for files, tables and configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.errors import ContractError

_CHUNK = 1 << 20


def digest_bytes(data: bytes) -> str:
    """SHA-256 of ``data`` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces of 1 MiB.

    Raises:
        OSError: if the file cannot be read.
    """
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def digest_json(value: object) -> str:
    """SHA-256 of ``value`` as JSON with sorted keys and no spaces, so that equal settings have equal digests.

    Raises:
        TypeError: if ``value`` is not plain JSON data.
    """
    return digest_bytes(canonical_json(value).encode())


def canonical_json(value: object) -> str:
    """JSON text with sorted keys and without spaces; NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_table(table: pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch]) -> str:
    """Content digest of a table: column names, types and values in row order, however the rows are cut into batches.

    Equal content has an equal digest whatever the row groups, the compression, the metadata, the width of offsets
    (``string`` or ``large_string``) and the dictionary encoding. Floats count by their bits, so 0.0 and -0.0 differ,
    but every NaN is the same NaN. A bare iterable without a batch has no columns; give a table to keep them.

    Raises:
        ContractError: if the batches differ in their columns.
    """
    schema: pa.Schema | None = getattr(table, "schema", None)
    names = None if schema is None else _names(schema)
    sinks: list[_Sinks] = [_Sinks() for _ in names or ()]
    rows = 0
    for batch in table.to_batches() if isinstance(table, pa.Table) else table:
        if names is None:
            names = _names(batch.schema)
            sinks = [_Sinks() for _ in names]
        if _names(batch.schema) != names:
            raise ContractError(
                f"a batch has the columns {_names(batch.schema)}", expected=f"{names}, as the first one"
            )
        rows += batch.num_rows
        for sink, column in zip(sinks, batch.columns, strict=True):
            sink.feed(column)
    return digest_json([rows, names or [], [sink.digests() for sink in sinks]])


class _Sinks:
    """Digests of one column: a stream for each kind of content, since in one stream the cuts would show."""

    def __init__(self) -> None:
        self._streams: dict[str, hashlib._Hash] = {}

    def digests(self) -> dict[str, str]:
        return {path: stream.hexdigest() for path, stream in sorted(self._streams.items())}

    def feed(self, column: pa.Array, path: str = "") -> None:
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        self._put(f"{path}null", column.is_null().to_numpy(zero_copy_only=False).tobytes())
        if pa.types.is_struct(column.type):
            for field, child in zip(column.type, column.flatten(), strict=True):
                self.feed(child, f"{path}{field.name}.")
        elif _is_list(column.type):
            self._put(f"{path}size", _int64_bytes(pc.list_value_length(column)))
            self.feed(column.flatten(), f"{path}item.")
        elif _is_text(column.type):
            texts = column.cast(pa.large_binary()).drop_null()
            self._put(f"{path}size", _int64_bytes(pc.binary_length(texts)))
            self._put(f"{path}data", _text_bytes(texts))
        else:
            self._put(f"{path}data", _flat_bytes(column.drop_null()))

    def _put(self, path: str, data: bytes | memoryview) -> None:
        if len(data):  # an array without rows must look like no array
            self._streams.setdefault(path, hashlib.sha256()).update(data)


def _int64_bytes(numbers: pa.Array) -> bytes:
    return bytes(numbers.drop_null().cast(pa.int64()).to_numpy().tobytes())


def _flat_bytes(dense: pa.Array) -> bytes:
    kind = dense.type
    if pa.types.is_null(kind):
        return b""
    if pa.types.is_boolean(kind):
        return bytes(dense.to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_floating(kind):
        values = dense.to_numpy(zero_copy_only=False)
        return bytes(np.where(np.isnan(values), values.dtype.type(np.nan), values).tobytes())
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        width = kind.bit_width // 8
        start = dense.offset * width
        return bytes(memoryview(dense.buffers()[1] or b"")[start : start + len(dense) * width])
    # Maps and unions are rare, so one value at a time.
    return "".join(f"{value!r}\n" for value in dense.to_pylist()).encode()


def _text_bytes(texts: pa.Array) -> bytes | memoryview:
    _, offsets, data = texts.buffers()
    if data is None or len(texts) == 0:
        return b""
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


def _names(schema: pa.Schema) -> list[list[str]]:
    return [[field.name, _logical(field.type)] for field in schema]


def _logical(kind: pa.DataType) -> str:
    """Name of a type without what is only storage."""
    if pa.types.is_dictionary(kind):
        return _logical(kind.value_type)
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_logical(field.type)}' for field in kind)}>"
    if _is_list(kind):
        return f"list<{_logical(kind.value_type)}>"
    if _is_text(kind):
        return "binary" if "binary" in str(kind) else "string"
    return str(kind)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    known = (
        pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view,
    )  # fmt: skip
    return any(test(kind) for test in known)
