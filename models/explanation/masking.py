"""Shares by hiding: how far the output of a network falls when the features of one atom or bond are zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from cinchona.datasets.molgraph import MolGraph
from cinchona.models.batching import chunks

Outputs = Callable[[Sequence[MolGraph]], np.ndarray]
"""Outputs of k members for g graphs, float, shape (k, g)."""

_CHUNK_BONDS: Final = 400_000


def masked_shares(graphs: Sequence[MolGraph], outputs: Outputs) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    r"""Shares of atoms and bonds by hiding each once.

    .. math:: a_v = f(G) - f(G \setminus v)

    where in :math:`G \setminus v` the features of atom v and of the bonds at it are zero, the graph staying as it is; for a bond, its
    own features are. A molecule is hidden atom by atom, so surroundings that no hidden atom reaches are computed once.

    Args:
        graphs: Molecules.
        outputs: The network.

    Returns:
        For each molecule the output, float64, shape (k,), the shares of its atoms, (k, n), and of its bonds, (k, m).

    References:
        Zeiler and Fergus, ECCV 2014, https://arxiv.org/abs/1311.2901 (occlusion); for molecules, Sheridan, J. Chem. Inf. Model.
        2019, 59, 1324, https://doi.org/10.1021/acs.jcim.8b00825.
    """
    loads = [graph.edges.shape[1] * (1 + graph.n_atoms + graph.n_bonds) for graph in graphs]
    found = []
    for part in chunks(loads, _CHUNK_BONDS):
        here = graphs[part]
        raw = outputs([variant for graph in here for variant in _variants(graph)]).astype(np.float64)
        at = 0
        for graph in here:
            count = 1 + graph.n_atoms + graph.n_bonds
            whole, hidden = raw[:, at], raw[:, at + 1 : at + count]
            fall = whole[:, None] - hidden
            found.append((whole, fall[:, : graph.n_atoms], fall[:, graph.n_atoms :]))
            at += count
    return found


def _variants(graph: MolGraph) -> Iterator[MolGraph]:
    yield graph
    for atom in range(graph.n_atoms):
        atoms, bonds = graph.atoms.copy(), graph.bonds.copy()
        atoms[atom] = 0
        bonds[(graph.edges == atom).any(axis=0)] = 0
        yield replace(graph, atoms=atoms, bonds=bonds)
    for bond in range(graph.n_bonds):
        bonds = graph.bonds.copy()
        bonds[2 * bond : 2 * bond + 2] = 0
        yield replace(graph, bonds=bonds)


__all__ = ["Outputs", "masked_shares"]
