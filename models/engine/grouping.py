"""Group equal atom environments exactly, so that a network computes each of them once.

After ``t`` message-passing steps the state of a directed bond depends only on its rooted environment of radius ``t``.
Environments are compared by full keys (own code and the sorted ids of what flows in), never by a bare hash: a hash only
finds the place in the table where the keys are compared.

Directed bonds come in pairs: ``e ^ 1`` is the reverse of ``e``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_EMPTY = np.int32(-1)


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows that share a key."""

    ids: np.ndarray
    """Group of each row, int32, shape (n_rows,); numbered by first appearance."""
    representatives: np.ndarray
    """First row of each group, int32, shape (n_groups,)."""

    def __len__(self) -> int:
        return len(self.representatives)


@dataclass(frozen=True, slots=True)
class Incidence:
    """Incoming directed bonds of each atom, in compressed rows."""

    start: np.ndarray
    """Offsets into ``bonds``, int32, shape (n_atoms + 1,)."""
    bonds: np.ndarray
    """Directed bonds that end at the atom, int32, shape (n_directed_bonds,)."""
    max_degree: int
    """Largest number of bonds at one atom."""


def incidence(target: np.ndarray, n_atoms: int) -> Incidence:
    """Collect the incoming bonds of each atom from the ``target`` atom of each bond (int32, shape (n_bonds,))."""
    start, bonds = _incidence(target, n_atoms)
    degree = int(np.diff(start).max()) if n_atoms else 0
    return Incidence(start, bonds, degree)


def group_codes(codes: np.ndarray) -> Groups:
    """Group rows with equal ``codes`` (int64, shape (n,))."""
    return group_rows(codes.view(np.uint32).reshape(len(codes), 2))


def group_rows(rows: np.ndarray) -> Groups:
    """Group equal ``rows`` (uint32, shape (n, width))."""
    return Groups(*_group(np.ascontiguousarray(rows)))


def group_bonds(own: np.ndarray, previous: np.ndarray, source: np.ndarray, into: Incidence) -> Groups:
    """Group directed bonds by their own group and the multiset of groups that flow into their source atom.

    The reverse bond does not flow in: a message never returns the way it came.

    Args:
        own: Group of each bond at radius 0, int32, shape (n_bonds,).
        previous: Group of each bond one radius lower, int32, shape (n_bonds,).
        source: Atom where each bond begins, int32, shape (n_bonds,).
        into: Incoming bonds of each atom.
    """
    return Groups(*_group(_bond_keys(own, previous, source, into.start, into.bonds, max(into.max_degree, 1))))


def group_atoms(own: np.ndarray, last: np.ndarray, into: Incidence) -> Groups:
    """Group atoms by their own code (int32, shape (n_atoms,)) and the multiset of ``last`` groups that flow in."""
    return Groups(*_group(_atom_keys(own, last, into.start, into.bonds, into.max_degree)))


@numba.njit(cache=True)
def _incidence(target: np.ndarray, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    start = np.zeros(n_atoms + 1, np.int32)
    for atom in target:
        start[atom + 1] += 1
    for atom in range(n_atoms):
        start[atom + 1] += start[atom]
    place = start[:-1].copy()
    bonds = np.empty(len(target), np.int32)
    for bond in range(len(target)):
        atom = target[bond]
        bonds[place[atom]] = bond
        place[atom] += 1
    return start, bonds


@numba.njit(cache=True)
def _sorted_groups(previous: np.ndarray, start: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Groups flowing into each atom, sorted within the atom; same layout as ``bonds``."""
    flow = np.empty(len(bonds), np.int32)
    for atom in range(len(start) - 1):
        first, last = start[atom], start[atom + 1]
        for j in range(first, last):
            value = previous[bonds[j]]
            k = j
            while k > first and flow[k - 1] > value:
                flow[k] = flow[k - 1]
                k -= 1
            flow[k] = value
    return flow


@numba.njit(cache=True)
def _bond_keys(
    own: np.ndarray, previous: np.ndarray, source: np.ndarray, start: np.ndarray, bonds: np.ndarray, width: int
) -> np.ndarray:
    flow = _sorted_groups(previous, start, bonds)
    keys = np.empty((len(own), width), np.uint32)
    for bond in range(len(own)):
        row = keys[bond]
        row[0] = own[bond]
        atom = source[bond]
        skip = previous[bond ^ 1]
        k = 1
        for j in range(start[atom], start[atom + 1]):
            if flow[j] == skip:  # leave out one copy of the reverse bond's group
                skip = -1
                continue
            row[k] = flow[j]
            k += 1
        while k < width:
            row[k] = 0xFFFFFFFF
            k += 1
    return keys


@numba.njit(cache=True)
def _atom_keys(own: np.ndarray, last: np.ndarray, start: np.ndarray, bonds: np.ndarray, max_degree: int) -> np.ndarray:
    flow = _sorted_groups(last, start, bonds)
    width = max_degree + 1
    keys = np.empty((len(own), width), np.uint32)
    for atom in range(len(own)):
        row = keys[atom]
        row[0] = own[atom]
        k = 1
        for j in range(start[atom], start[atom + 1]):
            row[k] = flow[j]
            k += 1
        while k < width:
            row[k] = 0xFFFFFFFF
            k += 1
    return keys


@numba.njit(cache=True)
def _hash_row(row: np.ndarray) -> np.uint64:
    state = np.uint64(0x9E3779B97F4A7C15)
    for k in range(len(row)):
        state = (state ^ np.uint64(row[k])) * _MIX_1
        state ^= state >> np.uint64(29)
    state *= _MIX_2
    return state ^ (state >> np.uint64(32))


@numba.njit(cache=True)
def _group(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, width = keys.shape
    size = 16
    while size < 2 * n:
        size *= 2
    mask = np.uint64(size - 1)
    table = np.full(size, _EMPTY, np.int32)
    ids = np.empty(n, np.int32)
    representatives = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        slot = _hash_row(keys[i]) & mask
        while True:
            group = table[slot]
            if group < 0:
                table[slot] = count
                representatives[count] = i
                ids[i] = count
                count += 1
                break
            other = representatives[group]
            equal = True
            for k in range(width):
                if keys[i, k] != keys[other, k]:
                    equal = False
                    break
            if equal:
                ids[i] = group
                break
            slot = (slot + np.uint64(1)) & mask
    return ids, representatives[:count].copy()
