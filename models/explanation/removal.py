"""Shares by taking pieces away: works for any scorer, whatever is inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from cinchona.models.explanation.editing import fragments, hidden_atoms, without_atoms, without_bond

Predict = Callable[[Sequence[str]], np.ndarray]
"""Predictions for SMILES, float64, shape (s,); NaN where there is none."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """One edited molecule and what its fall is shared among."""

    smiles: str
    atoms: tuple[int, ...] = ()
    bond: int = -1
    is_piece: bool = False


def removal_shares(
    molecules: Sequence[Chem.Mol], smiles: Sequence[str], predict: Predict
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    r"""Shares of atoms and bonds from what a scorer says of edited molecules.

    .. math:: a_v = \tfrac12 \big(f(M) - f(M[v \to *])\big) + \frac{f(M) - f(M \setminus F)}{2 |F|}

    for an atom v: once its element is hidden and its bonds stay, once the piece F that it is in is taken away, hydrogens standing in
    its place. Where the scorer refuses one of the two, the other counts alone. A bond gets :math:`f(M) - f(M \setminus b)`, the molecule
    with that bond cut; 0 where that cannot be scored.

    Args:
        molecules: The molecules.
        smiles: How they are written.
        predict: The scorer; each distinct edited molecule is asked for once.

    Returns:
        For each molecule the prediction and the shares of its atoms, float64, (n,), and of its bonds, (m,).

    References:
        Sheridan, J. Chem. Inf. Model. 2019, 59, 1324, https://doi.org/10.1021/acs.jcim.8b00825 (atoms); Polishchuk et al., Mol.
        Inform. 2013, 32, 843, https://doi.org/10.1002/minf.201300029 (pieces).
    """
    edits = [list(_edits(mol)) for mol in molecules]
    asked = list(dict.fromkeys([*smiles, *(edit.smiles for each in edits for edit in each if edit.smiles)]))
    known = dict(zip(asked, predict(asked).tolist(), strict=True))
    known[""] = float("nan")
    return [
        _shared(mol, known[text], [(edit, known[text] - known[edit.smiles]) for edit in each])
        for mol, text, each in zip(molecules, smiles, edits, strict=True)
    ]


def _edits(mol: Chem.Mol) -> Iterator[_Edit]:
    for atom in range(mol.GetNumAtoms()):
        yield _Edit(hidden_atoms(mol, [atom]), atoms=(atom,))
    for piece in fragments(mol):
        yield _Edit(without_atoms(mol, piece), atoms=tuple(piece), is_piece=True)
    for bond in range(mol.GetNumBonds()):
        yield _Edit(without_bond(mol, bond), bond=bond)


def _shared(mol: Chem.Mol, value: float, falls: list[tuple[_Edit, float]]) -> tuple[float, np.ndarray, np.ndarray]:
    hidden, gone = np.full((2, mol.GetNumAtoms()), np.nan)
    bonds = np.zeros(mol.GetNumBonds())
    for edit, fall in falls:
        if edit.bond >= 0:
            bonds[edit.bond] = fall if np.isfinite(fall) else 0.0
        elif edit.is_piece:
            gone[list(edit.atoms)] = fall / len(edit.atoms)
        else:
            hidden[edit.atoms[0]] = fall
    atoms = np.where(np.isnan(hidden), gone, np.where(np.isnan(gone), hidden, 0.5 * (hidden + gone)))
    return value, np.nan_to_num(atoms), bonds


__all__ = ["Predict", "removal_shares"]
