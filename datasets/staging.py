"""Copies of inputs that cannot be read in pieces: gzip files, standard input, pipes.

The copy is Parquet with one raw record a row, so that it can be cut anywhere and is parsed by the workers, not here.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.parquetrows import row_range
from cinchona.datasets.partitions import Partition
from cinchona.datasets.recordsplit import CHUNK, blocks
from cinchona.datasets.scanning import DigestingReader, Readable, filled_records
from cinchona.datasets.sniffing import HEAD_BYTES, Sniffed, splitter_of
from cinchona.errors import InputError, UnsafeFileError
from cinchona.files import atomic_path, disk_errors

GZIP: Final = b"\x1f\x8b"
"""First bytes of a gzip file."""

_SCHEMA: Final = pa.schema([("record", pa.large_binary()), ("length", pa.int64())])
_GROUP_ROWS: Final = 20_000
_GROUP_BYTES: Final = 1 << 25
_GRACE: Final = 1 << 26


class Prefixed:
    """A stream of which the first bytes were read already."""

    def __init__(self, first: bytes, stream: Readable) -> None:
        self._first = io.BytesIO(first)
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; nothing at the end."""
        return self._first.read(size) or self._stream.read(size)


class Capped:
    """A stream that refuses to unpack beyond the caps, and says so when a gzip file is damaged."""

    def __init__(self, packed: DigestingReader, *, name: str, reader: ReaderConfig, unpack: bool) -> None:
        self._packed = packed
        self._stream = cast("Readable", gzip.GzipFile(fileobj=cast("BinaryIO", packed))) if unpack else packed
        self._name = name
        self._reader = reader
        self._unpack = unpack
        self._n = 0

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` unpacked bytes.

        Raises:
            InputError: if the gzip data are cut short or damaged.
            UnsafeFileError: if there is more than the caps allow.
        """
        try:
            data = self._stream.read(size)
        except EOFError as error:
            raise self._damaged("ends in the middle: it was cut short") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise self._damaged(f"is damaged ({error})") from error
        self._n += len(data)
        self._check()
        return data

    def _check(self) -> None:
        expansion = self._n / max(self._packed.n_bytes, 1)
        if self._unpack and self._n > _GRACE and expansion > self._reader.max_expansion:
            raise self._bomb(f"unpacks to {expansion:,.0f} times its size", "max_expansion", self._reader.max_expansion)
        if self._n > self._reader.max_unpacked_bytes:
            raise self._bomb(
                f"holds more than {self._n:,} bytes", "max_unpacked_bytes", self._reader.max_unpacked_bytes
            )

    def _damaged(self, what: str) -> InputError:
        return InputError(
            f"the gzip file {what}",
            where=f"{self._name}, after {self._n:,} unpacked bytes",
            remedy="fetch or write it again; nothing of it was used",
        )

    def _bomb(self, what: str, setting: str, value: float) -> UnsafeFileError:
        return UnsafeFileError(
            f"the input {what}", where=self._name, expected=f"reader.{setting} = {value:,}",
            remedy=f"if the file is as it should be, raise the cap with --set reader.{setting}=…",
        )  # fmt: skip


def read_head(stream: Readable, size: int = HEAD_BYTES) -> bytes:
    """The first ``size`` bytes of a stream, fewer only if it ends."""
    parts: list[bytes] = []
    missing = size
    while missing and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def stage_text(stream: Readable, head: bytes, sniffed: Sniffed, *, target: Path) -> int:
    """Write the records of a stream to ``target``; returns their number.

    Args:
        stream: What follows ``head``.
        head: Bytes that were read already.
        sniffed: How the records are laid out.
        target: The Parquet file.

    Raises:
        RetryableError: if the disk is full.
    """
    whole = Prefixed(head[sniffed.start :], stream)
    records = filled_records(blocks(whole.read, splitter_of(sniffed.layout)))
    n_rows = 0
    with atomic_path(target) as temporary, pq.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
        for group in _row_groups(records):
            with disk_errors(target):
                writer.write_batch(group, row_group_size=len(group))
            n_rows += len(group)
    return n_rows


def stage_bytes(stream: Readable, head: bytes, *, target: Path) -> None:
    """Copy a stream to ``target`` as it is (Parquet from standard input)."""
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        data = head
        while data:
            with disk_errors(target):
                file.write(data)
            data = stream.read(CHUNK)


def _row_groups(records: Iterator[tuple[bytes | None, int]]) -> Iterator[pa.RecordBatch]:
    texts: list[bytes | None] = []
    lengths: list[int] = []
    held = 0
    for record, length in records:
        texts.append(record)
        lengths.append(length)
        held += length if record is not None else 0
        if len(texts) >= _GROUP_ROWS or held >= _GROUP_BYTES:
            yield pa.record_batch([pa.array(texts, pa.large_binary()), pa.array(lengths, pa.int64())], schema=_SCHEMA)
            texts, lengths, held = [], [], 0
    if texts:
        yield pa.record_batch([pa.array(texts, pa.large_binary()), pa.array(lengths, pa.int64())], schema=_SCHEMA)


def staged_records(partition: Partition) -> Iterator[tuple[bytes | None, int]]:
    """Raw records of a staged partition with their lengths; None where one is longer than the cap."""
    rows = row_range(Path(partition.path), _SCHEMA.names, start=partition.start, stop=partition.stop)
    for batch in rows:
        yield from zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)


__all__ = ["GZIP", "Capped", "Prefixed", "read_head", "stage_bytes", "stage_text", "staged_records"]
