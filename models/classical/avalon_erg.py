"""Avalon counts and extended reduced graphs: features that come as rows of fixed width, and are no counts of unfolded substructures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rdkit import Chem

AVALON: Final = "avalon"
"""Name of the part of a table that :func:`avalon_counts` fills."""
ERG: Final = "erg"
"""Name of the part of a table that :func:`reduced_graphs` fills."""
ERG_WIDTH: Final = 315
"""Pairs of pharmacophoric points (21) times distances (15)."""
_MOST_ATOMS: Final = 250
"""Heavy atoms above which a row is all zeros: the time of both grows with the cube, to seconds for a polymer."""


def avalon_counts(molecules: Sequence[Chem.Mol], size: int) -> np.ndarray:
    """How often each of so many hashed features of the Avalon toolkit occurs: atoms, bonds, paths, rings and pairs of them.

    Args:
        molecules: n molecules.
        size: Columns that the features are folded to.

    Returns:
        float32, shape (n, size); zeros for molecules of more than 250 heavy atoms.

    References:
        Gedeck et al., J. Chem. Inf. Model. 2006, 46, 1924, https://doi.org/10.1021/ci050413p
    """
    from rdkit.Avalon.pyAvalonTools import GetAvalonCountFP  # loaded only where a model asks for it

    out = np.zeros((len(molecules), size), np.float32)
    for row, mol in zip(out, molecules, strict=True):
        if mol.GetNumHeavyAtoms() <= _MOST_ATOMS:
            for column, count in GetAvalonCountFP(mol, nBits=size).GetNonzeroElements().items():
                row[column] = count
    return out


def reduced_graphs(molecules: Sequence[Chem.Mol]) -> np.ndarray:
    """Pairs of pharmacophoric points by their distance in the reduced graph, counted with blurred distances.

    Args:
        molecules: n molecules.

    Returns:
        float32, shape (n, 315); zeros for molecules of more than 250 heavy atoms.

    References:
        Stiefl et al., J. Chem. Inf. Model. 2006, 46, 208, https://doi.org/10.1021/ci050457y
    """
    from rdkit.Chem.rdReducedGraphs import GetErGFingerprint

    out = np.zeros((len(molecules), ERG_WIDTH), np.float32)
    for row, mol in zip(out, molecules, strict=True):
        if mol.GetNumHeavyAtoms() <= _MOST_ATOMS:
            row[:] = GetErGFingerprint(mol)
    return out


__all__ = ["AVALON", "avalon_counts", "ERG", "ERG_WIDTH", "reduced_graphs"]
