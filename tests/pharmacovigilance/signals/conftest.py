"""Simulated reports, and a stand-in for a store that holds them in the layout of the analysis view."""

from dataclasses import dataclass

import polars as pl
import pytest

from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.simulation.reports import ReportSimulation, simulate_reports
from cinchona.pharmacovigilance.signals.view import SignalSettings, SignalView


@dataclass(frozen=True)
class ViewFolder:
    """What the signal room reads of an analysis view."""

    folder: object

    def path(self, name):
        return self.folder / f"{name}.parquet"


@dataclass(frozen=True)
class StoreStandIn:
    """What the signal room asks of a store."""

    root: object
    content_id: str = "0123abcd"

    def analysis_view(self, *, duplicates=None, drug="ingredient", reaction="term"):
        return ViewFolder(self.root)

    def signals(self, drug=None, event=None, by=None, *, settings=None):
        return SignalView.of_store(self, settings).signals(drug, event, by)


def write_view(folder, data):
    """Write simulated reports as the five tables of an analysis view, ids in another order than the names."""
    names = {}
    for kind, frame, column in (("drug", data.drugs, "drug"), ("reaction", data.reactions, "event")):
        labels = frame[column].unique().sort(descending=True).to_list()
        names[kind] = pl.DataFrame(
            {f"{kind}_id": range(len(labels)), kind: labels}, schema_overrides={f"{kind}_id": pl.Int32}
        )
        names[kind].write_parquet(folder / f"{kind}_names.parquet")
    cases = data.cases.select(
        report_no=pl.col("case_id").cast(pl.Int32), report_key=pl.col("case_id") + 2**40, source=pl.lit("simulated"),
        quarter=pl.concat_str(pl.col("date").dt.year(), pl.lit("Q"), pl.col("date").dt.quarter()),
        received_date="date", event_date="date", age_years="age_years", sex=pl.col("sex").cast(pl.Categorical),
        country="country", reporter_occupation="reporter", serious=pl.lit(None, pl.Boolean),
    )  # fmt: skip
    cases.write_parquet(folder / "cases.parquet")
    drugs = data.drugs.join(names["drug"], on="drug").select(
        report_no=pl.col("case_id").cast(pl.Int32), drug_id="drug_id", role=pl.col("role").cast(pl.Categorical)
    )
    drugs.unique().sort("report_no", "drug_id").write_parquet(folder / "drugs.parquet")
    reactions = data.reactions.join(names["reaction"], left_on="event", right_on="reaction").select(
        report_no=pl.col("case_id").cast(pl.Int32), reaction_id="reaction_id"
    )
    reactions.unique().sort("report_no", "reaction_id").write_parquet(folder / "reactions.parquet")


@pytest.fixture(scope="session")
def simulated_reports():
    config = ReportSimulation(reports=6_000, drugs=40, events=70, quarters=6, signals=12, strength=12.0)
    return simulate_reports(config, seed=4)


@pytest.fixture(scope="session")
def case_reports(simulated_reports):
    return read_reports(simulated_reports.drugs, simulated_reports.reactions, simulated_reports.cases)


@pytest.fixture(scope="session")
def view(case_reports):
    return SignalView(case_reports, SignalSettings())


@pytest.fixture(scope="session")
def view_folder(simulated_reports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    write_view(folder, simulated_reports)
    return folder


@pytest.fixture
def store(view_folder):
    return StoreStandIn(view_folder)
