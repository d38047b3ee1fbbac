"""Error rates, observed-to-expected analysis, drug interactions."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cinchona.errors import ColumnError, InputError
from cinchona.pharmacovigilance.signals.counting import triplets
from cinchona.pharmacovigilance.signals.counting.count import CountConfig
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.counting.triplets import TripletCounts, count_triplets
from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.measures import interaction, multiplicity
from cinchona.pharmacovigilance.signals.measures.observed_expected import (
    expected_from_doses,
    observed_expected_table,
    observed_to_expected,
    observed_to_expected_shrunk,
)

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


class TestErrorRates:
    @given(P_VALUES)
    def test_benjamini_hochberg_is_scipys(self, p):
        values = np.array(p)
        np.testing.assert_allclose(
            multiplicity.benjamini_hochberg(values), stats.false_discovery_control(values), atol=1e-12
        )
        np.testing.assert_allclose(
            multiplicity.benjamini_yekutieli(values), stats.false_discovery_control(values, method="by"), atol=1e-12
        )

    def test_missing_p_values_do_not_count(self):
        found = multiplicity.benjamini_hochberg(np.array([0.01, np.nan, 0.02]))
        np.testing.assert_allclose(found, [0.02, np.nan, 0.02])
        assert np.isnan(multiplicity.benjamini_yekutieli(np.array([np.nan]))).all()

    def test_null_share_of_a_known_mixture(self):
        rng = np.random.default_rng(3)
        p = np.concatenate([rng.random(14_000), rng.beta(0.05, 1.0, 6_000)])
        assert multiplicity.null_share(p) == pytest.approx(0.7, abs=0.06)
        assert multiplicity.null_share(rng.random(20_000)) == pytest.approx(1.0, abs=0.1)

    def test_one_sided_rates_estimate_the_truth(self):
        rng = np.random.default_rng(8)
        z = np.concatenate([rng.normal(0, 1, 9_000), rng.normal(3, 1, 1_000)])
        null = np.arange(10_000) < 9_000
        rate = multiplicity.one_sided_fdr(stats.norm.sf(z))
        called = rate <= 0.1
        assert null[called].mean() == pytest.approx(0.1, abs=0.03)
        order = np.argsort(-z)
        assert (np.diff(rate[order]) >= -1e-12).all()

    @given(st.lists(st.floats(0.001, 0.999), min_size=2, max_size=40))
    def test_bayesian_rates_fit_together(self, null):
        values = np.array(null)
        rates = multiplicity.bayesian_rates(values)
        order = np.argsort(values, kind="stable")
        assert (np.diff(rates.fdr[order]) >= -1e-12).all()
        assert (np.diff(rates.sensitivity[order]) >= -1e-12).all()
        last = order[-1]
        assert rates.fdr[last] == pytest.approx(values.mean())
        assert rates.sensitivity[last] == pytest.approx(1.0)
        assert rates.specificity[last] == pytest.approx(0.0, abs=1e-9)
        assert rates.fnr[last] == pytest.approx(0.0, abs=1e-12)
        np.testing.assert_array_equal(rates.local, values)

    def test_ranking_by_another_figure(self):
        rates = multiplicity.bayesian_rates(np.array([0.1, 0.5]), ranking=np.array([1.0, 2.0]))
        assert rates.fdr.tolist() == [0.3, 0.5]


class TestObservedExpected:
    def test_garwood_interval_of_textbook_counts(self):
        # Exact 95 % Poisson limits of 0, 5 and 10 cases: (0, 3.689), (1.623, 11.668), (4.795, 18.390).
        found = observed_to_expected(np.array([0, 5, 10]), np.array([1.0, 1.0, 1.0]))
        np.testing.assert_allclose(found.lower, [0, 1.6235, 4.7954], atol=5e-4)
        np.testing.assert_allclose(found.upper, [3.6889, 11.6683, 18.3904], atol=5e-4)

    @given(st.integers(0, 500), st.floats(0.01, 300))
    def test_p_value_is_the_poisson_tail(self, observed, expected):
        found = observed_to_expected(np.array([observed]), np.array([expected]))
        assert found.p_greater[0] == pytest.approx(stats.poisson.sf(observed - 1, expected), rel=1e-9, abs=1e-300)
        assert found.lower[0] <= found.ratio[0] <= found.upper[0]

    def test_coverage_is_at_least_what_it_says(self):
        seen = np.random.default_rng(1).poisson(4.0, 20_000)
        found = observed_to_expected(seen, np.full(20_000, 4.0))
        assert np.mean((found.lower <= 1) & (found.upper >= 1)) >= 0.95

    def test_uncertain_background_widens_the_interval(self):
        known = observed_to_expected(np.array([12]), np.array([4.0]))
        rough = observed_to_expected_shrunk(np.array([12]), np.array([8.0]), np.array([0.5]))
        assert rough.ratio == known.ratio
        assert rough.lower < known.lower
        assert rough.upper > known.upper
        limits = stats.binomtest(12, 20).proportion_ci(0.95, method="exact")
        assert rough.lower[0] == pytest.approx(limits.low / (1 - limits.low) / 0.5)
        assert rough.p_greater[0] == pytest.approx(stats.binom.sf(11, 20, 1 / 3))
        none = observed_to_expected_shrunk(np.array([0]), np.array([8.0]), np.array([0.5]))
        assert none.lower[0] == 0.0
        assert none.p_greater[0] == 1.0

    def test_doses_and_person_time(self):
        # A million doses with 42 days at risk are 114,990 person-years.
        assert expected_from_doses(1e6, 42, 10.0) == pytest.approx(11.499, abs=1e-3)
        doses = {"name": ["a"], "observed": [20], "doses": [1e6], "risk_days": [42], "rate_per_100k": [10.0]}
        years = {"name": ["a"], "observed": [20], "person_years": [1e6 * 42 / 365.25], "rate_per_100k": [10.0]}
        one, other = (
            observed_expected_table(pl.DataFrame(doses)),
            observed_expected_table(pl.DataFrame(years).to_arrow()),
        )
        assert one["ratio"].item() == pytest.approx(other["ratio"].item())

    def test_reporting_shares_are_a_sensitivity_analysis(self):
        frame = pl.DataFrame({"name": ["a"], "observed": [5], "person_years": [1e5], "rate_per_100k": [10.0]})
        found = observed_expected_table(frame, reporting_shares=(1.0, 0.5))
        assert found["expected"].to_list() == [10.0, 5.0]
        assert found["ratio"].to_list() == [0.5, 1.0]

    def test_what_cannot_be_computed(self):
        with pytest.raises(InputError, match="positive"):
            observed_to_expected(np.array([1]), np.array([0.0]))
        with pytest.raises(InputError, match="whole"):
            observed_to_expected(np.array([1.5]), np.array([1.0]))
        with pytest.raises(InputError, match="background"):
            observed_to_expected_shrunk(np.array([1]), np.array([0.0]), np.array([1.0]))
        with pytest.raises(ColumnError, match="doses"):
            observed_expected_table(pl.DataFrame({"name": ["a"], "observed": [1], "rate_per_100k": [1.0]}))


class TestInteraction:
    """Omega of Norén 2008 on a hand-made table."""

    DRUGS = pl.DataFrame({"case_id": [1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8], "drug": [*"ABABAB", *"AABCC"]})
    EVENTS = pl.DataFrame({"case_id": [1, 2, 3, 4, 5, 6, 7, 8], "event": ["X", "X", "Y", "X", "Y", "Y", "X", "Y"]})

    def counts(self, **options):
        return count_triplets(read_reports(self.DRUGS, self.EVENTS), **options)

    def test_cells(self):
        found = self.counts(events=["X"], min_reports=1)
        assert len(found) == 1
        cells = [int(getattr(found, name)[0]) for name in ("n111", "n11", "n101", "n10", "n011", "n01", "n001", "n00")]
        # Both in 1, 2, 3 (X in 1, 2); only A in 4, 5 (X in 4); only B in 6; neither in 7, 8 (X in 7).
        assert cells == [2, 3, 1, 2, 0, 1, 1, 2]

    def test_least_count_and_named_pairs(self):
        assert len(self.counts(min_reports=3)) == 0
        named = self.counts(pairs=[("B", "A"), ("C", "A")])
        assert len(named) == 4  # two pairs, two events, reported together or not
        assert named.n111.tolist() == [0, 2, 0, 1] or set(named.n111.tolist()) == {0, 1, 2}
        with pytest.raises(UnknownNameError):
            self.counts(events=["Q"])

    def test_roles(self):
        drugs = self.DRUGS.with_columns(role=pl.Series(["PS"] * 10 + ["C"]))
        found = count_triplets(read_reports(drugs, self.EVENTS), config=CountConfig(roles=("PS",)), min_reports=1)
        assert found.n00.sum() == 4

    def test_additive_risks_give_omega_near_zero(self):
        # Odds 0.01 without, 0.03 and 0.02 with one drug: additive odds 0.04 with both.
        found = triplet(n111=400, n11=10_400, n101=300, n10=10_300, n011=200, n01=10_200, n001=10_000, n00=1_010_000)
        assert interaction.expected_with_both(found)[0] == pytest.approx(400, rel=1e-9)
        assert interaction.omega(found).value[0] == pytest.approx(0.0, abs=1e-3)

    def test_excess_is_flagged_and_protection_is_not_borrowed(self):
        strong = triplet(n111=60, n11=1_000, n101=10, n10=1_000, n011=10, n01=1_000, n001=1_000, n00=100_000)
        found, normal = interaction.omega(strong), interaction.omega_normal(strong)
        assert found.lower[0] > 0
        assert normal.lower[0] == pytest.approx(found.value[0] - 1.959964 / (np.log(2) * np.sqrt(60)), abs=1e-6)
        # A drug with less risk than the background counts as the background.
        protective = triplet(n111=5, n11=500, n101=1, n10=1_000, n011=1, n01=1_000, n001=1_000, n00=100_000)
        assert interaction.expected_with_both(protective)[0] == pytest.approx(5, rel=1e-6)

    def test_drugs_that_are_never_reported_alone(self):
        always = triplet(n111=3, n11=10, n101=0, n10=0, n011=0, n01=0, n001=10, n00=1_000)
        assert interaction.expected_with_both(always)[0] == pytest.approx(0.1, rel=1e-6)
        nothing = triplet(n111=0, n11=10, n101=1, n10=1, n011=0, n01=5, n001=10, n00=1_000)
        assert np.isfinite(interaction.omega(nothing).value).all()
        assert np.isnan(interaction.omega_normal(nothing).lower).all()

    def test_table_is_ranked(self):
        table = interaction.interaction_table(self.counts(min_reports=1))
        assert table.columns[:5] == ["drug1", "drug2", "event", "n", "n_both"]
        assert table["omega025"].is_sorted(descending=True)
        assert (table["drug1"] < table["drug2"]).all()

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from("ABC")), min_size=2, max_size=25))
    def test_counts_agree_with_sets(self, rows):
        reacted = {case for case, _ in rows if case % 2}
        drugs = pl.DataFrame(rows, schema={"case_id": pl.Int64, "drug": pl.String}, orient="row")
        events = pl.DataFrame({"case_id": range(9), "event": ["X" if case in reacted else "Y" for case in range(9)]})
        if not reacted:
            return
        found = count_triplets(read_reports(drugs, events), events=["X"], min_reports=1)
        cases = {drug: {case for case, d in rows if d == drug} for drug in "ABC"}
        everyone = {case for case, _ in rows}
        for k in range(len(found)):
            one, two = ("ABC"[0], "ABC"[1]), None
            names = found.drug_labels.to_pylist()
            one, two = cases[names[int(found.drug1[k])]], cases[names[int(found.drug2[k])]]
            assert found.n111[k] == len(one & two & reacted)
            assert found.n10[k] == len(one - two)
            assert found.n011[k] == len((two - one) & reacted)
            assert found.n00[k] == len(everyone - one - two)


def test_compiled_and_interpreted_agree():
    cases, offsets, codes = np.array([0, 1]), np.array([0, 3, 5]), np.array([0, 1, 2, 1, 2])
    arguments = (cases, offsets, codes, 3)
    np.testing.assert_array_equal(triplets._enumerate_pairs(*arguments), triplets._enumerate_pairs.py_func(*arguments))
    starts, by_drug = np.array([0, 1, 3, 5]), np.array([0, 0, 1, 0, 1])
    arguments = (np.array([0, 1]), np.array([1, 2]), starts, by_drug, np.array([True, False]))
    np.testing.assert_array_equal(triplets._joint(*arguments), triplets._joint.py_func(*arguments))


def triplet(**cells):
    import pyarrow as pa

    arrays = {name: np.array([value]) for name, value in cells.items()}
    return TripletCounts(pa.array(["A", "B"]), pa.array(["X"]), np.array([0]), np.array([1]), np.array([0]), **arrays)
