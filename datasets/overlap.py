"""Which compounds of a test are already known, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolHash

from cinchona.datasets.fingerprints import morgan_packed, nearest
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.standardize import inchikey

_SKELETON: Final = 14
"""Letters of an InChIKey that tell the skeleton, without stereo, isotopes, protons and mobile hydrogens."""
_KEPT: Final = 100_000
_TAUTOMER: Final = rdMolHash.HashFunction.HetAtomTautomerv2


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """What of n tested compounds is among m known ones."""

    duplicate: np.ndarray
    """Whether the same canonical SMILES is known, bool, shape (n,)."""
    twin: np.ndarray
    """Whether another form is known and the same is not: other stereo, isotopes or protons, or a tautomer; bool, shape (n,)."""
    similarity: np.ndarray
    """Tanimoto similarity to the nearest known compound (Morgan, radius 2, 2,048 bits), float32, shape (n,); 0 where none is known."""
    nearest: np.ndarray
    """Which one that is, int64, shape (n,); -1 where none is known."""

    @property
    def seen(self) -> np.ndarray:
        """Duplicates and twins, bool, shape (n,)."""
        either: np.ndarray = self.duplicate | self.twin
        return either


def overlap(tested: Sequence[str], known: Sequence[str]) -> Overlap:
    """Compare n tested compounds with m known ones, all as standardized SMILES.

    Two are twins if their InChIKeys agree in the first block, or if their hashes of tautomers do, which also bring ketones and enols together.

    References:
        Heller et al., J. Cheminform. 2015, 7, 23, https://doi.org/10.1186/s13321-015-0068-4
    """
    there = set(known)
    duplicate = np.array([smiles in there for smiles in tested], bool)
    skeletons, tautomers = ({of(smiles) for smiles in known} - {""} for of in (_skeleton, _tautomers))
    twin = np.array([_skeleton(smiles) in skeletons or _tautomers(smiles) in tautomers for smiles in tested], bool)
    if not len(tested) or not len(known):
        return Overlap(duplicate, twin, np.zeros(len(tested), np.float32), np.full(len(tested), -1))
    similarity, place = nearest(morgan_packed(tested), morgan_packed(known))
    return Overlap(duplicate, twin & ~duplicate, similarity, place)


def _skeleton(smiles: str) -> str:
    return inchikey(smiles)[:_SKELETON]


@lru_cache(maxsize=_KEPT)
def _tautomers(smiles: str) -> str:
    """Hash that all tautomers and stereoisomers of a compound share; empty where there is none."""
    mol = parse_smiles(smiles)
    if isinstance(mol, Rejected) or not mol.GetNumAtoms():
        return ""
    mol = Chem.Mol(mol)
    Chem.RemoveStereochemistry(mol)
    return str(rdMolHash.MolHash(mol, _TAUTOMER))


__all__ = ["Overlap", "overlap"]
