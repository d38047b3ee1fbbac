"""A domain is made, kept, read again and asked."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.errors import ModelFileError, ShapeError
from cinchona.models.domain.domain import Domain
from cinchona.models.domain.fitting import HeldOut, error_by_distance, fit_domain, fold_distances
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.profile import PROPERTIES, Profile, properties_of, scaffold_hashes
from cinchona.records import Endpoint

FOLDING = Folding.of("tests")
ENDPOINTS = (Endpoint("pIC50"), Endpoint("active", kind="classification"))


@pytest.fixture(scope="module")
def domain(small_molecules: list[str]) -> Domain:
    return fit_domain(small_molecules, endpoints=ENDPOINTS, folding=FOLDING, seed=3, ids=[f"id {k}" for k in range(60)])


def judged(domain: Domain, *smiles: str) -> Any:
    return domain.judge(codes_of_many([Chem.MolFromSmiles(text) for text in smiles]))


def test_training_compounds_are_inside_and_strangers_outside(domain: Domain, small_molecules: list[str]) -> None:
    known = judged(domain, *small_molecules)
    assert (known.distance == 0).all()
    assert known.inside.all()
    assert known.inside.shape == (60, 2)
    assert known.nearest[7] == "id 7"
    strange = judged(domain, "[Na+].[Cl-]", "FC(F)(F)C(F)(F)C(F)(F)F", "C1CC2CC1C1CC2O1")
    assert not strange.inside.any()
    assert (strange.distance > 0.7).all()


def test_what_was_saved_judges_the_same(domain: Domain) -> None:
    again = Domain.from_json(json.loads(json.dumps(domain.to_json())), n_endpoints=2)
    probes = ("CCOc1ccccc1", "Cc1ccc(N)cc1", "O=C(O)CCCCC", "[Na+].[Cl-]")
    one, other = judged(domain, *probes), judged(again, *probes)
    np.testing.assert_array_equal(one.distance, other.distance)
    np.testing.assert_array_equal(one.inside, other.inside)
    assert one.nearest == other.nearest
    assert again.profile == domain.profile
    assert again.to_json() == domain.to_json()


def test_nothing_of_the_table_is_stored_unless_it_may(small_molecules: list[str]) -> None:
    made = fit_domain(small_molecules, endpoints=ENDPOINTS, folding=FOLDING, seed=3)
    text = json.dumps(made.to_json())
    assert not [smiles for smiles in small_molecules if len(smiles) > 5 and smiles in text]
    assert made.ids is None
    assert judged(made, "CCO").nearest is None
    turned = fit_domain(small_molecules[::-1], endpoints=ENDPOINTS, folding=FOLDING, seed=3)
    assert turned.to_json()["bits"] == made.to_json()["bits"]  # the order of the table is not told


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


def test_scaffolds_are_kept_as_salted_hashes(small_molecules: list[str]) -> None:
    profile = Profile.of(small_molecules, salt=5)
    assert len(profile.scaffolds) == 4
    assert scaffold_hashes(["Clc1ccc(Br)cc1"], salt=5)[0] in profile.scaffolds
    assert scaffold_hashes(["Clc1ccc(Br)cc1"], salt=6)[0] not in profile.scaffolds
    assert scaffold_hashes(["CCO"], salt=5) == [0]
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile


def test_one_compound_has_no_domain() -> None:
    with pytest.raises(ShapeError):
        fit_domain(["CCO"], endpoints=ENDPOINTS, folding=FOLDING, seed=0)
    with pytest.raises(ShapeError):
        fit_domain(["CCO", "nonsense"], endpoints=ENDPOINTS, folding=FOLDING, seed=0)


def bomb(record: dict[str, Any]) -> None:
    record["bits"] = base64.b64encode(zlib.compress(bytes(1 << 22))).decode()


@pytest.mark.parametrize(
    "harm",
    [
        lambda r: r.update(kind="other"),
        lambda r: r.update(fingerprints=r["fingerprints"] + 1),
        lambda r: r.update(fingerprints=-1),
        lambda r: r.update(bits="no base64!"),
        lambda r: r.update(bits=base64.b64encode(b"not deflated").decode()),
        bomb,
        lambda r: r.update(thresholds=r["thresholds"][:1]),
        lambda r: r.update(ids=["one"]),
        lambda r: r["folding"].update(size=100),
        lambda r: r["folding"].update(salt="xyz"),
        lambda r: r.pop("own"),
        lambda r: r["thresholds"][0].pop("distance"),
        lambda r: r.update(profile=None),
    ],
)
def test_damaged_records_are_refused(domain: Domain, harm: Any) -> None:
    record = json.loads(json.dumps(domain.to_json()))
    harm(record)
    with pytest.raises(ModelFileError):
        Domain.from_json(record, n_endpoints=2)
