"""``open(store).signals(...)``, settings, what is kept, and what an unusable prior does."""

import logging

import numpy as np
import polars as pl
import pytest

import cinchona.pharmacovigilance.signals as room
from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.counting.comparators import count_within_class
from cinchona.pharmacovigilance.signals.counting.count import count_pairs
from cinchona.pharmacovigilance.signals.errors import PriorNotUsableError, UnknownNameError
from cinchona.pharmacovigilance.signals.export import formula_safe, write_frame
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus
from cinchona.pharmacovigilance.signals.store_source import reports_of_view
from cinchona.pharmacovigilance.signals.view import KEPT_VIEWS, SignalSettings, SignalView
from cinchona.settings import load_settings

PLAIN = SignalSettings(measures=("ror", "ic"))


class TestStore:
    def test_the_store_counts_like_the_frames(self, store, case_reports):
        found = SignalView.of_store(store, PLAIN).counts
        assert found.frame().equals(count_pairs(case_reports).frame())

    def test_facts_and_roles_come_along(self, store, case_reports):
        reports = reports_of_view(store.analysis_view())
        assert reports.roles == ("C", "PS", "SS")
        assert {"sex", "age_years", "quarter", "country", "reporter_occupation"} <= set(reports.facts)
        assert reports.case_ids[0].as_py() == 2**40
        for by in ("sex", "age", "quarter", "country", "reporter", "year"):
            assert len(room.stratify(reports, by).labels) >= 2
        with_roles = count_pairs(reports, room.CountConfig(roles=("PS",))).frame()
        assert with_roles.equals(count_pairs(case_reports, room.CountConfig(roles=("PS",))).frame())

    def test_names_select_rows(self, store):
        frame = store.signals(drug="drug 000", settings=PLAIN)
        assert set(frame["drug"]) == {"drug 000"}
        assert set(store.signals(event=["event 000", "event 001"], settings=PLAIN)["event"]) == {
            "event 000",
            "event 001",
        }

    def test_named_pairs_have_a_row_even_when_never_reported(self, store, case_reports):
        reported = set(count_pairs(case_reports).frame().select("drug", "event").iter_rows())
        names = [(d, e) for d in case_reports.drug_labels.to_pylist() for e in case_reports.event_labels.to_pylist()]
        drug, event = next(pair for pair in names if pair not in reported)
        frame = store.signals(drug=drug, event=event, settings=PLAIN)
        assert frame["n"].to_list() == [0]
        assert frame["ic"].item() < 0

    def test_strata_have_their_own_universe(self, store):
        frame = store.signals(drug="drug 000", event="event 000", by=("sex", "year"), settings=PLAIN)
        assert frame.columns[0] == "sex_year"
        whole = store.signals(drug="drug 000", event="event 000", settings=PLAIN)
        assert frame["n"].sum() == whole["n"].item()
        assert frame["n_total"].sum() == whole["n_total"].item()

    def test_unknown_names_are_loud(self, store):
        with pytest.raises(UnknownNameError, match="did you mean 'drug 000'"):
            store.signals(drug="drug_000", settings=PLAIN)

    def test_an_opened_store_keeps_its_last_views(self, store):
        first = SignalView.of_store(store, PLAIN)
        assert SignalView.of_store(store, PLAIN) is first
        others = [SignalView.of_store(store, SignalSettings(min_reports=k)) for k in range(2, 3 + KEPT_VIEWS)]
        assert all(other.reports is others[0].reports for other in others)
        assert SignalView.of_store(store, PLAIN) is not first

    def test_few_reports_count_for_margins_but_are_not_listed(self, store):
        settings = SignalSettings(measures=("rrr",), min_reports=3)
        frame = store.signals(settings=settings)
        assert frame["n"].min() == 3
        everything = store.signals(settings=SignalSettings(measures=("rrr",)))
        joined = frame.join(everything, on=["drug", "event"])
        assert (joined["n_event"] == joined["n_event_right"]).all()

    def test_drugs_of_a_class_are_compared_with_each_other(self, store, case_reports):
        members = ("drug 000", "drug 001", "drug 002")
        view = SignalView.of_store(store, SignalSettings(measures=("ror",), compare_within=members))
        inside = count_within_class(case_reports, members, name="three")
        frame = view.signals()
        assert frame["n"].to_list() == inside.n.tolist()
        assert frame["n_total"][0] == inside.total < len(case_reports)
        assert "with another of the 3 drugs drug 000" in view.counts.definition.comparator
        by_sex = view.signals("drug 000", "event 000", by="sex")
        assert by_sex["n_total"].sum() == inside.total
        adjusted = SignalView(case_reports, SignalSettings(measures=("ror",), compare_within=members, strata=("sex",)))
        assert adjusted.signals()["expected"].sum() == pytest.approx(frame["expected"].sum(), rel=0.2)
        assert view.over_time("drug 000", "event 000")["n_total"].sum() == inside.total

    def test_stratified_expected_counts(self, store):
        crude = store.signals(drug="drug 000", settings=PLAIN)
        by_age = store.signals(drug="drug 000", settings=SignalSettings(measures=("ror", "ic"), strata=("age", "sex")))
        assert (crude["n"] == by_age["n"]).all()
        assert not (crude["expected"] == by_age["expected"]).all()
        np.testing.assert_allclose(by_age["expected"], crude["expected"], rtol=0.5)


class TestPrior:
    @pytest.fixture
    def tiny(self, case_reports):
        return case_reports.select(np.arange(len(case_reports)) < 60)

    def test_an_unusable_fit_leaves_its_columns_empty_and_says_so_once(self, tiny, caplog):
        view = SignalView(tiny, SignalSettings())
        with caplog.at_level(logging.WARNING, logger="cinchona"):
            frame = view.signals()
            view.signals(by="sex")
        assert frame["eb05"].null_count() == frame.height
        assert caplog.text.count("are left empty, since the prior fit is not usable") == 1
        assert view.table().about()["prior_status"] != "converged"

    def test_it_can_be_made_to_stop_or_accepted(self, tiny):
        with pytest.raises(PriorNotUsableError):
            SignalView(tiny, SignalSettings(unusable_prior="raise")).signals()
        accepted = SignalView(tiny, SignalSettings(accept=tuple(FitStatus))).signals()
        assert accepted["eb05"].null_count() == 0

    def test_only_prior_measures(self, tiny):
        frame = SignalView(tiny, SignalSettings(measures=("gps",))).signals()
        assert frame["ebgm"].null_count() == frame.height

    def test_a_usable_fit_is_used(self, view):
        frame = view.signals("drug 000")
        assert (frame["eb05"] < frame["ebgm"]).all()
        assert (frame["ebgm"] < frame["eb95"]).all()
        by_sex = view.signals("drug 000", by="sex")
        assert by_sex["ebgm"].null_count() == 0


class TestSettings:
    def test_they_are_read_like_all_settings(self):
        found = load_settings(SignalSettings, overrides=["count.roles=[PS, SS]", "strata=[age]", "accept=[boundary]"])
        assert found.count.roles == ("PS", "SS")
        assert found.accept == (FitStatus.BOUNDARY,)
        with pytest.raises(ConfigError, match="measure"):
            load_settings(SignalSettings, overrides=["measure=[ror]"])


class TestExport:
    FRAME = pl.DataFrame(
        {
            "drug": ["=SUM(A1)", "+1", "-x", "@y", "\t=z", "plain", "a=b"],
            "figure": [1.0, np.nan, np.inf, 0.5, 2.0, 3.0, 4.0],
        }
    )

    def test_csv_runs_no_formula(self, tmp_path):
        lines = write_frame(self.FRAME, tmp_path / "t.csv").read_text().splitlines()
        assert [line.split(",")[0].strip('"') for line in lines[1:]] == [
            "'=SUM(A1)", "'+1", "'-x", "'@y", "'\t=z", "plain", "a=b",
        ]  # fmt: skip
        assert lines[2].endswith(",")
        assert lines[3].endswith(",inf")

    def test_parquet_keeps_everything(self, tmp_path):
        assert pl.read_parquet(write_frame(self.FRAME, tmp_path / "t.parquet")).equals(self.FRAME, null_equal=True)

    def test_other_suffixes(self, tmp_path):
        with pytest.raises(Exception, match=r"\.parquet or \.csv"):
            write_frame(self.FRAME, tmp_path / "t.xlsx")

    def test_categories_are_guarded_too(self):
        frame = pl.DataFrame({"drug": pl.Series(["=1"], dtype=pl.Categorical)})
        assert formula_safe(frame)["drug"].to_list() == ["'=1"]


class TestPublicNames:
    def test_they_are_sorted_documented_and_real(self):
        assert room.__all__ == sorted(room.__all__, key=str.casefold)
        assert set(room.__all__) == set(room._LAZY)
        for name in room.__all__:
            assert name == "MEASURES" or getattr(room, name).__doc__, name
        assert "score" in dir(room)

    def test_unknown_names(self):
        with pytest.raises(AttributeError, match="no attribute"):
            room.nothing  # noqa: B018

    def test_importing_the_room_is_cheap(self):
        import subprocess
        import sys

        code = "import sys, cinchona.pharmacovigilance.signals as r; print(sorted({'numba','scipy','polars'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
