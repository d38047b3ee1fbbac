"""Parents of plain SMILES without a molecule: read by the compiled loop, and left as they are written.

A text of which the loop says that the ChEMBL pipeline has nothing to change is its own parent; one in which only charges or
sulfoxides are to change becomes its own parent once these are rewritten in the text. No canonical SMILES is written. What the loop reads
comes out the same from every spelling (:mod:`.plainrings`), so the parent that the pipeline would write is this compound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules, join, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parent import Flag, Parent, has_unspecified_stereo
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.plain import Effort, effort_needed, has_carbon
from cinchona.datasets.plaincodes import plain_codes
from cinchona.datasets.rewriting import changes_charge, changing_atoms, rewritten
from cinchona.datasets.stereo_certain import NONE, SOME, known_unspecified_stereo
from cinchona.datasets.stereo_hints import may_have_unspecified_stereo

_NO_FLAGS: Final[frozenset[Flag]] = frozenset()
_UNSPECIFIED: Final = frozenset({Flag.UNSPECIFIED_STEREO})


@dataclass(frozen=True, slots=True)
class TextParents:
    """Parents of those of n texts that could be answered without a molecule."""

    parents: dict[int, Parent]
    """By place of the text; ``smiles`` are as written, or as written but for charges and sulfoxides."""
    coded: CodedMolecules
    """Graph codes of the m parents, in the order of ``places``."""
    places: np.ndarray
    """Their places, ascending, int64, shape (m,)."""


def parents_of_texts(texts: Sequence[str], rules: StandardizeConfig) -> TextParents:
    """Parents of the plain texts that need no or little standardization by the ChEMBL pipeline.

    Args:
        texts: n SMILES without blanks around them, empty where the text is not to be read.
        rules: Limits.
    """
    coded, plain = plain_codes(texts, max_atoms=rules.max_atoms, max_rings=rules.max_rings)
    places, effort = np.flatnonzero(plain), effort_needed(coded)
    unchanged = np.flatnonzero(effort == Effort.NONE)
    changed = _rewritten([texts[k] for k in places.tolist()], coded, effort)
    whole = join(take(coded, unchanged), changed.coded)
    at = np.concatenate([places[unchanged], places[changed.places]])
    smiles = [*(texts[k] for k in places[unchanged].tolist()), *changed.texts]
    neutralized = np.concatenate([np.zeros(len(unchanged), bool), changed.neutralized])
    parents = {
        place: Parent(text, flags)
        for place, text, flags in zip(at.tolist(), smiles, _flags(smiles, whole, neutralized), strict=True)
    }
    order = np.argsort(at, kind="stable")
    return TextParents(parents, take(whole, order), at[order])


@dataclass(frozen=True, slots=True)
class _Rewritten:
    """Texts that are plain and need no change once they are rewritten."""

    texts: list[str]
    coded: CodedMolecules
    places: np.ndarray
    neutralized: np.ndarray
    """Which of them lost charges, bool."""


def _rewritten(texts: Sequence[str], coded: CodedMolecules, effort: np.ndarray) -> _Rewritten:
    some = np.flatnonzero((effort == Effort.NEUTRALIZE) | (effort == Effort.SULFOXIDE))
    kinds = changing_atoms(take(coded, some))
    written = [rewritten(texts[k], atoms) or "" for k, atoms in zip(some.tolist(), kinds, strict=True)]
    again, plain = plain_codes(written)
    sound = effort_needed(again) == Effort.NONE
    kept = np.flatnonzero(plain)[sound]
    neutralized = np.array([changes_charge(kinds[k]) for k in kept.tolist()], bool)
    return _Rewritten([written[k] for k in kept.tolist()], take(again, np.flatnonzero(sound)), some[kept], neutralized)


def _flags(smiles: Sequence[str], coded: CodedMolecules, neutralized: np.ndarray) -> list[frozenset[Flag]]:
    found = _stereo_flags(smiles, coded)
    carbon = has_carbon(coded)
    for k in np.flatnonzero(~carbon).tolist():
        found[k] |= {Flag.INORGANIC}
    # Flagged by the pipeline's rule: charges of the components that hold carbon.
    for k in np.flatnonzero(neutralized & carbon).tolist():
        found[k] |= {Flag.CHARGE_NEUTRALIZED}
    return found


def _stereo_flags(smiles: Sequence[str], coded: CodedMolecules) -> list[frozenset[Flag]]:
    """Whether plain molecules, which state no configuration, have something unspecified; RDKit looks where it is not clear."""
    flags = [_NO_FLAGS] * len(smiles)
    candidates = np.flatnonzero(may_have_unspecified_stereo(coded))
    known = known_unspecified_stereo(coded, candidates)
    for k, answer in zip(candidates.tolist(), known.tolist(), strict=True):
        if answer == SOME or (answer != NONE and _rdkit_finds_some(smiles[k])):
            flags[k] = _UNSPECIFIED
    return flags


def _rdkit_finds_some(smiles: str) -> bool:
    mol = parse_smiles(smiles)
    return not isinstance(mol, Rejected) and has_unspecified_stereo(mol)


__all__ = ["TextParents", "parents_of_texts"]
