"""Graphs whose features can be hidden or scaled: every atom and bond of a batch has a feature row of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cinchona.datasets.molgraph import MolGraph
from cinchona.models.batching import GraphBatch, GraphSet


def open_batch(graphs: Sequence[MolGraph], *, depth: int) -> GraphBatch:
    """Put ``graphs`` side by side without sharing equal rows or surroundings.

    ``atom_rows`` is then (V, d_atom) and ``bond_rows`` (E, d_bond), in the order of the atoms and directed bonds, and
    gradients reach each of them.

    Args:
        graphs: Molecules, at least one.
        depth: Rounds of messages that the network wants laid out.
    """
    atoms = np.concatenate([graph.atoms for graph in graphs])
    bonds = np.concatenate([graph.bonds for graph in graphs])
    whole = GraphSet(
        atom_rows=atoms,
        bond_rows=bonds,
        atom_code=np.arange(len(atoms), dtype=np.int32),
        bond_code=np.arange(len(bonds), dtype=np.int32),
        edges=np.concatenate([graph.edges for graph in graphs], axis=1).astype(np.int32),
        first_atom=offsets([len(graph.atoms) for graph in graphs]),
        first_bond=offsets([graph.edges.shape[1] for graph in graphs]),
        environments=None,
        depth=depth,
    )
    return whole.batch(np.arange(len(graphs)))


def offsets(lengths: Sequence[int]) -> np.ndarray:
    """Where each run begins and the last one ends, int64, shape (len(lengths) + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


__all__ = ["offsets", "open_batch"]
