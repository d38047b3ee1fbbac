"""Explanations as files and pages: nothing is lost, nothing foreign gets in, and the top hits of a screen have them by default."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow.csv
import pytest
from additive_scorer import AdditiveScorer
from explained_models import MOLECULES, ensemble_of
from finished_screen import DRUGS, write_finished_screen, write_model
from rdkit import Chem
from small_assays import SMILES, split_of, table_of

from cinchona.errors import InputError
from cinchona.models.config import GraphNetConfig
from cinchona.models.domain.fitting import fit_domain
from cinchona.models.domain.folding import Folding
from cinchona.models.explanation.attribution import attribute
from cinchona.models.explanation.neighbours import kept_compounds
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.trusting import Trust
from cinchona.pipelines.config import Settings
from cinchona.pipelines.depict_shares import LOWERS, RAISES, full_colour, legend_svg, marked_svg, shares_svg
from cinchona.pipelines.explain import explain
from cinchona.pipelines.hit_explanations import explained_endpoint
from cinchona.pipelines.prediction_worth import Worth, worth_words
from cinchona.pipelines.report import write_screen_report
from cinchona.records import Endpoint, Scores
from cinchona.settings import load_settings

HOSTILE = "</svg><script>alert(1)</script>=cmd"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder that keeps its training compounds."""
    out = tmp_path_factory.mktemp("explain") / "model"
    kept = kept_compounds(table_of(np.linspace(4.0, 8.0, len(SMILES))[:, None]), split_of(len(SMILES)))
    scorer = ensemble_of(GraphNetConfig(hidden=8, head_hidden=8, depth=2), members=2)
    scorer._endpoints = (Endpoint("target0", "pM"),)
    save_model(scorer, out, trust={"compounds": kept.entry}, beside=kept.write)
    return out


@pytest.fixture(scope="module")
def shares():
    """Explanations of a few molecules by networks that disagree."""
    return attribute(ensemble_of(GraphNetConfig(hidden=8, head_hidden=8, depth=2), members=3), MOLECULES)


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    """A model folder with a forest, and its fingerprint."""
    out = tmp_path_factory.mktemp("forest") / "model"
    return out, write_model(out)


class TestExplain:
    def test_every_row_is_explained_or_rejected_with_a_reason(self, folder, tmp_path):
        library = tmp_path / "some.csv"
        library.write_text(f'id,smiles\n"{HOSTILE}",CCO\nb,C1CC\nc,CC(=O)Nc1ccccc1\n=1+1,c1ccncc1\n')
        found = explain(library, model=folder, out=tmp_path / "out")
        assert [one.row_id for one in found.explanations] == [0, 2, 3]
        assert [reject.row_id for reject in found.rejects] == [1]
        told = json.loads((tmp_path / "out" / "explanations.json").read_text())
        assert len(told["explanations"]) + len(told["rejects"]) == 4
        atoms = pyarrow.csv.read_csv(tmp_path / "out" / "atoms.csv").to_pylist()
        assert len(atoms) == sum(len(one.shares.atoms) for one in found.explanations)
        assert {row["compound_id"] for row in atoms} >= {"'=1+1"}
        assert (tmp_path / "out" / "rejects.csv").read_text().count("\n") == 2

    def test_the_page_shows_shares_and_training_compounds_and_runs_nothing(self, folder, tmp_path):
        library = tmp_path / "some.csv"
        library.write_text(f'id,smiles\n"{HOSTILE}",CCc1ccccc1O\n')
        explain(library, model=folder, out=tmp_path / "out")
        page = (tmp_path / "out" / "explanation.html").read_text()
        assert "alert(1)" not in re.sub(r"&lt;script&gt;alert\(1\)", "", page)
        assert page.count("<script") == 1
        for words in ("left over", "networks disagree", "where it has", "other value", "not nature"):
            assert words in page

    def test_what_the_score_says_stands_beside_the_explanation(self, folder, tmp_path):
        scorer = open_scorer(folder)
        domain = fit_domain(["CCO", "CCCO"], endpoints=scorer.endpoints, folding=Folding.of(1), seed=1)
        scorer.trust = Trust(domain=domain)
        near, far = explain(["CCO", "FC(F)(F)Br"], model=scorer, out=tmp_path / "out").explanations
        assert (near.worth.inside, far.worth.inside) == (True, False)
        assert near.worth.value == pytest.approx(near.shares.value, rel=1e-4)
        assert near.worth.interval is None
        page = (tmp_path / "out" / "explanation.html").read_text()
        assert ", inside the domain" in page
        assert ", outside the domain" in page
        told = json.loads((tmp_path / "out" / "explanations.json").read_text())["explanations"]
        assert [one["score"]["inside"] for one in told] == [True, False]

    def test_intervals_are_those_of_the_score_and_classes_show_a_probability(self):
        kinds = (Endpoint("value"), Endpoint("class", kind="classification"))
        both = {"value": np.array([[1.0, 0.8]]), "lower": np.array([[0.5, 0.0]]), "upper": np.array([[1.5, 1.0]])}
        scores = Scores(
            np.array([4]),
            endpoints=kinds,
            score=np.array([1.0], np.float32),
            **{k: v.astype(np.float32) for k, v in both.items()},
        )
        assert worth_words(Worth.of(scores, 0, "value"), "pM") == ", interval 0.50 to 1.50"
        assert worth_words(Worth.of(scores, 0, "class"), "log-odds") == ", probability 0.80"
        assert worth_words(None, "") == ""

    def test_a_compound_like_no_training_compound_is_said_to_be_alone(self, folder, tmp_path):
        found = explain(["FC(F)(F)Br"], model=folder, out=tmp_path)
        assert found.explanations[0].comparisons == ()
        assert "No training compound is similar" in (tmp_path / "explanation.html").read_text()

    def test_structures_in_every_form(self, folder):
        mol = Chem.MolFromSmiles("OCC")
        shares = [explain(given, model=folder).explanations[0].shares for given in ("CCO", ["CCO"], mol, [mol])]
        for one in shares:
            np.testing.assert_allclose(one.atoms, shares[0].atoms)
        assert "<svg" in explain("CCO", model=folder)._repr_html_()

    def test_a_folder_without_training_compounds_names_none(self, tmp_path):
        found = explain(["CCO"], model=AdditiveScorer(seconds=0.0), out=tmp_path)
        assert not found.keeps_compounds
        assert found.explanations[0].comparisons == ()
        assert "keeps no training compounds" in (tmp_path / "explanation.html").read_text()

    @pytest.mark.parametrize("given,words", [
        ("nothing.csv", "neither a file nor a SMILES"), ([], "nothing to explain"), (["C"] * 1001, "at once"),
    ])  # fmt: skip
    def test_mistakes_are_told(self, folder, given, words):
        with pytest.raises(InputError, match=words):
            explain(given, model=folder)

    def test_the_method_is_a_setting(self, folder):
        settings = load_settings(Settings, overrides=["explanation.method=masking"], environ={})
        assert explain("CCO", model=folder, settings=settings).explanations[0].shares.method == "masking"


class TestPictures:
    def test_are_small_and_hold_numbers_only(self, shares):
        for one in shares:
            svg = shares_svg(one, full=full_colour(shares))
            assert len(svg) < 8_000
            for element in ET.fromstring(svg).iter():
                assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in {"svg", "path", "circle"}
                assert not {"href", "style", "onload"} & set(element.attrib)

    def test_blue_raises_and_orange_lowers(self):
        (one,) = attribute(AdditiveScorer(seconds=0.0), ["CCO"])
        raised = shares_svg(one, full=0.7)
        assert RAISES in raised
        one.atoms[:], one.bonds[:] = -np.abs(one.atoms), 0.0
        assert RAISES not in shares_svg(one, full=0.7)
        assert LOWERS in shares_svg(one, full=0.7)

    def test_doubtful_shares_are_dashed_rings(self, shares):
        assert any(one.unsure_atoms.any() for one in shares)
        assert any("stroke-dasharray" in shares_svg(one, full=full_colour(shares)) for one in shares)

    def test_the_scale_is_common_and_zero_shares_have_no_colour(self, shares):
        sizes = np.concatenate([np.abs(np.concatenate([one.atoms, one.bonds])) for one in shares])
        assert np.mean(sizes <= full_colour(shares)) == pytest.approx(0.95, abs=0.02)
        assert full_colour([]) == 1.0
        nothing = replace(shares[3], atoms=0 * shares[3].atoms, bonds=0 * shares[3].bonds)
        assert "opacity" not in shares_svg(nothing, full=1.0)
        assert "dash" not in shares_svg(nothing, full=1.0)

    def test_legends_and_marks_escape_their_names(self, shares):
        assert "<b>" not in legend_svg(0.5, replace(shares[0], scale="<b>", endpoint="<b>x"))
        assert "circle" in marked_svg("CCO", [2])
        assert "no structure" in marked_svg("no molecule", [0])

    def test_the_legend_of_a_single_model_has_no_ring(self, shares):
        assert "networks disagree" in legend_svg(0.5, shares[0])
        alone = legend_svg(0.5, replace(shares[0], atom_spread=None))
        assert "disagree" not in alone
        assert "dash" not in alone

    def test_long_names_are_cut_in_the_legend(self, shares):
        long = legend_svg(0.5, replace(shares[0], endpoint="measured log solubility in mols per litre"))
        assert "measured log solubility in mols…" in long


class TestScreenReport:
    def test_the_best_hits_are_explained_by_default(self, forest, tmp_path):
        run = write_finished_screen(tmp_path / "out", n_hits=12, model_path=str(forest[0]), fingerprint=forest[1])
        page = write_screen_report(run.root).read_text()
        assert "raises pIC50" in page
        assert page.count('class="why"') >= 12
        told = json.loads((run.root / "explanations.json").read_text())["explanations"]
        assert {one["smiles"] for one in told} == {smiles for _, smiles in DRUGS[:12]}

    @pytest.mark.parametrize("case", ["another model", "no folder", "switched off"])
    def test_otherwise_pictures_stay_plain(self, forest, tmp_path, case):
        path, fingerprint = (str(forest[0]), "ab" * 32) if case == "another model" else ("", forest[1])
        if case == "switched off":
            path = str(forest[0])
        run = write_finished_screen(tmp_path / "out", n_hits=3, model_path=path, fingerprint=fingerprint)
        if case == "switched off":
            manifest = json.loads(run.manifest.read_text())
            manifest["config"]["explanation"] = {"hits": 0}
            run.manifest.write_text(json.dumps(manifest))
        page = write_screen_report(run.root).read_text()
        assert "raises pIC50" not in page
        assert not (run.root / "explanations.json").exists()

    def test_a_ranking_is_explained_by_what_it_names(self):
        ends = (Endpoint("pX"), Endpoint("pX2"))
        assert explained_endpoint("-pX2", ends) == "pX2"
        assert explained_endpoint("pX", ends) == "pX"
        assert explained_endpoint("other", ends) == "pX"
