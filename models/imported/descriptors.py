"""Descriptors of whole molecules that Chemprop models may have been trained with, where RDKit gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

_BITS: Final = 2_048
_RADIUS: Final = 2


def descriptor_width(name: str) -> int:
    """Number of columns of the descriptors ``name``."""
    return {"morgan_binary": _BITS, "morgan_count": _BITS, "charge": 1, "rdkit_2d": len(Descriptors.descList)}[name]


def descriptor_rows(name: str, mols: Sequence[Chem.Mol]) -> np.ndarray:
    """Descriptors as Chemprop 2 computes them.

    Args:
        name: One of :data:`DESCRIPTORS`: ``morgan_binary`` and ``morgan_count`` (radius 2, 2,048, with chirality),
            ``rdkit_2d`` (all of ``Descriptors.descList`` of the installed RDKit), ``charge``.
        mols: n molecules.

    Returns:
        float32, shape (n, :func:`descriptor_width`); what cannot be computed is NaN.
    """
    rows = np.zeros((len(mols), descriptor_width(name)), np.float32)
    with rdBase.BlockLogs(), np.errstate(over="ignore"):
        for row, mol in zip(rows, mols, strict=True):
            row[:] = _FUNCTIONS[name](mol)
    return rows


@cache
def _generator():  # type: ignore[no-untyped-def] # noqa: ANN202 - a type of RDKit without stubs
    return GetMorganGenerator(radius=_RADIUS, fpSize=_BITS, includeChirality=True)


def _bits(mol: Chem.Mol) -> np.ndarray:
    return np.asarray(_generator().GetFingerprintAsNumPy(mol))


def _counts(mol: Chem.Mol) -> np.ndarray:
    return np.asarray(_generator().GetCountFingerprintAsNumPy(mol)).astype(np.int32)


def _rdkit_2d(mol: Chem.Mol) -> list[float]:
    return [_value(name, function, mol) for name, function in Descriptors.descList]


def _value(name: str, function: Callable[[Chem.Mol], float], mol: Chem.Mol) -> float:
    return 0.0 if name == "SPS" and mol.GetNumHeavyAtoms() == 0 else float(function(mol))


_FUNCTIONS: Final[dict[str, Callable[[Chem.Mol], Sequence[float] | np.ndarray]]] = {
    "morgan_binary": _bits,
    "morgan_count": _counts,
    "rdkit_2d": _rdkit_2d,
    "charge": lambda mol: [float(Chem.GetFormalCharge(mol))],
}
DESCRIPTORS: Final = tuple(_FUNCTIONS)
"""Names of the descriptors that can be computed here, as ``chemprop train --molecule-featurizers`` spells them."""


__all__ = ["DESCRIPTORS", "descriptor_rows", "descriptor_width"]
