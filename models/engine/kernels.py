"""Gather kernels of the engine: sums of table rows, compiled by numba, in fp32."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def bond_states(
    out: np.ndarray,
    first: tuple[np.ndarray, np.ndarray],
    flow: np.ndarray,
    group: np.ndarray,
    rows: np.ndarray,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """State of each bond in ``rows``, into ``out``: relu(base[own] + sum of flow[group] over what flows into its source).

    Shapes: out (n_rows, d), flow (n_groups, d), group (n_bonds,). ``first`` is base (n_own, d) and own (n_bonds,); ``graph``
    the source atom of each bond and the compressed incoming bonds of each atom (offsets, bonds).
    """
    (base, own), (source, start, bonds) = first, graph
    width = flow.shape[1]
    for r in range(len(rows)):
        bond = rows[r]
        atom = source[bond]
        state = out[r]
        begin = base[own[bond]]
        for k in range(width):
            state[k] = begin[k]
        for j in range(start[atom], start[atom + 1]):
            incoming = bonds[j]
            if incoming != bond ^ 1:
                term = flow[group[incoming]]
                for k in range(width):
                    state[k] += term[k]
        for k in range(width):
            state[k] = max(state[k], np.float32(0.0))


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def atom_sums(
    out: np.ndarray, flow: np.ndarray, group: np.ndarray, rows: np.ndarray, start: np.ndarray, bonds: np.ndarray
) -> None:
    """Sum of flow[group] over the incoming bonds of each atom in ``rows``, into ``out`` (n_rows, d)."""
    width = flow.shape[1]
    for r in range(len(rows)):
        atom = rows[r]
        state = out[r]
        for k in range(width):
            state[k] = np.float32(0.0)
        for j in range(start[atom], start[atom + 1]):
            term = flow[group[bonds[j]]]
            for k in range(width):
                state[k] += term[k]


@numba.njit(cache=True)
def add_rows_relu(out: np.ndarray, base: np.ndarray, index: np.ndarray) -> None:
    """In place: out = relu(out + base[index]); out (n, d), base (m, d), index (n,)."""
    for r in range(out.shape[0]):
        state = out[r]
        term = base[index[r]]
        for k in range(out.shape[1]):
            state[k] = max(state[k] + term[k], np.float32(0.0))


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def molecule_sums(states: np.ndarray, group: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum of states[group] over the atoms of each molecule; states (m, d), offsets (n + 1,), result (n, d)."""
    width = states.shape[1]
    out = np.zeros((len(offsets) - 1, width), np.float32)
    for molecule in range(len(offsets) - 1):
        total = out[molecule]
        for atom in range(offsets[molecule], offsets[molecule + 1]):
            term = states[group[atom]]
            for k in range(width):
                total[k] += term[k]
    return out


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def atoms_into_molecules(
    states: np.ndarray,
    flow: np.ndarray,
    group: np.ndarray,
    own: tuple[np.ndarray, np.ndarray],
    atoms: tuple[np.ndarray, np.ndarray],
    into: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """:func:`atom_sums`, :func:`add_rows_relu` and :func:`molecule_sums` in one pass over the atoms, while rows are in the cache.

    A group of atoms is computed where its first atom stands, into ``states`` (n_groups, d), and read where others stand.

    Shapes: flow (n_flows, d), group (n_bonds,), result (n_molecules, d). ``own`` is what an atom adds of itself and the row of each
    atom in it; ``atoms`` the group of each atom, numbered by first appearance, and the first atom of each molecule and the
    end; ``into`` the compressed incoming bonds of each atom (offsets, bonds).
    """
    (base, codes), (atom_group, offsets), (start, bonds) = own, atoms, into
    width = flow.shape[1]
    out = np.zeros((len(offsets) - 1, width), np.float32)
    computed = 0
    for molecule in range(len(offsets) - 1):
        total = out[molecule]
        for atom in range(offsets[molecule], offsets[molecule + 1]):
            state = states[atom_group[atom]]
            if atom_group[atom] == computed:
                computed += 1
                _atom_state(state, flow, group, bonds[start[atom] : start[atom + 1]], base[codes[atom]])
            for k in range(width):
                total[k] += state[k]
    return out


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def _atom_state(state: np.ndarray, flow: np.ndarray, group: np.ndarray, incoming: np.ndarray, own: np.ndarray) -> None:
    for k in range(len(state)):
        state[k] = np.float32(0.0)
    for j in range(len(incoming)):
        term = flow[group[incoming[j]]]
        for k in range(len(state)):
            state[k] += term[k]
    for k in range(len(state)):
        state[k] = max(state[k] + own[k], np.float32(0.0))
