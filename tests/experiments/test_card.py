"""The card of a model tells what its own files tell, and nothing in them becomes markup."""

from __future__ import annotations

from finished_screen import write_model
from recorded_models import forest

from cinchona.experiments.card import model_card
from cinchona.experiments.note import MAX_CHARACTERS
from cinchona.pipelines.card_words import leakage_words


def test_the_card_tells_figures_beside_the_baselines_and_what_is_not_known(tmp_path):
    write_model(tmp_path / "model")
    card = model_card(tmp_path / "model", "nav17 <b>")
    for words in (
        "**nav17 &lt;b&gt;** · forest", "| pIC50 | log M | regression | higher |", "nav17&lt;b&gt;: 980 compounds",
        "Split by scaffold: train 784, valid 98, test 98.", "held out: pIC50 | graph network | forest | mean",
        "| rmse | 0.71 (0.61 to 0.81) | 0.68 (0.58 to 0.78) |", "Not known of this model: calibrated uncertainties",
    ):  # fmt: skip
        assert words in card
    assert "<b>" not in card
    assert len(card) <= MAX_CHARACTERS


def test_a_model_without_a_trust_record_has_a_card(tmp_path):
    from cinchona.models.folder import open_scorer, save_model

    save_model(open_scorer(forest(tmp_path / "a")), tmp_path / "b")
    assert "not measurements" in model_card(tmp_path / "b", "x")


def test_what_the_test_compounds_share_with_training_is_said_in_words():
    record = {
        "n_train": 915,
        "n_test": 117,
        "duplicates": 0,
        "twins": 1,
        "shared_scaffolds": 14,
        "median_similarity": 0.44,
        "share_above_0_9": 0.1,
    }
    assert leakage_words(record) == (
        "Of the 117 test compounds none is in training too, one is a stereo or tautomer twin of a known one, "
        "14 have a scaffold that training has; the nearest known compound has a similarity of 0.44 in the median."
    )
    assert leakage_words({}) == leakage_words({"n_test": 5}) == ""
    assert (
        leakage_words({"duplicates": 2, "median_similarity": float("nan")})
        == "Of the test compounds 2 are in training too."
    )
