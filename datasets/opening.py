"""Opens one input: finds its format and layout, scans it, and makes a copy where it cannot be read in pieces."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from cinchona.datasets.config import FileFormat, ReaderConfig
from cinchona.datasets.formats import sniff_format
from cinchona.datasets.inputs import Input
from cinchona.datasets.parquetrows import open_parquet, parquet_layout
from cinchona.datasets.partitions import Layout, LibraryFile, StoredFormat
from cinchona.datasets.prepared import open_prepared
from cinchona.datasets.scanning import DigestingReader, scan_text
from cinchona.datasets.sniffing import HEAD_BYTES, Sniffed, is_blank, sniff_layout, splitter_of
from cinchona.datasets.staging import GZIP, Capped, Prefixed, read_head, stage_bytes, stage_text
from cinchona.digests import digest_file, digest_json
from cinchona.errors import InputError

Extra = Sequence[str] | None
"""Columns to carry beside id and SMILES; None for all."""


def open_input(source: Input, staging: Path, reader: ReaderConfig, *, extra: Extra) -> LibraryFile:
    """Scan one input.

    Args:
        source: The input.
        staging: Folder for copies.
        reader: What is known of the input.
        extra: Columns to carry.

    Raises:
        InputError: if it is damaged or of an unknown format.
        ColumnError: if a column is missing or ambiguous.
        UnsafeFileError: if it unpacks beyond the caps.
    """
    try:
        if source.path is None:
            return _from_stream(sys.stdin.buffer, source.name, staging, reader, extra=extra)
        if source.path.is_dir():
            return open_prepared(source.path)
        if not source.is_regular:
            with source.path.open("rb") as pipe:
                return _from_stream(pipe, source.name, staging, reader, extra=extra)
        return _from_file(source.path, staging, reader, extra=extra)
    except PermissionError as error:
        raise InputError("the file may not be read", where=str(source.path), remedy="check its permissions") from error


def _from_file(path: Path, staging: Path, reader: ReaderConfig, *, extra: Extra) -> LibraryFile:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(GZIP):
        return _from_gzip(path, staging, reader, extra=extra)
    kind = sniff_format(head, path.name, reader)
    if kind == "parquet":
        return _parquet(path, path.name, reader, digest=digest_file(path), n_bytes=path.stat().st_size, extra=extra)
    if is_blank(head):
        return _empty(path.name, digest_file(path), path.stat().st_size)
    sniffed = sniff_layout(head, path.name, kind, reader, extra=extra)
    scan = scan_text(path, splitter_of(sniffed.layout), start=sniffed.start)
    return LibraryFile(
        name=path.name, path=str(path), format=_stored(sniffed.layout), digest=scan.digest, n_bytes=scan.n_bytes,
        n_rows=scan.n_rows, layout=sniffed.layout, decisions=sniffed.decisions, marks=scan.marks, end=scan.end,
    )  # fmt: skip


def _from_gzip(path: Path, staging: Path, reader: ReaderConfig, *, extra: Extra) -> LibraryFile:
    digest = digest_file(path)
    with path.open("rb") as raw:
        stream = Capped(DigestingReader(raw), name=path.name, reader=reader, unpack=True)
        head = read_head(stream)
        kind, sniffed = _understand(head, path.name, reader, extra=extra)
        if kind == "parquet":
            target = staging / f"{digest[:16]}.parquet"
            stage_bytes(stream, head, target=target)
            return _parquet(target, path.name, reader, digest=digest, n_bytes=path.stat().st_size, extra=extra)
        if sniffed is None:
            return _empty(path.name, digest, path.stat().st_size)
        target = staging / f"{digest[:16]}-{_short(sniffed.layout)}.parquet"
        if target.exists():  # complete, since it appears in one step
            n_rows = open_parquet(target, name=target.name).metadata.num_rows
        else:
            n_rows = stage_text(stream, head, sniffed, target=target)
    return _staged(path.name, target, digest=digest, n_bytes=path.stat().st_size, n_rows=n_rows, sniffed=sniffed)


def _from_stream(raw: BinaryIO, name: str, staging: Path, reader: ReaderConfig, *, extra: Extra) -> LibraryFile:
    first = read_head(raw, len(GZIP))
    packed = DigestingReader(Prefixed(first, raw))
    stream = Capped(packed, name=name, reader=reader, unpack=first == GZIP)
    head = read_head(stream)
    kind, sniffed = _understand(head, name, reader, extra=extra)
    target = staging / f"{name}.parquet"
    if kind == "parquet":
        stage_bytes(stream, head, target=target)
        return _parquet(target, name, reader, digest=packed.digest, n_bytes=packed.n_bytes, extra=extra)
    if sniffed is None:
        return _empty(name, packed.digest, packed.n_bytes)
    n_rows = stage_text(stream, head, sniffed, target=target)
    packed.drain()
    return _staged(name, target, digest=packed.digest, n_bytes=packed.n_bytes, n_rows=n_rows, sniffed=sniffed)


def _understand(head: bytes, name: str, reader: ReaderConfig, *, extra: Extra) -> tuple[FileFormat, Sniffed | None]:
    """Format and layout; no layout for Parquet, which has its own, and for an empty input."""
    kind = sniff_format(head, name, reader)
    if kind == "parquet" or is_blank(head):
        return kind, None
    return kind, sniff_layout(head, name, kind, reader, extra=extra)


def _parquet(path: Path, name: str, reader: ReaderConfig, *, digest: str, n_bytes: int, extra: Extra) -> LibraryFile:
    file = open_parquet(path, name=name, max_row_group_bytes=reader.max_row_group_bytes)
    layout, decisions = parquet_layout(file, name, reader, extra=extra)
    return LibraryFile(
        name=name, path=str(path), format="parquet", digest=digest, n_bytes=n_bytes,
        n_rows=file.metadata.num_rows, layout=layout, decisions=decisions,
    )  # fmt: skip


def _staged(name: str, target: Path, *, digest: str, n_bytes: int, n_rows: int, sniffed: Sniffed) -> LibraryFile:
    return LibraryFile(
        name=name, path=str(target.absolute()), format="staged", digest=digest, n_bytes=n_bytes, n_rows=n_rows,
        layout=sniffed.layout, decisions=sniffed.decisions,
    )  # fmt: skip


def _empty(name: str, digest: str, n_bytes: int) -> LibraryFile:
    return LibraryFile(name=name, path="", format="csv", digest=digest, n_bytes=n_bytes, n_rows=0, layout=Layout())


def _stored(layout: Layout) -> StoredFormat:
    return "parquet" if layout.record == "row" else layout.record


def _short(layout: Layout) -> str:
    return digest_json(asdict(layout))[:8]


__all__ = ["Extra", "open_input"]
