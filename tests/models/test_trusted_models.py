"""Calibration within models: on every executor, in spaces of products, and in what a training leaves behind."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from contracts.scorer import ScorerContract
from small_screens import nci_library, score_table, small_settings
from small_spaces import ACIDS, AMIDE, AMINES, brute_force, random_model, reaction_space, search_in

from cinchona.models.calibration.config import CalibrationConfig
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.calibration.intervals import ConformalIntervals
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.models.trusting import Trust
from cinchona.pipelines.screen import screen
from cinchona.records import CompoundBatch, Endpoint
from cinchona.screening.synthons.collect import merged_best
from cinchona.screening.synthons.units import plan_units

SMILES = ("CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "CCN(CC)CC")


def intervals(endpoints, n=200, **config):
    rng = np.random.default_rng(0)
    value = np.column_stack([rng.random(n) if e.kind == "classification" else rng.normal(6, 1, n) for e in endpoints])
    truth = np.column_stack([
        rng.random(n) < value[:, k] ** 2 if e.kind == "classification" else value[:, k] + rng.normal(size=n)
        for k, e in enumerate(endpoints)
    ]).astype(float)  # fmt: skip
    held = HeldOut(np.arange(n), np.zeros(n, int), value, np.full(value.shape, 0.2))
    return ConformalIntervals.fit(held, truth, endpoints=endpoints, config=CalibrationConfig(**config))


def trusted():
    """A scorer of a measured endpoint and a class, with intervals."""
    endpoints = (Endpoint("pIC50"), Endpoint("active", kind="classification"))
    values = np.array([[5.0, 0.0], [6.0, 1.0], [7.0, 1.0], [8.0, 0.0]])
    scorer = NearestNeighbourScorer.fit(SMILES, values, endpoints=endpoints)
    scorer.trust = Trust(conformal=intervals(endpoints))
    return scorer


class TestTrustedScorer(ScorerContract):
    """A scorer with intervals keeps every promise of a scorer."""

    @pytest.fixture
    def scorer(self):
        return trusted()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("trusted") / "model"
    save_model(trusted(), place)
    return place


def test_intervals_are_the_same_through_every_executor(folder, tmp_path):
    library = nci_library(tmp_path / "library.csv", 220)
    serial = screen(library, model=folder, out=tmp_path / "serial", settings=small_settings())
    pool = screen(library, model=folder, out=tmp_path / "pool", settings=small_settings("processes", workers=1))
    assert pool.scores_digest == serial.scores_digest
    table = score_table(tmp_path / "pool").to_pandas()
    table = table[table["status"] == "scored"]
    scores = open_scorer(folder).score(CompoundBatch.of(list(table["parent_smiles"])))
    for name in ("lower", "upper", "uncertainty"):
        for k, endpoint in enumerate(("pIC50", "active")):
            np.testing.assert_array_equal(table[f"{endpoint}_{name}"].to_numpy(np.float32), getattr(scores, name)[:, k])
    assert (table["pIC50_lower"] < table["pIC50"]).all()
    assert ((table["active_lower"] == 0) | (table["active_upper"] == 1)).all()


@pytest.mark.slow
def test_intervals_are_the_same_through_dask(folder, tmp_path):
    library = nci_library(tmp_path / "library.csv", 220)
    serial = screen(library, model=folder, out=tmp_path / "serial", settings=small_settings())
    cluster = screen(library, model=folder, out=tmp_path / "dask", settings=small_settings("dask", workers=2))
    assert cluster.scores_digest == serial.scores_digest


def test_another_level_is_another_model_to_a_plan(folder):
    scorer = open_scorer(folder)
    planned = scorer.fingerprint
    conformal = scorer.trust.conformal
    assert isinstance(conformal, ConformalIntervals)
    scorer.trust = dataclasses.replace(scorer.trust, conformal=conformal.at_level(0.8))
    assert scorer.fingerprint != planned


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_products_are_ranked_by_calibrated_values(kind):
    space, scorer = reaction_space(AMIDE, ACIDS[:4], AMINES[:4]), random_model(3, members=2, kind=kind)
    plain = brute_force(space, scorer).scores.score
    scorer.trust = Trust(conformal=intervals(scorer.endpoints))
    wanted = brute_force(space, scorer).scores.score
    assert np.allclose(wanted, plain) == (kind == "regression"), "a probability is calibrated, a value is not moved"
    search = search_in(space, scorer, top_k=5)
    results = [search.run(unit) for unit in plan_units(space)]
    scores, _ = merged_best([c.ranked() for r in results for c in r.collected.values()], 5)
    assert scores == pytest.approx(np.sort(wanted)[::-1][:5], abs=1e-5)
