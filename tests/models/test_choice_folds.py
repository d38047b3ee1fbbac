"""Folds for choosing: even, with groups together, and with every class to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_assays import SMILES

from cinchona.datasets.scaffolds import scaffolds
from cinchona.models import choice_folds
from cinchona.models.choice_folds import folds_of, learnable_folds
from cinchona.models.classical.members import Labels


@given(st.integers(0, 50), st.integers(2, 40))
def test_random_folds_are_even_and_all_are_held_out(seed, n):
    folds = folds_of(SMILES[:n], "random", seed=seed)
    sizes = np.bincount(folds)
    assert folds.min() == 0
    assert sizes.max() - sizes.min() <= 1
    assert len(sizes) == min(5, n)


@settings(max_examples=10)
@given(st.integers(0, 50))
def test_whole_scaffolds_stay_in_one_fold(seed):
    folds = folds_of(SMILES, "scaffold", seed=seed)
    for scaffold in set(scaffolds(list(SMILES))):
        members = [k for k, other in enumerate(scaffolds(list(SMILES))) if other == scaffold]
        assert len(set(folds[members])) == 1 or len(members) > len(SMILES) / 5
    assert len(set(folds)) == 5
    assert len(set(folds_of(SMILES, "cluster", seed=seed))) == 5


def test_a_single_held_out_part_is_a_fifth(monkeypatch):
    monkeypatch.setattr(choice_folds, "n_folds", lambda _: 1)
    folds = folds_of(SMILES, "random", seed=0)
    assert (folds == 0).sum() == 8
    assert (folds == -1).sum() == 32


ACYCLIC = tuple("C" * k + "O" * j for k in range(1, 10) for j in range(3))
RINGS = tuple(f"C{'C' * k}1CCNCC1" for k in range(8)) + tuple(f"c1ccccc1{'C' * k}N" for k in range(8))


@given(st.integers(0, 20), st.sampled_from(["scaffold", "cluster"]))
@settings(max_examples=10)
def test_a_group_larger_than_a_fold_is_dealt_out(seed, kind):
    smiles = [*ACYCLIC, *RINGS]
    folds = folds_of(smiles, kind, seed=seed)
    assert np.bincount(folds).max() <= len(smiles) / 5 + 8
    assert len(set(folds[: len(ACYCLIC)])) == 5


@given(st.integers(0, 20), st.sampled_from(["random", "scaffold"]), st.integers(2, 7))
@settings(max_examples=25)
def test_a_rare_class_is_never_held_out_as_a_whole(seed, kind, positives):
    smiles = [*ACYCLIC, *RINGS]
    values = np.zeros(len(smiles))
    values[len(ACYCLIC) : len(ACYCLIC) + positives] = 1.0  # all on one scaffold
    folds = learnable_folds(smiles, [Labels(values, "classification")], kind, seed=seed)
    for fold in range(5):
        assert (values[folds != fold] == 1).sum() >= positives / 2
    assert np.bincount(folds).max() - np.bincount(folds).min() <= 8


def test_one_held_out_part_shares_a_rare_class_too(monkeypatch):
    monkeypatch.setattr(choice_folds, "n_folds", lambda _: 1)
    monkeypatch.setattr(
        choice_folds, "deal_groups", lambda groups, *_, **__: np.where(np.arange(len(groups)) < 8, 0, 1)
    )
    values = np.zeros(len(SMILES))
    values[:8] = 1.0
    folds = learnable_folds(SMILES, [Labels(values, "classification")], "scaffold", seed=1)
    assert set(folds) == {0, -1}
    assert (values[folds == -1] == 1).sum() >= 4
    assert (values[folds == 0] == 1).sum() >= 1


@pytest.mark.parametrize("kind", ["random", "scaffold", "cluster"])
def test_where_nothing_is_amiss_the_folds_stay(kind):
    even = Labels(np.arange(len(SMILES)) % 2 * 1.0, "classification")
    number = Labels(np.arange(len(SMILES)) * 1.0, "regression")
    found = learnable_folds(SMILES, [even, number], kind, seed=3)
    assert np.array_equal(found, folds_of(SMILES, kind, seed=3))
