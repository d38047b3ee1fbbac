"""Digests: one algorithm (SHA-256, hex) for files, tables and configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

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
    state = hashlib.sha256()
    columns: dict[str, hashlib._Hash] = {}
    for batch in batches:
        for field, column in zip(batch.schema, batch.columns, strict=True):
            sink = columns.setdefault(f"{field.name}:{field.type}", hashlib.sha256())
            for part in _content(column):
                sink.update(part)
    for name, sink in columns.items():
        state.update(name.encode() + b"\0" + sink.digest())
    return state.hexdigest()


def _content(column: pa.Array) -> Iterable[bytes]:
    # Offsets depend on where a batch begins, so text is hashed as lengths and bytes; nulls by their mask.
    yield column.is_null().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_string(column.type):
        texts = [v if isinstance(v, bytes) else v.encode() for v in column.to_pylist() if v is not None]
        yield b"".join(len(t).to_bytes(8, "little") + t for t in texts)
    elif pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
        yield "\n".join(json.dumps(v, default=str, sort_keys=True) for v in column.to_pylist()).encode() + b"\n"
    else:
        dense = column.drop_null()
        yield dense.to_numpy(zero_copy_only=False).tobytes()
