"""By what two compounds differ, in words: their common core, and what hangs on it here and there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from rdkit import Chem, rdBase
from rdkit.Chem import rdFMCS

from cinchona.models.explanation.pieces import piece_smiles

_SECONDS: Final = 1
_SHOWN: Final = 4
_NAMES: Final = {
    "*F": "F", "*Cl": "Cl", "*Br": "Br", "*I": "I", "*C": "methyl", "*CC": "ethyl", "*O": "OH", "*OC": "methoxy", "*N": "NH2",
    "*C(F)(F)F": "CF3", "*C#N": "cyano", "*C(=O)O": "COOH", "*c1ccccc1": "phenyl", "*C(N)=O": "CONH2", "*[N+](=O)[O-]": "nitro",
    "*OC(F)(F)F": "OCF3", "*C(C)C": "isopropyl", "*C1CC1": "cyclopropyl", "*C(C)(C)C": "tert-butyl", "*=O": "oxo",
}  # fmt: skip
"""Names that chemists use, of pieces that are met often; others are told as SMILES."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A molecule against another one."""

    words: str
    """What the molecule has where the other has something else."""
    here: tuple[int, ...]
    """Atoms of the molecule that are not in the common core."""
    there: tuple[int, ...]
    """Atoms of the other that are not in it."""


def difference(smiles: str, other: str) -> Difference:
    """Compare two molecules by their largest common core, whole rings only.

    The search for the core stops after a second; a smaller core then tells more differences than there are.

    Returns:
        The difference; ``words`` are empty where the two have the same bonds, for example where they differ in stereo alone.
    """
    first, second = (Chem.MolFromSmiles(text) for text in (smiles, other))
    assert first is not None
    assert second is not None
    with rdBase.BlockLogs():
        core = rdFMCS.FindMCS(
            [first, second], timeout=_SECONDS, ringMatchesRingOnly=True, completeRingsOnly=True,
            atomCompare=rdFMCS.AtomCompare.CompareElements, bondCompare=rdFMCS.BondCompare.CompareOrder,
        )  # fmt: skip
    if not core.numAtoms:
        return Difference(
            "no core in common with it", tuple(range(first.GetNumAtoms())), tuple(range(second.GetNumAtoms()))
        )
    pattern = Chem.MolFromSmarts(core.smartsString)
    one, two = _whole_rings(first, second, first.GetSubstructMatch(pattern), second.GetSubstructMatch(pattern))
    if not one:
        return Difference("other rings", tuple(range(first.GetNumAtoms())), tuple(range(second.GetNumAtoms())))
    mine, theirs = _hanging(first, one), _hanging(second, two)
    told = [
        f"{_listed(mine.get(place, []))} where it has {_listed(theirs.get(place, []))}"
        for place in sorted({*mine, *theirs})
    ]
    more = f", and {len(told) - _SHOWN} more places" if len(told) > _SHOWN else ""
    return Difference("; ".join(told[:_SHOWN]) + more, _outside(first, one), _outside(second, two))


def _whole_rings(
    first: Chem.Mol, second: Chem.Mol, one: tuple[int, ...], two: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The core without atoms of rings that are in it in part only; an exchanged ring is then told as one."""
    pairs = list(zip(one, two, strict=True))
    while True:
        inside = ({a for a, _ in pairs}, {b for _, b in pairs})
        broken = tuple(
            {atom for ring in mol.GetRingInfo().AtomRings() if not set(ring) <= kept for atom in ring}
            for mol, kept in zip((first, second), inside, strict=True)
        )
        kept = [(a, b) for a, b in pairs if a not in broken[0] and b not in broken[1]]
        if len(kept) == len(pairs):
            return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
        pairs = kept


def _outside(mol: Chem.Mol, core: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(range(mol.GetNumAtoms())) - set(core)))


def _hanging(mol: Chem.Mol, core: tuple[int, ...]) -> dict[int, list[str]]:
    """What hangs on the core, by the position in the core of the first atom that holds it; sorted SMILES."""
    outside, position = set(_outside(mol, core)), {atom: k for k, atom in enumerate(core)}
    found: dict[int, list[str]] = defaultdict(list)
    for part in _parts(mol, outside):
        holders = [
            position[n.GetIdx()] for a in part for n in mol.GetAtomWithIdx(a).GetNeighbors() if n.GetIdx() in position
        ]
        found[min(holders, default=-1)].append(piece_smiles(mol, part))
    return {place: sorted(texts) for place, texts in found.items()}


def _parts(mol: Chem.Mol, atoms: set[int]) -> list[list[int]]:
    left, parts = set(atoms), []
    while left:
        part, rim = [], [left.pop()]
        while rim:
            atom = rim.pop()
            part.append(atom)
            near = {n.GetIdx() for n in mol.GetAtomWithIdx(atom).GetNeighbors()} & left
            left -= near
            rim += sorted(near)
        parts.append(sorted(part))
    return sorted(parts)


def _listed(texts: list[str]) -> str:
    return " and ".join(_NAMES.get(text, text) for text in texts) if texts else "H"


__all__ = ["Difference", "difference"]
