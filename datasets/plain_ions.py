"""Charged atoms and sulfoxides of plain molecules: which stay, which the ChEMBL pipeline rewrites, which need all of it.

The pipeline's neutralizer leaves neighbours of opposite charge and nitrogen without a proton to lose; the other cations lose
their protons, and anions take one unless a lasting cation needs them. Neutral sulfoxides become S+ and O-.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from cinchona.datasets.graphcodes import AROMATIC, AtomField

_N, _O, _S = 7, 8, 16
FACTS: Final = 6
ORDER, DOUBLES, IMINE, HYDROXYL, NITRO, OXYGENS = range(FACTS)
"""What an atom's neighbours say: sum of bond orders, double bonds, acyclic double bonds to nitrogen, OH groups, 100 for
a double-bonded neutral plus 1 for a single-bonded negative terminal oxygen, and oxygens."""
_NITRO_GROUP, _OXIDE, _SULFOXIDE = 101, 1, 100


@numba.njit(cache=True)
def is_sulfoxide(atom: np.ndarray, facts: np.ndarray) -> bool:
    """Whether a sulfur of valence four has two neighbours that are no oxygens, and a terminal one that is bound twice."""
    alone = atom[AtomField.HYDROGENS] == 0 and facts[OXYGENS] == 1 and facts[DOUBLES] == 1
    return bool(alone and atom[AtomField.DEGREE] == 3 and facts[NITRO] == _SULFOXIDE)


@numba.njit(cache=True)
def has_neutral_sulfoxide(atoms: np.ndarray) -> bool:
    """Whether a molecule of plain atoms has one: no other sulfur has three neighbours and no charge."""
    for i in range(len(atoms)):
        if atoms[i, AtomField.ELEMENT] == _S and atoms[i, AtomField.DEGREE] == 3 and atoms[i, AtomField.CHARGE] == 0:
            return True
    return False


@numba.njit(cache=True)
def is_plain_ion(atom: np.ndarray, facts: np.ndarray) -> bool:
    """Whether a charged atom is of a kind that the neutralizer is known to leave, or to make neutral."""
    if atom[AtomField.CHARGE] == 1:
        return bool(_is_plain_cation(atom, facts))
    if atom[AtomField.CHARGE] != -1 or atom[AtomField.HYDROGENS] > 0:
        return False
    if atom[AtomField.ELEMENT] == _N:
        if atom[AtomField.FLAGS] & AROMATIC:
            return bool(atom[AtomField.DEGREE] == 2)
        return bool(facts[ORDER] == 2 and (atom[AtomField.DEGREE] == 2 or facts[DOUBLES] == 1))
    return bool(atom[AtomField.ELEMENT] in (_O, _S) and atom[AtomField.DEGREE] == 1 and facts[ORDER] == 1)


@numba.njit(cache=True)
def _is_plain_cation(atom: np.ndarray, facts: np.ndarray) -> bool:
    """Ammonium and its like, nitrogen without a proton to lose, and sulfur of a sulfoxide that is written with charges."""
    aromatic, hydrogens = atom[AtomField.FLAGS] & AROMATIC, atom[AtomField.HYDROGENS]
    if atom[AtomField.ELEMENT] == _N:
        if aromatic:
            return bool(hydrogens <= 1 and atom[AtomField.DEGREE] + hydrogens == 3)
        return bool(facts[ORDER] + hydrogens == 4 and (hydrogens > 0 or _is_plain_quaternary(atom, facts)))
    oxide = facts[NITRO] == _OXIDE and facts[OXYGENS] == 1
    three_single = atom[AtomField.DEGREE] == 3 and facts[ORDER] == 3 and hydrogens == 0
    return bool(atom[AtomField.ELEMENT] == _S and not aromatic and three_single and oxide)


@numba.njit(cache=True)
def _is_plain_quaternary(atom: np.ndarray, facts: np.ndarray) -> bool:
    """Nitrogen with four single bonds, of a nitro group or a nitrone, or in the middle of an azide."""
    if atom[AtomField.DEGREE] == 2:
        return bool(facts[DOUBLES] == 2)
    return bool(atom[AtomField.DEGREE] == 4 or facts[NITRO] in (_NITRO_GROUP, _OXIDE))


@numba.njit(cache=True)
def effort_of_charges(atoms: np.ndarray, ends: np.ndarray) -> int:
    """Effort for a molecule of plain atoms: NONE if all charges are balanced by neighbours, or stay for good."""
    balance = np.zeros(len(atoms), np.int64)
    for i in range(len(ends)):
        u, v = ends[i, 0], ends[i, 1]
        product = atoms[u, AtomField.CHARGE] * atoms[v, AtomField.CHARGE]
        if product == 0:
            continue
        if product > 0 or not _is_plain_pair(atoms[u], atoms[v]):
            return 0
        balance[u] += 1
        balance[v] += 1
    lasting, losing, taking = 0, 0, 0
    for i in range(len(atoms)):
        charge = atoms[i, AtomField.CHARGE]
        if charge == 0 or balance[i] == 1:
            continue
        if balance[i] > 1 or not _is_free_ion(atoms[i]):
            return 0
        taking += charge < 0
        losing += charge > 0 and atoms[i, AtomField.HYDROGENS] > 0
        lasting += charge > 0 and atoms[i, AtomField.HYDROGENS] == 0
    if lasting and taking:
        return 0
    return 2 if losing or taking else 1


@numba.njit(cache=True)
def _is_plain_pair(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two neighbours of opposite charge are N or S without hydrogen, and oxygen or the end of an azide."""
    positive, negative = (first, second) if first[AtomField.CHARGE] > 0 else (second, first)
    if positive[AtomField.HYDROGENS] > 0 or negative[AtomField.DEGREE] != 1:
        return False
    azide = negative[AtomField.ELEMENT] == _N and positive[AtomField.DEGREE] == 2
    return bool(negative[AtomField.ELEMENT] == _O or (azide and not positive[AtomField.FLAGS] & AROMATIC))


@numba.njit(cache=True)
def _is_free_ion(atom: np.ndarray) -> bool:
    """Whether a charge that no neighbour balances is of a kind that stays for good, or can be taken away."""
    if atom[AtomField.CHARGE] < 0:
        return bool(atom[AtomField.ELEMENT] != _N or atom[AtomField.DEGREE] == 2)
    stays = atom[AtomField.DEGREE] == 4 or atom[AtomField.FLAGS] & AROMATIC
    return bool(atom[AtomField.ELEMENT] == _N and (atom[AtomField.HYDROGENS] > 0 or stays))


__all__ = ["effort_of_charges", "has_neutral_sulfoxide", "is_plain_ion", "is_sulfoxide"]
