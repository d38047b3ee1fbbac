"""Properties of products as sums over their parts, for filters at the speed of the scan.

Each reagent contributes the sum over its atoms as they stand in a product; what the reaction adds is a constant of the cell,
measured on a product of it. Whether the sum holds is tried on products of each cell and on the audited ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors

from cinchona.datasets.parsing import Rejected
from cinchona.screening.config import PropertyName
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.routes import Built
from cinchona.screening.synthons.space import Assay

_OF: Final[Mapping[PropertyName, Callable[[Chem.Mol], float]]] = {
    "heavy_atoms": lambda mol: mol.GetNumHeavyAtoms(),
    "mw": Descriptors.MolWt,  # type: ignore[attr-defined]
    "hbd": rdMolDescriptors.CalcNumHBD,
    "hba": rdMolDescriptors.CalcNumHBA,
    "tpsa": rdMolDescriptors.CalcTPSA,
    "logp": lambda mol: rdMolDescriptors.CalcCrippenDescriptors(mol)[0],
    "rotatable_bonds": rdMolDescriptors.CalcNumRotatableBonds,
}


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """Limits of properties."""

    names: tuple[PropertyName, ...]
    """What is limited."""
    low: np.ndarray
    """Least values, float64, shape (p,)."""
    high: np.ndarray
    """Greatest values, float64, shape (p,)."""

    @classmethod
    def of(cls, limits: Mapping[PropertyName, tuple[float, float]]) -> Filters:
        """Filters as the settings give them."""
        names = tuple(limits)
        return cls(names, np.array([limits[n][0] for n in names]), np.array([limits[n][1] for n in names]))

    def values(self, mol: Chem.Mol) -> np.ndarray:
        """Properties of a molecule, float64, shape (p,)."""
        return np.array([float(_OF[name](mol)) for name in self.names])

    def passes(self, values: np.ndarray) -> np.ndarray:
        """Whether rows of values (float, shape (n, p)) are within the limits, bool, shape (n,)."""
        inside = (values >= self.low - SLACK) & (values <= self.high + SLACK)
        return np.asarray(inside.all(axis=-1))


SLACK: Final = 1e-4
"""Sums over parts differ from RDKit's own sums in the last digits."""


@dataclass(frozen=True, slots=True, eq=False)
class CellProperties:
    """Properties of a cell's products as sums."""

    shares: tuple[np.ndarray, ...]
    """What each reagent of each role adds, float64, shape (n, p); the first role's hold the constant too."""


def cell_properties(assay: Assay, cell: Cell, filters: Filters) -> CellProperties:
    """Measure what each reagent of a cell adds: its product with the first reagents of the other roles, less the first product."""
    firsts = [int(members[0]) for members in cell.members]
    origin = _values(assay, firsts, filters)
    shares = []
    for role, members in enumerate(cell.members):
        rows = np.stack([_values(assay, [*firsts[:role], int(k), *firsts[role + 1 :]], filters) for k in members])
        shares.append(rows - origin if role else rows)
    return CellProperties(tuple(shares))


def _values(assay: Assay, picks: Sequence[int], filters: Filters) -> np.ndarray:
    built = assay.route.build([role.picks[k] for role, k in zip(assay.roles, picks, strict=True)])
    return np.full(len(filters.names), np.nan) if isinstance(built, Rejected) else filters.values(built.mol)


def values_of(built: Sequence[Built], filters: Filters) -> np.ndarray:
    """Properties of built products by RDKit, float64, shape (n, p)."""
    return np.array([filters.values(one.mol) for one in built]).reshape(len(built), len(filters.names))


@numba.njit(cache=True)
def drop_outside(
    scores: np.ndarray, left: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray
) -> int:  # fmt: skip
    """Make scores NaN of products whose properties lie outside limits; returns how many had a score.

    Shapes: scores (n, m), left (n, p), right (m, p), low and high (p,); a product has the sum of its rows.
    """
    dropped = 0
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            for k in range(left.shape[1]):
                value = left[i, k] + right[j, k]
                if not low[k] <= value <= high[k]:
                    dropped += 0 if np.isnan(scores[i, j]) else 1
                    scores[i, j] = np.nan
                    break
    return dropped


__all__ = ["SLACK", "CellProperties", "Filters", "cell_properties", "drop_outside", "values_of"]
