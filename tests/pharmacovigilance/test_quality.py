"""The data-quality page, the health check, and ``cinchona signals ingest|dedupe|explain|code|info|doctor|generate``."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import small_reports as small
from typer.testing import CliRunner, Result

import cinchona.pharmacovigilance as pv
from cinchona.errors import CinchonaError, InputError, TooManyRejectsError, UsageError
from cinchona.pharmacovigilance import cli
from cinchona.pharmacovigilance.coding.dictionary import load
from cinchona.pharmacovigilance.quality.doctor import examine
from cinchona.pharmacovigilance.quality.facts import gather
from cinchona.pharmacovigilance.quality.page import quarter_chart, render

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quality")


@pytest.fixture(scope="module")
def inputs(folder: Path) -> list[str]:
    """Two quarters: a follow-up, a deletion, a duplicate with one manufacturer's number, an orphan, odd values."""
    rows = small.plain_quarter((101, 102, 103, 104))
    rows["DEMO"][0] = small.demo(101, mfr_num="US-ACME-2017000777", age="", sex="", occp_cod="CN")
    rows["DEMO"][1] = small.demo(102, mfr_num="US ACME 2017000777", age=500, sex="M", occp_cod="MD")
    rows["DRUG"] += [small.drug(999, "ORPHAN"), small.drug(103, EVIL, drug_seq=3, role_cod="I")]
    later = small.plain_quarter((201,))
    later["DEMO"].append(small.demo(103, 2, fda_dt=20170801, i_f_code="F"))
    return [
        str(small.quarter_zip(folder / "in", rows, "17Q2")),
        str(small.quarter_zip(folder / "in", later, "17Q3", deleted__DELETE17Q3=b"104\n")),
    ]


@pytest.fixture(scope="module")
def dictionary(folder: Path) -> str:
    path = folder / "own.csv"
    path.write_text("name,ingredient\nLIPITOR,ATORVASTATIN\nASPIRIN,ASPIRIN\n")
    return f"csv:{path}"


@pytest.fixture(scope="module")
def finished(folder: Path, inputs: list[str], dictionary: str) -> pv.ReportStore:
    store = pv.ingest(folder / "store", inputs).store
    pv.code(store, [load(dictionary)])
    pv.dedupe(store, accept_share=1)
    return store


@pytest.fixture
def copy(finished: pv.ReportStore, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.root, tmp_path / "copy"))


# ------------------------------------------------------------------------------------------------ facts and page


def test_facts_are_those_of_the_files(finished: pv.ReportStore) -> None:
    facts = gather(finished)
    assert facts.rows["cases"] == 6 and facts.rows["drugs"] == 11 and facts.rows["deletions"] == 1
    first, second = facts.quarters
    assert (first["quarter"], first["versions"], first["current"]) == ("2017Q2", 4, 2)
    assert (first["superseded"], first["deleted"], first["nullified"]) == (1, 1, 0)
    assert (first["no_age"], first["no_sex"], second["versions"]) == (0.5, 0.25, 2)  # age 500 is no age
    assert {(r["role"], r["drugs"], r["reports"]) for r in facts.roles} == {("PS", 5, 5), ("C", 5, 5), ("I", 1, 1)}
    assert {s["value"]: s["reports"] for s in facts.spreads["sex"]} == {"F female": 4, "M male": 1, "not given": 1}
    assert {"value": "CN consumer", "reports": 1} in facts.spreads["reporter"]
    reasons = {(s["table"], s["level"], s["reason"]): s["rows"] for s in facts.set_aside}
    assert reasons == {("drugs", "row", "orphan"): 1, ("cases", "value", "impossible_age"): 1}
    assert [u["name"] for u in facts.uncoded] == [EVIL]
    assert facts.coding["dictionaries"][0]["name"] == "csv" and facts.duplicates["left_out"] == 1
    assert all(f["rows_in"] == f["stored"] + f["set_aside"] for f in facts.files) and len(facts.files) == 15
    assert any("1 of 10 rows were set aside" in line for line in facts.warnings)
    assert not any("no coding run" in line or "older" in line for line in facts.warnings)


def test_page_shows_the_facts_and_escapes_everything(finished: pv.ReportStore) -> None:
    page = render(gather(finished), title=EVIL)
    assert EVIL not in page and page.count("&lt;script&gt;") >= 3
    assert "<script" not in page and "http" not in page.replace('xmlns="http', "")
    for told in ("2017Q2: 4 versions, 2 current", "50.0 %", "did you mean", "impossible age", "manufacturer number"):
        assert told in page
    assert page.count('<tr><td class="n">') == 15  # one line per file


def test_page_of_a_store_without_anything(folder: Path) -> None:
    from cinchona.pharmacovigilance.store import create_store

    facts = gather(create_store(folder / "empty"))
    page = render(facts, title="empty")
    assert "Nothing had to be set aside." in page and "not looked for yet" in page
    assert len(facts.warnings) == 2


def test_runs_older_than_the_store_are_told(copy: Path, inputs: list[str], tmp_path: Path) -> None:
    pv.ingest(copy, [small.quarter_zip(tmp_path / "in", small.plain_quarter((301,)), "17Q4")])
    warnings = gather(pv.open(copy)).warnings
    assert sum("older than the newest ingest" in line for line in warnings) == 2


def test_chart_is_to_scale() -> None:
    quarters = [{"quarter": f"20{k:02d}Q1", "versions": 10 * (k + 1), "current": 5 * (k + 1)} for k in range(30)]
    chart = quarter_chart(quarters)
    assert chart["most"] == 300 and sum(b["label"] for b in chart["bars"]) <= 15
    for bar, told in zip(chart["bars"], quarters, strict=True):
        assert bar["height"] == pytest.approx(chart["height"] * told["versions"] / 300, abs=0.01)
        assert bar["dark"] == pytest.approx(bar["height"] / 2, abs=0.02)
        assert bar["y"] + bar["height"] == pytest.approx(chart["height"], abs=0.02)
        assert bar["x"] >= 0 and bar["x"] + bar["width"] <= chart["width"]
    assert quarter_chart([])["bars"] == []


# ------------------------------------------------------------------------------------------------ doctor


def test_a_sound_store_has_no_findings(finished: pv.ReportStore) -> None:
    assert examine(finished) == []


def _file(root: Path, table: str) -> Path:
    return next(root.glob(f"data/source=*/quarter=2017Q2/*/{table}.parquet"))


def _lose_row(root: Path) -> None:
    path = _file(root, "cases")
    pq.write_table(pq.read_table(path).slice(1), path)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda root: _file(root, "drugs").unlink(), "the file is missing"),
        (
            lambda root: _file(root, "reactions").write_bytes(_file(root, "reactions").read_bytes() + b" "),
            "not what was written",
        ),
        (_lose_row, "not what was written"),
    ],
)
def test_damage_is_found(copy: Path, harm: Callable[[Path], object], says: str) -> None:
    harm(copy)
    findings = [f for f in examine(pv.open(copy)) if f.level == "damage"]
    assert len(findings) == 1 and says in findings[0].what
    assert "ingest faers_ascii_2017q2.zip again" in findings[0].what


def test_wrong_accounts_and_leftovers_are_found(copy: Path) -> None:
    receipt = copy / "receipts" / "000001.json"
    told = json.loads(receipt.read_text())
    next(f for f in told["files"] if f["table"] == "reactions")["stored"] -= 1
    receipt.write_text(json.dumps(told))
    (copy / "staging" / "abc-1").mkdir(parents=True)
    findings = examine(pv.open(copy))
    assert any("rows were lost" in f.what for f in findings if f.level == "damage")
    assert [f.level for f in findings if "interrupted" in f.what] == ["note"]


# ------------------------------------------------------------------------------------------------ commands


@pytest.fixture(scope="module")
def signals() -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        done = CliRunner().invoke(cli.app, list(arguments))
        if isinstance(done.exception, CinchonaError):
            raise done.exception
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    return run


def test_commands_from_files_to_page(
    signals: Callable[..., Result], tmp_path: Path, inputs: list[str], dictionary: str
) -> None:
    store = str(tmp_path / "store")
    told = json.loads(signals("ingest", store, *inputs, "--json", "--quiet").stdout)
    assert len(told["added"]) == 2 and told["skipped"] == []
    again = json.loads(signals("ingest", store, *inputs, "--json", "--quiet").stdout)
    assert again["added"] == [] and len(again["skipped"]) == 2
    done = signals("code", store, "--dictionary", dictionary, "--quiet")
    assert "10 of 11 mentions" in done.stderr
    with pytest.raises(TooManyRejectsError, match="would be left out"):
        signals("dedupe", store, "--quiet")
    done = signals("dedupe", store, "--accept-share", "0.5", "--quiet")
    assert "1 of 4 cases (25.0%) no longer count" in done.stderr
    page = tmp_path / "page.html"
    done = signals("info", store, "--html", str(page))
    assert "Most mentioned names without an ingredient" in done.stdout and page.read_text().startswith(
        "<!DOCTYPE html>"
    )
    facts = json.loads(signals("info", store, "--json").stdout)
    assert facts == json.loads(json.dumps(dataclasses.asdict(gather(pv.open(store))), default=str))
    assert json.loads(signals("doctor", store, "--json", "--quiet").stdout) == {"sets": 2, "findings": []}


def test_explain_lists_links_and_tells_why(signals: Callable[..., Result], finished: pv.ReportStore) -> None:
    store = str(finished.root)
    rows = json.loads(signals("explain", store, "--kind", "manufacturer_number", "--json").stdout)
    keys = [str(rows[0]["report_key_a"]), str(rows[0]["report_key_b"])]
    assert len(rows) == 1
    listed = signals("explain", store).stdout
    assert all(key in listed for key in keys)  # as they must be typed, without separators
    told = signals("explain", store, *keys).stdout
    assert "linked by manufacturer_number" in told and "bits" in told and "M" in told
    with pytest.raises(UsageError, match="not linked"):
        signals("explain", store, keys[0], keys[0])


def test_doctor_fails_on_damage(signals: Callable[..., Result], copy: Path) -> None:
    _file(copy, "drugs").unlink()
    with pytest.raises(InputError, match="the store is damaged") as caught:
        signals("doctor", str(copy), "--quiet")
    assert caught.value.exit_code == 2


def test_wrong_calls_say_what_to_do(signals: Callable[..., Result], tmp_path: Path, inputs: list[str]) -> None:
    with pytest.raises(InputError, match="no files were named"):
        signals("ingest", str(tmp_path / "s"))
    signals("ingest", str(tmp_path / "s"), inputs[0], "--quiet")
    with pytest.raises(InputError, match="nothing to code with"):
        signals("code", str(tmp_path / "s"))
    with pytest.raises(UsageError, match="no duplicate run") as caught:
        signals("explain", str(tmp_path / "s"))
    assert "dedupe" in caught.value.remedy


def test_generate_command(signals: Callable[..., Result], tmp_path: Path) -> None:
    arguments = ("--cases", "60", "--set", "quarters=2", "--set", "n_signals=5", "--json", "--quiet")
    told = json.loads(signals("generate", str(tmp_path / "out"), *arguments).stdout)
    assert told["events"] == 60 and (tmp_path / "out" / "truth" / "signals.parquet").exists()
    store = pv.ingest(tmp_path / "store", [tmp_path / "out"]).store
    assert store.table("cases").count() == told["DEMO"]
