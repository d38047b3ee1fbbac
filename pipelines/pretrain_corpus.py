"""Structures for pretraining: drawn from a library, mixed, and turned into blocks of targets once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.sources import Library, read_partition
from cinchona.errors import NoUsableRowsError
from cinchona.files import atomic_path
from cinchona.models.pretraining.blocks import Block, make_block
from cinchona.models.pretraining.pretrainer import Corpus
from cinchona.pipelines.config import Settings
from cinchona.progress import progress
from cinchona.seeds import rng

_PARTITION: Final = 50_000
_MOST_VALID: Final = 5_000
_FEWEST: Final = 50


@dataclass(frozen=True, slots=True)
class Drawn:
    """Structures in the order in which they are learnt."""

    smiles: list[str]
    """As given."""
    per_file: tuple[int, ...]
    """How many records of each file were drawn."""
    unreadable: int
    """Records among them that hold no readable structure."""


def draw(library: Library, work: Path, *, limit: int | None, seed: int, key: str) -> Drawn:
    """Draw at most ``limit`` records of each file at random and mix them; done once, then read from ``work``.

    Raises:
        NoUsableRowsError: if fewer than 50 are left.
    """
    kept = work / "drawn.parquet"
    if not kept.exists() or (pq.read_schema(kept).metadata or {}).get(b"key") != key.encode():
        _draw(library, kept, limit=limit, seed=seed, key=key)
    table = pq.read_table(kept)
    said = json.loads(table.schema.metadata[b"counts"])
    drawn = Drawn(table["smiles"].to_pylist(), tuple(said["per_file"]), said["unreadable"])
    if len(drawn.smiles) < _FEWEST:
        raise NoUsableRowsError(
            f"{len(drawn.smiles)} structures are too few to learn from", where=", ".join(f.name for f in library.files),
            expected=f"{_FEWEST} or more; thousands are of use",
        )  # fmt: skip
    return drawn


def _draw(library: Library, kept: Path, *, limit: int | None, seed: int, key: str) -> None:
    rows, counts = _rows(library, limit, seed)
    texts: list[str] = []
    with progress(library.n_rows, "reading structures") as bar:
        for partition in library.partitions(_PARTITION):
            first, last = np.searchsorted(rows, [partition.first_row, partition.first_row + partition.n_rows])
            if first < last:
                batch, _ = read_partition(partition)
                texts += batch.take(np.flatnonzero(np.isin(batch.row_ids, rows[first:last]))).smiles
            bar.advance(partition.n_rows)
    order = rng(seed, "mix").permutation(len(texts))
    said = json.dumps({"per_file": counts, "unreadable": len(rows) - len(texts)})
    table = pa.table({"smiles": [texts[k] for k in order]}).replace_schema_metadata({"key": key, "counts": said})
    with atomic_path(kept) as draft:
        pq.write_table(table, draft, compression="zstd")


def _rows(library: Library, limit: int | None, seed: int) -> tuple[np.ndarray, list[int]]:
    """Numbers of the records to read, ascending, and how many there are of each file."""
    first, chosen = 0, []
    for number, file in enumerate(library.files):
        some = limit is not None and limit < file.n_rows
        own = (
            np.arange(file.n_rows) if not some else rng(seed, "draw", number).choice(file.n_rows, limit, replace=False)
        )
        chosen.append(first + np.sort(own))
        first += file.n_rows
    return np.concatenate(chosen).astype(np.int64), [len(own) for own in chosen]


def build_corpus(drawn: Drawn, folder: Path, *, settings: Settings, descriptors: Sequence[str], key: str) -> Corpus:
    """Compute the blocks that are not there yet.

    Raises:
        NoUsableRowsError: if a block holds no usable structure.
        RetryableError: if the disk is full or failing; what was computed stays.
    """
    rules = settings.pretraining
    n_valid = min(_MOST_VALID, max(1, round(rules.valid_fraction * len(drawn.smiles))))
    parts = [drawn.smiles[:n_valid], *_cut(drawn.smiles[n_valid:], rules.block_rows)]
    paths = [folder / f"{key[:16]}-{number:05d}.safetensors" for number in range(len(parts))]
    sizes = []
    with progress(len(drawn.smiles), "computing targets", unit="molecules") as bar:
        for path, part in zip(paths, parts, strict=True):
            if not path.exists():
                block = make_block(
                    part, descriptors=descriptors, bits=rules.fingerprint_bits, standardize=settings.standardize
                )
                block.save(path)
            sizes.append(len(Block.load(path)))
            bar.advance(len(part), rejects=sum(map(len, parts[: len(sizes)])) - sum(sizes))
    if not all(sizes):
        raise NoUsableRowsError(
            "a block holds no usable structure",
            expected="valid SMILES",
            remedy="check the library: cinchona data check",
        )
    return Corpus(tuple(paths[1:]), tuple(sizes[1:]), paths[0])


def _cut(smiles: list[str], size: int) -> list[list[str]]:
    """Nearly equal runs of at most ``size``."""
    n = -(-len(smiles) // size)
    edges = [len(smiles) * k // n for k in range(n + 1)]
    return [smiles[a:b] for a, b in pairwise(edges)]


__all__ = ["Drawn", "build_corpus", "draw"]
