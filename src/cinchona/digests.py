"""Digests: one algorithm (SHA-256, hex) for files, tables and configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

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


def digest_table(batches: Iterable[pa.RecordBatch]) -> str:
    """Content digest of a table: column names, types and values in row order, however the rows are cut into batches.

    Files with equal content have equal digests whatever their row groups, compression or metadata.
    """
    columns: dict[str, tuple[hashlib._Hash, ...]] = {}
    for batch in batches:
        for field, column in zip(batch.schema, batch.columns, strict=True):
            # One stream each for mask, lengths and values, so that it does not matter where a batch ends.
            sinks = columns.setdefault(f"{field.name}:{field.type}", tuple(hashlib.sha256() for _ in range(3)))
            for sink, part in zip(sinks, _content(column), strict=True):
                sink.update(part)
    state = hashlib.sha256()
    for name, sinks in columns.items():
        state.update(name.encode() + b"\0" + b"".join(sink.digest() for sink in sinks))
    return state.hexdigest()


def _content(column: pa.Array) -> tuple[bytes, bytes, bytes]:
    """Mask of nulls, lengths of texts, values; none depends on offsets or on what a null position holds."""
    mask = column.is_null().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
        return (
            mask,
            b"",
            b"".join(f"{json.dumps(v, default=str, sort_keys=True)}\n".encode() for v in column.to_pylist()),
        )
    dense = column.drop_null()
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_string(column.type):
        return (mask, *_texts(dense))
    return mask, b"", dense.to_numpy(zero_copy_only=False).tobytes()


def _texts(column: pa.Array) -> tuple[bytes, bytes]:
    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, values = column.buffers()
    if len(column) == 0 or offsets is None:
        return b"", b""
    ends = np.frombuffer(offsets, width)[column.offset : column.offset + len(column) + 1]
    data = b"" if values is None else values[int(ends[0]) : int(ends[-1])].to_pybytes()
    return np.diff(ends).astype("<i8").tobytes(), data
