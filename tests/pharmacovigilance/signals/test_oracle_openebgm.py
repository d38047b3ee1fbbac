"""openEBGM 0.9.1 on the CAERS data of its package: counts, likelihood, posterior, intervals.

N is the number of distinct reports with the pair, E = reports(drug) reports(event) / reports; stratified E is summed
over strata. Its prior fit maximises the mixture of zero-truncated negative binomials, its posterior weights are those of
untruncated ones.
"""

import csv

import numpy as np
import polars as pl
import pytest

from cinchona.pharmacovigilance.signals.counting.count import count_pairs
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.counting.strata import stratify
from cinchona.pharmacovigilance.signals.gps.cells import raw_cells, seen_cells, zero_cells
from cinchona.pharmacovigilance.signals.gps.curves import quantile
from cinchona.pharmacovigilance.signals.gps.fit import fit_groups
from cinchona.pharmacovigilance.signals.gps.likelihood import negative_log_likelihood
from cinchona.pharmacovigilance.signals.gps.posterior import posterior
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture, PriorLikelihood
from cinchona.pharmacovigilance.signals.gps.quantiles import quantile_exact
from cinchona.pharmacovigilance.signals.measures.catalogue import MEASURES
from cinchona.pharmacovigilance.signals.measures.record import Scored

ITS_FIT = PriorLikelihood.MIXTURE_OF_TRUNCATED
START = GammaMixture(0.2, 0.1, 2.0, 4.0, 1 / 3)


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def folder(oracle_folder):
    return oracle_folder / "openEBGM"


@pytest.fixture(scope="module")
def reports(folder):
    table = pl.read_parquet(folder / "caers_input.parquet").rename({"id": "case_id", "var1": "drug", "var2": "event"})
    cases = table.select("case_id", sex="strat1").unique("case_id")
    return read_reports(table, table, cases)


@pytest.fixture(scope="module")
def counts(reports):
    return count_pairs(reports)


@pytest.fixture(scope="module")
def priors(folder):
    names = ("alpha1", "beta1", "alpha2", "beta2", "P")
    return {
        row[""]: GammaMixture(*(float(row[name]) for name in names))
        for row in rows_of(folder / "caers_hyperparameters.csv")
    }


@pytest.fixture(scope="module")
def seen(counts):
    return seen_cells(counts.n, counts.expected)


def in_its_order(counts, folder, file):
    table = pl.read_parquet(folder / file)
    frame = counts.frame().with_row_index("at")
    joined = table.join(frame, left_on=["var1", "var2"], right_on=["drug", "event"], how="left")
    assert joined["n"].null_count() == 0
    return joined


class TestCounts:
    def test_every_pair_is_found_with_its_count(self, counts, folder):
        joined = in_its_order(counts, folder, "caers_processed_unstratified.parquet")
        assert joined.height == len(counts) == 17_189
        assert counts.total == 3_356
        assert (joined["n"] == joined["N"]).all()

    def test_expected_counts(self, counts, folder):
        joined = in_its_order(counts, folder, "caers_processed_unstratified.parquet")
        np.testing.assert_allclose(joined["expected"], joined["E"], rtol=5e-15, atol=0)

    def test_stratified_expected_counts(self, reports, folder):
        counts = count_pairs(reports, strata=stratify(reports, "sex"))
        joined = in_its_order(counts, folder, "caers_processed_stratified.parquet")
        assert (joined["n"] == joined["N"]).all()
        np.testing.assert_allclose(joined["expected"], joined["E"], rtol=5e-15, atol=0)

    def test_ratios_to_its_two_decimals(self, counts, folder):
        scored = Scored(counts)
        joined = in_its_order(counts, folder, "caers_processed_unstratified.parquet")
        rows = joined["at"].to_numpy()
        rrr, prr = (MEASURES[name].compute(scored)[0][rows] for name in ("rrr", "prr"))
        assert np.abs(rrr - joined["RR"].to_numpy()).max() <= 0.005 + 1e-9
        its_prr = joined["PRR"].to_numpy()
        finite = np.isfinite(its_prr)
        assert np.abs(prr[finite] - its_prr[finite]).max() <= 0.005 + 1e-9
        assert np.isinf(prr[~finite]).all()  # c = 0

    def test_zero_filled_table_has_its_size(self, counts):
        assert zero_cells(counts).n_cells + len(counts) == 3_816_672


class TestLikelihood:
    def test_at_its_fitted_prior(self, seen, priors):
        value = negative_log_likelihood(priors["full_unsquashed"], seen, ITS_FIT)
        assert value == pytest.approx(4162.45571037949, rel=1e-12)

    def test_at_its_starting_point(self, seen, counts, folder):
        assert negative_log_likelihood(START, seen, ITS_FIT) == pytest.approx(4373.51946468541, rel=1e-12)
        assert negative_log_likelihood(START, squashed(folder), ITS_FIT) == pytest.approx(4373.04391908940, rel=1e-12)
        filled = seen.joined(zero_cells(counts))
        assert negative_log_likelihood(START, filled) == pytest.approx(88188.5283601026, rel=1e-12)

    def test_its_squashed_fit(self, folder, priors):
        value = negative_log_likelihood(priors["squashed2_5starts"], squashed(folder), ITS_FIT)
        assert value == pytest.approx(4161.93015336435, rel=1e-12)


class TestFit:
    def test_from_its_neighbourhood_our_fit_ends_at_its_maximum(self, seen, priors):
        fit = fit_groups(seen, ITS_FIT, starts=[START])
        assert fit.usable
        assert fit.negative_log_likelihood == pytest.approx(4162.45571037949, rel=1e-10)
        # alpha1 is all but flat (its standard error is 2.3), so it is compared in standard errors.
        difference = np.array(fit.prior.vector) - np.array(priors["full_unsquashed"].vector)
        assert np.abs(difference / np.array(fit.standard_errors)).max() < 1e-4

    def test_several_starts_find_a_better_maximum_than_it_reports(self, seen):
        fit = fit_groups(seen, ITS_FIT)
        assert fit.usable
        assert fit.negative_log_likelihood < 4162.45571037949 - 0.27
        assert fit.agreeing_starts < len(fit.starts)

    def test_standard_errors(self, folder, priors):
        fit = fit_groups(squashed(folder), ITS_FIT, starts=[priors["squashed2_5starts"]])
        its = [float(row["SE"]) for row in rows_of(folder / "caers_hyper_confint.csv")]
        assert fit.standard_errors == pytest.approx(its, rel=6e-3)  # it differentiates numerically, to 4 decimals

    def test_stratified_fit(self, folder, priors):
        table = pl.read_parquet(folder / "caers_processed_stratified.parquet")
        groups = seen_cells(table["N"].to_numpy(), table["E"].to_numpy())
        fit = fit_groups(groups, ITS_FIT)
        its = negative_log_likelihood(priors["stratified"], groups, ITS_FIT)
        assert fit.negative_log_likelihood == pytest.approx(its, rel=1e-6)
        assert fit.negative_log_likelihood <= its

    def test_fit_with_zeros(self, seen, counts, priors):
        filled = seen.joined(zero_cells(counts))
        fit = fit_groups(filled, PriorLikelihood.ALL_CELLS)
        assert fit.usable
        # It squashed before fitting, so its prior is near the maximum of the whole table, not on it.
        its = negative_log_likelihood(priors["zeroes"], filled)
        assert fit.negative_log_likelihood <= its
        assert fit.negative_log_likelihood == pytest.approx(its, rel=1e-5)


@pytest.mark.parametrize("name", ["full_unsquashed", "squashed2_5starts"])
class TestScores:
    def test_posterior_weights(self, name, folder, priors):
        table = pl.read_parquet(folder / f"caers_scores_{name}.parquet")
        found = posterior(priors[name], table["N"].to_numpy(), table["E"].to_numpy())
        np.testing.assert_allclose(found.q, table["qn"], rtol=0, atol=1e-10)
        assert np.abs(found.ebgm - table["ebgm"].to_numpy()).max() <= 0.005 + 1e-9

    @pytest.mark.parametrize("p, column", [(0.05, "EB05_d6"), (0.95, "EB95_d6")])
    def test_intervals(self, name, p, column, folder, priors):
        table = pl.read_parquet(folder / f"caers_scores_{name}.parquet")
        n, expected = table["N"].to_numpy(), table["E"].to_numpy()
        exact = quantile_exact(priors[name], n, expected, p)
        assert np.abs(exact - table[column].to_numpy()).max() <= 1e-6  # its bisection stops at 6 decimals
        fast = quantile(priors[name], n, expected, p)
        assert np.abs(fast / exact - 1).max() <= 1e-6
        assert np.abs(fast - table[column].to_numpy()).max() <= 1e-6

    def test_signals(self, name, folder, priors):
        table = pl.read_parquet(folder / f"caers_scores_{name}.parquet")
        eb05 = quantile(priors[name], table["N"].to_numpy(), table["E"].to_numpy(), 0.05)
        assert int((eb05 >= 2).sum()) == 131


def test_scores_of_a_million_pairs(folder):
    """The first 2,000 of the scores that it printed for the simulated million, to its two decimals."""
    theta = [float(row["theta"]) for row in rows_of(folder / "theta_1M.csv")]
    table = pl.read_csv(folder / "scores_1M_first2000.csv")
    prior, n, expected = GammaMixture(*theta), table["N"].to_numpy(), table["E"].to_numpy()
    found = posterior(prior, n, expected)
    np.testing.assert_allclose(found.q, table["qn"], rtol=0, atol=1e-10)
    assert np.abs(found.ebgm - table["ebgm"].to_numpy()).max() <= 0.005 + 1e-6
    for p, column in ((0.05, "EB05"), (0.95, "EB95")):  # its bisection stops within one unit of the last digit
        assert np.abs(quantile(prior, n, expected, p) - table[column].to_numpy()).max() <= 0.01


def squashed(folder):
    rows = rows_of(folder / "caers_squashed_twice.csv")
    return raw_cells(*(np.array([float(row[name]) for row in rows]) for name in ("N", "E", "weight")))
