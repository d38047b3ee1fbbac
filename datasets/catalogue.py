"""Data sets that need no download, from files inside installed packages; the packages are not imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A data set at hand."""

    name: str
    """Name after ``catalogue:``."""
    title: str
    """What it is."""
    source: str
    """Where it comes from."""
    licence: str
    """Terms of the data."""
    rows: int
    """Records."""
    kind: Literal["library", "assay"]
    """``assay`` sets have measured columns."""
    columns: tuple[str, ...]
    """Columns besides id and SMILES, with units where they have one."""
