"""Objectives are what their text says, and nothing else gets through."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cheap_scorer import CheapScorer
from contracts.scorer import ScorerContract
from foreign_models import write_checkpoint
from hypothesis import given
from hypothesis import strategies as st

from cinchona.errors import ConfigError
from cinchona.models.imported.importing import read_foreign
from cinchona.models.objective import ObjectiveScorer, parse_objective
from cinchona.records import CompoundBatch, Endpoint

ENDPOINTS = (Endpoint("pIC50"), Endpoint("hERG", kind="classification"), Endpoint("NR-AR"), Endpoint("log D"))
VALUES = np.array([[7.0, 0.1, 0.3, 2.0], [5.0, 0.9, 0.8, -1.0], [9.0, 0.45, 0.0, 4.5]])


def score(text: str, values: np.ndarray = VALUES) -> list[float]:
    found = parse_objective(text, ENDPOINTS).score(values)
    assert found.dtype == np.float32
    return found.tolist()


@pytest.mark.parametrize(("text", "wanted"), [
    ("pIC50", [7, 5, 9]),
    ("-pIC50 + 2", [-5, -3, -7]),
    ("pIC50 - 2 * `NR-AR`", [6.4, 3.4, 9]),
    ("2 ** hERG / 2", [2**0.1 / 2, 2**0.9 / 2, 2**0.45 / 2]),
    ("high(pIC50, 6, 8)", [0.5, 0, 1]),
    ("low(hERG, 0.2, 0.7)", [1, 0, 0.5]),
    ("between(`log D`, 1, 3)", [1, 0, 0]),
    ("between(`log D`, 1, 3, 3)", [1, 1 / 3, 0.5]),
    ("gmean(high(pIC50, 6, 8), low(hERG, 0.2, 0.7))", [math.sqrt(0.5), 0, math.sqrt(0.5)]),
    ("mean(pIC50, hERG)", [3.55, 2.95, 4.725]),
    ("min(hERG, `NR-AR`)", [0.1, 0.8, 0]),
    ("max(hERG, `NR-AR`, 0.4)", [0.4, 0.9, 0.45]),
    ("log10(pIC50) + abs(`log D`) + exp(0)", [math.log10(7) + 3, math.log10(5) + 2, math.log10(9) + 5.5]),
    (" ( pIC50\n) ", None),
])  # fmt: skip
def test_values(text, wanted):
    if wanted is None:
        with pytest.raises(ConfigError, match="does not read"):
            score("pIC50\n)")
        return
    assert score(text) == pytest.approx(wanted, rel=1e-6, abs=1e-7)


def test_what_is_not_defined_ranks_last():
    assert np.isnan(score("log10(`log D`)")[1])
    assert np.isnan(score("1 / `NR-AR`")[2])


@pytest.mark.parametrize(("text", "words"), [
    ("__import__('os').system('touch harm')", "not allowed"), ("pIC50.real", "not allowed"), ("pIC50[0]", "not allowed"),
    ("open(pIC50)", "not allowed"), ("(lambda: pIC50)()", "not allowed"), ("[pIC50]", "not allowed"), ("'text'", "not allowed"),
    ("pIC50 if hERG else 1", "not allowed"), ("pIC50 > 1", "not allowed"), ("pIC50 and hERG", "not allowed"),
    ("(x := pIC50)", "no endpoint 'x'"), ("f'{pIC50}'", "not allowed"), ("True * pIC50", "not allowed"), ("1j * pIC50", "not allowed"),
    ("high(pIC50, worst=1, best=2)", "not allowed"), ("high(*pIC50)", "values, not 1"), ("high(pIC50, 6)", "takes 3 values, not 2"),
    ("mean()", "takes 1 to 64 values"), ("pIC50 // 2", "not allowed"), ("~pIC50", "not allowed"), ("", "does not read"),
    ("import os", "does not read"), ("pIC50; hERG", "does not read"), ("3 + 4", "names no endpoint"), ("pIC50 +", "does not read"),
    ("pIC5O", "did you mean pIC50"), ("`NR-ER`", "did you mean NR-AR"), ("``", "no endpoint ''"), ("`pIC50", "does not read"),
    ("nothing_like_it_at_all", "cinchona models show"), ("-" * 60 + "pIC50", "nested too deeply"), ("pIC50 + 1" * 900, "characters"),
    ("(" * 300 + "pIC50" + ")" * 300, ""), ("high", "no endpoint 'high'"), ("_0 + pIC50", "no endpoint '_0'"),
])  # fmt: skip
def test_refusals(text, words):
    with pytest.raises(ConfigError) as told:
        score(text)
    assert words in f"{told.value} {told.value.remedy}"


@given(st.text(max_size=60))
def test_any_text_is_an_objective_or_refused(text):
    try:
        parse_objective(text, ENDPOINTS).score(VALUES)
    except ConfigError as error:
        assert error.where


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.1, 5))
def test_desirabilities_stay_between_0_and_1(value, low, width):
    values = np.full((1, 4), value)
    texts = (
        f"high(pIC50, {low}, {low + width})",
        f"low(pIC50, {low}, {low + width})",
        f"between(pIC50, {low}, {low + width})",
    )
    found = [score(text, values)[0] for text in texts]
    assert all(0 <= x <= 1 for x in found)
    assert found[0] + found[1] == pytest.approx(1, abs=1e-6)
    if low <= value <= low + width:
        assert found[2] == pytest.approx(1, abs=1e-6)


class TestObjectiveScorer(ScorerContract):
    @pytest.fixture
    def scorer(self, tmp_path):
        path = write_checkpoint(tmp_path / "best.pt", columns=("a", "b"))
        return ObjectiveScorer.of(read_foreign(path)[0], "2 * a - b")


def test_everything_but_the_rank_is_that_of_the_model():
    inner = CheapScorer(detailed=True)
    ranked = ObjectiveScorer.of(inner, "10 - pX")
    batch = CompoundBatch.of(["CCO", "CCN", "CCC"])
    found, was = ranked.score(batch), inner.score(batch)
    np.testing.assert_allclose(found.score, 10 - was.value[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(found.value, was.value)
    np.testing.assert_array_equal(found.uncertainty, was.uncertainty)
    assert (ranked.name, ranked.fingerprint, ranked.objective) == (inner.name, inner.fingerprint, "10 - pX")
