"""Structures taken as they are given: read, checked against the limits, and not written anew.

Canonical SMILES are written only where something hangs on them: for structures with tetrahedral stereo, whose features
depend on the order of atoms, for CX extensions, and to compare structures that may be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem, rdBase

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, join, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.datasets.parsing import Rejected, one_line, parse_smiles
from cinchona.datasets.plaincodes import plain_codes
from cinchona.datasets.sameness import same_as
from cinchona.records import Stage

_CHUNK: Final = 256
"""Molecules held at once; more only leave the processor's cache."""


@dataclass(frozen=True, slots=True)
class TextsAsGiven:
    """What n distinct texts say."""

    parents: list[str | Rejected]
    """Structure of each text: the text without blanks around it, or a canonical SMILES where one is needed; that of the
    first text that is the same compound. Or why there is none."""
    coded: CodedMolecules
    """Graph codes of m structures."""
    places: np.ndarray
    """Which texts they belong to, ascending, int64, shape (m,)."""
    flags: list[frozenset[str]]
    """Flags of each text."""


def read_as_given(texts: Sequence[str], rules: StandardizeConfig, *, join_equal: bool = True) -> TextsAsGiven:
    """Read distinct texts, plain ones without RDKit.

    Args:
        texts: n SMILES or CXSMILES, each different.
        rules: Limits.
        join_equal: Whether equal compounds get the structure of the first of them.
    """
    parents: list[str | Rejected] = [text.strip() for text in texts]
    within = [str(text) if len(str(text)) <= rules.max_smiles_length else "" for text in parents]
    coded, plain = plain_codes(within, max_atoms=rules.max_atoms, max_rings=rules.max_rings)
    others, places = np.flatnonzero(~plain), np.flatnonzero(plain)
    parts, kept = [coded], [places]
    for start in range(0, len(others), _CHUNK):
        chunk = others[start : start + _CHUNK].tolist()
        found = {k: _as_molecule(texts[k], rules) for k in chunk}
        for k, (parent, _) in found.items():
            parents[k] = parent
        usable = {k: mol for k, (_, mol) in found.items() if mol is not None and mol.GetNumAtoms() <= MAX_ATOMS}
        parts.append(codes_of_many(list(usable.values())))
        kept.append(np.array(list(usable), np.int64))
    at = np.concatenate(kept)
    order = np.argsort(at, kind="stable")
    whole = parts[0] if len(parts) == 1 else take(join(*parts), order)
    read = TextsAsGiven(parents, whole, at[order], [frozenset()] * len(texts))
    return with_first_structures(read) if join_equal else read


def parsed_within(smiles: str, rules: StandardizeConfig) -> Chem.Mol | Rejected:
    """Parse one SMILES or CXSMILES; one beyond the limits of ``rules`` is a rejection."""
    mol = parse_smiles(smiles, max_length=rules.max_smiles_length)
    if isinstance(mol, Rejected):
        return mol
    if mol.GetNumHeavyAtoms() > rules.max_atoms:
        return Rejected(Stage.STANDARDIZE, f"{mol.GetNumHeavyAtoms():,} heavy atoms, at most {rules.max_atoms:,}")
    rings = mol.GetRingInfo().NumRings()
    if rings > rules.max_rings:
        return Rejected(Stage.STANDARDIZE, f"{rings:,} rings, at most {rules.max_rings:,}")
    return mol


def needs_canonical_form(smiles: str) -> bool:
    """Whether a structure as given is written anew all the same: marks of stereocentres depend on the order of atoms."""
    return "@" in smiles or " " in smiles or "|" in smiles


def _as_molecule(text: str, rules: StandardizeConfig) -> tuple[str | Rejected, Chem.Mol | None]:
    """Structure of a text, and the molecule that it reads as."""
    mol = parsed_within(text, rules)
    if isinstance(mol, Rejected):
        return mol, None
    bare = text.strip()
    if not needs_canonical_form(bare):
        return bare, mol
    try:
        with rdBase.BlockLogs():
            canonical = str(Chem.MolToSmiles(mol))
    except (ValueError, RuntimeError) as error:
        return Rejected(Stage.STANDARDIZE, one_line(str(error)) or type(error).__name__), None
    again = mol if canonical == bare else parse_smiles(canonical)
    return canonical, None if isinstance(again, Rejected) else again


def with_first_structures(read: TextsAsGiven) -> TextsAsGiven:
    """Give equal compounds the structure of the first of them."""
    valid = np.flatnonzero([not isinstance(parent, Rejected) for parent in read.parents])
    structures = [str(read.parents[k]) for k in valid.tolist()]
    first = same_as(structures, read.coded, np.searchsorted(valid, read.places))
    for k in np.flatnonzero(first != np.arange(len(first))).tolist():
        read.parents[int(valid[k])] = structures[int(first[k])]
    return read


__all__ = ["TextsAsGiven", "needs_canonical_form", "parsed_within", "read_as_given", "with_first_structures"]
