"""Plain SMILES to a raw molecular graph: a compiled reader for the notation that most of a library is written in.

Read are C, N, O, S, P, the halogens, aromatic c, n, o, s, charged or hydrogen-bearing N, O and S in brackets, bonds
``- = #``, branches and ring closures, in one component. Anything else (stereo marks, isotopes, other elements, dots, CX
extensions, mistakes) is not for this reader: RDKit has to look. Atoms and bonds come in RDKit's order, so that codes
made from the graph equal those of RDKit's molecule.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from rdkit.Chem import BondType

from cinchona.datasets.graphcodes import AROMATIC, AtomField, BondField

MOST_ATOMS: Final = 250
"""Larger molecules are left to RDKit."""
UNWRITTEN: Final = 0
"""Bond type of a bond that the text leaves to its atoms."""
IMPLICIT: Final = -1
"""Hydrogens of an atom without brackets, still to be filled up."""

_SINGLE, _DOUBLE, _TRIPLE = (int(kind) for kind in (BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE))
_ATOM, _BOND, _OPEN, _CLOSE, _RING, _BRANCH_BOND = 1, 2, 3, 4, 5, 6
"""Kinds of tokens; the last is a bond that opens or follows a branch, which no ring closure may follow."""

_KIND: Final = np.zeros(256, np.uint8)
for _characters, _kind in (
    ("CNOSPFIBcnos[", _ATOM),
    ("-=#", _BOND),
    ("(", _OPEN),
    (")", _CLOSE),
    ("0123456789%", _RING),
):
    _KIND[[ord(c) for c in _characters]] = _kind
_ELEMENT: Final = np.zeros(256, np.int16)
for _character, _number in zip("CNOSPFIcnos", (6, 7, 8, 16, 15, 9, 53, 6, 7, 8, 16), strict=True):
    _ELEMENT[ord(_character)] = _number
_ORDER: Final = np.zeros(256, np.uint8)
for _character, _number in zip("-=#", (_SINGLE, _DOUBLE, _TRIPLE), strict=True):
    _ORDER[ord(_character)] = _number
_FOLLOWS: Final = np.zeros((7, 6), np.bool_)
"""Which kind of token (column) may come after which (row, 0 for the beginning)."""
for _kind, _next in (
    (0, (_ATOM,)), (_ATOM, (_ATOM, _BOND, _OPEN, _CLOSE, _RING)), (_BOND, (_ATOM, _RING)), (_OPEN, (_ATOM, _BOND)),
    (_CLOSE, (_ATOM, _BOND, _OPEN, _CLOSE)), (_RING, (_ATOM, _BOND, _OPEN, _CLOSE, _RING)), (_BRANCH_BOND, (_ATOM,)),
):  # fmt: skip
    _FOLLOWS[_kind, list(_next)] = True

_AT, _PREVIOUS, _PENDING, _ATOMS, _LAST, _DEPTH, _CLOSURES, _OPEN_RINGS = range(8)
"""State of the reader: place in the text, atom to bind to, bond to use, atoms so far, last token, branches, rings."""
_LOWER, _UPPER_H, _PLUS, _MINUS, _BRACKET, _BRACKET_END, _PERCENT, _ZERO, _NINE = (ord(c) for c in "aH+-[]%09")
_L, _R, _C, _B = (ord(c) for c in "lrCB")
_CHLORINE, _BROMINE = 17, 35


@numba.njit(cache=True)
def reader_memory() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Room for one molecule: state, atoms before open branches, open rings (atom, bond), closures (ring, ends, bond)."""
    return (
        np.zeros(8, np.int64), np.zeros(MOST_ATOMS + 2, np.int64), np.full((100, 2), -1, np.int64),
        np.zeros((MOST_ATOMS + 2, 4), np.int64),
    )  # fmt: skip


@numba.njit(cache=True)
def read_graph(
    text: np.ndarray,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    memory: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> int:
    """Read one SMILES into the arrays of codes; elements, charges, written hydrogens and bond types only.

    Args:
        text: Its bytes, with at least one byte that is no SMILES behind them in memory, uint8.
        graph: Codes of atoms and bonds and ends of bonds to fill, with room for a molecule as long as the text.
        memory: What :func:`reader_memory` gave.

    Returns:
        Number of atoms; bonds are one fewer, plus the ring closures in ``memory[0][6]``. 0 if the text is not plain.
    """
    state, _, open_rings, _ = memory
    state[:] = 0
    state[_PREVIOUS] = -1
    open_rings[:, 0] = -1
    while state[_AT] < len(text):
        kind = _KIND[text[state[_AT]]]
        if not kind or not _FOLLOWS[state[_LAST], kind] or state[_ATOMS] >= MOST_ATOMS:
            return 0
        if not _take_token(kind, text, graph, memory):
            return 0
    whole = state[_DEPTH] == 0 and state[_OPEN_RINGS] == 0 and state[_LAST] in (_ATOM, _CLOSE, _RING)
    if not whole:
        return 0
    _append_closures(int(state[_ATOMS]) - 1, graph, memory)
    return int(state[_ATOMS])


@numba.njit(cache=True)
def _take_token(
    kind: int,
    text: np.ndarray,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    memory: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    state, branches, _, _ = memory
    if kind == _ATOM:
        return bool(_take_atom(text, graph, state))
    if kind == _RING:
        return bool(_take_ring(text, graph[2], memory))
    if kind == _BOND:
        state[_PENDING] = _ORDER[text[state[_AT]]]
        after_branch = state[_LAST] in (_OPEN, _CLOSE)
        state[_LAST] = _BRANCH_BOND if after_branch else _BOND
    elif kind == _OPEN:
        branches[state[_DEPTH]] = state[_PREVIOUS]
        state[_DEPTH] += 1
        state[_LAST] = _OPEN
    else:
        if state[_DEPTH] == 0:
            return False
        state[_DEPTH] -= 1
        state[_PREVIOUS] = branches[state[_DEPTH]]
        state[_LAST] = _CLOSE
    state[_AT] += 1
    return bool(state[_DEPTH] <= MOST_ATOMS)


@numba.njit(cache=True)
def _take_atom(text: np.ndarray, graph: tuple[np.ndarray, np.ndarray, np.ndarray], state: np.ndarray) -> bool:
    atoms, bonds, ends = graph
    k = state[_ATOMS]
    atom = atoms[k]
    atom[:] = 0
    length = (
        _bracket_atom(text, state[_AT], atom) if text[state[_AT]] == _BRACKET else _bare_atom(text, state[_AT], atom)
    )
    if length == 0:
        return False
    if k > 0:
        bonds[k - 1] = 0
        bonds[k - 1, BondField.TYPE] = state[_PENDING]
        ends[k - 1, 0], ends[k - 1, 1] = state[_PREVIOUS], k
    state[_AT] += length
    state[_PREVIOUS] = k
    state[_PENDING] = UNWRITTEN
    state[_ATOMS] = k + 1
    state[_LAST] = _ATOM
    return True


@numba.njit(cache=True)
def _bare_atom(text: np.ndarray, at: int, atom: np.ndarray) -> int:
    """Fill in an atom without brackets; number of characters, 0 if it is none of ours."""
    first, second = text[at], text[at + 1] if at + 1 < len(text) else 0
    atom[AtomField.HYDROGENS] = IMPLICIT
    if first == _C and second == _L:
        atom[AtomField.ELEMENT] = _CHLORINE
        return 2
    if first == _B:
        atom[AtomField.ELEMENT] = _BROMINE
        return 2 if second == _R else 0
    atom[AtomField.ELEMENT] = _ELEMENT[first]
    atom[AtomField.FLAGS] = AROMATIC if first >= _LOWER else 0
    return 1


@numba.njit(cache=True)
def _bracket_atom(text: np.ndarray, at: int, atom: np.ndarray) -> int:
    """Fill in an atom such as [nH], [NH3+] or [O-]; number of characters, 0 if it is none of ours."""
    end = at + 1
    while end < len(text) and text[end] != _BRACKET_END:
        end += 1
    if end == len(text) or end - at < 3:
        return 0
    atom[AtomField.ELEMENT] = _ELEMENT[text[at + 1]]
    atom[AtomField.FLAGS] = AROMATIC if text[at + 1] >= _LOWER else 0
    place = at + 2
    if text[place] == _UPPER_H:
        place += 1
        digit = _ZERO < text[place] <= _NINE
        atom[AtomField.HYDROGENS] = text[place] - _ZERO if digit else 1
        place += digit
    if text[place] in (_PLUS, _MINUS):
        atom[AtomField.CHARGE] = 1 if text[place] == _PLUS else -1
        place += 1
    return end - at + 1 if place == end and atom[AtomField.ELEMENT] in (7, 8, 16) else 0


@numba.njit(cache=True)
def _take_ring(
    text: np.ndarray, ends: np.ndarray, memory: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
) -> bool:
    state, _, open_rings, _ = memory
    ring, length = _ring_number(text, state[_AT])
    if ring < 0:
        return False
    here, there, bond = state[_PREVIOUS], open_rings[ring, 0], state[_PENDING]
    state[_AT] += length
    state[_PENDING] = UNWRITTEN
    state[_LAST] = _RING
    if there < 0:
        open_rings[ring, 0], open_rings[ring, 1] = here, bond
        state[_OPEN_RINGS] += 1
        return True
    other = open_rings[ring, 1]
    open_rings[ring, 0] = -1
    state[_OPEN_RINGS] -= 1
    if min(bond, other) != UNWRITTEN and bond != other:
        return False
    return bool(_close(ring, here, there, max(bond, other), ends, memory))


@numba.njit(cache=True)
def _ring_number(text: np.ndarray, at: int) -> tuple[int, int]:
    """Number of a ring closure and its length in characters; -1 if it is none of ours."""
    if text[at] != _PERCENT:
        return int(text[at]) - _ZERO, 1
    if at + 2 >= len(text) or not (_ZERO <= text[at + 1] <= _NINE and _ZERO <= text[at + 2] <= _NINE):
        return -1, 0
    return 10 * (int(text[at + 1]) - _ZERO) + int(text[at + 2]) - _ZERO, 3


@numba.njit(cache=True)
def _close(
    ring: int,
    here: int,
    there: int,
    bond: int,
    ends: np.ndarray,
    memory: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> bool:
    """Keep a closure, ordered by ring number as RDKit does; False if the two atoms are one, or bound already."""
    state, _, _, closures = memory
    n = state[_CLOSURES]
    if here == there or (here > 0 and ends[here - 1, 0] == there) or (there > 0 and ends[there - 1, 0] == here):
        return False
    for k in range(n):
        if (closures[k, 1] == here and closures[k, 2] == there) or (closures[k, 1] == there and closures[k, 2] == here):
            return False
    while n > 0 and closures[n - 1, 0] > ring:
        closures[n] = closures[n - 1]
        n -= 1
    closures[n, 0], closures[n, 1], closures[n, 2], closures[n, 3] = ring, here, there, bond
    state[_CLOSURES] += 1
    return bool(state[_CLOSURES] <= MOST_ATOMS)


@numba.njit(cache=True)
def _append_closures(
    first: int,
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    memory: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    _, bonds, ends = graph
    state, _, _, closures = memory
    for k in range(state[_CLOSURES]):
        bonds[first + k] = 0
        bonds[first + k, BondField.TYPE] = closures[k, 3]
        ends[first + k, 0], ends[first + k, 1] = closures[k, 1], closures[k, 2]


__all__ = ["IMPLICIT", "MOST_ATOMS", "UNWRITTEN", "read_graph", "reader_memory"]
