"""A trained model knows its domain, says so with each score, and compares libraries with its training set."""

from __future__ import annotations

import json

import pytest
from small_training import nav17, quick_settings

from cinchona.errors import ConfigError
from cinchona.models.domain.measure import DomainMeasure
from cinchona.models.folder import open_scorer, read_trust
from cinchona.pipelines.domain import domain
from cinchona.pipelines.predict import predict
from cinchona.pipelines.report_domain import distances_svg, domain_notes, errors_svg
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train

HOSTILE = "<img src=x onerror=alert(1)>.csv"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A quick model that may name its training compounds."""
    out = tmp_path_factory.mktemp("domain") / "model"
    settings = quick_settings("choice.model=neighbours", "domain.name_nearest=true")
    train(nav17(60), targets=["pIC50"], out=out, settings=settings, seed=1)
    return out


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Training compounds, a stranger, a row that is none, and a name that tries to do harm."""
    path = tmp_path_factory.mktemp("library") / HOSTILE
    known = nav17()["smiles"].to_pylist()[:6]
    path.write_text("\n".join(["smiles", *known, "CCCCCCCCCCCC", "nonsense"]) + "\n")
    return path


def test_training_leaves_a_domain(trained):
    measure = open_scorer(trained).trust.domain
    assert isinstance(measure, DomainMeasure)
    assert len(measure.words) <= read_trust(trained)["split"]["train"] + read_trust(trained)["split"]["valid"]
    assert read_trust(trained)["domain"]["thresholds"][0]["meaning"]


def test_predictions_say_where_they_lie(trained, library):
    table = predict(library, model=trained, settings=quick_settings()).table
    inside = table["pIC50_in_domain"].to_pylist()
    assert inside[-2:] == [0, None]
    assert set(inside[:6]) <= {0, 1}
    assert table["pIC50"].to_pylist()[6] is not None  # outside, and predicted all the same
    named = table["nearest_train_id"].to_pylist()
    assert named[-1] is None
    assert set(named[:-1]) <= {*nav17()["compound_id"].to_pylist(), ""}


def test_ids_are_told_only_if_that_is_allowed(trained, tmp_path):
    known = set(nav17()["compound_id"].to_pylist())
    assert set(open_scorer(trained).trust.domain.ids) <= known
    out = tmp_path / "model"
    settings = quick_settings("choice.model=neighbours", "domain.keep=false")
    train(nav17(40), targets=["pIC50"], out=out, settings=settings, seed=1)
    assert open_scorer(out).trust.domain is None
    with pytest.raises(ConfigError, match="does not know its domain"):
        domain(tmp_path / "any.csv", model=out)


def test_a_library_is_compared_with_training(trained, library, tmp_path):
    found = domain(library, model=trained, out=tmp_path / "drift", settings=quick_settings())
    assert (found.rows, found.rejected, found.drift.compounds) == (8, 1, 7)
    assert found.drift.targets[0].outside >= 1
    written = json.loads((tmp_path / "drift" / "domain.json").read_text())
    assert written["compounds"] == 7
    assert written["scaffolds"]["with_rings"] == 6
    page = (tmp_path / "drift" / "report.html").read_text()
    assert "<img" not in page
    assert "molecular weight" in page


def test_an_empty_comparison_is_still_json(trained, tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("smiles\nnonsense\n")
    found = domain(path, model=trained, out=tmp_path / "drift", settings=quick_settings())
    assert json.loads((tmp_path / "drift" / "domain.json").read_text())["targets"][0]["share"] is None
    assert found.drift.compounds == 0


def test_a_screen_tells_how_much_lies_outside(trained, library, tmp_path):
    screen(library, model=trained, out=tmp_path / "run", settings=quick_settings())
    page = (tmp_path / "run" / "report.html").read_text()
    assert "How near the library is to training" in page
    assert "of 7 outside the domain" in page


def test_pictures_say_when_there_is_nothing_to_show():
    assert "no compounds" in distances_svg({"library": [0] * 20}, [0.5])
    assert "too few" in errors_svg([None] * 19 + [1.0], unit="", limit=None)
    drawn = distances_svg({"library": [1] + [0] * 19, "training": [0] * 10 + [3] * 10}, [0.4])
    assert drawn.count("<polyline") == 3
    assert "<polyline" in errors_svg([0.1, None, 0.4], unit="log M", limit=0.5)


def test_facts_of_damaged_records_do_not_raise():
    assert list(domain_notes(None)) == []
    assert next(iter(domain_notes({})))[0] == "fingerprints kept"
    facts = dict(domain_notes({"compounds": 3, "thresholds": [{"meaning": "m"}],
                               "evidence": {"targets": [{"target": "t", "spearman": 0.5, "lower": 0.1, "upper": None}]}}))  # fmt: skip
    assert facts["threshold"] == "m"
    assert facts["error with distance, t"] == "Spearman 0.50 (0.10 to –)"


def test_networks_can_look_at_their_own_vectors_too(library, tmp_path):
    settings = quick_settings("domain.embedding=true", "training.ensemble_size=1", "training.epochs=1")
    out = tmp_path / "model"
    train(nav17(40), targets=["pIC50"], out=out, settings=settings, seed=1)
    space = open_scorer(out).trust.domain.embedding
    assert space.limit > 0
    found = domain(library, model=out, out=tmp_path / "drift", settings=quick_settings())
    scored = predict(library, model=out, settings=quick_settings()).table["pIC50_in_domain"].to_pylist()
    assert found.drift.targets[0].outside == scored.count(0), "the report counts as the scores do"
    smiles = predict(library, model=out, settings=quick_settings()).table["smiles"].to_pylist()[:7]
    far = space.distances(open_scorer(out).molecule_vectors(smiles)) > space.limit
    assert found.drift.vectors.outside == far.sum()
    assert json.loads((tmp_path / "drift" / "domain.json").read_text())["vectors"]["limit"] == space.limit
    assert "in the network" in (tmp_path / "drift" / "report.html").read_text()
    assert "network's vectors" in dict(domain_notes(read_trust(out)["domain"])).__repr__()
