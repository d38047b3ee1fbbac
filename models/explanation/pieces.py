"""An explanation in words: which pieces of a molecule raise and lower its prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from cinchona.models.explanation.editing import fragments
from cinchona.models.explanation.records import Attribution


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a molecule with its share."""

    smiles: str
    """The part, ``*`` where it was cut off."""
    atoms: tuple[int, ...]
    """Its atoms in the molecule."""
    share: float
    """Sum of the shares of its atoms (:attr:`~cinchona.models.explanation.records.Attribution.by_atom`)."""
    unsure: bool
    """Whether atoms on which the members of an ensemble disagree make up most of it."""


def pieces(explained: Attribution) -> list[Piece]:
    """The parts of the molecule, the most telling first."""
    mol = Chem.MolFromSmiles(explained.smiles)
    assert mol is not None, "an explained molecule has been parsed before"
    shares, unsure = explained.by_atom, explained.unsure_atoms
    found = [
        Piece(piece_smiles(mol, atoms), tuple(atoms), float(shares[list(atoms)].sum()), _mostly(unsure, shares, atoms))
        for atoms in fragments(mol)
    ]
    return sorted(found, key=lambda piece: -abs(piece.share))


def piece_smiles(mol: Chem.Mol, atoms: tuple[int, ...] | list[int]) -> str:
    """A part of ``mol`` as SMILES, with ``*`` for each bond that leads out of it."""
    inside = set(atoms)
    cuts = [
        bond.GetIdx()
        for bond in mol.GetBonds()
        if (bond.GetBeginAtomIdx() in inside) != (bond.GetEndAtomIdx() in inside)
    ]
    if not cuts:
        return str(Chem.MolFragmentToSmiles(mol, sorted(inside)))
    cut = Chem.FragmentOnBonds(mol, cuts, dummyLabels=[(0, 0)] * len(cuts))
    for part in Chem.GetMolFrags(cut):
        if inside & set(part):
            return str(Chem.MolFragmentToSmiles(cut, part))
    raise AssertionError(atoms)


def _mostly(unsure: np.ndarray, shares: np.ndarray, atoms: tuple[int, ...]) -> bool:
    here = list(atoms)
    weight = np.abs(shares[here])
    return bool(weight[unsure[here]].sum() > 0.5 * weight.sum())


__all__ = ["Piece", "piece_smiles", "pieces"]
