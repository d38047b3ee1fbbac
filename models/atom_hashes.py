"""Hashes of atoms and their surroundings, from graph codes and without RDKit: the start of fingerprints of our own.

They are those of extended-connectivity fingerprints (Rogers and Hahn 2010, doi:10.1021/ci100050t) with other hash
functions. Chirality is left out: as a tag it depends on the order of the bonds.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

_CHIRALITY: Final = 3
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)
_HALF: Final = np.uint64(32)


@numba.njit(cache=True)
def mix(value: np.uint64) -> np.uint64:
    """Spread every bit of ``value`` over all of the result."""
    value = (value ^ (value >> _SHIFT)) * _MULTIPLIER
    return value ^ (value >> _HALF)


@numba.njit(cache=True)
def atom_hashes(atoms: np.ndarray) -> np.ndarray:
    """Hash of each atom's codes (int64, shape (V, 8)), uint64, shape (V,)."""
    n_atoms, fields = atoms.shape
    found = np.empty(n_atoms, np.uint64)
    for v in range(n_atoms):
        value = np.uint64(17)
        for f in range(fields):
            if f != _CHIRALITY:
                value = mix(value * np.uint64(31) + np.uint64(atoms[v, f] + 70_000))
        found[v] = value
    return found


@numba.njit(cache=True)
def widen(now: np.ndarray, bonds: np.ndarray, ends: np.ndarray, salt: np.uint64) -> None:
    """Widen the environments of one molecule by a bond, in place; neighbours are added up, so no order matters."""
    around = np.zeros(len(now), np.uint64)
    for b in range(len(bonds)):
        i, j = ends[b, 0], ends[b, 1]
        kind = np.uint64(bonds[b, 0] * 1_009 + bonds[b, 1] * 31 + 7) * _MULTIPLIER
        around[i] += mix(now[j] + kind)
        around[j] += mix(now[i] + kind)
    for v in range(len(now)):
        now[v] = mix(now[v] * np.uint64(3) + around[v] + salt)


__all__ = ["atom_hashes", "mix", "widen"]
