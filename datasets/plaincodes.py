"""Graph codes straight from plain SMILES, without a molecule in between.

RDKit takes about 100 microseconds to parse and sanitize a drug-like molecule. Most molecules of a library are written
plainly (:mod:`.plaintext`) and have rings whose aromaticity can be checked by counting (:mod:`.plainrings`); for these
a compiled loop gives the same codes in a few microseconds. All others, and every text with a mistake in it, go to RDKit.

That both ways agree is tested on whole libraries, and once a process on a check set: should a release of RDKit change its
perception, the loop is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Final

import numba
import numpy as np
from rdkit import Chem, rdBase

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AtomField, BondField, GraphCodes
from cinchona.datasets.plainatoms import fill_hydrogens, find_neighbours, mark_conjugation, set_hybridization
from cinchona.datasets.plainrings import MOST_NEIGHBOURS, is_aromatic_as_written, mark_rings
from cinchona.datasets.plaintext import MOST_ATOMS, read_graph, reader_memory

_LOG = logging.getLogger(__name__)
_CLOSURES: Final = 6
_LINE_END: Final = ord("\n")
_MOST_BONDS: Final = 2 * MOST_ATOMS + 8

PLAIN_CHECK: Final = (
    "CC(=O)Oc1ccccc1C(=O)O", "CN1CCC(CC1)c1c[nH]c2ccc(F)cc12", "O=c1[nH]c(=O)c2[nH]cnc2[nH]1", "c1ccc2ccccc2c1",
    "CC(C)(C)c1ccc(cc1)S(=O)(=O)NC(=O)C=C", "C[N+](C)(C)CC([O-])=O", "O=[N+]([O-])c1ccc2nsnc2c1", "N#Cc1ccc(Br)o1",
    "CC#CC1=CCCCC1", "OP(=O)(O)OCC1CCCO1", "C1CC2CCC1CC2", "Clc1nc2ccc(I)cc2o1", "Clc1nc2ccc(I)cn2c1", "C[n+]1ccccc1", "CN=[N+]=[N-]",
    "CSC(=S)N(C)C", "CS(=O)CC=C", "FC(F)(F)c1cccs1", "O=C1CCc2ccccc21", "C1CC11CCNCC1", "[NH3+]CC(=O)[O-]", "C=C=CCl",
    "CS(C)(=O)=NC#N", "S=c1sccs1",
)  # fmt: skip
"""Molecules of the self-check; all are read by the loop."""


def plain_codes(
    texts: Sequence[str], *, max_atoms: int = MOST_ATOMS, max_rings: int = MOST_ATOMS
) -> tuple[CodedMolecules, np.ndarray]:
    """Read those SMILES that are plain.

    Args:
        texts: n texts.
        max_atoms: Larger molecules count as not plain.
        max_rings: Molecules with more rings (bonds beyond a tree) count as not plain.

    Returns:
        Codes of the m plain ones in order, equal to those of RDKit's molecules, and which they are (bool, shape (n,)).
    """
    limits = (min(max_atoms, MOST_ATOMS), max_rings)
    if plain_reading_is_sound():
        return _read(texts, limits)
    return _read([], limits)[0], np.zeros(len(texts), bool)


@cache
def plain_reading_is_sound() -> bool:
    """Whether the loop reads the check set as RDKit does; warns once where it does not."""
    coded, plain = _read(PLAIN_CHECK, (MOST_ATOMS, MOST_ATOMS))
    reference = codes_of_many([Chem.MolFromSmiles(text) for text in PLAIN_CHECK])
    pairs = [(getattr(coded.graph, name), getattr(reference.graph, name)) for name in ("atoms", "bonds", "ends")]
    sound = bool(plain.all()) and all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    if not sound:
        _LOG.warning(
            "RDKit %s perceives molecules in a way that the fast reader of SMILES does not know; "
            "RDKit parses every molecule, results are the same", rdBase.rdkitVersion,
        )  # fmt: skip
    return sound


def _read(texts: Sequence[str], limits: tuple[int, int]) -> tuple[CodedMolecules, np.ndarray]:
    # A line end within a text would be taken for the end of it; no SMILES has one.
    lines = [text if "\n" not in text else "*" for text in texts]
    buffer = np.frombuffer("\n".join([*lines, ""]).encode(errors="replace"), np.uint8)
    stops = np.flatnonzero(buffer == _LINE_END)
    room = len(buffer) + _MOST_BONDS
    atoms = np.empty((room, len(AtomField)), np.int16)
    bonds = np.empty((room, len(BondField)), np.uint8)
    ends = np.empty((room, 2), np.int16)
    sizes = _fill(buffer, stops, (atoms, bonds, ends), limits)
    plain = sizes[:, 0] > 0
    offsets = np.concatenate([np.zeros((1, 2), np.int32), np.cumsum(sizes[plain], axis=0, dtype=np.int32)])
    n_atoms, n_bonds = (int(total) for total in offsets[-1])
    graph = GraphCodes(atoms[:n_atoms].copy(), bonds[:n_bonds].copy(), ends[:n_bonds].copy())
    return CodedMolecules(graph, offsets[:, 0].copy(), offsets[:, 1].copy()), plain


@numba.njit(cache=True)
def _fill(
    buffer: np.ndarray, stops: np.ndarray, graph: tuple[np.ndarray, np.ndarray, np.ndarray], limits: tuple[int, int]
) -> np.ndarray:
    """Fill the codes molecule by molecule; sizes (atoms, bonds), int32, shape (n, 2), 0 where RDKit has to look."""
    atoms, bonds, ends = graph
    sizes = np.zeros((len(stops), 2), np.int32)
    memory = reader_memory()
    around = (
        np.empty((MOST_ATOMS + 2, MOST_NEIGHBOURS), np.int16),
        np.empty((MOST_ATOMS + 2, MOST_NEIGHBOURS), np.int16),
    )
    room = np.empty((5, _MOST_BONDS), np.int16)
    numbers = (np.empty(MOST_ATOMS + 2, np.int8), np.empty(MOST_ATOMS + 2, np.int8))
    start, atom0, bond0 = 0, 0, 0
    for k in range(len(stops)):
        text = buffer[start : stops[k]]
        start = stops[k] + 1
        n = read_graph(text, (atoms[atom0:], bonds[bond0:], ends[bond0:]), memory)
        closures = memory[0][_CLOSURES]
        if n == 0 or n > limits[0] or closures > limits[1]:
            continue
        m = n - 1 + closures
        one = (atoms[atom0 : atom0 + n], bonds[bond0 : bond0 + m], ends[bond0 : bond0 + m])
        if _perceive(one, around, numbers, room):
            sizes[k, 0], sizes[k, 1] = n, m
            atom0 += n
            bond0 += m
    return sizes


@numba.njit(cache=True)
def _perceive(
    graph: tuple[np.ndarray, np.ndarray, np.ndarray],
    around: tuple[np.ndarray, np.ndarray],
    numbers: tuple[np.ndarray, np.ndarray],
    room: np.ndarray,
) -> bool:
    """Complete the codes of one molecule; False if RDKit has to look."""
    electrons, valences = numbers
    if not find_neighbours(graph, around):
        return False
    mark_rings(graph[0], graph[1], graph[2])
    if not fill_hydrogens(graph, around, electrons, valences):
        return False
    if not is_aromatic_as_written(graph, around, electrons[: len(graph[0])], room):
        return False
    mark_conjugation(graph, around)
    set_hybridization(graph, around, valences)
    return True


__all__ = ["PLAIN_CHECK", "plain_codes", "plain_reading_is_sound"]
