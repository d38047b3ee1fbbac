"""The gamma-Poisson shrinker: likelihoods, fits and their status, posterior, quantiles, truth recovered."""

import logging
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammainc

from cinchona.errors import ConfigError, InputError, NoUsableRowsError
from cinchona.pharmacovigilance.signals.counting.count import count_pairs
from cinchona.pharmacovigilance.signals.counting.distinct import distinct_counts
from cinchona.pharmacovigilance.signals.counting.pairs import counts_of_pairs
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.counting.strata import stratify
from cinchona.pharmacovigilance.signals.errors import PriorNotUsableError
from cinchona.pharmacovigilance.signals.gps import cells as cell_groups
from cinchona.pharmacovigilance.signals.gps import curves, likelihood
from cinchona.pharmacovigilance.signals.gps import posterior as posteriors
from cinchona.pharmacovigilance.signals.gps.cells import CellGroups, raw_cells, seen_cells, zero_cells
from cinchona.pharmacovigilance.signals.gps.curves import quantile
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus, fit_groups, fit_prior
from cinchona.pharmacovigilance.signals.gps.likelihood import negative_log_likelihood, objective, to_coordinates
from cinchona.pharmacovigilance.signals.gps.posterior import posterior, probability_below
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture, PriorLikelihood
from cinchona.pharmacovigilance.signals.gps.quantiles import quantile_exact
from cinchona.pharmacovigilance.signals.scoring import score
from cinchona.pharmacovigilance.signals.simulation.reports import ReportSimulation, simulate_reports
from cinchona.pharmacovigilance.signals.simulation.tables import (
    inject_signals,
    simulate_from_prior,
    zipf_margins,
)

TRUTH = GammaMixture(0.45, 0.2, 1.7, 2.1, 0.12)
PRIORS = st.builds(
    GammaMixture,
    st.floats(0.05, 20),
    st.floats(0.05, 20),
    st.floats(0.05, 20),
    st.floats(0.05, 20),
    st.floats(0.01, 0.99),
)
TRUNCATED = (PriorLikelihood.TRUNCATED_MIXTURE, PriorLikelihood.MIXTURE_OF_TRUNCATED)


@pytest.fixture(scope="module")
def simulated():
    margins = zipf_margins(300, largest=40_000, smallest=40), zipf_margins(900, largest=60_000, smallest=40)
    return simulate_from_prior(TRUTH, *margins, 400_000, rng=np.random.default_rng(11))


@pytest.fixture(scope="module")
def fitted(simulated):
    return fit_prior(simulated.counts)


class TestLikelihood:
    @given(PRIORS, st.sampled_from(PriorLikelihood))
    def test_gradient_is_the_slope_of_the_value(self, prior, kind):
        groups = raw_cells(np.array([1, 2, 7, 30]), np.array([0.01, 3.0, 2.0, 25.0]), np.array([5.0, 2.0, 1.0, 3.0]))
        if kind is PriorLikelihood.ALL_CELLS:
            groups = groups.joined(raw_cells(np.zeros(2), np.array([0.3, 0.002]), np.array([40.0, 900.0])))
        function, x, step = objective(groups, kind), to_coordinates(prior), 1e-5
        slopes = [
            (function(x + step * unit)[0] - function(x - step * unit)[0]) / (2 * step) for unit in np.eye(5)
        ]  # fmt: skip
        np.testing.assert_allclose(function(x)[1], slopes, rtol=2e-5, atol=2e-5 * max(1.0, np.abs(slopes).max()))

    @settings(max_examples=15)
    @given(PRIORS, st.floats(0.01, 20))
    def test_probabilities_sum_to_one(self, prior, expected):
        many = 400  # far into the tail for means up to 20 x 20

        def chance(n, kind):
            return math.exp(-negative_log_likelihood(prior, raw_cells(np.array([n]), np.array([expected])), kind))

        whole = sum(chance(n, PriorLikelihood.ALL_CELLS) for n in range(many))
        tail = chance(many, PriorLikelihood.ALL_CELLS)
        assert whole <= 1.0 + 1e-9
        if tail < 1e-9:
            assert whole == pytest.approx(1.0, abs=1e-5)
            for kind in TRUNCATED:  # given n >= 1, both forms sum to 1 over n >= 1
                assert sum(chance(n, kind) for n in range(1, many)) == pytest.approx(1.0, abs=1e-4)

    def test_all_three_differ(self):
        groups = raw_cells(np.array([1, 3]), np.array([0.5, 0.5]))
        values = {kind: negative_log_likelihood(TRUTH, groups, kind) for kind in PriorLikelihood}
        assert len({round(v, 6) for v in values.values()}) == 3

    def test_parameters_must_be_those_of_a_mixture(self):
        for bad in ((0, 1, 1, 1, 0.5), (1, 1, 1, 1, 1.0), (1, math.nan, 1, 1, 0.5)):
            with pytest.raises(ConfigError, match="no gamma mixture"):
                GammaMixture(*bad)

    def test_order_of_components_does_not_matter(self):
        swapped = GammaMixture(1.7, 2.1, 0.45, 0.2, 0.88)
        assert swapped.ordered().vector == pytest.approx(TRUTH.vector)
        assert swapped.mean == pytest.approx(TRUTH.mean)
        assert posterior(swapped, [3], [0.5]).ebgm == pytest.approx(posterior(TRUTH, [3], [0.5]).ebgm)


class TestGrouping:
    def test_zero_cells_are_those_of_the_whole_table(self, simulated):
        counts = simulated.counts
        table = np.outer(counts.drug_margin, counts.event_margin) / counts.total
        seen = np.zeros(table.shape, bool)
        seen[counts.drug, counts.event] = True
        exact = zero_cells(counts, exact_points=10**9)
        assert exact.n_cells == (~seen).sum()
        by_hand = negative_log_likelihood(TRUTH, raw_cells(np.zeros((~seen).sum()), table[~seen]))
        assert negative_log_likelihood(TRUTH, exact) == pytest.approx(by_hand, rel=1e-12)
        grouped = zero_cells(counts, exact_points=0)
        assert not grouped.exact
        assert len(grouped) < len(exact)
        assert negative_log_likelihood(TRUTH, grouped) == pytest.approx(by_hand, rel=1e-7)

    def test_seen_cells_by_moments_keep_the_likelihood(self, simulated):
        counts = simulated.counts
        exact = raw_cells(counts.n, counts.expected)
        grouped = seen_cells(counts.n, counts.expected, exact_points=0)
        assert grouped.n_cells == pytest.approx(len(counts))
        assert len(grouped) < len(exact) / 3
        for kind in PriorLikelihood:
            value = negative_log_likelihood(TRUTH, exact, kind)
            assert negative_log_likelihood(TRUTH, grouped, kind) == pytest.approx(value, rel=1e-7)
        finer = seen_cells(counts.n, counts.expected, exact_points=0, width=0.02)
        assert abs(negative_log_likelihood(TRUTH, finer) - negative_log_likelihood(TRUTH, exact)) <= abs(
            negative_log_likelihood(TRUTH, grouped) - negative_log_likelihood(TRUTH, exact)
        )

    def test_stratified_zero_cells_are_summed_without_holding_them(self):
        data = simulate_reports(ReportSimulation(reports=3_000, drugs=25, events=40), seed=5)
        reports = read_reports(data.drugs, data.reactions, data.cases)
        counts = count_pairs(reports, strata=stratify(reports, ("sex", "country")))
        margins = counts.stratified
        table = (margins.drug_margin / margins.totals) @ margins.event_margin.T
        table[counts.drug, counts.event] = 0.0
        by_hand = raw_cells(np.zeros((table > 0).sum()), table[table > 0])
        grouped = zero_cells(counts)
        assert grouped.n_cells == pytest.approx(by_hand.n_cells)
        assert negative_log_likelihood(TRUTH, grouped) == pytest.approx(
            negative_log_likelihood(TRUTH, by_hand), rel=1e-7
        )

    def test_zero_cells_of_a_selection_are_not_known(self, simulated):
        with pytest.raises(InputError, match="selection"):
            zero_cells(simulated.counts.take(np.arange(5)))

    def test_impossible_cells(self):
        with pytest.raises(InputError, match="no positive expected count"):
            raw_cells([1], [0.0])

    def test_rare_large_counts_stay_as_they_are(self):
        n = np.array([10**9, 5, 5])
        assert seen_cells(n, np.array([1.0, 2.0, 3.0]), exact_points=0).n.max() == 10**9

    @settings(max_examples=20)
    @given(st.lists(st.tuples(st.floats(1e-6, 1e4), st.floats(0.5, 50)), min_size=65, max_size=80))
    def test_bins_keep_weight_and_three_moments(self, rows):
        expected, weight = (np.array(column) for column in zip(*rows, strict=True))
        groups = cell_groups._by_moments(raw_cells(np.full(len(rows), 2), expected, weight), 5.0)
        for power in range(4):
            assert groups.weight @ np.log(groups.expected) ** power == pytest.approx(
                weight @ np.log(expected) ** power, rel=1e-8, abs=1e-6
            )


class TestFit:
    def test_truth_is_recovered_from_all_cells(self, fitted):
        assert fitted.usable
        assert fitted.agreeing_starts >= 3
        distance = (np.array(fitted.prior.vector) - np.array(TRUTH.vector)) / np.array(fitted.standard_errors)
        assert np.abs(distance).max() < 3

    def test_grouping_error_is_small_and_stated(self, fitted):
        assert fitted.grouping.startswith("bins of 0.1")
        assert 0 < fitted.grouping_error < 0.01

    @pytest.mark.slow
    def test_truncated_mixture_recovers_the_oracle_truth_and_the_other_form_does_not(self, oracle_folder):
        """1 M pairs drawn from (.45, .2, 1.7, 2.1, .12); the README quotes both fits."""
        table = pl.read_parquet(oracle_folder / "synth_1M_N_E.parquet")
        groups = seen_cells(table["N"].to_numpy(), table["E"].to_numpy())
        right = fit_groups(groups, "truncated_mixture")
        assert right.usable
        distance = (np.array(right.prior.vector) - np.array(TRUTH.vector)) / np.array(right.standard_errors)
        assert np.abs(distance).max() < 3
        assert right.prior.vector == pytest.approx((0.442, 0.2006, 1.706, 2.1065, 0.1243), rel=2e-3)
        other = fit_groups(groups, "mixture_of_truncated")
        assert other.prior.vector == pytest.approx((0.305, 0.183, 1.798, 2.190, 0.145), rel=3e-3)
        assert other.negative_log_likelihood - right.negative_log_likelihood == pytest.approx(474, abs=1)

    def test_a_homogeneous_table_ends_on_a_bound_and_says_so(self, caplog):
        rng = np.random.default_rng(2)
        expected = rng.lognormal(1.0, 1.0, 3_000)
        with caplog.at_level(logging.WARNING, logger="cinchona"):
            fit = fit_groups(seen_cells(*_seen(rng.poisson(expected), expected)), "truncated_mixture")
        assert fit.status in {FitStatus.BOUNDARY, FitStatus.NOT_IDENTIFIED}
        assert not fit.usable
        assert f"the prior fit is not usable ({fit.status.value}): {fit.explanation}" in caplog.text
        assert all(math.isnan(e) for e in fit.standard_errors)
        with pytest.raises(PriorNotUsableError, match="not usable") as caught:
            fit.use()
        assert f"--set accept=[{fit.status.value}]" in caught.value.remedy
        assert fit.use(accept=(fit.status.value,)) == fit.prior
        assert fit.summary()["status"] == fit.status.value

    def test_scoring_refuses_an_unusable_fit_until_it_is_accepted(self):
        # One gamma only: the second component has nothing to explain.
        table = simulate_from_prior(
            GammaMixture(500.0, 500.0, 500.0, 500.0, 0.5), np.full(30, 2000), np.full(40, 2000), 100_000,
            rng=np.random.default_rng(1),
        )  # fmt: skip
        with pytest.raises(PriorNotUsableError):
            score(table.counts, ["gps"])
        found = score(table.counts, ["gps"], accept=tuple(FitStatus))
        assert not found.prior.usable
        assert found.about()["prior_status"] != "converged"
        assert score(table.counts, ["ebgm"], prior=TRUTH).about()["prior_likelihood"] == "given by the user"

    def test_every_status_explains_itself(self, fitted):
        from dataclasses import replace

        for status in FitStatus:
            fit = replace(fitted, status=status, at_bound=("alpha1",))
            assert len(fit.explanation) > 10

    def test_truncated_fits_advise_all_cells(self, fitted):
        from dataclasses import replace

        fit = replace(fitted, status=FitStatus.BOUNDARY, likelihood=PriorLikelihood.TRUNCATED_MIXTURE)
        with pytest.raises(PriorNotUsableError, match="fit all_cells"):
            fit.use()

    def test_an_optimiser_that_stops_early_is_caught(self, simulated, monkeypatch):
        import cinchona.pharmacovigilance.signals.gps.fit as module

        class Stopped:
            x = to_coordinates(GammaMixture(0.3, 0.3, 3.0, 3.0, 0.3))

        monkeypatch.setattr(module, "minimize", lambda *_, **__: Stopped)
        monkeypatch.setattr(module, "_polish", lambda _, x: x)
        assert fit_prior(simulated.counts).status in {FitStatus.NOT_CONVERGED, FitStatus.NOT_IDENTIFIED}

    def test_nothing_to_fit(self):
        counts = counts_of_pairs(pl.DataFrame({"drug": ["A"], "event": ["X"], "n": [0]}))
        with pytest.raises(NoUsableRowsError):
            fit_prior(counts)


def _seen(n, expected):
    return n[n > 0], expected[n > 0]


class TestPosterior:
    def test_ninety_per_cent_intervals_cover_ninety_per_cent(self, simulated, fitted):
        """Simulation that keeps lambda: EB05 to EB95 holds the true ratio in 88 to 92 % of the seen cells."""
        counts = simulated.counts
        low, high = (quantile(fitted.prior, counts.n, counts.expected, p) for p in (0.05, 0.95))
        inside = (simulated.ratio >= low) & (simulated.ratio <= high)
        assert 0.88 < inside.mean() < 0.92
        for few, many in ((1, 2), (2, 5), (5, 50), (50, 10**9)):
            part = (counts.n >= few) & (counts.n < many)
            assert 0.86 < inside[part].mean() < 0.94

    @settings(max_examples=50)
    @given(PRIORS, st.integers(0, 200), st.floats(1e-4, 200))
    def test_quantiles_invert_the_distribution(self, prior, n, expected):
        q = posterior(prior, [n], [expected]).q[0]
        for p in (0.05, 0.95):
            value = quantile_exact(prior, [n], [expected], p)[0]
            if value < 1e-200:
                continue
            below = q * gammainc(prior.alpha1 + n, value * (prior.beta1 + expected))
            below += (1 - q) * gammainc(prior.alpha2 + n, value * (prior.beta2 + expected))
            assert below == pytest.approx(p, abs=1e-9)

    @settings(max_examples=50)
    @given(PRIORS, st.floats(0.001, 10))
    def test_shrinkage_pulls_small_cells_to_the_prior(self, prior, ratio):
        # With next to no expectation, one cell says next to nothing: the posterior mean nears the prior of n.
        expected = np.array([1e-6, 1e-3, 1.0, 1e3, 1e6])
        n = np.maximum(np.round(ratio * expected), 0)
        ebgm = posterior(prior, n, expected).ebgm
        assert ebgm[-1] == pytest.approx(n[-1] / expected[-1], rel=0.05)  # much data: the raw ratio
        geometric_mean = posterior(prior, [0], [1e-12]).ebgm[0]
        assert posterior(prior, [0], [1e-9]).ebgm[0] == pytest.approx(geometric_mean, rel=1e-3)

    @given(st.integers(1, 50), st.floats(0.01, 5))
    def test_ebgm_lies_between_its_bounds_and_grows_with_the_count(self, n, expected):
        low, mid, high = (
            quantile_exact(TRUTH, [n], [expected], 0.05)[0],
            posterior(TRUTH, [n], [expected]).ebgm[0],
            quantile_exact(TRUTH, [n], [expected], 0.95)[0],
        )
        assert low < mid < high
        assert posterior(TRUTH, [n + 1], [expected]).ebgm[0] > mid

    def test_probability_below_is_the_distribution(self):
        value = quantile_exact(TRUTH, [3], [0.7], 0.2)[0]
        assert probability_below(TRUTH, [3], [0.7], value)[0] == pytest.approx(0.2, abs=1e-10)

    @pytest.mark.parametrize("p", [0.05, 0.95])
    def test_fast_quantiles_keep_their_tolerance(self, simulated, p):
        counts = simulated.counts
        fast, exact = (f(TRUTH, counts.n, counts.expected, p) for f in (quantile, quantile_exact))
        assert np.abs(fast / exact - 1).max() < 1e-6

    def test_fast_quantiles_of_sharp_mixtures(self):
        # Components far apart: the quantile jumps from one to the other within a little of log E.
        prior = GammaMixture(60.0, 2.0, 60.0, 60.0, 0.3)
        rng = np.random.default_rng(4)
        n, expected = rng.integers(1, 4, 6_000), rng.uniform(0.05, 1.0, 6_000)
        fast, exact = quantile(prior, n, expected, 0.05), quantile_exact(prior, n, expected, 0.05)
        assert np.abs(fast / exact - 1).max() < 1e-6

    def test_equal_expectations(self):
        n, expected = np.ones(500, int), np.full(500, 0.3)
        np.testing.assert_allclose(quantile(TRUTH, n, expected, 0.05), quantile_exact(TRUTH, [1], [0.3], 0.05)[0])

    def test_a_quantile_needs_a_probability(self):
        with pytest.raises(ConfigError, match="probability"):
            quantile(TRUTH, [1], [1.0], 1.0)


class TestSimulation:
    def test_injected_signals_do_not_depend_on_margins(self):
        margins = zipf_margins(60, largest=5_000), zipf_margins(90, largest=8_000)
        table = inject_signals(*margins, 50_000, rng=np.random.default_rng(1), share=0.05)
        assert table.injected.sum() <= table.n_injected
        assert 0.03 < table.n_injected / (60 * 90) < 0.07
        assert table.ratio[table.injected].mean() > 2 * table.ratio[~table.injected].mean()

    def test_share_must_be_a_share(self):
        with pytest.raises(ConfigError, match="share"):
            inject_signals(np.ones(2), np.ones(2), 10, rng=np.random.default_rng(1), share=0.0)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_compiled_and_interpreted_likelihoods_agree(code):
    cells = (np.array([0, 1, 1]), np.array([1, 4, 4]), np.array([0.2, 3.0, 0.1]), np.array([5.0, 1.0, 2.0]))
    tables = np.linspace(0.1, 2.0, 8).reshape(4, 2)
    arguments = (cells, np.array(TRUTH.vector), 1 - TRUTH.weight, tables, code)
    compiled, plain = likelihood._sum_cells(*arguments), likelihood._sum_cells.py_func(*arguments)
    assert compiled[0] == pytest.approx(plain[0], rel=1e-12)
    np.testing.assert_allclose(compiled[1], plain[1], rtol=1e-12)


@pytest.mark.parametrize(
    "loop, arguments",
    [
        (likelihood._component, (3, 0.5, (0.4, 0.2), (1.5, 2.5))),
        (likelihood._component, (0, 0.5, (0.4, 0.2), (1.5, 2.5))),
        (likelihood._truncated, ((-2.0, 0.3, 0.1), 0.5, (0.4, 0.2))),
        (likelihood._mixed, ((-2.0, 0.3, 0.1), (-1.0, 0.2, 0.5), 0.1, 0.9)),
        (likelihood._seen, (0.5, np.array(TRUTH.vector), 0.88)),
        (posteriors.log_odds, (3.0, 0.5, np.array(TRUTH.vector), 0.7)),
    ],
)
def test_parts_of_the_loops_agree(loop, arguments):
    assert loop(*arguments) == pytest.approx(loop.py_func(*arguments), rel=1e-12)


def test_remaining_loops_agree():
    n, expected = np.array([1, 2, 2]), np.array([0.1, 2.0, 0.7])
    counts, rank, _ = distinct_counts(n)
    tables = np.linspace(0.1, 1.0, 6).reshape(3, 2)
    arguments = (counts, rank, expected, np.array(TRUTH.vector), tables)
    for compiled, plain in zip(
        posteriors._posterior(*arguments), posteriors._posterior.py_func(*arguments), strict=True
    ):
        np.testing.assert_allclose(compiled, plain, rtol=1e-12)
    sums = np.zeros((2, 4, 4)), np.zeros((2, 4, 4))
    for function, target in zip((cell_groups._add_to_bins, cell_groups._add_to_bins.py_func), sums, strict=True):
        function(rank, np.array([0.1, 0.0, 0.7]), np.ones(3), target, (-3.0, 1.0))
    np.testing.assert_allclose(*sums)
    logs = np.log(expected)
    for compiled, plain in zip(curves._ranges(rank, logs, 2), curves._ranges.py_func(rank, logs, 2), strict=True):
        np.testing.assert_allclose(compiled, plain)
    layout = (np.array([-1, 0]), np.array([0, 2]), np.array([0.0, -1.0]), np.array([1.0, 1.0]))
    figures = np.array([0.0, 0.5, 0.7]), np.array([0.4, 0.3, 0.1])
    results = np.zeros(3), np.zeros(3)
    for function, target in zip((curves._interpolate, curves._interpolate.py_func), results, strict=True):
        function(rank, logs, layout, figures, target)
    np.testing.assert_allclose(*results)


def test_groups_join():
    one = CellGroups(np.array([1]), np.array([0.5]), np.array([2.0]))
    assert one.joined(one).n_cells == 4.0
