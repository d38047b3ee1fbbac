"""Parents of the many molecules for which the ChEMBL pipeline has nothing, or nothing but charges, to change.

Equal to :func:`cinchona.datasets.parent.parent_of`, which does the rest; tested on whole libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from cinchona.datasets.binarycodes import CodedMolecules, codes_of_many
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.graphcodes import AtomField
from cinchona.datasets.parent import Flag, Parent, has_unspecified_stereo, settled
from cinchona.datasets.parsing import Rejected
from cinchona.datasets.plain import Effort, effort_needed, has_doubtful_marks, has_large_ring
from cinchona.datasets.stereo_hints import may_have_unspecified_stereo

_CARBON = 6


def quick_parents(
    texts: Sequence[str], mols: Sequence[Chem.Mol], config: StandardizeConfig, coded: CodedMolecules | None = None
) -> list[Parent | Rejected | None]:
    """Parents of the molecules that need no or little standardization.

    Args:
        texts: n SMILES as given; those with CX extensions are left to the pipeline.
        mols: n sanitized molecules.
        config: Rules.
        coded: Their graph codes, where these are at hand.

    Returns:
        n parents; None where the whole pipeline has to look.
    """
    if config.method != "chembl" or config.tautomer or not mols:
        return [None] * len(mols)
    coded = codes_of_many(mols) if coded is None else coded
    effort = effort_needed(coded)
    effort[[" " in text.strip() for text in texts]] = Effort.ALL
    marks = has_doubtful_marks(coded)
    stereo = may_have_unspecified_stereo(coded)
    carbon = _has_carbon(coded)
    return [
        _parent(text, mol, Effort(e), carbon=c, marks=m, stereo=u)
        for text, mol, e, c, m, u in zip(
            texts, mols, effort.tolist(), carbon.tolist(), marks.tolist(), stereo.tolist(), strict=True
        )
    ]


def _parent(
    text: str, mol: Chem.Mol, effort: Effort, *, carbon: bool, marks: bool, stereo: bool
) -> Parent | Rejected | None:
    if effort is Effort.ALL:
        return None
    if effort is Effort.NEUTRALIZE:
        neutral = _uncharger().uncharge(mol)
        neutral.UpdatePropertyCache(strict=False)
        Chem.SanitizeMol(neutral)
        # Flagged by the pipeline's rule: charges of the components that hold carbon.
        return settled(neutral, {Flag.CHARGE_NEUTRALIZED} if carbon else set())
    canonical = str(Chem.MolToSmiles(mol))
    # What was given in canonical form has been read back already: it is this molecule.
    if canonical != text.strip() and (marks or has_large_ring(mol)):
        return settled(mol, set())
    flags = set() if carbon else {Flag.INORGANIC}
    if stereo and has_unspecified_stereo(mol):
        flags.add(Flag.UNSPECIFIED_STEREO)
    return Parent(canonical, frozenset(flags))


@cache
def _uncharger() -> rdMolStandardize.Uncharger:
    # As the pipeline makes it; making one takes longer than using it.
    return rdMolStandardize.Uncharger(canonicalOrder=True)


def _has_carbon(molecules: CodedMolecules) -> np.ndarray:
    carbons = np.concatenate([[0], np.cumsum(molecules.graph.atoms[:, AtomField.ELEMENT] == _CARBON)])
    return np.asarray(np.diff(carbons[molecules.atom_offsets]) > 0)


__all__ = ["quick_parents"]
