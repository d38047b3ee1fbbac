"""How products are made: reagents, the ways to join them, and what became of each atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from rdkit import Chem, rdBase

from cinchona.datasets.parsing import Rejected, one_line
from cinchona.records import Stage

TEMPLATE: Final = -1
"""Owner of atoms that the reaction itself brings."""
Site = tuple[int, ...]
"""Atoms of a reagent that react, in the order of their map numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Reagent:
    """One building block."""

    id: str
    """Its name in the reagent file."""
    smiles: str
    """As given."""
    mol: Chem.Mol
    """Sanitized molecule."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A reagent in a role, and where it reacts."""

    reagent: int
    """Position among the reagents of the role."""
    site: Site = ()
    """Reacting atoms; empty where there is one way only."""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A product, built atom by atom."""

    mol: Chem.Mol
    """Sanitized product."""
    slot: np.ndarray
    """Role of the reagent that each atom comes from, :data:`TEMPLATE` for atoms of the reaction, int64, shape (n_atoms,)."""
    atom: np.ndarray
    """Index of each atom in its reagent, or its number among the reaction's atoms, int64, shape (n_atoms,)."""
    label: np.ndarray
    """Name of each atom that takes part in the reaction (map number or connectors), 0 for others, int64, (n_atoms,)."""
    sites: tuple[Site, ...] = ()
    """Where each reagent reacted."""


class Route(Protocol):
    """One way to make products: roles, their reagents, and how a product is built."""

    @property
    def name(self) -> str:
        """Name of the reaction."""

    @property
    def slots(self) -> tuple[tuple[Reagent, ...], ...]:
        """Reagents of each role."""

    def outcomes(self, reagents: Sequence[int]) -> list[Built] | Rejected:
        """All distinct products of one reagent a role, or why there is none."""

    def build(self, picks: Sequence[Pick]) -> Built | Rejected:
        """The product of picks, one a role."""


def finished(mol: Chem.Mol) -> str:
    """Sanitize a product in place as if it were read from a SMILES; return why it cannot be, or an empty string."""
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(mol)
        except (Chem.MolSanitizeException, ValueError, RuntimeError) as error:
            return one_line(str(error))
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return "" if mol.GetNumAtoms() else "the product has no atoms"


def no_product(reason: str) -> Rejected:
    """A combination without a product."""
    return Rejected(Stage.STANDARDIZE, reason)


__all__ = ["TEMPLATE", "Built", "Pick", "Reagent", "Route", "Site", "finished", "no_product"]
