"""Parents of the many molecules for which the ChEMBL pipeline has nothing, or nothing but charges, to change.

Equal to :func:`cinchona.datasets.parent.parent_of`, which does the rest; tested on whole libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from cinchona.datasets.as_given import needs_canonical_form
from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parent import Flag, Parent, has_unspecified_stereo, parent_of, settled
from cinchona.datasets.parsing import Rejected, one_line, parse_smiles
from cinchona.datasets.plain import Effort, effort_needed, has_carbon, has_doubtful_marks, has_large_ring
from cinchona.datasets.rewriting import changes_charge, changing_atoms, rewritten
from cinchona.datasets.stereo_certain import NONE, SOME, UNKNOWN, known_unspecified_stereo
from cinchona.datasets.stereo_hints import may_have_unspecified_stereo
from cinchona.records import Stage

_CARBON: Final = 6


def all_parents(
    mols: Mapping[str, Chem.Mol], coded: CodedMolecules, rules: StandardizeConfig, *, keep_texts: bool = False
) -> list[Parent | Rejected]:
    """Parents of molecules: the quick way where it answers, the whole pipeline otherwise.

    Args:
        mols: n sanitized molecules by the text that reads as them.
        coded: Their graph codes.
        rules: Rules.
        keep_texts: See :func:`quick_parents`.
    """
    with rdBase.BlockLogs():
        quick = quick_parents(list(mols), list(mols.values()), rules, coded, keep_texts=keep_texts)
    return [
        guarded_parent(mol, rules) if parent is None else parent
        for mol, parent in zip(mols.values(), quick, strict=True)
    ]


def guarded_parent(mol: Chem.Mol, rules: StandardizeConfig) -> Parent | Rejected:
    """The parent by the whole pipeline, or by its canonical SMILES with the method ``none``; RDKit's errors are rejections."""
    with rdBase.BlockLogs():
        try:
            return Parent(str(Chem.MolToSmiles(mol)), frozenset()) if rules.method == "none" else parent_of(mol, rules)
        except (ValueError, RuntimeError) as error:  # RDKit's sanitization errors are ValueErrors
            return Rejected(Stage.STANDARDIZE, one_line(str(error)) or type(error).__name__)


def quick_parents(
    texts: Sequence[str],
    mols: Sequence[Chem.Mol],
    config: StandardizeConfig,
    coded: CodedMolecules | None = None,
    *,
    keep_texts: bool = False,
) -> list[Parent | Rejected | None]:
    """Parents of the molecules that need no or little standardization.

    Args:
        texts: n SMILES as given; those with CX extensions are left to the pipeline.
        mols: n sanitized molecules.
        config: Rules.
        coded: Their graph codes, where these are at hand.
        keep_texts: Whether structures that need no change and no canonical form stay as they are written.

    Returns:
        n parents; None where the whole pipeline has to look.
    """
    if config.method != "chembl" or config.tautomer or not mols:
        return [None] * len(mols)
    coded = codes_of_many(mols) if coded is None else coded
    effort = effort_needed(coded)
    effort[[" " in text.strip() for text in texts]] = Effort.ALL
    found = list[Parent | Rejected | None]([None] * len(mols))
    unchanged = np.flatnonzero(effort == Effort.NONE)
    for k, one in zip(unchanged.tolist(), _facts(take(coded, unchanged)), strict=True):
        found[k] = _unchanged(texts[k], mols[k], one, keep_text=keep_texts)
    changing = np.flatnonzero((effort == Effort.NEUTRALIZE) | (effort == Effort.SULFOXIDE))
    for k, changed in zip(
        changing.tolist(), _changed([texts[k] for k in changing.tolist()], take(coded, changing)), strict=True
    ):
        if changed is not None:
            parent = _unchanged(changed.text, changed.molecule, changed.facts, keep_text=keep_texts)
            found[k] = _flagged(parent) if changed.neutralized else parent
        elif effort[k] == Effort.NEUTRALIZE:
            found[k] = _uncharged(mols[k])
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """What graph codes say of a molecule that the pipeline leaves unchanged."""

    carbon: bool
    """Whether it has carbon."""
    marks: bool
    """Whether its canonical SMILES may read back differently."""
    stereo: int
    """What is known of unspecified stereocentres (:mod:`.stereo_certain`)."""


def _facts(coded: CodedMolecules) -> list[_Facts]:
    stereo = np.full(len(coded), NONE)
    candidates = np.flatnonzero(may_have_unspecified_stereo(coded))
    stereo[candidates] = known_unspecified_stereo(coded, candidates)
    columns = (has_carbon(coded).tolist(), has_doubtful_marks(coded).tolist(), stereo.tolist())
    return [_Facts(*row) for row in zip(*columns, strict=True)]


def _unchanged(text: str, mol: Chem.Mol, facts: _Facts, *, keep_text: bool) -> Parent | Rejected:
    bare = text.strip()
    doubtful = facts.marks or has_large_ring(mol)
    written = keep_text and not doubtful and not needs_canonical_form(bare)
    canonical = bare if written else str(Chem.MolToSmiles(mol))
    # What was given in canonical form has been read back already: it is this molecule.
    if doubtful and canonical != bare:
        return settled(mol, set())
    flags = set() if facts.carbon else {Flag.INORGANIC}
    if facts.stereo == SOME or (facts.stereo == UNKNOWN and has_unspecified_stereo(mol)):
        flags.add(Flag.UNSPECIFIED_STEREO)
    return Parent(canonical, frozenset(flags), mol if canonical == bare else None)


@dataclass(frozen=True, slots=True)
class _Changed:
    """A molecule that needs no change once it is rewritten."""

    text: str
    molecule: Chem.Mol
    facts: _Facts
    neutralized: bool


def _changed(texts: Sequence[str], coded: CodedMolecules) -> list[_Changed | None]:
    """Molecules read from rewritten texts; None where the text cannot say so."""
    read = dict[int, tuple[str, Chem.Mol]]()
    kinds = changing_atoms(coded)
    for k, (text, atoms) in enumerate(zip(texts, kinds, strict=True)):
        written = rewritten(text.strip(), atoms)
        mol = None if written is None else parse_smiles(written)
        if written is not None and isinstance(mol, Chem.Mol):
            read[k] = (written, mol)
    again = codes_of_many([mol for _, mol in read.values()])
    plain = effort_needed(again) == Effort.NONE
    found = list[_Changed | None]([None] * len(texts))
    for k, facts, is_plain in zip(read, _facts(again), plain.tolist(), strict=True):
        found[k] = _Changed(*read[k], facts, changes_charge(kinds[k])) if is_plain else None
    return found


def _flagged(parent: Parent | Rejected) -> Parent | Rejected:
    # Flagged by the pipeline's rule: charges of the components that hold carbon.
    if isinstance(parent, Rejected) or Flag.INORGANIC in parent.flags:
        return parent
    return Parent(parent.smiles, parent.flags | {Flag.CHARGE_NEUTRALIZED}, parent.molecule)


def _uncharged(mol: Chem.Mol) -> Parent | Rejected:
    neutral = _uncharger().uncharge(mol)
    neutral.UpdatePropertyCache(strict=False)
    Chem.SanitizeMol(neutral)
    carbon = any(atom.GetAtomicNum() == _CARBON for atom in mol.GetAtoms())
    return settled(neutral, {Flag.CHARGE_NEUTRALIZED} if carbon else set())


@cache
def _uncharger() -> rdMolStandardize.Uncharger:
    # As the pipeline makes it; making one takes longer than using it.
    return rdMolStandardize.Uncharger(canonicalOrder=True)


__all__ = ["all_parents", "guarded_parent", "quick_parents"]
