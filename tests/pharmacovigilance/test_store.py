"""The opened store: lazy tables, versions and deletions, the analysis view, runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import small_reports as small

import cinchona.pharmacovigilance as pv
from cinchona.errors import InputError, LockedError, UsageError
from cinchona.pharmacovigilance import receipts, schema, sql
from cinchona.pharmacovigilance.analysis import VIEW_TABLES
from cinchona.pharmacovigilance.lazy_table import LazyTable
from cinchona.pharmacovigilance.runs import latest_run, new_run
from cinchona.pharmacovigilance.store import ReportStore, create_store


@pytest.fixture
def store(tmp_path: Path) -> ReportStore:
    rows = small.plain_quarter((101, 102, 103, 104, 105))
    later = small.plain_quarter((201,))
    later["DEMO"] += [small.demo(101, 2, fda_dt=20170801, i_f_code="F"), small.demo(104, 2, fda_dt=20170801)]
    later["DRUG"] += [small.drug(101, "ZOCOR", 2), small.drug(104, "ZOCOR", 2, role_cod="SS")]
    later["REAC"] += [small.reac(101, "RASH", 2), small.reac(104, " rash ", 2)]
    files = [
        small.quarter_zip(tmp_path / "in", rows, "17Q2", deleted__DELETE17Q2=b"102\n104\n"),
        small.quarter_zip(tmp_path / "in", later, "17Q3"),
    ]
    return pv.ingest(tmp_path / "store", files).store


def test_public_names_are_sorted_and_documented() -> None:
    assert pv.__all__ == sorted(pv.__all__, key=str.casefold)
    assert all(getattr(pv, name).__doc__ for name in pv.__all__)
    assert set(pv.__all__) <= set(dir(pv))
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        pv.missing  # noqa: B018


def test_room_works_without_torch_and_rdkit() -> None:
    program = (
        "import sys; import cinchona.pharmacovigilance as pv; [getattr(pv, n) for n in pv.__all__]; "
        "import cinchona.pharmacovigilance.cli; print([m for m in ('torch', 'rdkit', 'mlflow', 'dask') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout.strip() == b"[]"


def test_every_column_is_documented() -> None:
    for table in schema.TABLES.values():
        assert table.doc
        assert all(c.doc.endswith(".") for c in table.columns)
        assert table.schema.names == [c.name for c in table.columns]
    with pytest.raises(UsageError, match="no table 'patients'"):
        schema.table("patients")
    with pytest.raises(UsageError, match="no column 'colour'"):
        schema.CASES.column("colour")


def test_lazy_table_gives_arrow_polars_pandas_and_batches(store: ReportStore) -> None:
    drugs = store.table("drugs").select("name", "role", "quarter").where("role = ? AND quarter = ?", ["PS", "2017Q2"])
    assert isinstance(drugs.arrow(), pa.Table)
    assert drugs.arrow().num_rows == drugs.count() == 5
    assert isinstance(drugs.polars(), pl.DataFrame)
    assert drugs.polars().shape == (5, 3)
    assert isinstance(drugs.pandas(), pd.DataFrame)
    assert len(drugs.pandas()) == 5
    assert sum(b.num_rows for b in drugs.batches(2)) == 5
    assert drugs.columns == ["name", "role", "quarter"]
    assert "LazyTable" in repr(drugs)
    assert drugs.sql("SELECT count(*) AS n FROM this").arrow()["n"].to_pylist() == [5]
    with pytest.raises(UsageError, match="no table"):
        store.table("nothing")
    with pytest.raises(ValueError, match="1 marks"):
        drugs.where("role = ?", [])


def test_quotes_in_values_stay_values(store: ReportStore) -> None:
    assert store.table("drugs").where("name = ?", ["x' OR 1=1 --"]).count() == 0
    assert sql.literal("a'b") == "'a''b'"
    assert sql.identifier('a"b') == '"a""b"'
    assert sql.literals([]) == "(NULL)"
    assert sql.literal(None) == "NULL"
    assert sql.literal(value=True) == "TRUE"
    with pytest.raises(TypeError, match="no SQL literal"):
        sql.literal(object())


def test_versions_and_deletions(store: ReportStore) -> None:
    status = {(r["case_id"], r["quarter"]): r["status"] for r in store.status().arrow().to_pylist()}
    assert status == {
        ("101", "2017Q2"): "superseded", ("101", "2017Q3"): "current", ("102", "2017Q2"): "deleted",
        ("103", "2017Q2"): "current", ("104", "2017Q2"): "superseded", ("104", "2017Q3"): "current",
        ("105", "2017Q2"): "current", ("201", "2017Q3"): "current",
    }  # fmt: skip


def test_withdrawn_cases_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "id,case,received,withdrawn,drug,term\n1,7,20210101,N,A,X\n2,7,20210201,Y,A,X\n3,8,20210101,N,A,X\n"
    )
    one = {"file": "r.csv", "id": "id"}
    tables = {
        "cases": {**one, "columns": {"case_id": "case", "received_date": "received", "nullified": "withdrawn"}},
        "drugs": {**one, "columns": {"name": "drug"}, "constants": {"role": "PS"}},
        "reactions": {**one, "columns": {"term": "term"}},
    }
    (tmp_path / "m.yaml").write_text(json.dumps({"source": "own", "tables": tables}))
    opened = pv.ingest(tmp_path / "store", [], mapping=tmp_path / "m.yaml").store
    assert opened.status().sql("SELECT status FROM this ORDER BY report_key").arrow()["status"].to_pylist() == [
        "superseded", "nullified", "current",
    ]  # fmt: skip
    assert opened.analysis_view().accounting["nullified"] == 1


def test_analysis_view(store: ReportStore, caplog: pytest.LogCaptureFixture) -> None:
    view = store.analysis_view()
    assert "no duplicates run" in caplog.text
    assert {k: view.accounting[k] for k in ("versions", "superseded", "deleted", "nullified", "duplicates", "cases")} == {
        "versions": 8, "superseded": 2, "deleted": 1, "nullified": 0, "duplicates": 0, "cases": 5,
    }  # fmt: skip
    assert view.n_cases == 5
    assert view.cases.arrow()["report_no"].to_pylist() == list(range(5))
    names = view.drug_names.arrow()["drug"].to_pylist()
    assert names == sorted(names) == ["ASPIRIN.", "LIPITOR 10 MG", "ZOCOR"]
    assert view.reaction_names.arrow()["reaction"].to_pylist() == ["HEADACHE", "NAUSEA", "RASH"]
    drugs = view.drugs.arrow().to_pylist()
    assert [tuple(d.values()) for d in drugs] == sorted(tuple(d.values()) for d in drugs)
    rows = view.rows().arrow()
    assert rows.num_rows == 3 * 2 * 2 + 2  # three plain cases with two drugs and two reactions, two with one each
    assert store.analysis_view().folder == view.folder  # from the cache
    with pytest.raises(UsageError, match="no table 'pairs'"):
        view.table("pairs")


def test_choices_of_the_view(store: ReportStore) -> None:
    assert store.analysis_view(drug="verbatim", reaction="verbatim").reaction_names.arrow()["reaction"].to_pylist() == [
        "Headache", "Nausea", "RASH", "rash",
    ]  # fmt: skip
    for wrong in ({"drug": "brand"}, {"reaction": "soc"}):
        with pytest.raises(UsageError, match="is unknown"):
            store.analysis_view(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no duplicates run"):
        store.analysis_view(duplicates="linked")
    with pytest.raises(UsageError, match="no coding run"):
        store.analysis_view(reaction="group")
    view = store.analysis_view(drug="substance")
    assert all(name in VIEW_TABLES for name in ("cases", "drugs"))
    assert view.path("cases").exists()


def test_counts_do_not_depend_on_the_split_of_files(tmp_path: Path) -> None:
    rows = small.plain_quarter((101, 102, 103))
    whole = pv.ingest(tmp_path / "a", [small.quarter_zip(tmp_path / "in", rows)]).store
    parts = {k: [v[: len(v) // 3], v[len(v) // 3 :]] for k, v in rows.items()}
    for i in range(2):
        small.write_zip(tmp_path / "parts" / f"{i}.zip", small.texts_of({k: v[i][::-1] for k, v in parts.items()}))
    split = pv.ingest(tmp_path / "b", [tmp_path / "parts"]).store
    for query in (
        "SELECT drug, count(DISTINCT report_no) AS n FROM drugs JOIN drug_names USING (drug_id) GROUP BY drug ORDER BY drug",
    ):
        assert whole.analysis_view().sql(query).arrow() == split.analysis_view().sql(query).arrow()


def test_empty_store_has_typed_tables(tmp_path: Path) -> None:
    opened = create_store(tmp_path / "empty")
    assert opened.table("cases").count() == 0
    assert opened.table("cases").arrow().schema.field("event_date").type == pa.date32()
    assert opened.analysis_view().n_cases == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: None, "no report store here"),
        (lambda p: (p / "store.json").write_text("{"), "marker is damaged"),
        (lambda p: (p / "store.json").write_text('{"format": "other"}'), "not a report store"),
        (
            lambda p: (p / "store.json").write_text('{"format": "cinchona-report-store", "schema": 99}'),
            "schema version 99",
        ),
    ],
)
def test_what_is_no_store_is_refused(tmp_path: Path, make: object, says: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError, match=says):
        pv.open(tmp_path)


def test_a_store_is_not_made_in_a_full_folder(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        create_store(tmp_path)


def test_damaged_receipts_are_named(store: ReportStore) -> None:
    (store.root / "receipts" / "000001.json").write_text('{"number": "x"}')
    with pytest.raises(InputError, match="receipt is damaged"):
        _ = pv.open(store.root).receipts


def test_a_number_is_taken_once(store: ReportStore) -> None:
    with pytest.raises(LockedError, match="was taken"):
        receipts.commit(store.root, store.receipts[0])


def test_runs_are_numbered_and_whole(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_run(tmp_path, "coding") as (folder, header):
        (folder / "half.txt").write_text("x")
        header["x"] = 1
        raise RuntimeError
    assert latest_run(tmp_path, "coding") is None
    for number in (1, 2):
        with new_run(tmp_path, "coding") as (_, header):
            header["n"] = number
    run = latest_run(tmp_path, "coding")
    assert run is not None
    assert (run.number, run.header["n"]) == (2, 2)


def test_lazy_tables_share_one_store(store: ReportStore) -> None:
    table = LazyTable(store.connection, "SELECT 1 AS one")
    assert table.arrow().to_pylist() == [{"one": 1}]
