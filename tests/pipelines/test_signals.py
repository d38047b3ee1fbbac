"""The signal workflow: files, manifest, what reaches the tracker, what an unusable prior does."""

import json
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest

import cinchona.pharmacovigilance as room
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.evaluation.harness import EvaluationConfig
from cinchona.pharmacovigilance.signals.evaluation.reference import ReferenceColumns
from cinchona.pharmacovigilance.signals.simulation.reports import ReportSimulation, simulate_reports
from cinchona.pharmacovigilance.signals.view import SignalSettings, SignalView
from cinchona.pipelines.signals import SignalRunSettings, file_name, run_signals
from cinchona.tracking import NullRun


class Recorder(NullRun):
    """A tracker and its one run, which keep what they are told."""

    def __init__(self):
        self.params, self.metrics, self.tables, self.artifacts, self.tags, self.datasets = {}, {}, {}, [], {}, {}

    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        self.name, self.kind = name, kind
        yield self

    def describe(self):
        return "kept in memory"

    def log_params(self, params):
        self.params |= params

    def log_metrics(self, metrics, *, step=None):
        self.metrics |= metrics

    def log_table(self, name, table):
        self.tables[name] = table

    def log_artifact(self, path, *, folder=""):
        self.artifacts.append((folder, path.name))

    def set_tags(self, tags):
        self.tags |= tags

    def log_dataset(self, name, *, digest, source, context):
        self.datasets[name] = (digest, context)


class Store:
    content_id = "abc"


@pytest.fixture(scope="module")
def data():
    return simulate_reports(
        ReportSimulation(reports=4_000, drugs=30, events=50, quarters=4, signals=10, strength=12.0), seed=3
    )


@pytest.fixture
def opened(data, monkeypatch):
    """A store that holds the simulated reports, or the first few of them."""

    def take(n_cases=None):
        reports = read_reports(data.drugs, data.reactions, data.cases)
        chosen = reports if n_cases is None else reports.select(np.arange(len(reports)) < n_cases)
        monkeypatch.setattr(room, "open", lambda _: Store(), raising=False)
        monkeypatch.setattr(
            SignalView, "of_store", classmethod(lambda cls, _, s=None: cls(chosen, s or SignalSettings()))
        )

    return take


def test_files_manifest_and_record(opened, data, tmp_path):
    opened()
    reference = tmp_path / "set.csv"
    data.truth.write_csv(reference)
    settings = SignalRunSettings(
        rules=("ema_ror", "fda"), report_drugs=("drug 000",),
        report_events=(data.reactions["event"][0],), reference=reference,
        reference_columns=ReferenceColumns(drug="drug", event="event", label="label"),
        evaluation=EvaluationConfig(resamples=10, at=(10,)),
    )  # fmt: skip
    recorder = Recorder()
    result = run_signals("reports", out=tmp_path / "out", settings=settings, seed=5, tracker=recorder)
    assert result.pairs == pl.read_parquet(tmp_path / "out" / "signals.parquet").height
    assert set(result.signals) == {"ema_ror", "fda"}
    assert result.signals["ema_ror"] == pl.read_csv(tmp_path / "out" / "ranked" / "ema_ror.csv").height
    assert len(list((tmp_path / "out" / "reports").iterdir())) == 2
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["kind"] == "signals"
    assert manifest["seed"] == 5
    assert "ranked/fda.parquet" in manifest["outputs"]
    assert json.loads((tmp_path / "out" / "about.json").read_text())["prior_status"] == "converged"
    assert recorder.kind == "signals"
    assert recorder.params["signals.prior"] == "all_cells"
    assert recorder.datasets["reports"] == ("abc", "reports")
    assert recorder.metrics["pairs"] == result.pairs
    assert recorder.metrics["prior_alpha1"] > 0
    assert "auc_within_event.ic025" in recorder.metrics
    assert {"signals_ema_ror", "signals_fda", "evaluation"} <= set(recorder.tables)
    assert ("ranked", "fda.csv") in recorder.artifacts


def test_rules_that_need_an_unusable_prior_are_not_applied_and_say_so(opened, tmp_path):
    opened(60)
    recorder = Recorder()
    result = run_signals("reports", out=tmp_path, settings=SignalRunSettings(rules=("ic025", "fda")), tracker=recorder)
    assert set(result.signals) == {"ic025"}
    assert "prior fit is" in result.skipped["fda"]
    assert recorder.tags["rule_fda"].startswith("not applied")
    assert recorder.tags["prior_status"] != "converged"
    assert not (tmp_path / "ranked" / "fda.csv").exists()


def test_own_rules_are_applied_beside_the_others(opened, tmp_path):
    opened()
    (tmp_path / "own.yaml").write_text("- name: own\n  when: n >= 10\n")
    settings = SignalRunSettings(signals=SignalSettings(measures=("ror",)), rules=(), rule_file=tmp_path / "own.yaml")
    result = run_signals("reports", out=tmp_path / "out", settings=settings)
    assert set(result.signals) == {"own"}
    assert result.prior == {}


@pytest.mark.parametrize(
    "text, name", [("ASPIRIN (81 mg)/x", "aspirin-81-mg-x"), ("../..", "unnamed"), ("é" * 80, "unnamed")]
)
def test_file_names_are_safe(text, name):
    assert file_name(text) == name
