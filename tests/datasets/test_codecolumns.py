"""Graph codes survive the trip through table columns, wherever codes are missing."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from strategies import smiles

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import CODE_COLUMNS, code_columns, coded_molecules
from cinchona.errors import ShapeError


def table_of(texts: list[str], gaps: list[int]) -> tuple[pa.Table, np.ndarray]:
    """Rows with codes, with as many rows without codes before each as ``gaps`` says."""
    places = np.cumsum(np.array(gaps[: len(texts)], int) + 1) - 1
    n = int(places[-1]) + 2 if len(texts) else 3
    return pa.table(code_columns(codes_of_many([Chem.MolFromSmiles(t) for t in texts]), places, n)), places


@given(st.lists(smiles(), max_size=6), st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(0, 3))
def test_round_trip_through_parquet_and_slices(texts, gaps, skipped):
    table, places = table_of(texts, gaps)
    file = io.BytesIO()
    pq.write_table(table, file)
    batch = pq.read_table(file).combine_chunks().to_batches()[0].slice(skipped)
    found, present = coded_molecules(batch)
    kept = [k for k, place in enumerate(places.tolist()) if place >= skipped]
    assert np.flatnonzero(present).tolist() == [int(places[k]) - skipped for k in kept]
    wanted = codes_of_many([Chem.MolFromSmiles(texts[k]) for k in kept])
    for name in ("atoms", "bonds", "ends"):
        np.testing.assert_array_equal(getattr(found.graph, name), getattr(wanted.graph, name))
        assert getattr(found.graph, name).dtype == getattr(wanted.graph, name).dtype
    np.testing.assert_array_equal(found.atom_offsets, wanted.atom_offsets)
    np.testing.assert_array_equal(found.bond_offsets, wanted.bond_offsets)


@pytest.mark.parametrize("name", CODE_COLUMNS)
def test_cells_that_were_cut_are_refused(name):
    table, _ = table_of(["CCO", "CC"], [0, 0])
    cut = [None if cell is None else cell[:-1] for cell in table.column(name).to_pylist()]
    table = table.set_column(CODE_COLUMNS.index(name), name, pa.array(cut, pa.large_binary()))
    with pytest.raises(ShapeError, match=name):
        coded_molecules(table.combine_chunks().to_batches()[0])


def test_bonds_without_their_ends_are_refused():
    table, _ = table_of(["CCO", "CC"], [0, 0])
    short = [None if cell is None else cell[:4] for cell in table.column("bond_ends").to_pylist()]
    table = table.set_column(2, "bond_ends", pa.array(short, pa.large_binary()))
    with pytest.raises(ShapeError, match="two ends a bond"):
        coded_molecules(table.combine_chunks().to_batches()[0])
