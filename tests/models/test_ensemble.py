"""The ensemble as a scorer, against the contract and against its own members."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from contracts.scorer import GOOD_SMILES, ScorerContract
from hypothesis import given, settings
from small_assays import heavy_atoms, split_of, table_of
from strategies import smiles

from cinchona.datasets.molgraph import featurize
from cinchona.models.batching import collate
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.train import fit_ensemble
from cinchona.records import CompoundBatch


def small_ensemble(size: int = 3, kinds=("regression", "classification"), **network) -> GraphEnsemble:
    values = np.column_stack([heavy_atoms() + 100, (heavy_atoms() > 6).astype(float)])[:, : len(kinds)]
    return fit_ensemble(
        table_of(values, kinds=kinds),
        split_of(40),
        network=GraphNetConfig(hidden=16, head_hidden=16, **network),
        training=TrainingConfig(ensemble_size=size, epochs=3, batch_size=20),
        seed=1,
    )


@pytest.fixture(scope="module")
def ensemble() -> GraphEnsemble:
    return small_ensemble()


class TestGraphEnsemble(ScorerContract):
    @pytest.fixture
    def scorer(self, ensemble):
        return ensemble


def test_value_and_uncertainty_are_mean_and_population_deviation_of_the_members(ensemble):
    scores = ensemble.score(CompoundBatch.of(GOOD_SMILES))
    members = []
    for network in ensemble.members:
        with torch.no_grad():
            raw = network(collate([featurize(text) for text in GOOD_SMILES], depth=3)).numpy().astype(float)
        number = raw[:, 0] * ensemble.scaling.scale[0] + ensemble.scaling.mean[0]
        members.append(np.column_stack([number, 1 / (1 + np.exp(-raw[:, 1]))]))
    np.testing.assert_allclose(scores.value, np.mean(members, axis=0), rtol=1e-5)
    np.testing.assert_allclose(scores.uncertainty, np.std(members, axis=0), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(scores.score, scores.value[:, 0])


def test_natural_units(ensemble):
    value = ensemble.score(CompoundBatch.of(GOOD_SMILES)).value
    assert 100 < value[:, 0].mean() < 115


def test_one_network_has_no_spread():
    scores = small_ensemble(1, ("regression",)).score(CompoundBatch.of(GOOD_SMILES))
    assert scores.uncertainty is not None
    assert (scores.uncertainty == 0).all()


@settings(max_examples=15)
@given(smiles(), smiles(), smiles())
def test_company_does_not_matter(ensemble, one, two, three):
    together = ensemble.score(CompoundBatch.of([one, two, three]))
    for row, text in enumerate((one, two, three)):
        alone = ensemble.score(CompoundBatch.of([text], row_ids=[row]))
        at = np.flatnonzero(together.row_ids == row)
        assert len(at) == len(alone)
        np.testing.assert_allclose(together.value[at], alone.value, rtol=1e-5, atol=1e-5)


def test_huge_molecules_do_not_break_the_others(ensemble):
    scores = ensemble.score(CompoundBatch.of(["CCO", "C" * 2000, "c1ccccc1"]))
    assert scores.row_ids.tolist() == [0, 2]
    assert "2,000 atoms" in scores.rejects[0].reason


def test_many_molecules_in_several_chunks_equal_few(ensemble, monkeypatch):
    whole = ensemble.score(CompoundBatch.of(GOOD_SMILES))
    monkeypatch.setattr("cinchona.models.ensemble._CHUNK_BONDS", 20)
    np.testing.assert_allclose(ensemble.score(CompoundBatch.of(GOOD_SMILES)).value, whole.value, rtol=1e-5, atol=1e-6)


def test_threads_get_the_same_answers(ensemble):
    batch = CompoundBatch.of(GOOD_SMILES)
    want, found = ensemble.score(batch).value, []
    workers = [threading.Thread(target=lambda: found.append(ensemble.score(batch).value)) for _ in range(4)]
    before = torch.get_num_threads()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4
    assert all(np.array_equal(value, want) for value in found)
    assert torch.get_num_threads() == before


def test_fingerprint_follows_weights_and_endpoints(ensemble):
    other = small_ensemble(depth=2)
    assert other.fingerprint != ensemble.fingerprint
    renamed = GraphEnsemble(
        ensemble.members,
        network=ensemble.network,
        endpoints=[ensemble.endpoints[1], ensemble.endpoints[0]],
        scaling=ensemble.scaling,
    )
    assert renamed.fingerprint != ensemble.fingerprint
