"""Structures in standard form as a screen needs them: changed where the rules ask for it, otherwise as they are written.

Plain texts are answered without a molecule (:mod:`.quick_texts`). The others are read by RDKit and written as canonical
SMILES where something hangs on it: where the pipeline changed them, where there is stereo, and where the SMILES may read back
differently. Which rows are one compound is said by canonical SMILES all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.as_given import TextsAsGiven, parsed_within, with_first_structures
from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codedmolecules import CodedMolecules, join, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.datasets.parent import Parent
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.quick_parents import all_parents
from cinchona.datasets.quick_texts import parents_of_texts

_CHUNK: Final = 256
"""Molecules held at once; more only leave the processor's cache."""


def read_as_needed(texts: Sequence[str], rules: StandardizeConfig, *, join_equal: bool = True) -> TextsAsGiven:
    """Bring distinct texts to their standard form by the ChEMBL pipeline, without canonical SMILES where none is needed.

    Args:
        texts: n SMILES or CXSMILES, each different.
        rules: Rules that let texts stay (:attr:`~cinchona.datasets.config.StandardizeConfig.keeps_texts`).
        join_equal: Whether equal compounds get the structure of the first of them.
    """
    bare = [text.strip() for text in texts]
    quick = parents_of_texts([text if len(text) <= rules.max_smiles_length else "" for text in bare], rules)
    found: dict[int, Parent | Rejected] = dict(quick.parents)
    others = [k for k in range(len(texts)) if k not in found]
    parts, kept = [quick.coded], [quick.places]
    for start in range(0, len(others), _CHUNK):
        parents, coded, places = _through_rdkit({k: texts[k] for k in others[start : start + _CHUNK]}, rules)
        found |= parents
        parts.append(coded)
        kept.append(places)
    at = np.concatenate(kept)
    order = np.argsort(at, kind="stable")
    results = [found[k] for k in range(len(texts))]
    structures = [parent if isinstance(parent, Rejected) else parent.smiles for parent in results]
    flags = [frozenset[str]() if isinstance(p, Rejected) else frozenset(map(str, p.flags)) for p in results]
    read = TextsAsGiven(structures, take(join(*parts), order), at[order], flags)
    return with_first_structures(read) if join_equal else read


def _through_rdkit(
    texts: Mapping[int, str], rules: StandardizeConfig
) -> tuple[dict[int, Parent | Rejected], CodedMolecules, np.ndarray]:
    """Parents of texts by place, and the graph codes of those within the limits of graph networks with their places."""
    found: dict[int, Parent | Rejected] = {}
    mols = dict[int, Chem.Mol]()
    for place, text in texts.items():
        mol = parsed_within(text, rules)
        if isinstance(mol, Rejected):
            found[place] = mol
        else:
            mols[place] = mol
    coded = codes_of_many(list(mols.values()))
    found |= zip(
        mols, all_parents({texts[k]: mol for k, mol in mols.items()}, coded, rules, keep_texts=True), strict=True
    )
    own, others = list[int](), dict[int, Chem.Mol]()
    for j, (place, mol) in enumerate(mols.items()):
        parent = found[place]
        if isinstance(parent, Rejected):
            continue
        if parent.smiles == texts[place].strip():
            own += [j] if mol.GetNumAtoms() <= MAX_ATOMS else []
        else:
            again = parse_smiles(parent.smiles) if parent.molecule is None else parent.molecule
            if not isinstance(again, Rejected) and again.GetNumAtoms() <= MAX_ATOMS:
                others[place] = again
    places = np.concatenate([np.array(list(mols), np.int64)[own], np.array(list(others), np.int64)])
    return found, join(take(coded, np.array(own, np.int64)), codes_of_many(list(others.values()))), places


__all__ = ["read_as_needed"]
