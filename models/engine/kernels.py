"""Gather kernels of the engine: sums of table rows, compiled by numba, in fp32."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def bond_states(
    base: np.ndarray,
    own: np.ndarray,
    flow: np.ndarray,
    group: np.ndarray,
    rows: np.ndarray,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """State of each bond in ``rows``: relu(base[own] + sum of flow[group] over the bonds that flow into its source).

    Shapes: base (n_own, d), flow (n_groups, d), own and group (n_bonds,), result (n_rows, d). ``graph`` is the source
    atom of each bond and the compressed incoming bonds of each atom (offsets, bonds).
    """
    source, start, bonds = graph
    width = flow.shape[1]
    out = np.empty((len(rows), width), np.float32)
    for r in range(len(rows)):
        bond = rows[r]
        atom = source[bond]
        state = out[r]
        first = base[own[bond]]
        for k in range(width):
            state[k] = first[k]
        for j in range(start[atom], start[atom + 1]):
            incoming = bonds[j]
            if incoming != bond ^ 1:
                term = flow[group[incoming]]
                for k in range(width):
                    state[k] += term[k]
        for k in range(width):
            state[k] = max(state[k], np.float32(0.0))
    return out


@numba.njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def atom_sums(
    flow: np.ndarray, group: np.ndarray, rows: np.ndarray, start: np.ndarray, bonds: np.ndarray
) -> np.ndarray:
    """Sum of flow[group] over the incoming bonds of each atom in ``rows``; result (n_rows, d)."""
    width = flow.shape[1]
    out = np.zeros((len(rows), width), np.float32)
    for r in range(len(rows)):
        atom = rows[r]
        state = out[r]
        for j in range(start[atom], start[atom + 1]):
            term = flow[group[bonds[j]]]
            for k in range(width):
                state[k] += term[k]
    return out


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
