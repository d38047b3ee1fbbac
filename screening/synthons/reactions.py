"""Products by reaction SMARTS, run by RDKit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdChemReactions

from cinchona.datasets.parsing import Rejected, one_line
from cinchona.errors import InputError
from cinchona.screening.synthons.routes import TEMPLATE, Built, Pick, Reagent, Site, finished, no_product

MAX_OUTCOMES = 64
"""Ways in which one set of reagents may react; more are not looked at."""


class ReactionRoute:
    """A reaction with its reagents.

    Args:
        name: Name of the reaction.
        smarts: Reaction SMARTS with one product.
        slots: Reagents of each reactant template.

    Raises:
        InputError: if the SMARTS does not read or does not fit.
    """

    def __init__(self, name: str, smarts: str, slots: Sequence[Sequence[Reagent]]) -> None:
        self.name, self.smarts = name, smarts
        self.slots = tuple(tuple(slot) for slot in slots)
        self._reaction = _reaction(name, smarts, len(self.slots))

    def __getstate__(self) -> dict[str, object]:
        """Everything but the compiled reaction."""
        return {"name": self.name, "smarts": self.smarts, "slots": self.slots}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Compile the reaction again."""
        self.__dict__.update(state)
        self._reaction = _reaction(self.name, self.smarts, len(self.slots))

    def outcomes(self, reagents: Sequence[int]) -> list[Built] | Rejected:
        """All distinct products of one reagent a role: of equal products the first, in RDKit's order of matches."""
        mols = [slot[k].mol for slot, k in zip(self.slots, reagents, strict=True)]
        with rdBase.BlockLogs():
            products = self._reaction.RunReactants(mols, MAX_OUTCOMES)
        if not products:
            return no_product(self._why_nothing(mols))
        distinct: dict[str, Built] = {}
        reason = ""
        for (product,) in products:
            fault = finished(product)
            if fault:
                reason = fault
            else:
                distinct.setdefault(Chem.MolToSmiles(product), _traced(product, len(self.slots)))
        return list(distinct.values()) or no_product(f"the product is no valid molecule: {reason}")

    def _why_nothing(self, mols: Sequence[Chem.Mol]) -> str:
        for slot, mol in enumerate(mols):
            if not mol.HasSubstructMatch(self._reaction.GetReactantTemplate(slot)):
                return f"no place to react as reagent {slot + 1}"
        return "the reaction does not run on these reagents"

    def build(self, picks: Sequence[Pick]) -> Built | Rejected:
        """The product whose reagents react at the picked sites."""
        found = self.outcomes([pick.reagent for pick in picks])
        if isinstance(found, Rejected):
            return found
        for built in found:
            if all(pick.site in ((), site) for pick, site in zip(picks, built.sites, strict=True)):
                return built
        return no_product("the reaction does not run at these sites")


def _reaction(name: str, smarts: str, roles: int) -> rdChemReactions.ChemicalReaction:
    with rdBase.BlockLogs():
        try:
            reaction = rdChemReactions.ReactionFromSmarts(smarts)
            reaction.Initialize()
            errors = reaction.Validate(silent=True)[1]
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"the reaction {name!r} does not read: {one_line(str(error))}", where=smarts[:200],
                expected="reaction SMARTS such as [C:1](=O)[OH].[NH2:2]>>[C:1](=O)[N:2]",
            ) from error  # fmt: skip
    counts = reaction.GetNumReactantTemplates(), reaction.GetNumProductTemplates()
    if counts != (roles, 1) or errors:
        raise InputError(
            f"the reaction {name!r} has {counts[0]} reactants and {counts[1]} products"
            + (f", and {errors} errors" if errors else ""),
            where=smarts[:200],
            expected=f"{roles} reactants, one for each list of reagents, and one product",
        )
    return reaction


def _traced(product: Chem.Mol, roles: int) -> Built:
    """Where each atom comes from."""
    n = product.GetNumAtoms()
    slot, atom, label = np.full(n, TEMPLATE), np.zeros(n, np.int64), np.zeros(n, np.int64)
    sites: list[dict[int, int]] = [{} for _ in range(roles)]
    brought = 0
    for k, one in enumerate(product.GetAtoms()):
        if not one.HasProp("react_atom_idx"):
            atom[k], label[k], brought = brought, brought + 1, brought + 1
            continue
        slot[k], atom[k] = one.GetIntProp("react_idx"), one.GetIntProp("react_atom_idx")
        if one.HasProp("old_mapno"):
            label[k] = one.GetIntProp("old_mapno")
            sites[slot[k]][int(label[k])] = int(atom[k])
    for one in product.GetAtoms():
        one.ClearProp("old_mapno")
    spelled: tuple[Site, ...] = tuple(tuple(site[m] for m in sorted(site)) for site in sites)
    return Built(product, slot, atom, label, spelled)


__all__ = ["MAX_OUTCOMES", "ReactionRoute"]
