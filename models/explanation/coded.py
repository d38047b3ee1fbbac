"""Masking through the engine, on codes: for imported networks, which have no modules of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, lay_end_to_end
from cinchona.datasets.graphcodes import AtomField, BondField, GraphCodes
from cinchona.models.engine.graphs import FeatureRows

_HIDDEN_ATOM: Final = -7
"""Element of a hidden atom; no atom has it."""
_HIDDEN_BOND: Final = 255
_BLOCK: Final = 50

CodedOutputs = Callable[[CodedMolecules], np.ndarray]
"""Outputs of k members for g coded molecules, float, shape (k, g), where hidden atoms and bonds have no features."""


def hiding(rows_of: FeatureRows) -> FeatureRows:
    """The feature schema, with rows of zeros for hidden atoms and bonds."""

    def rows(graph: GraphCodes) -> tuple[np.ndarray, np.ndarray]:
        atoms, bonds = rows_of(graph)
        atoms[graph.atoms[:, AtomField.ELEMENT] == _HIDDEN_ATOM] = 0
        bonds[graph.bonds[:, BondField.TYPE] == _HIDDEN_BOND] = 0
        return atoms, bonds

    return rows


def masked_by_codes(
    molecules: Sequence[Chem.Mol], outputs: CodedOutputs
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Shares as :func:`~cinchona.models.explanation.masking.masked_shares` finds them, for coded molecules.

    Returns:
        For each molecule the output, float64, shape (k,), the shares of its atoms, (k, n), and of its bonds, (k, m).
    """
    found = []
    for start in range(0, len(molecules), _BLOCK):
        coded = codes_of_many(molecules[start : start + _BLOCK])
        graphs = [coded.molecule(k) for k in range(len(coded))]
        raw = outputs(lay_end_to_end([variant for graph in graphs for variant in _variants(graph)])).astype(np.float64)
        at = 0
        for graph in graphs:
            atoms, count = len(graph.atoms), 1 + len(graph.atoms) + len(graph.bonds)
            fall = raw[:, at, None] - raw[:, at + 1 : at + count]
            found.append((raw[:, at], fall[:, :atoms], fall[:, atoms:]))
            at += count
    return found


def _variants(graph: GraphCodes) -> Iterator[GraphCodes]:
    yield graph
    for atom in range(len(graph.atoms)):
        yield _hidden(graph, (graph.ends == atom).any(axis=1), atom)
    for bond in range(len(graph.bonds)):
        yield _hidden(graph, np.arange(len(graph.bonds)) == bond)


def _hidden(graph: GraphCodes, bonds: np.ndarray, atom: int | None = None) -> GraphCodes:
    atom_codes, bond_codes = graph.atoms.copy(), graph.bonds.copy()
    if atom is not None:
        atom_codes[atom] = 0
        atom_codes[atom, AtomField.ELEMENT] = _HIDDEN_ATOM
    bond_codes[bonds] = 0
    bond_codes[bonds, BondField.TYPE] = _HIDDEN_BOND
    return GraphCodes(atom_codes, bond_codes, graph.ends)


__all__ = ["CodedOutputs", "hiding", "masked_by_codes"]
