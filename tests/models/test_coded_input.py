"""Codes that a batch carries and molecules that are parsed come together in order, as if all had been parsed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from strategies import any_smiles

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import CODE_COLUMNS, code_columns, coded_molecules
from cinchona.datasets.codedmolecules import join, take
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.standardize import standardize_batch
from cinchona.models.coded_input import molecules_of
from cinchona.records import CompoundBatch

TEXTS = (
    "OCC",
    "CCO",
    "CCO",
    "bad",
    "c1ccccc1",
    "C1=CC=CC=C1",
    "CC(=O)[O-].[Na+]",
    "C[C@H](N)C(=O)O",
    "F/C=C/Cl",
    "C" * 1_200,
)


def equal(left, right) -> None:
    for name in ("atoms", "bonds", "ends"):
        np.testing.assert_array_equal(getattr(left.graph, name), getattr(right.graph, name))
    np.testing.assert_array_equal(left.atom_offsets, right.atom_offsets)
    np.testing.assert_array_equal(left.bond_offsets, right.bond_offsets)


def with_codes(batch: CompoundBatch, chosen: list[int]) -> CompoundBatch:
    mols = [Chem.MolFromSmiles(batch.smiles[k]) for k in chosen]
    columns = code_columns(codes_of_many(mols), np.array(chosen, np.int64), len(batch))
    names = batch.data.schema.names
    return CompoundBatch(pa.RecordBatch.from_pydict({**dict(zip(names, batch.data.columns, strict=True)), **columns}))


@given(st.lists(any_smiles(), max_size=8), st.data())
def test_any_mixture(texts, data):
    batch = CompoundBatch.of(texts)
    readable = [k for k, t in enumerate(texts) if not isinstance(parse_smiles(t), Rejected)]
    chosen = sorted(data.draw(st.sets(st.sampled_from(readable)))) if readable else []
    plain, kept, rejects = molecules_of(batch)
    mixed, kept_too, rejects_too = molecules_of(with_codes(batch, chosen))
    equal(mixed, plain)
    np.testing.assert_array_equal(kept_too, kept)
    assert rejects_too == rejects


@given(st.lists(st.integers(0, 5), max_size=9))
def test_take_and_join(places):
    mols = [Chem.MolFromSmiles(s) for s in ("C", "CCO", "c1ccccc1", "[Na+].[Cl-]", "CC(=O)O", "C#N")]
    coded = codes_of_many(mols)
    equal(take(coded, np.array(places, np.int64)), codes_of_many([mols[k] for k in places]))
    equal(join(take(coded, np.arange(2)), take(coded, np.arange(2, 6))), coded)


@pytest.mark.parametrize("method", ["chembl", "none"])
def test_rows_in_their_final_form_carry_the_codes_of_their_molecules(method):
    done = standardize_batch(
        CompoundBatch.of(list(TEXTS)), StandardizeConfig(method=method, max_atoms=5_000), codes=True
    )
    table = done.batch.data
    coded, present = coded_molecules(table)
    rows = [TEXTS[r] for r in done.batch.row_ids[present]]
    first_rows = ["OCC", "c1ccccc1", "CC(=O)[O-].[Na+]", "C[C@H](N)C(=O)O", "F/C=C/Cl"]
    assert rows == first_rows, "the first row of each compound; not what is beyond the limits of graph networks"
    equal(coded, codes_of_many([Chem.MolFromSmiles(done.batch.smiles[k]) for k in np.flatnonzero(present)]))
    bare = standardize_batch(CompoundBatch.of(list(TEXTS)), StandardizeConfig(method=method, max_atoms=5_000))
    assert not set(CODE_COLUMNS) & set(bare.batch.data.schema.names)
    np.testing.assert_array_equal(bare.duplicate_of, done.duplicate_of)
    assert bare.batch.data.equals(table.select(bare.batch.data.schema.names))
