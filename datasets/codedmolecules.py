"""Graph codes of many molecules laid end to end: to take from, to join, to hand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.datasets.graphcodes import AtomField, BondField, GraphCodes


@dataclass(frozen=True, slots=True)
class CodedMolecules:
    """Codes of n molecules laid end to end."""

    graph: GraphCodes
    """Codes of all atoms and bonds; ``ends`` count from the first atom of their own molecule."""
    atom_offsets: np.ndarray
    """First atom of each molecule and the end, int32, shape (n + 1,)."""
    bond_offsets: np.ndarray
    """First bond of each molecule and the end, int32, shape (n + 1,)."""

    def __len__(self) -> int:
        return len(self.atom_offsets) - 1

    def molecule(self, index: int) -> GraphCodes:
        """Codes of one molecule."""
        atoms = slice(self.atom_offsets[index], self.atom_offsets[index + 1])
        bonds = slice(self.bond_offsets[index], self.bond_offsets[index + 1])
        return GraphCodes(self.graph.atoms[atoms], self.graph.bonds[bonds], self.graph.ends[bonds])


def lay_end_to_end(graphs: Sequence[GraphCodes]) -> CodedMolecules:
    """Join the codes of single molecules."""
    atoms = [g.atoms for g in graphs] or [np.empty((0, len(AtomField)), np.int16)]
    bonds = [g.bonds for g in graphs] or [np.empty((0, len(BondField)), np.uint8)]
    ends = [g.ends for g in graphs] or [np.empty((0, 2), np.int16)]
    joined = GraphCodes(np.concatenate(atoms), np.concatenate(bonds), np.concatenate(ends))
    return CodedMolecules(
        joined, offsets_of([len(g.atoms) for g in graphs]), offsets_of([len(g.bonds) for g in graphs])
    )


def take(molecules: CodedMolecules, places: np.ndarray) -> CodedMolecules:
    """The molecules at ``places`` (int, shape (m,)), in that order."""
    atoms, n_atoms = _ranges(molecules.atom_offsets, places)
    bonds, n_bonds = _ranges(molecules.bond_offsets, places)
    graph = molecules.graph
    return CodedMolecules(
        GraphCodes(graph.atoms[atoms], graph.bonds[bonds], graph.ends[bonds]), offsets_of(n_atoms), offsets_of(n_bonds)
    )


def join(*parts: CodedMolecules) -> CodedMolecules:
    """The molecules of the first part, then those of the second, and so on; at least one part."""
    columns = [[getattr(part.graph, name) for part in parts] for name in ("atoms", "bonds", "ends")]
    lengths = [
        np.concatenate([np.diff(getattr(part, name)) for part in parts]) for name in ("atom_offsets", "bond_offsets")
    ]
    return CodedMolecules(
        GraphCodes(*(np.concatenate(column) for column in columns)), *(offsets_of(n) for n in lengths)
    )


def _ranges(offsets: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all elements of the molecules at ``places``, and their number in each."""
    begin, sizes = offsets[places].astype(np.int64), (offsets[places + 1] - offsets[places]).astype(np.int64)
    first = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) + np.repeat(begin - first, sizes), sizes


def offsets_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each of n pieces of these lengths begins when they are laid end to end, and the end; int32, shape (n + 1,)."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


__all__ = ["CodedMolecules", "join", "lay_end_to_end", "offsets_of", "take"]
