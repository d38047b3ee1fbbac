"""Molecular graphs to torch: many small graphs become one large graph without edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.molgraph import MolGraph, directed, features
from cinchona.errors import ShapeError
from cinchona.models.engine.graphs import coded_graphs
from cinchona.models.engine.grouping import group_rows, incidence
from cinchona.models.environments import Environments, bonds_into, find_environments, predecessors


@dataclass(frozen=True, slots=True)
class Step:
    """One round of messages, from the k rows of the level before to the u rows of this one."""

    links: Tensor
    """(sending row, receiving row), int64, shape (2, L)."""
    origin: Tensor
    """What each receiving row starts from: a row of level 0, or in the last step an atom row; int64, shape (u,)."""


@dataclass(frozen=True, slots=True)
class Program:
    """The messages that a network of depth T sends in this batch, each distinct one once."""

    start: Tensor
    """Level 0: (atom row, bond row) of each distinct directed bond, int64, shape (2, u0)."""
    steps: tuple[Step, ...]
    """Rounds 1 to T-1, from bonds to bonds."""
    finish: Step
    """The last round, from bonds to distinct atoms."""
    atom: Tensor
    """Distinct atom that each atom of the batch is, int64, shape (V,)."""


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """Graphs of b molecules side by side, with V atoms and E directed bonds in all."""

    atom_rows: Tensor
    """Distinct rows of atom features, float32, shape (u_atom, d_atom)."""
    atom_code: Tensor
    """Feature row of each atom, int64, shape (V,)."""
    bond_rows: Tensor
    """Distinct rows of bond features, float32, shape (u_bond, d_bond)."""
    bond_code: Tensor
    """Feature row of each directed bond, int64, shape (E,)."""
    edges: Tensor
    """Directed bonds as (source atom, target atom), bond 2k the reverse of 2k + 1, int64, shape (2, E)."""
    molecule: Tensor
    """Molecule of each atom, ascending, int64, shape (V,)."""
    sizes: Tensor
    """Atoms of each molecule, float32, shape (b, 1)."""
    program: Program | None
    """What a directed message-passing network of the batch's depth computes; None at depth 0, for networks on atoms."""
    extra: Tensor | None = None
    """Scaled features of whole molecules, float32, shape (b, x), for networks with a hybrid head."""

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def atoms(self) -> Tensor:
        """Features of every atom, float32, shape (V, d_atom)."""
        return self.atom_rows[self.atom_code]

    @property
    def bonds(self) -> Tensor:
        """Features of every directed bond, float32, shape (E, d_bond)."""
        return self.bond_rows[self.bond_code]


@dataclass(frozen=True, slots=True)
class GraphSet:
    """Graphs of n molecules laid end to end, from which batches are cut; far smaller than their feature matrices."""

    atom_rows: np.ndarray
    """Distinct rows of atom features, float32, shape (u_atom, d_atom)."""
    bond_rows: np.ndarray
    """Distinct rows of bond features, float32, shape (u_bond, d_bond)."""
    atom_code: np.ndarray
    """Feature row of each atom, int32, shape (V,)."""
    bond_code: np.ndarray
    """Feature row of each directed bond, int32, shape (E,)."""
    edges: np.ndarray
    """Directed bonds, atoms counted within their molecule, int32, shape (2, E)."""
    first_atom: np.ndarray
    """Where the atoms of each molecule begin, int64, shape (n + 1,)."""
    first_bond: np.ndarray
    """Where the directed bonds of each molecule begin, int64, shape (n + 1,)."""
    environments: Environments | None
    """Groups of equal surroundings over all molecules; None computes every bond, shared or not."""
    depth: int
    """Message-passing steps T of the network; 0 lays out none."""
    extra: np.ndarray | None = None
    """Scaled features of whole molecules, float32, shape (n, x), for networks with a hybrid head."""

    @classmethod
    def of(cls, graphs: Sequence[MolGraph], *, depth: int, share: bool = True) -> GraphSet:
        """Lay ``graphs`` end to end.

        Args:
            graphs: Molecules, at least one. Directed bonds come in pairs: bond 2k is the reverse of bond 2k + 1.
            depth: Message-passing steps T of the network; 0 for networks on atoms, which need no plan.
            share: Find equal surroundings, so that each is computed once; False is slower and for tests.

        Raises:
            ShapeError: if there is no graph or a graph has an odd number of directed bonds.
        """
        if not graphs:
            raise ShapeError.of("graphs", (0,), "at least one molecule")
        odd = [g.edges.shape for g in graphs if g.edges.shape[1] % 2]
        if odd:
            raise ShapeError.of("edges", odd[0], "(2, 2 * n_bonds), each bond in both directions")
        first_atom, first_bond = _offsets([len(g.atoms) for g in graphs]), _offsets([g.edges.shape[1] for g in graphs])
        atom_rows, atom_code = _codes([g.atoms for g in graphs])
        bond_rows, bond_code = _codes([g.bonds for g in graphs])
        edges = np.concatenate([g.edges for g in graphs], axis=1).astype(np.int32)
        found = None
        if share and depth:
            joined = (edges + np.repeat(first_atom[:-1], np.diff(first_bond))).astype(np.int32)
            found = find_environments(atom_code, bond_code, joined, depth=depth)
        return cls(atom_rows, bond_rows, atom_code, bond_code, edges, first_atom, first_bond, found, depth)

    @classmethod
    def of_codes(cls, molecules: CodedMolecules, *, depth: int, extra: np.ndarray | None = None) -> GraphSet:
        """Lay coded molecules end to end on the features of this version; the same set as of their graphs, much faster."""
        coded = coded_graphs(molecules, features)
        edges = np.ascontiguousarray(directed(coded.ends).astype(np.int32))
        bond_code = np.repeat(coded.bond_codes, 2).astype(np.int32)
        atom_code = coded.atom_codes.astype(np.int32)
        found = find_environments(atom_code, bond_code, edges, depth=depth) if depth else None
        first_atom = molecules.atom_offsets.astype(np.int64)
        first_bond = 2 * molecules.bond_offsets.astype(np.int64)
        within = (edges - np.repeat(first_atom[:-1], np.diff(first_bond))).astype(np.int32)
        rows = (coded.atom_rows, coded.bond_rows, atom_code, bond_code)
        return cls(*rows, within, first_atom, first_bond, found, depth, extra)

    def __len__(self) -> int:
        return len(self.first_atom) - 1

    def batch(self, rows: np.ndarray) -> GraphBatch:
        """Put the molecules ``rows`` (int, shape (b,)) side by side."""
        atoms, sizes = _ranges(self.first_atom, rows)
        bonds, n_bonds = _ranges(self.first_bond, rows)
        edges = self.edges[:, bonds] + np.repeat(np.cumsum(sizes) - sizes, n_bonds)
        used_atoms, atom_code = np.unique(self.atom_code[atoms], return_inverse=True)
        used_bonds, bond_code = np.unique(self.bond_code[bonds], return_inverse=True)
        codes = (atom_code, bond_code)
        program = self._program(atoms, bonds, edges.astype(np.int32), codes=codes) if self.depth else None
        return GraphBatch(
            atom_rows=torch.from_numpy(self.atom_rows[used_atoms]),
            atom_code=torch.from_numpy(atom_code),
            bond_rows=torch.from_numpy(self.bond_rows[used_bonds]),
            bond_code=torch.from_numpy(bond_code),
            edges=torch.from_numpy(edges),
            molecule=torch.from_numpy(np.repeat(np.arange(len(rows)), sizes)),
            sizes=torch.from_numpy(sizes.astype(np.float32)).unsqueeze(1),
            program=program,
            extra=None if self.extra is None else torch.from_numpy(self.extra[rows]),
        )

    def _program(
        self, atoms: np.ndarray, bonds: np.ndarray, edges: np.ndarray, *, codes: tuple[np.ndarray, np.ndarray]
    ) -> Program:
        into = incidence(np.ascontiguousarray(edges[1]), len(atoms))
        levels = [self._distinct(level, bonds) for level in range(self.depth)]
        first, row = levels[0]
        start = np.stack([codes[0][edges[0, first]], codes[1][first]])
        steps = []
        for (_, sender), (receivers, _) in pairwise(levels):
            before, owner = predecessors(receivers, edges[0, receivers], into)
            steps.append(_step(sender[before], owner, row[receivers]))
        ends, atom = self._distinct(None, atoms)
        arriving, owner = bonds_into(ends, into)
        finish = _step(levels[-1][1][arriving], owner, codes[0][ends])
        return Program(torch.from_numpy(start), tuple(steps), finish, torch.from_numpy(atom))

    def _distinct(self, level: int | None, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First member of each group among ``members``, and the group of each; groups count from 0."""
        if self.environments is None:
            everyone = np.arange(len(members))
            return everyone, everyone
        groups = self.environments.atoms if level is None else self.environments.bonds[level]
        _, first, group = np.unique(groups[members], return_index=True, return_inverse=True)
        return first, group


def collate(graphs: Sequence[MolGraph], *, depth: int, share: bool = True) -> GraphBatch:
    """Put ``graphs`` side by side for a network of ``depth``; see :meth:`GraphSet.of`."""
    return GraphSet.of(graphs, depth=depth, share=share).batch(np.arange(len(graphs)))


def shuffled(n: int, size: int, *, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut a random order of ``n`` rows into batches of nearly equal length, at most ``size``.

    Equal lengths keep the last batch from being tiny: its gradient would count as much as the others'.

    Yields:
        Row indices, int64, shape (about size,); together every row once.
    """
    order = rng.permutation(n)
    yield from np.array_split(order, max(1, -(-n // size))) if n else ()


def chunks(bonds: Sequence[int], limit: int) -> Iterator[slice]:
    """Cut consecutive molecules into chunks of at most ``limit`` directed bonds, or of one larger molecule.

    Memory follows the bonds of a chunk, so this bounds it whatever the molecules.

    Args:
        bonds: Directed bonds of each molecule, length n.
        limit: Bonds in a chunk.

    Yields:
        Slices that together cover 0 to n.
    """
    start, load = 0, 0
    for position, weight in enumerate(bonds):
        if position > start and load + weight > limit:
            yield slice(start, position)
            start, load = position, 0
        load += weight
    if len(bonds):
        yield slice(start, len(bonds))


def _step(sender: np.ndarray, receiver: np.ndarray, origin: np.ndarray) -> Step:
    return Step(torch.from_numpy(np.stack([sender, receiver])), torch.from_numpy(origin))


def _codes(features: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate(features).astype(np.float32, copy=False)
    groups = group_rows(rows.view(np.uint32))
    return rows[groups.representatives], groups.ids


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _ranges(first: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all elements that belong to ``rows``, row after row, and their number in each row."""
    count = first[rows + 1] - first[rows]
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first[rows], count) + within, count
