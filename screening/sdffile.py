"""Hits as an SD file with drawn coordinates, safe against what ids may contain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor

from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.files import atomic_path

_TITLE_LENGTH: Final = 80
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def write_sdf(path: Path, table: pa.Table, *, smiles_column: str, title_column: str) -> None:
    """Write a table as SD file: one record a row with 2-D coordinates, all columns as properties.

    Null values have no property. A structure that RDKit cannot read leaves a record without atoms, so that records and
    rows stay aligned.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    with atomic_path(path) as temporary, rdBase.BlockLogs(), Chem.SDWriter(str(temporary)) as writer:
        for row in table.to_pylist():
            mol = _drawn(row[smiles_column])
            _describe(mol, row, title=row[title_column])
            writer.write(mol)


def sdf_text(text: str) -> str:
    r"""One line that cannot end a property or a record.

    >>> sdf_text("a\n$$$$\nb"), sdf_text("$$$$"), sdf_text("> <x>")
    ('a $$$$ b', ' $$$$', ' > <x>')
    """
    line = _CONTROL.sub(" ", text)
    return f" {line}" if line.startswith(("$$$$", ">")) else line


def _drawn(smiles: str) -> Chem.Mol:
    mol = parse_smiles(smiles)
    if isinstance(mol, Rejected):
        return Chem.Mol()
    rdDepictor.Compute2DCoords(mol)
    return mol


def _describe(mol: Chem.Mol, row: Mapping[str, object], *, title: str | None) -> None:
    mol.SetProp("_Name", sdf_text(title or "")[:_TITLE_LENGTH])
    for name, value in row.items():
        if value is not None and value != "":
            mol.SetProp(
                re.sub(r"[<>\s]+", "_", name), sdf_text(f"{value:.6g}" if isinstance(value, float) else str(value))
            )
