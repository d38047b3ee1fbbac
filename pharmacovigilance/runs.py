"""Numbered runs over a store (duplicates, coding): each in its own folder, never overwritten, the newest counts."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.digests import digest_json
from cinchona.files import fsync_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER: Final = "run.json"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    number: int
    """Number of the run among its kind, from 1."""
    folder: Path
    """Folder with its Parquet files and ``run.json``."""
    header: dict[str, Any] = field(default_factory=dict)
    """Settings, counts, the content id of the store it saw, and what made it."""

    @property
    def run_id(self) -> str:
        """Digest of the header."""
        return digest_json(self.header)[:16]


def runs(root: Path, kind: str) -> tuple[Run, ...]:
    """Return the finished runs of a kind in the store at ``root``, oldest first."""
    folders = sorted(p for p in (root / "derived" / kind).glob("[0-9]*") if (p / HEADER).exists())
    return tuple(Run(int(p.name), p, json.loads((p / HEADER).read_text(encoding="utf-8"))) for p in folders)


def latest_run(root: Path, kind: str) -> Run | None:
    """Return the newest finished run of a kind, or None."""
    found = runs(root, kind)
    return found[-1] if found else None


@contextmanager
def new_run(root: Path, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a folder to fill and a header to fill in; both become the newest run when the block ends well."""
    parent = root / "derived" / kind
    parent.mkdir(parents=True, exist_ok=True)
    for stale in parent.glob(".run-*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".run-", dir=parent))
    header: dict[str, Any] = {}
    try:
        yield folder, header
        write_json(folder / HEADER, header)
        number = max((r.number for r in runs(root, kind)), default=0) + 1
        os.rename(folder, parent / f"{number:04d}")  # noqa: PTH104 - rename of a folder, atomic
        fsync_folder(parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
