"""From the integer codes of molecules to the coded graphs of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from cinchona.datasets.chemprop_features import CHEMPROP_SCHEMA, chemprop_features
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import GraphCodes
from cinchona.datasets.molgraph import FEATURE_SCHEMA, features
from cinchona.models.engine.directed import CodedGraphs
from cinchona.models.engine.grouping import group_rows

FeatureRows = Callable[[GraphCodes], tuple[np.ndarray, np.ndarray]]
"""Turns codes of n atoms and m bonds into feature rows, float32, shapes (n, d_atom) and (m, d_bond)."""

FEATURE_ROWS: Final[Mapping[str, FeatureRows]] = MappingProxyType(
    {FEATURE_SCHEMA: features, CHEMPROP_SCHEMA: chemprop_features}
)
"""Feature schemas by their name in model folders."""


def coded_graphs(molecules: CodedMolecules, rows_of: FeatureRows) -> CodedGraphs:
    """Give every atom and bond the number of its feature row; each distinct row is computed once.

    Args:
        molecules: Codes of n molecules.
        rows_of: Feature schema of the network.
    """
    graph = molecules.graph
    atoms = group_rows(graph.atoms.view(np.uint32))
    bonds = group_rows(graph.bonds.astype(np.uint32))
    distinct = GraphCodes(
        graph.atoms[atoms.representatives],
        graph.bonds[bonds.representatives],
        graph.ends[bonds.representatives],
    )
    atom_rows, bond_rows = rows_of(distinct)
    first_atom = np.repeat(molecules.atom_offsets[:-1], np.diff(molecules.bond_offsets))
    ends = graph.ends.astype(np.int32) + first_atom[:, None]
    return CodedGraphs(atoms.ids, bonds.ids, ends, molecules.atom_offsets, atom_rows, bond_rows)


__all__ = ["FEATURE_ROWS", "FeatureRows", "coded_graphs"]
