"""A domain is made, kept, read again and asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from safetensors.numpy import load

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.errors import ShapeError
from cinchona.models.baselines import MeanScorer
from cinchona.models.domain.fitting import HeldOut, error_by_distance, fit_domain, fold_distances
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.measure import DomainMeasure
from cinchona.models.domain.profile import PROPERTIES, Profile, properties_of, scaffold_hashes
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.predictions import Predictions
from cinchona.models.trusting import Trust, Whereabouts, pack_arrays
from cinchona.records import DOMAIN_UNKNOWN, CompoundBatch, Endpoint

FOLDING = Folding.of("tests")
ENDPOINTS = (Endpoint("pIC50"), Endpoint("active", kind="classification"))


@pytest.fixture(scope="module")
def domain(small_molecules: list[str]) -> DomainMeasure:
    return fit_domain(small_molecules, endpoints=ENDPOINTS, folding=FOLDING, seed=3, ids=[f"id {k}" for k in range(60)])


def judged(domain: DomainMeasure, *smiles: str) -> Whereabouts:
    """Where valid molecules lie."""
    return domain.locate(CompoundBatch.of(smiles), Predictions(np.ones(len(smiles), bool), np.zeros((len(smiles), 2))))


def again(domain: DomainMeasure) -> DomainMeasure:
    """The domain after saving and loading."""
    return DomainMeasure.restore(json.loads(json.dumps(domain.spec())), load(pack_arrays(domain.arrays())), ENDPOINTS)


def test_training_compounds_are_inside_and_strangers_outside(domain: DomainMeasure, small_molecules: list[str]) -> None:
    known = judged(domain, *small_molecules)
    assert (known.distance == 0).all()
    assert known.inside.all()
    assert known.inside.shape == (60, 2)
    assert known.nearest_ids[7] == "id 7"
    strange = judged(domain, "[Na+].[Cl-]", "FC(F)(F)C(F)(F)C(F)(F)F", "C1CC2CC1C1CC2O1")
    assert not strange.inside.any()
    assert (strange.distance > 0.7).all()


def test_what_was_saved_judges_the_same(domain: DomainMeasure) -> None:
    twin = again(domain)
    probes = ("CCOc1ccccc1", "Cc1ccc(N)cc1", "O=C(O)CCCCC", "[Na+].[Cl-]")
    one, other = judged(domain, *probes), judged(twin, *probes)
    np.testing.assert_array_equal(one.distance, other.distance)
    np.testing.assert_array_equal(one.inside, other.inside)
    assert one.nearest_ids == other.nearest_ids
    assert twin.profile == domain.profile
    assert twin.spec() == domain.spec()


def test_nothing_of_the_table_is_stored_unless_it_may(small_molecules: list[str]) -> None:
    made = fit_domain(small_molecules, endpoints=ENDPOINTS, folding=FOLDING, seed=3)
    text = json.dumps(made.spec()).encode() + pack_arrays(made.arrays())
    assert not [smiles for smiles in small_molecules if len(smiles) > 5 and smiles.encode() in text]
    assert made.ids is None
    assert judged(made, "CCO").nearest_ids is None
    turned = fit_domain(small_molecules[::-1], endpoints=ENDPOINTS, folding=FOLDING, seed=3)
    assert pack_arrays(turned.arrays()) == pack_arrays(made.arrays())  # the order of the table is not told


def test_thresholds_come_from_errors_where_they_grow(small_molecules: list[str]) -> None:
    distance = np.linspace(0.1, 0.9, 60)
    grows = np.where(distance > 0.6, 2.0, 0.5)
    held_out = HeldOut(distance, np.column_stack([grows, np.ones(60)]))
    made = fit_domain(small_molecules, endpoints=ENDPOINTS, folding=FOLDING, seed=3, held_out=held_out)
    assert [threshold.basis for threshold in made.thresholds] == ["error", "quantile"]
    assert made.thresholds[0].distance == pytest.approx(distance[distance <= 0.6].max())
    assert made.evidence["targets"][0]["spearman"] > 0.7
    assert made.evidence["targets"][1]["spearman"] is None


def test_a_compound_is_far_from_other_folds_only() -> None:
    smiles = ["CCCCO", "CCCCCO", "c1ccccc1N", "Cc1ccccc1N", "CCCCO"]
    distance = fold_distances(smiles, np.array([0, 1, 0, 0, -1]), folding=FOLDING)
    assert distance[0] == 0  # the last one is the same
    assert 0 < distance[1] < 0.5
    assert distance[2] > 0.8  # its twin is in its own fold
    assert np.isnan(distance[4])


def test_errors_by_distance_add_up() -> None:
    rng = np.random.default_rng(0)
    distance = np.append(rng.random(200), [1.0, np.nan])
    error = np.append(distance[:-1] * 2, 1.0)
    error[3] = np.nan
    found = error_by_distance(distance, error, seed=0)
    assert found["n"] == sum(found["counts"]) == 200
    assert found["spearman"] == pytest.approx(1.0)
    assert found["lower"] <= 1.0 <= found["upper"] + 1e-9
    mean = np.nansum([c * e for c, e in zip(found["counts"], found["errors"], strict=True) if c]) / found["n"]
    assert mean == pytest.approx(np.nanmean(error[:-1]))
    assert error_by_distance(np.array([0.1]), np.array([1.0]), seed=0)["spearman"] is None


def test_properties_are_rdkits_and_what_does_not_parse_has_none() -> None:
    table = properties_of(["CCO", "nonsense", "c1ccccc1"])
    assert table[0, list(PROPERTIES).index("MolWt")] == pytest.approx(46.07, abs=0.01)
    assert table[2, list(PROPERTIES).index("RingCount")] == 1
    assert np.isnan(table[1]).all()


def test_properties_of_many_compounds_are_those_of_an_even_sample(small_molecules, monkeypatch):
    whole = Profile.of(small_molecules, salt=5)
    assert Profile.of(small_molecules[::-1], salt=5) == whole
    seen = []
    monkeypatch.setattr("cinchona.models.domain.profile._MOST", 10)
    monkeypatch.setattr(
        "cinchona.models.domain.profile.properties_of", lambda texts: seen.extend(texts) or np.zeros((1, 7))
    )
    sampled = Profile.of(small_molecules, salt=5)
    assert 5 < len(seen) <= 10
    assert seen[0] == min(small_molecules)
    assert sampled.scaffolds == whole.scaffolds, "all scaffolds count"


def test_scaffolds_are_kept_as_salted_hashes(small_molecules: list[str]) -> None:
    profile = Profile.of(small_molecules, salt=5)
    assert len(profile.scaffolds) == 4
    assert scaffold_hashes(["Clc1ccc(Br)cc1"], salt=5)[0] in profile.scaffolds
    assert scaffold_hashes(["Clc1ccc(Br)cc1"], salt=6)[0] not in profile.scaffolds
    assert scaffold_hashes(["CCO"], salt=5) == [0]
    assert Profile.restore(json.loads(json.dumps(profile.spec())), profile.array()) == profile


def test_one_compound_has_no_domain() -> None:
    with pytest.raises(ShapeError):
        fit_domain(["CCO"], endpoints=ENDPOINTS, folding=FOLDING, seed=0)
    with pytest.raises(ShapeError):
        fit_domain(["CCO", "nonsense"], endpoints=ENDPOINTS, folding=FOLDING, seed=0)


def test_every_way_of_giving_molecules_gives_the_same(domain: DomainMeasure) -> None:
    smiles = ["CCOc1ccccc1", "not a molecule", "Cc1ccc(N)cc1"]
    batch, value = CompoundBatch.of(smiles), np.zeros((2, 2))
    kept = np.array([True, False, True])
    mols = [Chem.MolFromSmiles(smiles[k]) for k in (0, 2)]
    ways = [Predictions(kept, value, molecules=given) for given in (None, mols, codes_of_many(mols))]
    found = [domain.locate(batch, way) for way in ways]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].distance, other.distance)
        np.testing.assert_array_equal(found[0].inside, other.inside)
    assert len(found[0].distance) == 2


def test_a_molecule_too_large_to_be_coded_is_unknown_and_never_in_the_way(domain: DomainMeasure) -> None:
    smiles = ["C" * (MAX_ATOMS + 1), "CCOc1ccccc1"]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    batch = CompoundBatch.of(smiles)
    for molecules in (None, mols):
        found = domain.locate(batch, Predictions(np.ones(2, bool), np.zeros((2, 2)), molecules=molecules))
        assert found.inside[0].tolist() == [DOMAIN_UNKNOWN] * 2
        assert found.distance[0] == 1.0
        assert found.inside[1].min() >= 0


def test_a_model_folder_keeps_its_domain(domain: DomainMeasure, tmp_path: Path) -> None:
    model = MeanScorer(np.array([5.0, 0.5]), endpoints=ENDPOINTS)
    model.trust = Trust(domain=domain)
    save_model(model, tmp_path / "model")
    opened = open_scorer(tmp_path / "model")
    batch = CompoundBatch.of(["CCOc1ccccc1", "nonsense", "[Na+].[Cl-]", "Cc1ccccc1"])
    one, other = model.score(batch), opened.score(batch).check_accounts_for(batch)
    assert one.in_domain is not None
    assert other.in_domain is not None
    np.testing.assert_array_equal(one.in_domain, other.in_domain)
    assert other.in_domain[:, 0].tolist() == [1, 0, 1]
    assert one.nearest_train_ids == other.nearest_train_ids
    assert len(other) == 3


@pytest.mark.parametrize(
    "harm",
    [
        lambda spec, _: spec.update(kind="other"),
        lambda _, arrays: arrays.update(fingerprints=arrays["fingerprints"][:, :-1]),
        lambda _, arrays: arrays.update(fingerprints=arrays["fingerprints"][:0]),
        lambda _, arrays: arrays.update(fingerprints=arrays["fingerprints"].astype(np.float32)),
        lambda _, arrays: arrays.update(scaffolds=arrays["scaffolds"].astype(np.int64)),
        lambda _, arrays: arrays.pop("scaffolds"),
        lambda spec, _: spec.update(thresholds=spec["thresholds"][:1]),
        lambda spec, _: spec.update(ids=["one"]),
        lambda spec, _: spec["folding"].update(size=100),
        lambda spec, _: spec["folding"].update(salt="xyz"),
        lambda spec, _: spec.pop("own"),
        lambda spec, _: spec["thresholds"][0].pop("distance"),
        lambda spec, _: spec.update(properties={}),
    ],
)
def test_damaged_records_are_refused(domain: DomainMeasure, harm: Any) -> None:
    spec, arrays = json.loads(json.dumps(domain.spec())), dict(domain.arrays())
    harm(spec, arrays)
    with pytest.raises((KeyError, ValueError)):  # a model folder turns these into a message
        DomainMeasure.restore(spec, arrays, ENDPOINTS)
