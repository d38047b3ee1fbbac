"""What the ChEMBL pipeline does to charges and sulfoxides, done to the text of a SMILES.

For molecules of which :func:`~cinchona.datasets.plain.effort_needed` says that nothing else is to change: ammonium loses a
proton, anions take one, and S=O becomes S+ and O-, each where it is written.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from rdkit.Chem import BondType

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import AtomField, BondField

_ATOM: Final = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops]")
_S: Final = 16
_DOUBLE: Final = int(BondType.DOUBLE)
_CLOSURES: Final = frozenset("0123456789%")
_KEPT, _CHARGE, _SULFUR, _OXYGEN = range(4)
_REWRITTEN: Final[tuple[dict[str, str], ...]] = (
    {},
    {"[NH3+]": "N", "[NH2+]": "N", "[NH+]": "N", "[nH+]": "n", "[O-]": "O", "[N-]": "N", "[n-]": "[nH]", "[S-]": "S"},
    {"S": "[S+]", "[S@]": "[S@+]", "[S@@]": "[S@@+]"},
    {"O": "[O-]"},
)
"""How each kind of atom that changes is written before and after."""


def changing_atoms(molecules: CodedMolecules) -> list[np.ndarray]:
    """Which atoms of each of n molecules change, and how: codes for :func:`rewritten`, int8, shape (atoms,) each."""
    graph = molecules.graph
    charge = graph.atoms[:, AtomField.CHARGE]
    first = np.repeat(molecules.atom_offsets[:-1], np.diff(molecules.bond_offsets))
    ends = graph.ends + first[:, None]
    balanced = ends[charge[ends[:, 0]] * charge[ends[:, 1]] < 0]
    kinds = np.zeros(len(charge), np.int8)
    kinds[(charge < 0) | ((charge > 0) & (graph.atoms[:, AtomField.HYDROGENS] > 0))] = _CHARGE
    kinds[balanced] = _KEPT
    sulfur = (graph.atoms[:, AtomField.ELEMENT] == _S) & (graph.atoms[:, AtomField.DEGREE] == 3) & (charge == 0)
    oxides = ends[(graph.bonds[:, BondField.TYPE] == _DOUBLE) & sulfur[ends].any(axis=1)]
    kinds[oxides] = _OXYGEN
    kinds[sulfur] = _SULFUR
    return np.split(kinds, molecules.atom_offsets[1:-1]) if len(molecules) else []


def changes_charge(kinds: np.ndarray) -> bool:
    """Whether some of these atoms become neutral."""
    return bool((kinds == _CHARGE).any())


def rewritten(text: str, kinds: np.ndarray) -> str | None:
    """``text`` with its atoms changed.

    Args:
        text: SMILES of one molecule.
        kinds: How each of its atoms changes, in the order in which they are written; int8, shape (n,).

    Returns:
        The SMILES, or None if the text names another number of atoms, or one that changes in another way than usual.
    """
    atoms = list(_ATOM.finditer(text))
    if len(atoms) != len(kinds):
        return None
    pieces, end = list[str](), 0
    for k in np.flatnonzero(kinds).tolist():
        new = _REWRITTEN[kinds[k]].get(atoms[k].group())
        before, after = text[end : atoms[k].start()], atoms[k].end()
        if kinds[k] == _OXYGEN:
            if before.endswith("="):
                before = before[:-1]
            elif text[after : after + 1] == "=":
                after += 1
            else:
                return None
        # At a ring closure the pipeline may turn a stereocentre around.
        turned = kinds[k] == _SULFUR and "@" in atoms[k].group() and text[after : after + 1] in _CLOSURES
        if new is None or turned:
            return None
        pieces += [before, new]
        end = after
    return "".join([*pieces, text[end:]])


__all__ = ["changes_charge", "changing_atoms", "rewritten"]
