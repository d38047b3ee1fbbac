"""From a batch of compounds to coded molecules: codes that the batch carries are used, the other rows are parsed."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import CODE_COLUMNS, coded_molecules
from cinchona.datasets.codedmolecules import CodedMolecules, join, take
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.records import CompoundBatch, Reject, Stage


def molecules_of(batch: CompoundBatch) -> tuple[CodedMolecules, np.ndarray, tuple[Reject, ...]]:
    """Coded molecules of the usable rows, in order.

    Returns:
        The molecules, which rows they are (bool, shape (n,)), and the other rows as rejects.
    """
    if not set(CODE_COLUMNS) <= set(batch.data.schema.names):
        return _parsed(batch)
    carried, present = coded_molecules(batch.data)
    if present.all():
        return carried, present, ()
    missing = np.flatnonzero(~present)
    read, usable, rejects = _parsed(batch.take(missing))
    kept = present.copy()
    kept[missing[usable]] = True
    rows = np.concatenate([np.flatnonzero(present), missing[usable]])
    return take(join(carried, read), np.argsort(rows, kind="stable")), kept, rejects


def usable_molecule(text: str) -> Chem.Mol | Rejected:
    """Parse a SMILES; a graph beyond the limits of graph networks is a rejection."""
    mol = parse_smiles(text)
    if isinstance(mol, Rejected) or mol.GetNumAtoms() <= MAX_ATOMS:
        return mol
    return Rejected(Stage.FEATURIZE, f"{mol.GetNumAtoms():,} atoms, expected 1 to {MAX_ATOMS:,}")


def _parsed(batch: CompoundBatch) -> tuple[CodedMolecules, np.ndarray, tuple[Reject, ...]]:
    mols = [usable_molecule(text) for text in batch.smiles]
    rows = batch.row_ids.tolist()
    rejects = tuple(mol.of_row(row) for row, mol in zip(rows, mols, strict=True) if isinstance(mol, Rejected))
    kept = np.array([not isinstance(mol, Rejected) for mol in mols], dtype=bool)
    return codes_of_many([mol for mol in mols if not isinstance(mol, Rejected)]), kept, rejects
