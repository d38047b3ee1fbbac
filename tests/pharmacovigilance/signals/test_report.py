"""The report page: what it says, that it reaches nothing, that no name can break out of it."""

import re

import numpy as np
import polars as pl
import pytest

from cinchona.errors import UsageError
from cinchona.pharmacovigilance.signals import view as view_module
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.errors import PriorNotUsableError, UnknownNameError
from cinchona.pharmacovigilance.signals.gps.fit import fit_prior
from cinchona.pharmacovigilance.signals.preview import figure_text
from cinchona.pharmacovigilance.signals.report.page import render_report, write_report
from cinchona.pharmacovigilance.signals.report.profile import profile
from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet, rule_set
from cinchona.pharmacovigilance.signals.view import SignalSettings, SignalView

NASTY = '</title><script>alert("1")</script> & $x$'


@pytest.fixture(scope="module")
def nasty_view(simulated_reports):
    drugs = simulated_reports.drugs.with_columns(pl.col("drug").replace("drug 000", NASTY))
    reports = read_reports(drugs, simulated_reports.reactions, simulated_reports.cases)
    return SignalView(reports, SignalSettings(measures=("rrr", "ror", "ic")))


@pytest.fixture(scope="module")
def page(nasty_view):
    return render_report(profile(nasty_view, drug=NASTY), source="<i>data</i>")


class TestPage:
    def test_names_cannot_break_out(self, page):
        assert "<script" not in page.lower()
        assert "&lt;script&gt;" in page
        assert "&lt;i&gt;data" in page

    def test_it_reaches_nothing(self, page):
        assert "default-src 'none'" in page
        outside = re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', page)
        assert outside == []
        assert "@import" not in page
        assert "url(http" not in page

    def test_it_says_what_was_done(self, page, nasty_view):
        found = profile(nasty_view, drug=NASTY)
        assert f"{found.signals.height} of {found.table.frame.height} pairs" in page
        assert "reports with at least one drug in any role and one event" in page
        for row in found.signals.head(3).iter_rows(named=True):
            assert row["reason"].replace(">", "&gt;") in page
        assert page.count("<svg") == 6
        assert "doi:10.1002/pds.668" in page

    def test_pictures_have_their_own_ids(self, page):
        clips = re.findall(r'<clipPath id="([^"]+)"', page)
        assert len(clips) == len(set(clips))

    def test_file(self, nasty_view, tmp_path):
        path = write_report(profile(nasty_view, drug=NASTY), tmp_path / "page.html")
        assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


class TestProfile:
    def test_of_an_event(self, view):
        found = profile(view, event="event 000", rule=rule_set("evans"))
        assert found.kind == "event"
        assert found.other == "drug"
        assert set(found.table.frame["event"]) == {"event 000"}
        assert {"label", "n", "value", "lower", "upper"} == set(found.subgroups.columns)
        assert found.subgroups["label"][0] == "all reports"
        assert found.neighbours["drug"].n_unique() > 1
        assert "event 000" in render_report(found)

    def test_without_signals_the_most_reported_pair_leads(self, view):
        nothing = RuleSet(name="nothing", when="n > 1000000")
        found = profile(view, drug="drug 001", rule=nothing)
        most = found.table.frame.sort("n", "event", descending=[True, False])["event"][0]
        assert found.leading == most
        assert "No pair meets the rule" in render_report(found)

    def test_cases_without_facts(self, simulated_reports):
        reports = read_reports(simulated_reports.drugs, simulated_reports.reactions)
        found = profile(SignalView(reports, SignalSettings(measures=("ror",))), drug="drug 000")
        assert found.timeline is None
        assert found.subgroups.height == 1
        assert render_report(found).count("<svg") == 4

    def test_exactly_one_subject(self, view):
        with pytest.raises(UsageError, match="exactly one"):
            profile(view)
        with pytest.raises(UsageError, match="exactly one"):
            profile(view, drug="drug 000", event="event 000")
        with pytest.raises(UnknownNameError):
            profile(view, drug="nothing like it")

    def test_pages_of_one_view_count_and_fit_once(self, case_reports, monkeypatch, caplog):
        fits, tiny = [], SignalView(case_reports.select(np.arange(len(case_reports)) < 60), SignalSettings())
        monkeypatch.setattr(view_module, "fit_prior", lambda *a: fits.append(a) or fit_prior(*a))
        pages = [render_report(profile(tiny, drug=name)) for name in case_reports.drug_labels.to_pylist()[:2]]
        assert len(fits) == 1
        assert caplog.text.count("are left empty") == 1
        for page in pages:
            assert "the prior fit is not usable" in page
            assert "ebgm, eb05, eb95 are therefore left out" in page

    def test_a_rule_with_a_prior_stops_on_an_unusable_fit(self, case_reports):
        tiny = SignalView(case_reports.select(np.arange(len(case_reports)) < 60), SignalSettings())
        assert tiny.prior_is_missing
        drug = tiny.signals()["drug"][0]
        with pytest.raises(PriorNotUsableError):
            profile(tiny, drug=drug, rule=rule_set("fda"))
        assert render_report(profile(tiny, drug=drug))  # its own rule needs no prior


@pytest.mark.parametrize(
    "value, text",
    [(None, "–"), (float("nan"), "–"), (float("inf"), "∞"), (0.012345, "0.0123"), (12345.6, "12,346"), (7, "7"),
     (12345, "12,345"), (True, "True"), ("a", "a")],
)  # fmt: skip
def test_figures_for_people(value, text):
    assert figure_text(value) == text
