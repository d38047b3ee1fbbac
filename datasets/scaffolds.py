"""Bemis-Murcko scaffolds (Bemis and Murcko 1996, doi:10.1021/jm9602928)."""

from __future__ import annotations

from collections.abc import Iterable

from rdkit import rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from cinchona.datasets.parsing import Rejected, parse_smiles

NO_SCAFFOLD = ""
"""Scaffold of a molecule without rings."""


def scaffold(smiles: str) -> str:
    """Canonical SMILES without stereo of the rings and the linkers between them; empty without rings.

    A SMILES that does not parse has no scaffold either: splits must place every row.
    """
    mol = parse_smiles(smiles)
    if isinstance(mol, Rejected):
        return NO_SCAFFOLD
    with rdBase.BlockLogs():
        return str(MurckoScaffold.MurckoScaffoldSmiles(mol=mol, includeChirality=False))  # type: ignore[no-untyped-call]


def scaffolds(smiles: Iterable[str]) -> list[str]:
    """:func:`scaffold` of each SMILES."""
    return [scaffold(text) for text in smiles]


__all__ = ["NO_SCAFFOLD", "scaffold", "scaffolds"]
