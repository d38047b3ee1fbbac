"""The parent of a structure by the ChEMBL structure pipeline, with what was changed as flags.

Order of steps: standardize (hydrogens, functional groups, charges) -> drop isotope labels, solvents and salts ->
neutralize -> one component -> tautomer (if asked) -> parse the SMILES again, so that it is a fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from chembl_structure_pipeline import standardizer as chembl
from chembl_structure_pipeline.exclude_flag import exclude_flag
from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.records import Stage

_CARBON: Final = 6


class Flag(StrEnum):
    """What was changed in a structure or is doubtful about it."""

    SALT_REMOVED = "salt_removed"
    """Salts or solvents were taken off, or copies of the same component."""
    MIXTURE = "mixture"
    """Several different components were left; the configuration says what became of them."""
    CHARGE_NEUTRALIZED = "charge_neutralized"
    """The number of charged atoms changed."""
    ISOTOPE_REMOVED = "isotope_removed"
    """Isotope labels were dropped."""
    EXCLUDED = "excluded"
    """A metal or a boron cage: the pipeline does not standardize it; all components are kept together, as drawn but for
    listed salts and charges."""
    INORGANIC = "inorganic"
    """No carbon atom."""
    UNSPECIFIED_STEREO = "unspecified_stereo"
    """A stereocentre or double bond without a stated configuration: the row stands for several compounds."""
    TAUTOMER_CHANGED = "tautomer_changed"
    """Replaced by the canonical tautomer."""
    INCHIKEY_TWIN = "inchikey_twin"
    """Another structure of the batch has the same InChIKey."""
    TAUTOMER_CAPPED = "tautomer_capped"
    """Too many tautomers or atoms: the tautomer was left as it is."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent structure."""

    smiles: str
    """Canonical isomeric SMILES."""
    flags: frozenset[Flag]
    """What was changed or is doubtful."""
    molecule: Chem.Mol | None = field(default=None, compare=False, repr=False)
    """The molecule that ``smiles`` reads as, where it is at hand."""


def parent_of(mol: Chem.Mol, config: StandardizeConfig) -> Parent | Rejected:
    """The parent of a sanitized molecule.

    Raises:
        ValueError: if RDKit cannot sanitize an intermediate.
        RuntimeError: if RDKit fails otherwise.
    """
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        return Rejected(Stage.STANDARDIZE, "dummy atom (*): not a complete structure")
    excluded = bool(exclude_flag(mol, includeRDKitSanitization=False))
    if excluded and config.excluded == "reject":
        return Rejected(Stage.STANDARDIZE, "metal or boron cage, which the ChEMBL pipeline does not standardize")
    stripped = _strip(mol if excluded else chembl.standardize_mol(mol, check_exclusion=False))
    whole = (stripped, {Flag.EXCLUDED}) if excluded else _one_component(stripped, config)
    if isinstance(whole, Rejected):
        return whole
    parent, flags = whole
    flags |= _changes(mol, stripped, parent)
    if config.tautomer:
        parent, change = _canonical_tautomer(parent, config)
        flags |= change
    return settled(parent, flags)


def _strip(mol: Chem.Mol) -> Chem.Mol:
    bare = chembl.get_isotope_parent_mol(mol)
    if len(Chem.GetMolFrags(bare)) > 1:
        bare, _ = chembl.get_fragment_parent_mol(bare, neutralize=True, check_exclusion=True)
    else:
        # A single component is never stripped: whether or not it is on the lists of salts and solvents, the pipeline
        # gives it back neutralized. Saying so here saves reading the two lists for every molecule.
        bare = chembl.uncharge_mol(bare)
    Chem.SanitizeMol(bare)
    stripped: Chem.Mol = bare
    return stripped


def _one_component(mol: Chem.Mol, config: StandardizeConfig) -> tuple[Chem.Mol, set[Flag]] | Rejected:
    components = Chem.GetMolFrags(mol, asMols=True, sanitizeFrags=False)
    if len(components) == 1:
        return mol, set()
    if config.mixtures == "reject":
        return Rejected(Stage.STANDARDIZE, f"mixture of {len(components)} components")
    if config.mixtures == "keep":
        return mol, {Flag.MIXTURE}
    # The pipeline balanced charges over all components; what is left alone is neutralized alone.
    largest = chembl.uncharge_mol(max(components, key=_size))
    Chem.SanitizeMol(largest)
    return largest, {Flag.MIXTURE}


def _size(component: Chem.Mol) -> tuple[bool, int, float, str]:
    """Rank of a component: with carbon first, then heavy atoms, then mass, then SMILES, so that ties have an order."""
    organic = any(atom.GetAtomicNum() == _CARBON for atom in component.GetAtoms())
    mass = sum(atom.GetMass() for atom in component.GetAtoms())
    return organic, component.GetNumHeavyAtoms(), mass, Chem.MolToSmiles(component)


def _changes(given: Chem.Mol, stripped: Chem.Mol, parent: Chem.Mol) -> set[Flag]:
    flags = set()
    if len(Chem.GetMolFrags(stripped)) < len(Chem.GetMolFrags(given)):
        flags.add(Flag.SALT_REMOVED)
    if any(atom.GetIsotope() for atom in given.GetAtoms()):
        flags.add(Flag.ISOTOPE_REMOVED)
    if _free_charges(parent) < _free_charges(given):
        flags.add(Flag.CHARGE_NEUTRALIZED)
    return flags


def _free_charges(mol: Chem.Mol) -> int:
    """Charged atoms of the most charged organic component, without pairs of neighbours that balance (nitro, ylides)."""
    free = {
        atom.GetIdx()
        for atom in mol.GetAtoms()
        if atom.GetFormalCharge()
        and not any(n.GetFormalCharge() * atom.GetFormalCharge() < 0 for n in atom.GetNeighbors())
    }
    if not free:
        return 0
    components = [c for c in Chem.GetMolFrags(mol) if any(mol.GetAtomWithIdx(k).GetAtomicNum() == _CARBON for k in c)]
    return max((len(free.intersection(component)) for component in components), default=0)


def _canonical_tautomer(mol: Chem.Mol, config: StandardizeConfig) -> tuple[Chem.Mol, set[Flag]]:
    if mol.GetNumHeavyAtoms() > config.max_tautomer_atoms:
        return mol, {Flag.TAUTOMER_CAPPED}
    enumerator = rdMolStandardize.TautomerEnumerator()
    enumerator.SetMaxTautomers(config.max_tautomers)
    enumerator.SetMaxTransforms(config.max_transforms)
    found = enumerator.Enumerate(mol)
    if found.status != rdMolStandardize.TautomerEnumeratorStatus.Completed:
        # The best of a part depends on where the enumeration began, so it would not be canonical.
        return mol, {Flag.TAUTOMER_CAPPED}
    best = enumerator.PickCanonical(found)
    changed = Chem.MolToSmiles(best) != Chem.MolToSmiles(mol)
    return (best, {Flag.TAUTOMER_CHANGED}) if changed else (mol, set())


def settled(mol: Chem.Mol, flags: set[Flag]) -> Parent | Rejected:
    """The parent whose canonical SMILES reads back as itself, with the flags that its structure asks for.

    What the pipeline leaves may write a SMILES that reads back a little differently; one more round settles it.
    """
    written = str(Chem.MolToSmiles(mol))
    again = parse_smiles(written)
    if isinstance(again, Rejected):
        return Rejected(Stage.STANDARDIZE, f"the standardized structure does not read back: {again.reason}")
    if not any(atom.GetAtomicNum() == _CARBON for atom in again.GetAtoms()):
        flags.add(Flag.INORGANIC)
    if has_unspecified_stereo(again):
        flags.add(Flag.UNSPECIFIED_STEREO)
    canonical = str(Chem.MolToSmiles(again))
    return Parent(canonical, frozenset(flags), again if canonical == written else None)


def has_unspecified_stereo(mol: Chem.Mol) -> bool:
    """Whether a possible stereocentre or stereo double bond has no stated configuration."""
    unspecified = Chem.StereoSpecified.Unspecified
    return any(info.specified == unspecified for info in Chem.FindPotentialStereo(mol))


__all__ = ["Flag", "Parent", "has_unspecified_stereo", "parent_of", "settled"]
