"""Closed forms, edges and published figures of the measures that need no prior."""

import csv
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.counting.pairs import Cells, counts_of_pairs
from cinchona.pharmacovigilance.signals.errors import SparseTableWarning, UnknownNameError
from cinchona.pharmacovigilance.signals.measures import frequentist, hypergeometric, information, kernels
from cinchona.pharmacovigilance.signals.measures.catalogue import CATALOGUE, COLUMNS, MEASURES, conventions, measure
from cinchona.pharmacovigilance.signals.scoring import score, score_table

COUNT = st.integers(1, 5_000)
PHARMSIGNAL = Cells.of(25, 75, 50, 10_000)


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def one(array):
    assert len(array) == 1
    return float(array[0])


class TestPvda:
    """The three figures that pvda 0.0.4 prints."""

    def test_prr(self):
        found = frequentist.proportional_reporting_ratio(Cells.of(10, 990, 200, 9800))
        assert one(found.value) == pytest.approx(0.5, rel=1e-12)
        assert one(found.lower) == pytest.approx(0.265826185756, rel=1e-11)
        assert one(found.upper) == pytest.approx(0.940464158145, rel=1e-11)

    def test_ror(self):
        found = frequentist.reporting_odds_ratio(Cells.of(10, 20, 200, 10_000))
        assert (one(found.value), one(found.lower), one(found.upper)) == pytest.approx(
            (25, 11.5534992561, 54.0961648197), rel=1e-11
        )

    def test_ic(self):
        found = information.ic(np.array([10]), np.array([5.0]))
        assert (one(found.value), one(found.lower), one(found.upper)) == pytest.approx(
            (0.932885804141, -0.0972566417708, 1.68945677701), rel=1e-11
        )


class TestPharmsignal:
    """tystan/pharmsignal on the table 25, 75, 50, 10000; each variant under its own name."""

    @pytest.mark.parametrize(
        "name, file, figure",
        [
            ("prr", "prr", frequentist.proportional_reporting_ratio),
            ("ror", "ror", frequentist.reporting_odds_ratio),
            ("bcpnn", "bcpnn_norm", information.bcpnn_normal),
            ("ic_approximate", "obsexp_shrink", lambda c: information.ic_approximate(c.a, c.expected)),
        ],
    )
    def test_variant(self, name, file, figure, oracle_folder):
        row = next(iter(rows_of(oracle_folder / "pharmsignal" / f"{file}.csv")))
        found = figure(PHARMSIGNAL)
        expected = [float(row[key]) for key in ("est", "ci_lo", "ci_hi")]
        assert [one(found.value), one(found.lower), one(found.upper)] == pytest.approx(expected, rel=1e-12)
        assert name in MEASURES

    def test_monte_carlo_variant_within_its_error(self, oracle_folder):
        row = next(iter(rows_of(oracle_folder / "pharmsignal" / "bcpnn_mcmc_seed1.csv")))
        found = information.bcpnn_monte_carlo(PHARMSIGNAL, rng=np.random.default_rng(7))
        assert one(found.value) == pytest.approx(float(row["est"]), rel=1e-10)
        assert one(found.lower) == pytest.approx(float(row["ci_lo"]), abs=0.01)
        assert one(found.upper) == pytest.approx(float(row["ci_hi"]), abs=0.01)

    def test_noren_2006_worked_example(self):
        # Norén 2006: n11 25, n1. 1126, n.1 87, n 572573: IC 5.248 (4.649 to 5.731).
        cells = Cells.of(25, 1126 - 25, 87 - 25, 572_573 - 1126 - 87 + 25)
        found = information.bcpnn_monte_carlo(cells, rng=np.random.default_rng(3))
        assert one(found.value) == pytest.approx(5.248, abs=5e-4)
        assert one(found.lower) == pytest.approx(4.649, abs=0.01)
        assert one(found.upper) == pytest.approx(5.731, abs=0.01)


def test_ic_gamma_grid(oracle_folder):
    """vigicaen 1.0.0, ic_tail, on a grid of observed and expected counts."""
    rows = rows_of(oracle_folder / "IC_gamma_grid.csv")
    column = {k: np.array([float(r[k]) for r in rows]) for k in ("n_obs", "n_exp", "ic", "ic025", "ic975")}
    found = information.ic(column["n_obs"], column["n_exp"])
    for figure, name in ((found.value, "ic"), (found.lower, "ic025"), (found.upper, "ic975")):
        np.testing.assert_allclose(figure, column[name], rtol=1e-12, atol=1e-13)


class TestClosedForms:
    @given(COUNT, COUNT, COUNT, COUNT)
    def test_ratios(self, a, b, c, d):
        cells = Cells.of(a, b, c, d)
        total = a + b + c + d
        assert one(frequentist.relative_reporting_ratio(cells)) == pytest.approx(a * total / ((a + b) * (a + c)))
        prr = frequentist.proportional_reporting_ratio(cells)
        assert one(prr.value) == pytest.approx((a / (a + b)) / (c / (c + d)))
        width = math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
        assert math.log(one(prr.upper) / one(prr.value)) == pytest.approx(1.959963984540054 * width, abs=1e-9)
        ror = frequentist.reporting_odds_ratio(cells)
        assert one(ror.value) == pytest.approx(a * d / (b * c))
        assert math.log(one(ror.value) / one(ror.lower)) == pytest.approx(
            1.959963984540054 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d), abs=1e-9
        )

    @given(COUNT, COUNT, COUNT, COUNT)
    def test_chi_squared_is_scipys(self, a, b, c, d):
        cells, table = Cells.of(a, b, c, d), [[a, b], [c, d]]
        plain = stats.chi2_contingency(table, correction=False).statistic
        assert one(frequentist.chi_squared(cells)) == pytest.approx(plain, rel=1e-8, abs=1e-9)
        # scipy, like R, never corrects beyond the difference itself; neither do we.
        yates = stats.chi2_contingency(table, correction=True).statistic
        assert one(frequentist.chi_squared(cells, yates=True)) == pytest.approx(yates, rel=1e-8, abs=1e-9)

    @given(st.integers(0, 400), st.floats(1e-3, 500))
    def test_ic_is_its_formula_and_lies_in_its_interval(self, n, expected):
        found = information.ic(np.array([n]), np.array([expected]))
        assert one(found.value) == pytest.approx(math.log2((n + 0.5) / (expected + 0.5)), abs=1e-12)
        assert one(found.lower) < one(found.value) < one(found.upper)
        quantile = stats.gamma.ppf(0.025, n + 0.5, scale=1 / (expected + 0.5))
        assert one(found.lower) == pytest.approx(math.log2(quantile), abs=1e-8)

    @given(st.floats(1e-3, 50), st.integers(0, 5))
    def test_ic_pulls_small_cells_to_zero(self, expected, n):
        found = one(information.ic(np.array([n]), np.array([expected])).value)
        if n:
            assert abs(found) <= abs(math.log2(n / expected)) + 1e-12
        assert found <= math.log2(2 * n + 1) + 1e-12

    @given(COUNT, COUNT, COUNT, COUNT)
    def test_exchanging_drug_and_event_changes_no_symmetric_measure(self, a, b, c, d):
        one_way, other_way = Cells.of(a, b, c, d), Cells.of(a, c, b, d)
        for figure in (
            frequentist.relative_reporting_ratio, frequentist.chi_squared, lambda x: information.bcpnn_normal(x).lower,
            lambda x: frequentist.reporting_odds_ratio(x).lower, frequentist.fisher,
        ):  # fmt: skip
            assert one(figure(one_way)) == pytest.approx(one(figure(other_way)), rel=1e-9)

    def test_bcpnn_bate_pulls_to_zero_with_one_report(self):
        found = information.bcpnn_bate(Cells.of(0, 10, 10, 1000))
        assert one(found.lower) < one(found.value) < 0 < one(found.upper)

    def test_approximate_bounds_are_near_the_exact_ones(self):
        n, expected = np.array([3, 10, 100]), np.array([1.0, 2.0, 90.0])
        exact, near = information.ic(n, expected), information.ic_approximate(n, expected)
        np.testing.assert_allclose(near.lower, exact.lower, atol=0.12)
        np.testing.assert_allclose(near.upper, exact.upper, atol=0.05)


class TestEdges:
    def test_zero_cells(self):
        cells = Cells.of([5, 0, 0], [5, 5, 0], [0, 5, 0], [90, 90, 0])
        prr = frequentist.proportional_reporting_ratio(cells)
        assert prr.value[0] == math.inf
        assert prr.value[1] == 0.0
        assert math.isnan(prr.value[2])
        assert np.isnan(prr.lower).all()
        ror = frequentist.reporting_odds_ratio(cells)
        assert ror.value[:2].tolist() == [math.inf, 0.0]
        assert np.isnan(ror.upper).all()
        assert math.isnan(frequentist.chi_squared(cells)[2])
        haldane = frequentist.reporting_odds_ratio(cells, correction=0.5)
        assert np.isfinite(haldane.value).all()
        assert (haldane.lower < haldane.value).all()

    def test_sparse_tables_warn_with_their_cells(self):
        with pytest.warns(SparseTableWarning, match=r"X x Y: a=3, b=7, c=5, d=100 has an expected cell of 0\.7 < 5"):
            score_table((3, 7, 5, 100), drug="X", event="Y")

    def test_large_tables_do_not_warn(self):
        frame = score_table((250, 750, 500, 9_000))
        assert frame["sparse"].to_list() == [False]
        assert frame.width > 20

    def test_large_counts_keep_their_precision(self):
        # Cells of the size of a national database; exact figures by rational arithmetic.
        from fractions import Fraction

        a, b, c, d = 120_000, 4_880_000, 900_000, 19_000_000
        exact = Fraction((a * d - b * c) ** 2 * (a + b + c + d), (a + b) * (c + d) * (a + c) * (b + d))
        assert one(frequentist.chi_squared(Cells.of(a, b, c, d))) == pytest.approx(float(exact), rel=1e-12)

    def test_mantel_haenszel_in_one_stratum_is_the_plain_ratio(self):
        value, lower, upper = frequentist.mantel_haenszel_ror(Cells.of(10, 20, 200, 10_000))
        assert value == pytest.approx(25)
        assert lower < 25 < upper

    def test_mantel_haenszel_agrees_with_statsmodels(self):
        from statsmodels.stats.contingency_tables import StratifiedTable

        cells = Cells.of([10, 4, 0], [90, 50, 0], [30, 20, 0], [870, 400, 0])
        tables = [np.array([[cells.a[k], cells.b[k]], [cells.c[k], cells.d[k]]]) for k in (0, 1)]
        known = StratifiedTable(tables)
        value, lower, upper = frequentist.mantel_haenszel_ror(cells)
        assert value == pytest.approx(known.oddsratio_pooled)
        assert (lower, upper) == pytest.approx(known.oddsratio_pooled_confint())

    def test_mantel_haenszel_of_nothing(self):
        assert math.isnan(frequentist.mantel_haenszel_ror(Cells.of([0, 0], [5, 5], [0, 0], [9, 9]))[0])
        assert frequentist.mantel_haenszel_ror(Cells.of(3, 0, 1, 9))[0] == math.inf
        assert frequentist.mantel_haenszel_ror(Cells.of(0, 3, 1, 9))[0] == 0.0


class TestFisher:
    @settings(max_examples=60)
    @given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(1, 2_000))
    def test_agrees_with_scipy(self, a, b, c, d):
        cells, table = Cells.of(a, b, c, d), [[a, b], [c, d]]
        assert one(frequentist.fisher(cells)) == pytest.approx(stats.fisher_exact(table, "greater").pvalue, rel=1e-9)
        if a + b and a + c:  # scipy gives nan p-values for empty margins
            two_sided = stats.fisher_exact(table).pvalue
            assert one(frequentist.fisher(cells, alternative="two_sided")) == pytest.approx(two_sided, rel=1e-7)

    def test_tails_far_below_what_a_float_holds(self):
        log10_p, _, _ = hypergeometric.fisher_tails(*(np.array([x]) for x in (900.0, 100.0, 100.0, 1e6)))
        exact = stats.hypergeom.logsf(899, 1_001_100, 1000, 1000) / math.log(10)
        assert one(log10_p) == pytest.approx(exact, rel=1e-9)
        assert one(log10_p) < -2000

    def test_mid_p_takes_half_of_the_point(self):
        cells = Cells.of(6, 24, 30, 940)
        point = stats.hypergeom.pmf(6, 1000, 30, 36)
        whole = one(frequentist.fisher(cells))
        assert one(frequentist.fisher(cells, alternative="greater_mid_p")) == pytest.approx(whole - point / 2)

    def test_degenerate_tables_are_certain(self):
        for cells in ((3, 0, 0, 0), (0, 0, 0, 5), (0, 0, 3, 4), (0, 5, 0, 4)):
            assert one(frequentist.fisher(Cells.of(*cells), alternative="two_sided")) == pytest.approx(1.0)


class TestCatalogue:
    def test_every_record_is_complete_and_its_columns_unique(self):
        names = [column for m in CATALOGUE for column in m.columns]
        assert len(names) == len(set(names)) == len(COLUMNS)
        for m in CATALOGUE:
            assert all((m.title, m.formula, m.value_range, m.convention, m.citation, m.columns)), m.name
            assert m.doi.startswith("10."), m.name

    def test_every_measure_gives_finite_figures_in_its_range(self):
        frame = pl.DataFrame({"drug": list("AABBC"), "event": list("XYXYZ"), "n": [12, 30, 25, 60, 9]})
        counts = counts_of_pairs(frame)
        table = score(counts, [name for name, m in MEASURES.items() if not m.needs_prior])
        for name, m in MEASURES.items():
            for column in () if m.needs_prior else m.columns:
                values = table.frame[column].to_numpy()
                finite = values[np.isfinite(values)]
                low = 0.0 if m.value_range.startswith(("[0", "(0")) else -np.inf
                high = 1.0 if m.value_range == "[0, 1]" and "log10" not in column else np.inf
                assert ((finite >= low) & (finite <= high)).all(), (name, column)

    def test_null_values_are_what_independence_gives(self):
        with_no_association = Cells.of(1_000, 9_000, 10_000, 90_000)
        for name in ("rrr", "prr", "ror", "chi2", "ic", "lrt"):
            frame = score_table((1_000, 9_000, 10_000, 90_000), measures=[name])
            assert frame[MEASURES[name].columns[0]].item() == pytest.approx(MEASURES[name].null_value, abs=1e-9)
        assert one(information.bcpnn_normal(with_no_association).value) == pytest.approx(0.0, abs=2e-3)

    def test_conventions_are_a_table(self):
        table = conventions(["prr", "ror025"])
        assert table["name"].to_list() == ["prr", "ror"]
        assert conventions().height == len(CATALOGUE)

    def test_unknown_measures_offer_the_nearest(self):
        with pytest.raises(UnknownNameError, match="did you mean"):
            measure("chi_squared")
        assert measure("eb05") is MEASURES["gps"]

    def test_a_score_needs_a_measure(self):
        counts = counts_of_pairs(pl.DataFrame({"drug": ["A", "B"], "event": ["X", "X"], "n": [1, 2]}))
        with pytest.raises(ConfigError, match="no measure"):
            score(counts, [])


# Loops that numba compiles, called as plain Python too: what is compiled is what is written.
A, B = np.array([3.0, 0.0, 40.0]), np.array([7.0, 10.0, 2.0])
C, D = np.array([5.0, 5.0, 1.0]), np.array([100.0, 100.0, 60.0])
TABLE = np.log2(np.arange(1, 50) / 2.0)


@pytest.mark.parametrize(
    "loop, arguments",
    [
        (kernels.prr, (A, B, C, D, 1.96)),
        (kernels.ror, (A, B, C, D, 1.96)),
        (kernels.chi_squared, (A, B, C, D, 0.5)),
        (kernels.information_component, (A.astype(int), B, (TABLE, TABLE - 1.0, TABLE + 1.0))),
        (kernels.poisson_log_ratio, (A, B)),
        (hypergeometric.fisher_tails, (A, B, C, D)),
        (hypergeometric.fisher_two_sided, (A, B, C, D)),
    ],
)
def test_compiled_and_interpreted_agree(loop, arguments):
    for compiled, plain in zip(np.atleast_2d(loop(*arguments)), np.atleast_2d(loop.py_func(*arguments)), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize(
    "loop, arguments",
    [
        (hypergeometric._far_tail, (-6.0, (0.0, 8.0, 1.0), 30.0, 20.0, 80.0)),
        (hypergeometric._far_tail, (-6.0, (20.0, 9.0, -1.0), 30.0, 20.0, 80.0)),
        (hypergeometric._far_tail, (-60.0, (0.0, 8.0, 1.0), 30.0, 20.0, 80.0)),
        (hypergeometric._upper_ratio, (3.0, 10.0, 8.0, 115.0)),
        (hypergeometric._lower_ratio, (3.0, 10.0, 8.0, 115.0)),
        (hypergeometric._log_point, (3.0, 10.0, 8.0, 115.0)),
        (hypergeometric._log_point, (3.0, 3.0, 3.0, 3.0)),
        (hypergeometric._log_binomial, (0.0, 10.0, 0.3)),
        (hypergeometric._log_binomial, (10.0, 10.0, 0.3)),
        (hypergeometric._log_binomial, (4.0, 10.0, 0.3)),
        (hypergeometric._stirling, (5.0,)),
        (hypergeometric._stirling, (500.0,)),
        (hypergeometric._deviance, (5.0, 5.1)),
        (hypergeometric._deviance, (5.0, 50.0)),
        (kernels._ratio, (1.0, 0.0)),
        (kernels._ratio, (1.0, 2.0)),
    ],
)
def test_parts_of_the_loops_agree(loop, arguments):
    assert loop(*arguments) == pytest.approx(loop.py_func(*arguments), rel=1e-12)
