"""Targets whose causes are known atom by atom, to judge explanations by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors


@dataclass(frozen=True, slots=True)
class PlantedTask:
    """A target that is computed from the structure, and the atoms that it comes from."""

    name: str
    """What is planted."""
    kind: Literal["regression", "classification"]
    """Kind of the target."""
    label: Callable[[Chem.Mol], float]
    """The target of a molecule."""
    truth: Callable[[Chem.Mol], np.ndarray]
    """Which atoms raise it, bool, shape (n,); all False for a molecule that cannot be judged by them."""


def _matched(mol: Chem.Mol, *patterns: Chem.Mol) -> np.ndarray:
    found = np.zeros(mol.GetNumAtoms(), bool)
    for pattern in patterns:
        for match in mol.GetSubstructMatches(pattern):
            found[list(match)] = True
    return found


AMIDE: Final = Chem.MolFromSmarts("[CX3](=[OX1])[NX3]")
HALOGEN: Final = Chem.MolFromSmarts("[F,Cl,Br]")
DONOR: Final = Chem.MolFromSmarts("[NX3;H1,H2][CX3]=[OX1]")
AROMATIC_N: Final = Chem.MolFromSmarts("[nX2]")
PAIR_DISTANCE: Final = (3, 7)
"""Bonds between the halogen and the nitrogen of a pharmacophore pair, at least and at most."""


def _group_count(mol: Chem.Mol) -> float:
    return float(len(mol.GetSubstructMatches(AMIDE)))


def crippen_shares(mol: Chem.Mol) -> np.ndarray:
    """Contribution of each heavy atom with its hydrogens to Crippen's logP, float64, shape (n,); they add up to it.

    References:
        Wildman and Crippen, J. Chem. Inf. Comput. Sci. 1999, 39, 868, https://doi.org/10.1021/ci990307l; as a test of explanations,
        Rasmussen et al., SciPost Chem. 2023, 2, 002, https://doi.org/10.21468/SciPostChem.2.1.002.
    """
    full = Chem.AddHs(mol)
    logp = np.array([pair[0] for pair in rdMolDescriptors._CalcCrippenContribs(full)])  # noqa: SLF001 - RDKit's only way
    shares = logp[: mol.GetNumAtoms()].copy()
    for atom in list(full.GetAtoms())[mol.GetNumAtoms() :]:
        shares[atom.GetNeighbors()[0].GetIdx()] += logp[atom.GetIdx()]
    return shares


def _lipophilic(mol: Chem.Mol) -> np.ndarray:
    raised: np.ndarray = crippen_shares(mol) > 0
    return raised


def pharmacophore_pairs(mol: Chem.Mol) -> list[tuple[int, ...]]:
    """Atoms of each pair of a halogen and an aromatic nitrogen with two neighbours that are 3 to 7 bonds apart."""
    apart = Chem.GetDistanceMatrix(mol)
    return [
        (*one, *other)
        for one in mol.GetSubstructMatches(HALOGEN)
        for other in mol.GetSubstructMatches(AROMATIC_N)
        if PAIR_DISTANCE[0] <= apart[one[0], other[0]] <= PAIR_DISTANCE[1]
    ]


def _has_pair(mol: Chem.Mol) -> float:
    return float(bool(pharmacophore_pairs(mol)))


def _pair_atoms(mol: Chem.Mol) -> np.ndarray:
    found = np.zeros(mol.GetNumAtoms(), bool)
    for pair in pharmacophore_pairs(mol):
        found[list(pair)] = True
    return found


TASKS: Final = MappingProxyType({
    task.name: task
    for task in (
        PlantedTask("amide count", "regression", _group_count, lambda mol: _matched(mol, AMIDE)),
        PlantedTask("Crippen logP", "regression", lambda mol: float(crippen_shares(mol).sum()), _lipophilic),
        PlantedTask("pharmacophore pair", "classification", _has_pair, _pair_atoms),
    )
})  # fmt: skip
"""The three tasks, by name: an additive count, an additive sum of all atoms, and an AND of two groups at a distance."""


def planted_auc(shares: np.ndarray, truth: np.ndarray) -> float:
    r"""How well shares tell planted atoms from the others of one molecule: ROC-AUC of the atoms.

    Range [0, 1]; random shares expect 0.5, constant ones get exactly that (ties count half). NaN where all atoms are planted, or
    none is.

    References:
        McCloskey et al., PNAS 2019, 116, 11624, https://doi.org/10.1073/pnas.1820657116.

    >>> planted_auc(np.array([0.9, 0.1, 0.2]), np.array([True, False, False]))
    1.0
    """
    high, low = shares[truth], shares[~truth]
    if not len(high) or not len(low):
        return float("nan")
    above = (high[:, None] > low).sum() + 0.5 * (high[:, None] == low).sum()
    return float(above / (len(high) * len(low)))


__all__ = ["TASKS", "PlantedTask", "crippen_shares", "pharmacophore_pairs", "planted_auc"]
