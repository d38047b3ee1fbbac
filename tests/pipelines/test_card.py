"""The card says in words what the figures of the model say, names a planted weakness, and shows nobody's markup."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished_screen import DRUGS, HOSTILE, TRUST, write_model
from weak_spots import planted

from cinchona.errors import InputError, ModelFileError
from cinchona.models.metrics import error_unit
from cinchona.pipelines.card import _short, model_card, write_card
from cinchona.pipelines.card_words import intended_use, limits, limits_of_kind, standing
from cinchona.pipelines.figures import lines_svg
from cinchona.pipelines.reliability import told
from cinchona.pipelines.report_card import card_view
from cinchona.pipelines.report_domain import domain_notes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("card") / "model"
    write_model(out)
    return out


def heldout(smiles, measured, predicted, **columns):
    n = len(smiles)
    table = {"smiles": smiles, "target": ["pIC50"] * n, "measured": measured, "predicted": predicted}
    return pa.table(table | columns)


def metric(model, estimate, *, half=0.05, name="rmse", target="pIC50"):
    return {"model": model, "target": target, "metric": name, "estimate": estimate, "lower": estimate - half, "upper": estimate + half}  # fmt: skip


def test_a_planted_weakness_is_told_in_words_and_numbers(folder, tmp_path):
    smiles, measured, predicted = planted()
    card = write_card(folder, tmp_path, heldout=heldout(smiles, measured, predicted))
    assert any("worse for the series c1ccc2[nH]ccc2c1" in text for text in card.limits)
    written = json.loads((tmp_path / "card.json").read_text())
    (weak,) = written["weak"]
    assert weak["series"][0]["scaffold"] == "c1ccc2[nH]ccc2c1"
    assert weak["series"][0]["worse"]
    assert weak["compounds"] == len(smiles)
    assert written["trust"]["data"]["digest"] == TRUST["data"]["digest"]
    page = (tmp_path / "card.html").read_text()
    assert "worse</strong>" in page
    assert page.count("<svg") == 2  # the scaffolds


def test_bounds_and_gaps_do_not_count(folder):
    smiles, measured, predicted = planted()
    measured[0], predicted[1] = math.nan, math.nan
    censor = np.zeros(len(smiles), np.int8)
    censor[2] = 1
    card = model_card(folder, heldout=heldout(smiles, measured, predicted, censor=censor))
    assert card.weak[0].compounds == len(smiles) - 3


def test_without_held_out_predictions_that_is_said(folder, tmp_path):
    card = write_card(folder, tmp_path)
    assert card.weak == ()
    assert any("Where it fails is not known" in text for text in card.limits)
    assert "this is not known" in (tmp_path / "card.html").read_text()


def test_held_out_predictions_of_the_folder_are_read(tmp_path):
    write_model(tmp_path / "model")
    (tmp_path / "model" / "report").mkdir()
    smiles, measured, predicted = planted()
    pq.write_table(heldout(smiles, measured, predicted), tmp_path / "model" / "report" / "heldout.parquet")
    assert model_card(tmp_path / "model").weak[0].compounds == len(smiles)
    (tmp_path / "model" / "report" / "heldout.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read"):
        model_card(tmp_path / "model")
    pq.write_table(pa.table({"smiles": ["C"]}), tmp_path / "model" / "report" / "heldout.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        model_card(tmp_path / "model")


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelFileError):
        model_card(tmp_path)


def test_nothing_from_a_file_becomes_markup(folder, tmp_path):
    smiles = [*HOSTILE, *(s for _, s in DRUGS)]
    rng = np.random.default_rng(0)
    table = heldout(smiles, rng.normal(size=len(smiles)), rng.normal(size=len(smiles)))
    write_card(folder, tmp_path, name=HOSTILE[0] + HOSTILE[1], heldout=table)
    page = (tmp_path / "card.html").read_text()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "49" not in page.partition("Model card")[2][:60]
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "own,rival,words",
    [
        (0.5, 0.9, "better than the best baseline (forest, 0.9 (0.85 to 0.95))."),
        (0.9, 0.5, "worse than the best baseline (forest, 0.5 (0.45 to 0.55))."),
        (0.5, 0.52, "better than the best baseline (forest, 0.52 (0.47 to 0.57)); their intervals overlap"),
        (0.5, 0.5, "no different from"),
    ],
)
def test_standing_beside_the_baselines(own, rival, words):
    trust = {"metrics": [metric("network", own), metric("forest", rival), metric("mean", 1.4)]}
    (sentence,) = standing(trust)
    assert words in sentence


def test_of_a_class_higher_is_better():
    targets = [{"name": "toxic", "kind": "classification", "mean": 0.2}]
    metrics = [metric(m, e, name="roc_auc", target="toxic") for m, e in (("network", 0.6), ("forest", 0.8), ("mean", 0.5))]  # fmt: skip
    (sentence,) = standing({"data": {"targets": targets}, "metrics": metrics})
    assert sentence.startswith("toxic: ROC AUC 0.6 (0.55 to 0.65), worse than the best baseline (forest, 0.8")
    assert any("share of actives in training was 0.2" in text for text in intended_use([{"name": "toxic"}], {"data": {"targets": targets}}))  # fmt: skip


def test_what_is_not_known_and_what_is_doubtful_is_told():
    trust = {"split": {"kind": "random", "test": 40}, "leakage": {"duplicates": 1, "twins": 2}, "data": {"targets": [{"bounds": 7}]}}  # fmt: skip
    told = " ".join(limits(trust, (), looked=True))
    for words in ("drawn at random", "40 compounds only", "3 test compounds are duplicates", "7 labels are bounds",
                  "not calibrated", "domain is not known", "No series or property range"):  # fmt: skip
        assert words in told
    assert next(limits({}, (), looked=True)).startswith("What it was trained and tested on")
    known = trust | {"conformal": {"kind": "x"}, "domain": {"thresholds": [{"basis": "error"}]}}
    told = " ".join(limits(known, (), looked=True))
    assert "not calibrated" not in told
    assert "domain" not in told


@pytest.mark.parametrize(
    "found,span,words",
    [
        (0.7, [0.6, 0.8], "fewer of the test labels"),
        (0.99, [0.95, 1.0], "more of the test labels"),
        (0.88, [0.8, 0.95], ""),
    ],
)
def test_a_broken_promise_is_told(found, span, words):
    entry = {"target": "pIC50", "level": 0.9, "coverage": found, "coverage_interval": span}
    trust = {"conformal": {}, "calibration": {"endpoints": [entry, {"target": "damaged", "level": "x"}]}}
    told = [text for text in limits(trust, (), looked=True) if "of the test labels" in text]
    assert [words in text for text in told] == [True] * bool(words)


def test_calibration_and_domain_are_shown(folder):
    card = model_card(folder)
    entry = {"target": "pIC50", "kind": "regression", "level": 0.9, "n": 98, "coverage": 0.91, "coverage_interval": [0.84, 0.95],
             "width": 1.2, "levels": [0.1, 0.5, 0.9], "found": [0.12, 0.5, 0.91]}  # fmt: skip
    evidence = {"targets": [{"target": "pIC50", "spearman": 0.4, "lower": 0.2, "upper": 0.5, "errors": [0.1] * 10 + [0.4] * 10}]}  # fmt: skip
    domain = {"compounds": 9, "own": [1] * 20, "evidence": evidence,
              "thresholds": [{"distance": 0.5, "meaning": "Beyond it, errors grow.", "basis": "error"}]}  # fmt: skip
    card.trust.update(calibration={"part": "test", "endpoints": [entry]}, domain=domain)
    view = card_view(card)
    ((target, words, picture),) = view.calibration
    assert target == "pIC50"
    assert words == "Intervals of level 90% hold 91.0% of 98 labels (84.0% to 95.0%); mean width 1.2."
    assert "<polyline" in picture
    assert ("threshold", "Beyond it, errors grow.") in view.domain
    assert "<polyline" in view.errors[0][1]
    card.trust["calibration"]["endpoints"] = [{"target": "a", "bins": [{"promised": 0.1, "found": 0.2}]}, "nonsense"]
    assert card_view(card).calibration == [("a", "target a", "")]


def test_a_card_says_whether_ids_are_kept_and_does_not_tell_them(folder):
    card = {}
    for kept in (["secret-7"], None):
        trust = json.loads((folder / "trust.json").read_text()) | {
            "domain": {"compounds": 1, "ids": kept, "thresholds": []}
        }
        card[kept is None] = _short(trust)["domain"]
        assert ("ids kept" in dict(domain_notes(card[kept is None]))["fingerprints kept"]) == (kept is not None)
    assert "secret-7" not in str(card)


def test_the_gap_of_right_probabilities_is_what_chance_gives():
    """Against draws: labels of right probabilities in bins of 50."""
    rng, bins = np.random.default_rng(0), [(0.1, 50), (0.5, 50), (0.9, 50)]
    drawn = [np.mean([abs(rng.binomial(n, p) / n - p) for p, n in bins]) for _ in range(2_000)]
    record = {"kind": "classification", "level": 0.9, "n": 150, "coverage": 0.9, "coverage_interval": [0.8, 0.95], "single": 0.7,
              "ece": 0.2, "bins": [{"promised": p, "n": n} for p, n in bins]}  # fmt: skip
    (chance,) = re.findall(r"0\.200; (0\.\d+) by chance alone", told(record))
    assert float(chance) == pytest.approx(np.mean(drawn), rel=0.05)


def test_a_guide_stays_within_the_axes():
    drawn = lines_svg(
        [("a", [(0.4, 0.5), (0.6, 0.7)])], y_range=(0, 1), x_label="x", y_label="y", guide=((0, 0.5), (1, 0.5))
    )
    alone = lines_svg([("a", [(0.0, 0.5), (1.0, 0.7)])], y_range=(0, 1), x_label="x", y_label="y")
    ends = [re.findall(r'points="([\d.]+),[\d.]+ ([\d.]+),', text)[0] for text in (drawn, alone)]
    assert ends[0] == ends[1]


def test_evidential_networks_come_with_their_warning():
    (told,) = limits_of_kind({"network": {"uncertainty": "evidential"}})
    assert "unreliable" in told
    for other in ({"network": {"uncertainty": "mean-variance"}}, {"network": "x"}, {}, None):
        assert not list(limits_of_kind(other))


def test_a_difference_of_logarithms_is_in_log_units():
    assert (error_unit("-log10(M)"), error_unit("kcal/mol"), error_unit("")) == ("log units", "kcal/mol", "")


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ({"inside": 10, "outside": 0, "coverage_inside": 0.9, "coverage_outside": None}, "None of these compounds is outside"),
        ({"inside": 9, "outside": 1, "coverage_inside": 1.0, "coverage_outside": 0.0}, "1 of these compounds (10%) is outside the domain, where 0% are held, and 100% inside"),
        ({"inside": 0, "outside": 10, "coverage_inside": None, "coverage_outside": 0.9}, "10 of these compounds (100%) are outside the domain, where 90% are held."),
    ],
)  # fmt: skip
def test_a_promise_is_told_inside_and_outside_the_domain(domain, words):
    record = {
        "kind": "regression",
        "level": 0.9,
        "n": 10,
        "coverage": 0.9,
        "coverage_interval": [0.6, 0.98],
        "width": 1.0,
    }
    assert words in told({**record, "domain": domain})
    assert "domain" not in told(record)
