"""``cinchona signals count|score|rank|report|evaluate``."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from cinchona import pharmacovigilance
from cinchona.errors import CinchonaError, UsageError
from cinchona.pharmacovigilance.signals import cli
from cinchona.pharmacovigilance.signals.errors import PooledAucRefusedError, UnknownNameError


@pytest.fixture
def signals(store, monkeypatch):
    monkeypatch.setattr(pharmacovigilance, "open", lambda *_, **__: store, raising=False)

    def run(*arguments):
        done = CliRunner().invoke(cli.app, list(arguments))
        if isinstance(done.exception, CinchonaError):
            raise done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == 0, done.output
        return done

    return run


def test_count(signals):
    done = signals("count", "STORE", "--drug", "drug 000", "--by", "sex", "--json", "--quiet")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(rows[0]) == {"sex", "drug", "event", "n", "n_drug", "n_event", "n_total", "expected"}
    assert {row["drug"] for row in rows} == {"drug 000"}


def test_score_shows_a_table_and_writes_files(signals, tmp_path):
    done = signals("score", "STORE", "--drug", "drug 000", "--set", "measures=[ror,ic]", "--rows", "3")
    assert "ror025" in done.stdout
    assert "3 of" in done.stderr
    done = signals("score", "STORE", "--out", str(tmp_path / "scores.parquet"))
    assert "rows in" in done.stderr
    assert "converged" in done.stderr
    assert "eb05" in pl.read_parquet(tmp_path / "scores.parquet").columns


def test_rank_gives_reasons(signals, tmp_path):
    signals("rank", "STORE", "--rule", "evans", "--out", str(tmp_path / "ranked.csv"))
    ranked = pl.read_csv(tmp_path / "ranked.csv")
    assert ranked["rank"].to_list() == list(range(1, ranked.height + 1))
    assert ranked["reason"].str.contains("prr").all()
    rules = tmp_path / "own.yaml"
    rules.write_text("- name: own\n  when: n >= 20 and ic025 > 0.5\n  rank_by: [ic025]\n")
    done = signals("rank", "STORE", "--rule", "own", "--rules", str(rules), "--event", "event 000", "--json")
    assert all(json.loads(line)["event"] == "event 000" for line in done.stdout.splitlines())
    done = signals("rank", "STORE", "--rule", "fda", "--set", "measures=[ror]")
    assert "FDA" in done.stderr


def test_report_writes_pages(signals, tmp_path):
    done = signals("report", "STORE", "--drug", "drug 000", "--event", "event 000", "--out", str(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["drug-drug-000.html", "event-event-000.html"]
    assert len(done.stdout.splitlines()) == 2
    with pytest.raises(UsageError, match="--drug NAME or --event NAME"):
        signals("report", "STORE", "--out", str(tmp_path))


def test_evaluate(signals, simulated_reports, tmp_path):
    reference = tmp_path / "set.csv"
    simulated_reports.truth.write_csv(reference)
    arguments = ("evaluate", "STORE", "--reference", str(reference), "--columns", "drug,event,label")
    done = signals(*arguments, "--set", "accept=[boundary,not_identified]", "--out", str(tmp_path / "figures.csv"))
    assert "pairs placed" in done.stderr
    figures = pl.read_csv(tmp_path / "figures.csv")
    assert {"n", "n_drug", "n_event"} <= set(figures["column"])
    shown = signals(*arguments, "--set", "accept=[boundary,not_identified]").stdout
    assert "auc_within_event" in shown
    with pytest.raises(PooledAucRefusedError):
        signals(*arguments, "--metric", "pooled_auc")
    with pytest.raises(UsageError, match="three names"):
        signals("evaluate", "STORE", "--reference", str(reference), "--columns", "a,b")


def test_names_that_do_not_exist(signals):
    with pytest.raises(UnknownNameError, match="did you mean"):
        signals("score", "STORE", "--drug", "drgu 000")


def test_case_of_a_name_does_not_matter_where_one_name_fits(signals):
    done = signals("count", "STORE", "--drug", "DRUG 000", "--event", "Event 000", "--json")
    assert json.loads(done.stdout)["drug"] == "drug 000"


def test_infinities_are_text_in_json():
    assert cli._plain(float("inf")) == "inf"
    assert cli._plain(1.5) == 1.5
