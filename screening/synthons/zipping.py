"""Products by joining synthons at numbered connectors, as in RDKit's synthon spaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem, rdBase

from cinchona.datasets.parsing import Rejected, one_line
from cinchona.screening.synthons.routes import Built, Pick, Reagent, finished, no_product

_OWNER, _INDEX, _LABEL = "_cinchona_slot", "_cinchona_atom", "_cinchona_label"


class SynthonRoute:
    """Sets of synthons of one reaction.

    Args:
        name: Name of the reaction.
        slots: Synthons of each set; their connectors are dummy atoms with a map number.
    """

    def __init__(self, name: str, slots: Sequence[Sequence[Reagent]]) -> None:
        self.name = name
        self.slots = tuple(tuple(slot) for slot in slots)

    def outcomes(self, reagents: Sequence[int]) -> list[Built] | Rejected:
        """The one product of a synthon from each set."""
        built = self.build([Pick(k) for k in reagents])
        return built if isinstance(built, Rejected) else [built]

    def build(self, picks: Sequence[Pick]) -> Built | Rejected:
        """Join the picked synthons."""
        joined = Chem.Mol()
        for slot, pick in enumerate(picks):
            joined = Chem.CombineMols(joined, _marked(self.slots[slot][pick.reagent].mol, slot))
        with rdBase.BlockLogs():
            try:
                product = Chem.molzip(joined)
            except (ValueError, RuntimeError) as error:
                return no_product(f"the synthons do not join: {one_line(str(error))}")
            if any(atom.GetAtomicNum() == 0 for atom in product.GetAtoms()):
                return no_product("a connector of the synthons has no partner")
        reason = finished(product)
        if reason:
            return no_product(f"the product is no valid molecule: {reason}")
        owner, index, label = (
            np.array([a.GetIntProp(name) for a in product.GetAtoms()], np.int64) for name in (_OWNER, _INDEX, _LABEL)
        )
        return Built(product, owner, index, label, ((),) * len(picks))


def _marked(mol: Chem.Mol, slot: int) -> Chem.Mol:
    """A copy whose atoms know where they come from; the label of an atom is the set of its connectors as bits."""
    copy = Chem.Mol(mol)
    for atom in copy.GetAtoms():
        bits = sum(1 << n.GetAtomMapNum() for n in atom.GetNeighbors() if n.GetAtomicNum() == 0)
        for name, value in ((_OWNER, slot), (_INDEX, atom.GetIdx()), (_LABEL, bits)):
            atom.SetIntProp(name, value)
    return copy


__all__ = ["SynthonRoute"]
