"""The report on a drug in a real browser: drawn whole, no message, no request, names as they are."""

import pytest

from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.report.page import write_report
from cinchona.pharmacovigilance.signals.report.profile import profile
from cinchona.pharmacovigilance.signals.simulation.reports import ReportSimulation, simulate_reports
from cinchona.pharmacovigilance.signals.view import SignalSettings, SignalView

NAME = '<img src="http://127.0.0.1:9/x"> & "00"'


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    data = simulate_reports(ReportSimulation(reports=3_000, drugs=30, events=50, signals=8, strength=12.0), seed=6)
    drugs = data.drugs.with_columns(data.drugs["drug"].replace("drug 000", NAME))
    assert NAME in drugs["drug"]
    view = SignalView(read_reports(drugs, data.reactions, data.cases), SignalSettings(measures=("ror", "ic")))
    return write_report(profile(view, drug=NAME), tmp_path_factory.mktemp("page") / "page.html")


def test_the_page_is_whole_and_reaches_nothing(browser, page):
    browser.open(page.as_uri())
    assert browser.find("h1").text == NAME
    assert len(browser.all("figure svg")) == 6
    assert all(svg.size["width"] > 200 and svg.size["height"] > 80 for svg in browser.all("figure svg"))
    assert len(browser.all("#conventions tbody tr")) >= 6
    assert browser.messages() == []
    assert browser.requests() == []
    assert browser.all("h1 img") == []


def test_no_part_is_wider_than_the_window(browser, page):
    browser.open(page.as_uri())
    wide = browser.run(
        "return [...document.querySelectorAll('main > *, header > *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)"
    )
    assert wide == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
