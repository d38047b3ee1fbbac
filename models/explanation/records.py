"""What an explanation is: the shares of the atoms and bonds of one molecule in one prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from cinchona.models.metrics import error_unit

MethodName = Literal["masking", "gradients", "removal"]
"""How shares are found: an atom's features are hidden, gradients are integrated, or pieces of the molecule are taken away."""

UNSURE: Final = 1.0
"""A share smaller than this many standard deviations over the members of an ensemble is called unsure."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """The shares of n atoms and m bonds of one molecule in the prediction of one endpoint.

    Shares are in the unit of ``scale``; a positive one raises the prediction. They do not add up to the prediction but for
    ``gradients``, where ``atoms.sum() + bonds.sum() == value - reference`` (completeness).
    """

    smiles: str
    """The molecule; atoms and bonds count as RDKit reads them from here."""
    endpoint: str
    """What is predicted."""
    scale: str
    """Unit of the shares: that of the endpoint, or ``log-odds`` for a class."""
    method: MethodName
    """How they were found."""
    value: float
    """The prediction on that scale."""
    reference: float
    """Prediction for the molecule with all features hidden, for ``gradients``; NaN otherwise."""
    atoms: np.ndarray
    """Shares of the atoms, float64, shape (n,)."""
    bonds: np.ndarray
    """Shares of the bonds, float64, shape (m,)."""
    ends: np.ndarray
    """Atoms of each bond, int64, shape (m, 2)."""
    atom_spread: np.ndarray | None = None
    """Standard deviation of each atom's share over the members of an ensemble, float64, shape (n,); None for one model."""
    bond_spread: np.ndarray | None = None
    """The same for bonds, float64, shape (m,)."""

    @property
    def share_unit(self) -> str:
        """Unit of a share, which is a difference of two predictions."""
        return error_unit(self.scale)

    @property
    def by_atom(self) -> np.ndarray:
        """Shares that rank the atoms, float64, shape (n,).

        With half of those of their bonds where both are parts of one sum (``gradients``), as they are where a hidden atom takes its
        bonds with it.
        """
        return folded(self.atoms, self.bonds, self.ends) if self.method == "gradients" else self.atoms

    @property
    def unsure_atoms(self) -> np.ndarray:
        """Atoms on which the members of the ensemble do not agree, bool, shape (n,); none where there is no ensemble."""
        return _unsure(self.atoms, self.atom_spread)

    @property
    def unsure_bonds(self) -> np.ndarray:
        """Bonds on which they do not agree, bool, shape (m,)."""
        return _unsure(self.bonds, self.bond_spread)

    @property
    def gap(self) -> float:
        """What the shares leave over of the difference between prediction and reference; 0 where they are complete."""
        return float(self.value - self.reference - self.atoms.sum() - self.bonds.sum())

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON data."""
        return {
            "smiles": self.smiles, "endpoint": self.endpoint, "scale": self.scale, "method": self.method,
            "value": _plain(self.value), "reference": _plain(self.reference),
            "atoms": _numbers(self.atoms), "bonds": _numbers(self.bonds), "bond_ends": self.ends.tolist(),
            "atom_spread": None if self.atom_spread is None else _numbers(self.atom_spread),
            "bond_spread": None if self.bond_spread is None else _numbers(self.bond_spread),
        }  # fmt: skip


def folded(atoms: np.ndarray, bonds: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Shares of n atoms with half the share of each bond given to either end, float64, shape (n,)."""
    joined = np.array(atoms, np.float64)
    np.add.at(joined, ends.ravel(), np.repeat(0.5 * bonds, 2))
    return joined


def _unsure(shares: np.ndarray, spread: np.ndarray | None) -> np.ndarray:
    if spread is None:
        return np.zeros(len(shares), bool)
    doubtful: np.ndarray = np.abs(shares) < UNSURE * spread
    return doubtful


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_plain(round(float(value), 6)) for value in values]


__all__ = ["UNSURE", "Attribution", "MethodName", "folded"]
