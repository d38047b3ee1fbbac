"""PhViD 1.0.8 on its own data with MARGIN.THRES = 10: counts of mentions, GPS under both fits, BCPNN, ROR, PRR, Fisher."""

import csv

import numpy as np
import polars as pl
import pytest

from cinchona.pharmacovigilance.signals.counting.pairs import Cells, counts_of_pairs
from cinchona.pharmacovigilance.signals.gps.cells import seen_cells, zero_cells
from cinchona.pharmacovigilance.signals.gps.curves import quantile
from cinchona.pharmacovigilance.signals.gps.fit import fit_prior
from cinchona.pharmacovigilance.signals.gps.likelihood import negative_log_likelihood
from cinchona.pharmacovigilance.signals.gps.posterior import probability_below
from cinchona.pharmacovigilance.signals.gps.prior import GammaMixture, PriorLikelihood
from cinchona.pharmacovigilance.signals.gps.quantiles import quantile_exact
from cinchona.pharmacovigilance.signals.measures import frequentist, information, multiplicity
from cinchona.pharmacovigilance.signals.measures.catalogue import MEASURES
from cinchona.pharmacovigilance.signals.measures.record import Scored

TOTAL = 1_195_871
KINDS = {"full": PriorLikelihood.ALL_CELLS, "tronc": PriorLikelihood.MIXTURE_OF_TRUNCATED}


@pytest.fixture(scope="module")
def folder(oracle_folder):
    return oracle_folder / "PhViD"


@pytest.fixture(scope="module")
def counts(folder):
    table = pl.read_parquet(folder / "data_MT10.parquet")
    return counts_of_pairs(table, drug="Drug.lab", event="AE.lab", n="n11")


@pytest.fixture(scope="module")
def parameters(folder):
    rows = csv.DictReader((folder / "GPS_hyperparameters.csv").read_text(encoding="utf-8").splitlines())
    names = ("alpha1", "beta1", "alpha2", "beta2", "w")
    return {row[""]: (GammaMixture(*(float(row[n]) for n in names)), int(row["n_LB_gt2"])) for row in rows}


def table_of(folder, name):
    return pl.read_parquet(folder / f"{name}.parquet")


def cells_of(table):
    n, drug, event = (table[c].to_numpy().astype(float) for c in ("count", "drug margin", "event margin"))
    return Cells.of(n, drug - n, event - n, TOTAL - drug - event + n)


def test_counts_are_mentions(counts, folder):
    table = table_of(folder, "data_MT10").sort("Drug.lab", "AE.lab")
    frame = counts.frame()
    assert len(counts) == 101_894
    assert counts.total == TOTAL
    assert (frame["n_drug"] == table["n1."]).all()
    assert (frame["n_event"] == table["n.1"]).all()


class TestGps:
    @pytest.mark.parametrize("name", ["full", "tronc"])
    def test_fit(self, name, counts, parameters):
        fit = fit_prior(counts, KINDS[name])
        assert fit.usable
        assert fit.agreeing_starts == len(fit.starts)
        difference = np.array(fit.prior.vector) - np.array(parameters[name][0].vector)
        assert np.abs(difference / np.array(fit.standard_errors)).max() < 0.01
        assert fit.prior.vector == pytest.approx(parameters[name][0].vector, rel=2e-4)

    def test_its_prior_is_no_better_than_ours_on_the_exact_cells(self, counts, parameters):
        cells = seen_cells(counts.n, counts.expected, exact_points=10**9).joined(zero_cells(counts, exact_points=10**9))
        ours, its = fit_prior(counts).prior, parameters["full"][0]
        assert negative_log_likelihood(ours, cells) <= negative_log_likelihood(its, cells) + 1e-4

    @pytest.mark.parametrize("name, file", [("full", "GPS_MT10_LB_allsignals"), ("tronc", "GPS_MT10_TRONC_allsignals")])
    def test_bounds_and_error_rates(self, name, file, folder, parameters):
        table, (prior, signals) = table_of(folder, file), parameters[name]
        n, expected = table["count"].to_numpy(), table["expected count"].to_numpy()
        its = table["Q_0.05(lambda)"].to_numpy()
        fast = quantile(prior, n, expected, 0.05)
        np.testing.assert_allclose(
            quantile_exact(prior, n, expected, 0.05), its, rtol=0, atol=2e-6
        )  # its own tolerance
        assert int((fast > 2).sum()) == signals
        null = probability_below(prior, n, expected)
        np.testing.assert_allclose(null, table["postH0"], atol=1e-9)
        check_rates(table, null, its)


class TestBcpnn:
    def test_bounds_and_error_rates(self, folder):
        table = table_of(folder, "BCPNN_MT10_allsignals")
        cells = cells_of(table)
        np.testing.assert_allclose(information.bcpnn_normal(cells).lower, table["Q_0.025(log(IC))"], atol=1e-12)
        null = scored_bcpnn_null(cells)
        np.testing.assert_allclose(null, table["postH0"], atol=1e-12)
        check_rates(table, null, table["Q_0.025(log(IC))"].to_numpy())


class TestRatios:
    def test_prr(self, folder):
        table = table_of(folder, "PRR_MT10_allsignals")
        found = frequentist.proportional_reporting_ratio(cells_of(table))
        np.testing.assert_allclose(found.value, table["PRR"], rtol=1e-12)
        np.testing.assert_allclose(np.log(found.lower), table["LB95(log(PRR))"], atol=1e-12)

    def test_ror(self, folder):
        table = table_of(folder, "ROR_MT10_allsignals")
        found = frequentist.reporting_odds_ratio(cells_of(table))
        np.testing.assert_allclose(found.value, table["ROR"], rtol=1e-12)
        np.testing.assert_allclose(np.log(found.lower), table["LB95(log(ROR))"], atol=1e-12)


class TestFisher:
    def test_p_values(self, folder):
        table = table_of(folder, "RFET_MT10_FDR_allsignals")
        found, its = frequentist.fisher(cells_of(table)), table["p-value"].to_numpy()
        # It takes 1 - phyper, which loses all digits below 1e-16; above that the two agree to rounding.
        np.testing.assert_allclose(found, its, rtol=0, atol=1e-14)
        np.testing.assert_allclose(found[its > 1e-6], its[its > 1e-6], rtol=1e-9)

    @pytest.mark.parametrize(
        "file, signals", [("RFET_MT10_FDR_allsignals", 9_953), ("PRR_MT10_FDR_allsignals", 21_788)]
    )
    def test_false_discovery_rate(self, file, signals, folder):
        table = table_of(folder, file)
        p, its = table["p-value"].to_numpy(), table["FDR"].to_numpy()
        np.testing.assert_allclose(multiplicity.one_sided_fdr(p, monotone=False), its, atol=1e-7)
        assert int((its <= 0.05).sum()) == signals
        assert int((multiplicity.one_sided_fdr(p) <= 0.05).sum()) == signals


def test_catalogue_gives_the_same(counts, folder):
    """The catalogue's columns are those functions, in the order of the counts."""
    table = table_of(folder, "BCPNN_MT10_allsignals").sort("drug code", "event effect")
    mean, lower, upper, null = MEASURES["bcpnn"].compute(Scored(counts))
    np.testing.assert_allclose(lower, table["Q_0.025(log(IC))"], atol=1e-12)
    np.testing.assert_allclose(null, table["postH0"], atol=1e-12)
    assert (lower < mean).all()
    assert (mean < upper).all()


def scored_bcpnn_null(cells):
    from scipy.special import ndtr

    mean, variance = information.bcpnn_moments(cells)
    return ndtr(-mean / np.sqrt(variance))


def check_rates(table, null, ranking):
    """Its specificity and the numerator of its FNR count the pair itself among those not called; ours do not."""
    rates, n = multiplicity.bayesian_rates(null, ranking), len(null)
    np.testing.assert_allclose(rates.fdr, table["FDR"], atol=1e-9)
    np.testing.assert_allclose(rates.sensitivity, table["Se"], atol=1e-9)
    # Its GPS bounds have ties at its tolerance, and the order within ties differs by a line or two.
    np.testing.assert_allclose(rates.specificity[:-1], table["Sp"][1:], rtol=0, atol=5e-5)
    itself = (1.0 - null[:-1]) / (n - np.arange(1, n))
    np.testing.assert_allclose(rates.fnr[:-1], table["FNR"].to_numpy()[:-1] - itself, atol=5e-5)
