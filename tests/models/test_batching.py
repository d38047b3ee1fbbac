"""Batches: nothing lost, nothing moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, MolGraph, featurize
from cinchona.errors import ShapeError
from cinchona.models.batching import GraphSet, chunks, collate, shuffled

TEXTS = ("CCO", "C", "c1ccccc1", "C[C@H](N)C(=O)O", "[Na+].[Cl-]", "CCO")


def test_features_and_edges_are_those_of_the_molecules():
    graphs = [featurize(text) for text in TEXTS]
    batch = collate(graphs, depth=3)
    np.testing.assert_array_equal(batch.atoms.numpy(), np.concatenate([g.atoms for g in graphs]))
    np.testing.assert_array_equal(batch.bonds.numpy(), np.concatenate([g.bonds for g in graphs]))
    assert batch.sizes.ravel().tolist() == [g.n_atoms for g in graphs]
    start = np.cumsum([0, *(g.n_atoms for g in graphs)])
    want = np.concatenate([g.edges + s for g, s in zip(graphs, start, strict=False)], axis=1)
    np.testing.assert_array_equal(batch.edges.numpy(), want)
    molecule = batch.molecule[batch.edges]
    assert torch.equal(molecule[0], molecule[1]), "no bond joins two molecules"


def test_a_batch_of_a_set_is_the_batch_of_its_molecules():
    graphs = [featurize(text) for text in TEXTS]
    rows = np.array([4, 0, 3])
    cut, made = GraphSet.of(graphs, depth=3).batch(rows), collate([graphs[row] for row in rows], depth=3)
    for name in ("atoms", "bonds", "edges", "molecule", "sizes"):
        assert torch.equal(getattr(cut, name), getattr(made, name)), name
    assert len(GraphSet.of(graphs, depth=3)) == len(graphs)
    assert len(cut) == 3


def test_what_cannot_be_batched_is_refused():
    with pytest.raises(ShapeError, match="at least one"):
        collate([], depth=3)
    half = MolGraph(np.zeros((2, ATOM_DIM), np.float32), np.zeros((1, BOND_DIM), np.float32), np.array([[0], [1]]))
    with pytest.raises(ShapeError, match="both directions"):
        collate([half], depth=3)


@given(st.integers(0, 200), st.integers(1, 60))
def test_shuffled_batches_hold_every_row_once_and_are_even(n, size):
    batches = list(shuffled(n, size, rng=np.random.default_rng(0)))
    assert sorted(np.concatenate(batches).tolist() if batches else []) == list(range(n))
    lengths = [len(batch) for batch in batches]
    assert max(lengths, default=0) <= size
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 80))
def test_chunks_cover_the_rows_in_order_within_the_limit(bonds, limit):
    parts = list(chunks(bonds, limit))
    assert [row for part in parts for row in range(len(bonds))[part]] == list(range(len(bonds)))
    for part in parts:
        assert sum(bonds[part]) <= limit or part.stop - part.start == 1
