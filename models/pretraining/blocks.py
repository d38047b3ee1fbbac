"""Blocks: graph codes and targets of some thousand molecules in one file, computed once and read in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from rdkit import Chem
from safetensors.numpy import load_file

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.descriptors import descriptor_matrix
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.graphcodes import GraphCodes
from cinchona.datasets.parsing import Rejected
from cinchona.datasets.standardize import standardize_distinct
from cinchona.files import write_bytes
from cinchona.models.coded_input import usable_molecule
from cinchona.models.scorers import pack_arrays

_CHUNK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Block:
    """n molecules with what is to be predicted of them."""

    molecules: CodedMolecules
    """Their graph codes."""
    descriptors: np.ndarray
    """RDKit descriptors in natural units, float32, shape (n, k); NaN where there is none."""
    bits: np.ndarray
    """Folded Morgan fingerprints, eight bits a byte (little-endian), uint8, shape (n, size / 8)."""

    def __len__(self) -> int:
        return len(self.molecules)

    def save(self, path: Path) -> None:
        """Write the block, atomically."""
        molecules = self.molecules
        parts = {f"graph.{f.name}": getattr(molecules.graph, f.name) for f in fields(GraphCodes)}
        parts |= {"atom_offsets": molecules.atom_offsets, "bond_offsets": molecules.bond_offsets}
        write_bytes(path, pack_arrays({**parts, "descriptors": self.descriptors, "bits": self.bits}))

    @classmethod
    def load(cls, path: Path) -> Block:
        """Read a block that :meth:`save` wrote."""
        found = load_file(path)
        graph = GraphCodes(*(found[f"graph.{f.name}"] for f in fields(GraphCodes)))
        molecules = CodedMolecules(graph, found["atom_offsets"], found["bond_offsets"])
        return cls(molecules, found["descriptors"], found["bits"])


def make_block(
    smiles: Sequence[str], *, descriptors: Sequence[str], bits: int, standardize: StandardizeConfig
) -> Block:
    """Standardize structures and compute codes and targets; those that cannot be used are left out.

    Args:
        smiles: Structures as given.
        descriptors: Names of the descriptors.
        bits: Width of the Morgan fingerprint.
        standardize: How structures are standardized.
    """
    mols: list[Chem.Mol] = []
    described, printed = [np.empty((0, len(descriptors)), np.float32)], [np.empty((0, bits // 8), np.uint8)]
    for start in range(0, len(smiles), _CHUNK):
        texts = smiles[start : start + _CHUNK]
        done = standardize_distinct(texts, standardize)
        parents = [done[text] for text in texts]
        found = [usable_molecule(p.parent) for p in parents if not isinstance(p, Rejected)]
        usable = [mol for mol in found if not isinstance(mol, Rejected)]
        described.append(descriptor_matrix(usable, descriptors))
        printed.append(morgan_packed(usable, size=bits))
        mols += usable
    return Block(codes_of_many(mols), np.concatenate(described), np.concatenate(printed))


__all__ = ["Block", "make_block"]
