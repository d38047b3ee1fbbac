"""Molecules with a piece taken away or hidden, as SMILES that any scorer can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rdkit import Chem, rdBase
from rdkit.Chem import BRICS

_DUMMY: Final = 0


def hidden_atoms(mol: Chem.Mol, atoms: Iterable[int]) -> str:
    """The molecule with ``atoms`` turned into atoms of no element, so that rings and bonds stay; empty if that is no molecule."""
    edited = Chem.RWMol(mol)
    for index in atoms:
        atom = edited.GetAtomWithIdx(index)
        atom.SetAtomicNum(_DUMMY)
        atom.SetFormalCharge(0)
        atom.SetIsotope(0)
        atom.SetNoImplicit(True)  # noqa: FBT003 - RDKit's form
        atom.SetNumExplicitHs(0)
        atom.SetNumRadicalElectrons(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    return _written(edited)


def without_atoms(mol: Chem.Mol, atoms: Sequence[int]) -> str:
    """The molecule without ``atoms``, hydrogens in their place; empty if nothing valid is left.

    What fell apart stays beside each other. Aromatic rings that lose a part become chains of alternating bonds.
    """
    edited = _kekulized(mol)
    if edited is None or len(set(atoms)) >= mol.GetNumAtoms():
        return ""
    gone = set(atoms)
    for index in gone:
        for bond in edited.GetAtomWithIdx(index).GetBonds():
            other = bond.GetOtherAtom(edited.GetAtomWithIdx(index))
            if other.GetIdx() not in gone:
                _saturate(other, bond.GetBondTypeAsDouble())
    for index in sorted(gone, reverse=True):
        edited.RemoveAtom(index)
    return _written(edited)


def without_bond(mol: Chem.Mol, bond: int) -> str:
    """The molecule with one bond cut and hydrogens in its place; empty if that is no molecule."""
    edited = _kekulized(mol)
    if edited is None:
        return ""
    cut = edited.GetBondWithIdx(bond)
    ends = cut.GetBeginAtom(), cut.GetEndAtom()
    order = cut.GetBondTypeAsDouble()
    edited.RemoveBond(ends[0].GetIdx(), ends[1].GetIdx())
    for atom in ends:
        _saturate(atom, order)
    return _written(edited)


def fragments(mol: Chem.Mol) -> list[tuple[int, ...]]:
    """Pieces that chemists would exchange, as atoms: cut at BRICS bonds and at single bonds between rings and chains.

    References:
        Degen et al., ChemMedChem 2008, 3, 1503, https://doi.org/10.1002/cmdc.200800178 (BRICS); Polishchuk et al., Mol. Inform. 2013,
        32, 843, https://doi.org/10.1002/minf.201300029 (pieces of any model).
    """
    with rdBase.BlockLogs():
        cuts = {mol.GetBondBetweenAtoms(*ends).GetIdx() for ends, _ in BRICS.FindBRICSBonds(mol)}  # type: ignore[no-untyped-call]
    for bond in mol.GetBonds():
        rings = bond.GetBeginAtom().IsInRing() + bond.GetEndAtom().IsInRing()
        if rings and not bond.IsInRing() and bond.GetBondType() == Chem.BondType.SINGLE:
            cuts.add(bond.GetIdx())
    if not cuts:
        return list(Chem.GetMolFrags(mol))
    return list(Chem.GetMolFrags(Chem.FragmentOnBonds(mol, sorted(cuts), addDummies=False)))


def _kekulized(mol: Chem.Mol) -> Chem.RWMol | None:
    edited = Chem.RWMol(mol)
    with rdBase.BlockLogs():
        try:
            Chem.Kekulize(edited, clearAromaticFlags=True)
        except (Chem.KekulizeException, ValueError):
            return None
    return edited


def _saturate(atom: Chem.Atom, order: float) -> None:
    atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    if atom.GetNoImplicit() or atom.GetNumExplicitHs():
        atom.SetNumExplicitHs(atom.GetNumExplicitHs() + round(order))


def _written(edited: Chem.RWMol) -> str:
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(edited)
            return str(Chem.MolToSmiles(edited))
        except (ValueError, RuntimeError):
            return ""


__all__ = ["fragments", "hidden_atoms", "without_atoms", "without_bond"]
