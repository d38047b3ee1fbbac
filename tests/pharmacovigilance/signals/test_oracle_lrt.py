"""pvLRT 0.5.1 on the statin tables, and MDDC 1.1.0 as a comparison of another method."""

import csv

import numpy as np
import polars as pl
import pytest

from cinchona.errors import ConfigError, InputError
from cinchona.pharmacovigilance.signals.counting.count import count_pairs
from cinchona.pharmacovigilance.signals.counting.pairs import counts_of_pairs
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.measures.likelihood_ratio import (
    LrtConfig,
    likelihood_ratio_test,
    structural_zeros,
)
from cinchona.pharmacovigilance.signals.rules.rule_sets import rule_set
from cinchona.pharmacovigilance.signals.scoring import score
from cinchona.pharmacovigilance.signals.simulation.reports import ReportSimulation, simulate_reports

OTHERS = {"Other", "Other_drugs"}


def matrix_of(path):
    table = pl.read_csv(path, null_values="NA")
    return table.rename({table.columns[0]: "event"})


def counts_of_matrix(table):
    return counts_of_pairs(table.unpivot(index="event", variable_name="drug", value_name="n"))


def like(counts, tested, path):
    """The matrix of a file, in the order of our events and tested drugs."""
    table = matrix_of(path)
    row = {name: k for k, name in enumerate(table["event"])}
    order = [row[name] for name in counts.event_labels.to_pylist()]
    return table.select([counts.drug_labels[int(t)].as_py() for t in tested]).to_numpy()[order]


def reported_drugs(counts):
    return np.array([k for k, name in enumerate(counts.drug_labels.to_pylist()) if name not in OTHERS])


@pytest.fixture(scope="module")
def folder(oracle_folder):
    return oracle_folder / "pvLRT"


@pytest.fixture(scope="module")
def statin46(folder):
    return counts_of_matrix(matrix_of(folder / "statin46.csv"))


def run(counts, draws=2000, seed=1, **settings):
    config = LrtConfig(null="poisson", family="table", draws=draws, **settings)
    return likelihood_ratio_test(counts, rng=np.random.default_rng(seed), drugs=reported_drugs(counts), config=config)


class TestPvlrt:
    @pytest.mark.parametrize("name", ["statin46", "statin1491"])
    def test_log_likelihood_ratios(self, name, folder):
        counts = counts_of_matrix(matrix_of(folder / f"{name}.csv"))
        found = run(counts, draws=1)
        its = like(counts, found.drugs, folder / f"{name}_poisson_logLR.csv")
        np.testing.assert_allclose(found.log_ratio, its, rtol=1e-12, atol=1e-9)

    @pytest.mark.parametrize("kind", ["poisson", "zip"])
    def test_p_values_within_monte_carlo_error(self, kind, statin46, folder):
        found = run(statin46, zero_inflated=kind == "zip")
        its = like(statin46, found.drugs, folder / f"statin46_{kind}_pvalue_nsim2000.csv")
        error = np.sqrt(2 * its * (1 - its) / 2000) + 1 / 2001
        assert np.abs((found.p_value - its) / error).max() < 5
        assert abs(int((found.p_value < 0.05).sum()) - 110) <= 2
        assert found.p_value.min() == pytest.approx(1 / 2001)

    def test_structural_zeros(self, statin46, folder):
        rows = csv.DictReader((folder / "statin46_zip_omega.csv").read_text(encoding="utf-8").splitlines())
        its = {row[""]: float(row["x"]) for row in rows}
        found = run(statin46, draws=1, zero_inflated=True)
        for drug, omega in zip(found.drugs, found.omega, strict=True):
            assert omega == pytest.approx(its[statin46.drug_labels[int(drug)].as_py()], abs=3e-5)

    def test_zero_inflated_ratios_are_the_same(self, statin46, folder):
        found = run(statin46, draws=1, zero_inflated=True)
        its = like(statin46, found.drugs, folder / "statin46_zip_logLR.csv")
        np.testing.assert_allclose(found.log_ratio, its, rtol=1e-12, atol=1e-9)


class TestNulls:
    def test_a_family_of_one_drug_keeps_its_level(self):
        rng = np.random.default_rng(5)
        margins = rng.integers(20, 400, 30).astype(float)
        share = margins / margins.sum()
        hits = 0
        for _ in range(150):
            table = pl.DataFrame(
                {"event": [f"e{k:02d}" for k in range(30)], "drug": ["A"] * 30, "n": rng.multinomial(300, share)}
            )
            rest = table.with_columns(drug=pl.lit("B"), n=pl.Series(rng.multinomial(100_000, share)))
            counts = counts_of_pairs(pl.concat([table, rest]))
            found = likelihood_ratio_test(
                counts, rng=rng, drugs=np.array([0]), config=LrtConfig(null="multinomial", draws=99)
            )
            hits += found.p_value.min() <= 0.05
        assert 1 <= hits <= 18  # 150 tables at level 0.05

    def test_reports_take_the_binomial_null(self):
        data = simulate_reports(ReportSimulation(reports=4_000, drugs=20, events=30, signals=5, strength=15.0), seed=2)
        counts = count_pairs(read_reports(data.drugs, data.reactions))
        found = likelihood_ratio_test(counts, rng=np.random.default_rng(1), config=LrtConfig(draws=199))
        drug = counts.drug_labels.to_pylist().index(data.truth["drug"][0])
        event = counts.event_labels.to_pylist().index(data.truth["event"][0])
        assert found.p_value[event, drug] == pytest.approx(1 / 200)
        assert (found.critical > 0).all()
        inflated = likelihood_ratio_test(
            counts, rng=np.random.default_rng(1), drugs=np.array([3]), config=LrtConfig(draws=49, zero_inflated=True)
        )
        assert inflated.p_value.shape == (30, 1)

    def test_null_must_fit_the_counts(self, statin46):
        with pytest.raises(ConfigError, match="binomial"):
            likelihood_ratio_test(statin46, rng=np.random.default_rng(1))

    def test_selections_and_giants_are_refused(self, statin46, monkeypatch):
        with pytest.raises(InputError, match="whole table"):
            likelihood_ratio_test(statin46.take(np.arange(3)), rng=np.random.default_rng(1))
        monkeypatch.setattr("cinchona.pharmacovigilance.signals.measures.likelihood_ratio.MAX_TABLE", 10)
        with pytest.raises(ConfigError, match="too large"):
            run(statin46)

    def test_structural_zeros_at_the_edges(self):
        assert structural_zeros(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0.0
        assert structural_zeros(np.zeros(5), np.full(5, 9.0)) > 0.99
        assert structural_zeros(np.zeros(2), np.zeros(2)) == 0.0


def test_mddc_flags_the_cells_that_rank_first_here(oracle_folder):
    """MDDC 1.1.0 (another method: residual outliers) on statin49: 28 cells by box plot, 120 by Monte Carlo."""
    folder = oracle_folder / "MDDC"
    counts = counts_of_matrix(matrix_of(folder / "statin49.csv"))
    tested = np.arange(len(counts.drug_labels))
    frame = score(counts, ["ror", "ic", "lrt"]).frame
    flagged = {}
    for name, size in (("boxplot_signal", 28), ("mc_mc_signal", 120)):
        marks = like(counts, tested, folder / f"statin49_{name}.csv")
        flagged[name] = {
            (counts.drug_labels[int(tested[j])].as_py(), counts.event_labels[int(i)].as_py())
            for i, j in zip(*np.nonzero(np.nan_to_num(marks.astype(float)) == 1), strict=True)
        }
        assert len(flagged[name]) == size
    ours = frame.filter(pl.Series(rule_set("ic025").mask(frame)))
    signals = set(zip(ours["drug"], ours["event"], strict=True))
    assert len(flagged["mc_mc_signal"] & signals) >= 0.9 * len(flagged["mc_mc_signal"])
    by_lrt = frame.sort("lrt", descending=True).head(28)
    first = set(zip(by_lrt["drug"], by_lrt["event"], strict=True))
    assert len(first & flagged["boxplot_signal"]) >= 10  # expected by chance: about 3
