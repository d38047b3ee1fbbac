"""Metrics against scikit-learn, RDKit, SciPy and sums over all orders of tied rows."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rdkit.ML.Scoring import Scoring
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, mean_absolute_error, mean_squared_error, r2_score, roc_auc_score

from cinchona.errors import ConfigError, ShapeError
from cinchona.models import metrics, ranking
from cinchona.models.metrics import METRICS, metric

RANKING = (
    ranking.roc_auc, ranking.pr_auc, ranking.enrichment_factor, ranking.rie, ranking.bedroc, ranking.log_auc,
    ranking.power_metric,
)  # fmt: skip


@st.composite
def rankings(draw, *, max_size: int = 30, levels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Labels with at least one of each, and scores with many ties."""
    n = draw(st.integers(2, max_size))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    assume(0 < labels.sum() < n)
    return labels, np.array(draw(st.lists(st.integers(0, levels), min_size=n, max_size=n)), float)


@st.composite
def untied(draw) -> tuple[np.ndarray, np.ndarray]:
    labels, _ = draw(rankings(max_size=60))
    return labels, np.array(draw(st.permutations(range(len(labels)))), float)


@settings(max_examples=40)
@given(rankings())
def test_roc_auc_is_that_of_scikit_learn(ranked):
    labels, scores = ranked
    assert ranking.roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@settings(max_examples=40)
@given(untied())
def test_pr_auc_without_ties_is_that_of_scikit_learn(ranked):
    labels, scores = ranked
    assert ranking.pr_auc(labels, scores) == pytest.approx(average_precision_score(labels, scores))


@settings(max_examples=40)
@given(untied(), st.sampled_from([0.5, 5.0, 20.0, 100.0]))
def test_rie_and_bedroc_without_ties_are_those_of_rdkit(ranked, alpha):
    labels, scores = ranked
    listed = [[label] for label in labels[np.argsort(-scores)]]
    assert ranking.rie(labels, scores, alpha) == pytest.approx(Scoring.CalcRIE(listed, 0, alpha), rel=1e-6)
    assert ranking.bedroc(labels, scores, alpha) == pytest.approx(
        Scoring.CalcBEDROC(listed, 0, alpha), rel=1e-5, abs=1e-7
    )


@settings(max_examples=40)
@given(untied(), st.sampled_from([0.01, 0.05, 0.1, 0.5]))
def test_enrichment_without_ties_is_that_of_rdkit(ranked, fraction):
    labels, scores = ranked
    listed = [[label] for label in labels[np.argsort(-scores)]]
    assert ranking.enrichment_factor(labels, scores, fraction) == pytest.approx(
        Scoring.CalcEnrichment(listed, 0, [fraction])[0]
    )


@pytest.mark.parametrize("function", [ranking.pr_auc, ranking.enrichment_factor, ranking.rie, ranking.bedroc])
@settings(max_examples=25)
@given(rankings(max_size=5, levels=2))
def test_ties_count_by_expectation(function, ranked):
    """The mean over all orders of the rows, with ties broken by that order."""
    labels, scores = ranked
    values = []
    for order in itertools.permutations(range(len(labels))):
        straight = np.lexsort((np.array(order), -scores))
        values.append(function(labels[straight], -np.arange(len(labels), dtype=float)))
    assert function(labels, scores) == pytest.approx(np.mean(values))


@settings(max_examples=40)
@given(rankings(max_size=40))
def test_log_auc_is_the_integral_of_the_curve(ranked):
    """Numerical integral of the ROC curve, in which tied rows are a straight line."""
    labels, scores = ranked
    levels = np.unique(scores)[::-1]
    x = np.array([0.0, *((scores[labels == 0] >= level).mean() for level in levels)])
    y = np.array([0.0, *((scores[labels == 1] >= level).mean() for level in levels)])
    grid = np.linspace(-3, 0, 20_001)
    rates = np.interp(10**grid, x + 1e-12 * np.arange(len(x)), y)  # vertical pieces become very steep ones
    want = np.trapezoid(rates, grid) / 3 - np.trapezoid(10**grid, grid) / 3
    assert ranking.log_auc(labels, scores) == pytest.approx(want, abs=1e-3)


def test_log_auc_of_the_perfect_and_the_worst_ranking():
    labels = np.repeat([1, 0], [10, 5000])
    assert ranking.log_auc(labels, labels) == pytest.approx(1 - 0.14462, abs=1e-4)
    assert ranking.log_auc(labels, -labels) == pytest.approx(-0.14462, abs=1e-4)


@pytest.mark.parametrize(
    ("function", "chance"),
    [
        (ranking.roc_auc, 0.5),
        (ranking.enrichment_factor, 1),
        (ranking.rie, 1),
        (ranking.log_auc, 0),
        (ranking.power_metric, 0.5),
    ],
)
def test_a_constant_scorer_gets_the_value_of_a_random_guess(function, chance):
    labels = np.repeat([1, 0], [7, 193])
    assert function(labels, np.zeros(200)) == pytest.approx(chance)


def test_bedroc_of_a_constant_scorer_with_few_actives():
    labels = np.repeat([1, 0], [10, 9990])
    assert ranking.bedroc(labels, np.zeros(10_000)) == pytest.approx(1 / 20, abs=0.002)


@pytest.mark.parametrize("function", RANKING)
@settings(max_examples=30)
@given(rankings(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(function, ranked, rnd):
    labels, scores = ranked
    order = list(range(len(labels)))
    rnd.shuffle(order)
    assert function(labels[order], scores[order]) == pytest.approx(function(labels, scores))


@pytest.mark.parametrize("function", RANKING)
@settings(max_examples=30)
@given(rankings())
def test_only_the_order_of_scores_matters(function, ranked):
    labels, scores = ranked
    assert function(labels, np.exp(scores) * 3 - 7) == pytest.approx(function(labels, scores))


@pytest.mark.parametrize("function", RANKING)
@settings(max_examples=30)
@given(rankings())
def test_figures_stay_in_their_range_and_the_perfect_ranking_is_best(function, ranked):
    labels, scores = ranked
    assert function(labels, -labels) - 1e-9 <= function(labels, scores) <= function(labels, labels) + 1e-9


def test_perfect_rankings_by_hand():
    labels = np.repeat([1, 0], [2, 8])
    assert ranking.roc_auc(labels, labels) == 1
    assert ranking.pr_auc(labels, labels) == 1
    assert ranking.bedroc(labels, labels) == pytest.approx(1)
    assert ranking.enrichment_factor(labels, labels, 0.2) == pytest.approx(5)
    assert ranking.power_metric(labels, labels, 0.2) == pytest.approx(1)
    # One active first, the other fifth, cut after three rows: TPR 1/2, FPR 2/8.
    scores = np.array([10, 6, 9, 8, 7, 5, 4, 3, 2, 1.0])
    assert ranking.power_metric(labels, scores, 0.3) == pytest.approx(0.5 / 0.75)
    assert ranking.pr_auc(labels, scores) == pytest.approx((1 + 2 / 5) / 2)


def test_the_cut_is_not_shifted_by_rounding():
    labels, scores = np.r_[np.ones(7), np.zeros(93)], -np.arange(100.0)
    assert ranking.enrichment_factor(labels, scores, 0.07) == pytest.approx(100 / 7)


@pytest.mark.parametrize("function", RANKING)
def test_undefined_rankings_are_refused(function):
    with pytest.raises(ValueError, match="0 actives"):
        function(np.zeros(3), np.arange(3.0))
    with pytest.raises(ValueError, match="0 or 1"):
        function(np.array([0, 1, 2]), np.arange(3.0))
    with pytest.raises(ValueError, match="numbers"):
        function(np.array([0, 1]), np.array([math.nan, 1]))
    with pytest.raises(ShapeError):
        function(np.array([0, 1]), np.zeros(3))


def test_parameters_out_of_range_are_refused():
    labels, scores = np.array([0, 1]), np.array([0.0, 1.0])
    for wrong in (lambda: ranking.enrichment_factor(labels, scores, 0), lambda: ranking.rie(labels, scores, -1),
                  lambda: ranking.log_auc(labels, scores, 1.0), lambda: ranking.power_metric(labels, scores, 2)):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            wrong()


FLOATS = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=3, max_size=40)


@settings(max_examples=40)
@given(FLOATS)
def test_regression_metrics_are_those_of_scikit_learn_and_scipy(pairs):
    labels, guesses = np.array(pairs).T
    assert metrics.rmse(labels, guesses) == pytest.approx(math.sqrt(mean_squared_error(labels, guesses)))
    assert metrics.mae(labels, guesses) == pytest.approx(mean_absolute_error(labels, guesses))
    assume(labels.std() > 1e-3)
    assert metrics.r2(labels, guesses) == pytest.approx(r2_score(labels, guesses), rel=1e-6)
    assume(len(set(guesses)) > 1 and len(set(labels)) > 1)
    assert metrics.spearman(labels, guesses) == pytest.approx(spearmanr(labels, guesses)[0], abs=1e-9)


def test_regression_metrics_where_they_are_not_defined():
    flat, other = np.ones(4), np.arange(4.0)
    for function, labels, guesses in (
        (metrics.r2, flat, other),
        (metrics.spearman, flat, other),
        (metrics.spearman, other, flat),
    ):
        with pytest.raises(ValueError, match="not defined"):
            function(labels, guesses)
    for function in (metrics.rmse, metrics.mae, metrics.r2, metrics.spearman):
        with pytest.raises(ValueError, match="finite"):
            function(np.array([1.0, math.nan]), np.array([1.0, 2.0]))
        with pytest.raises(ValueError, match="at least one"):
            function(np.array([]), np.array([]))
        with pytest.raises(ShapeError):
            function(np.zeros(2), np.zeros(3))


def test_the_register_is_complete_and_true():
    rng = np.random.default_rng(0)
    labels = (rng.random(4000) < 0.05).astype(float)
    for name, record in METRICS.items():
        assert record.name == name
        assert metric(name) is record
        target = labels if record.kind == "classification" else rng.normal(size=4000)
        best, worst = record.function(target, target), record.function(target, -target)
        assert (best > worst) == record.higher_is_better, name
        if record.chance is not None and record.kind == "classification":
            guesses = [record.function(target, rng.random(4000)) for _ in range(20)]
            assert np.mean(guesses) == pytest.approx(record.chance, abs=0.35 if record.chance else 0.03), name


def test_unknown_metrics_name_the_known():
    with pytest.raises(ConfigError, match="rmse, mae"):
        metric("accuracy")
