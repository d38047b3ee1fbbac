"""FAERS and AERS quarters: every row is stored or set aside with a reason, whatever the file does."""

from __future__ import annotations

import datetime as dt
import io
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import small_reports as small

from cinchona.errors import ColumnError, InputError, LockedError, NoUsableRowsError
from cinchona.pharmacovigilance import IngestConfig, ingest
from cinchona.pharmacovigilance import open as open_store
from cinchona.pharmacovigilance.intake.run import IngestResult
from cinchona.pharmacovigilance.privacy import PrivacyConfig
from cinchona.pharmacovigilance.receipts import writing

TABLE_OF = {"DEMO": "cases", "DRUG": "drugs", "REAC": "reactions", "OUTC": "outcomes", "INDI": "indications",
            "THER": "therapies", "RPSR": "reporters"}  # fmt: skip


def take(tmp_path: Path, rows: dict[str, list[str]] | None = None, **extra: bytes) -> IngestResult:
    return ingest(tmp_path / "store", [small.quarter_zip(tmp_path / "in", rows, **extra)])


def aside(result: IngestResult) -> Counter[tuple[Any, ...]]:
    rows = result.store.table("set_aside").arrow().to_pylist()
    return Counter((r["table"], r["level"], r["column"], r["reason"]) for r in rows)


def balanced(result: IngestResult) -> bool:
    return all(f.rows_in == f.stored + f.set_aside for r in result.added for f in r.files)


def test_plain_quarter_is_stored_whole(tmp_path: Path) -> None:
    result = take(tmp_path)
    store = result.store
    assert {name: store.table(name).count() for name in TABLE_OF.values()} == {
        "cases": 3, "drugs": 6, "reactions": 6, "outcomes": 3, "indications": 3, "therapies": 3, "reporters": 3,
    }  # fmt: skip
    assert store.table("set_aside").count() == 0
    assert balanced(result)
    case = store.table("cases").where("report_id = ?", ["1011"]).arrow().to_pylist()[0]
    assert (case["case_id"], case["version"], case["sex"], case["age_years"]) == ("101", 1, "F", 50.0)
    assert (case["event_date"], case["event_date_precision"]) == (dt.date(2017, 1, 1), "day")
    assert (case["source"], case["quarter"], case["source_row"]) == ("faers", "2017Q2", 1)
    assert case["source_file"] == "faers_ascii_2017q2.zip/ascii/DEMO17Q2.txt"
    course = store.table("therapies").arrow().to_pylist()[0]
    assert (course["start_date"], course["start_precision"]) == (dt.date(2016, 12, 1), "month")
    assert course["duration_days"] == pytest.approx(3 * 30.4375)


@pytest.mark.parametrize(
    ("text", "stored", "repaired", "reasons"),
    [
        ("A$1$x\nB$2$y\n", 2, 0, {}),
        ("A$1\n$x\nB$2$y\n", 2, 1, {}),
        ("A$1$x\nmore of x\nB$2$y\n", 2, 1, {}),
        ("A$1$x\n\n\nB$2$y\n\n", 2, 0, {}),
        ("A$1$x$extra\nB$2$y\n", 1, 0, {"too_many_fields": 1}),
        ("A$1\nB$2$y\n", 1, 0, {"too_few_fields": 1}),
        ("A$1\x00$x\nB$2$y\n", 1, 0, {"binary_bytes": 1}),
        ("stray\nA$1$x\nB$2$y\n", 2, 0, {"too_few_fields": 1}),
        ("A$1$x\nB$2$y", 2, 0, {}),
        ("A$1$x\r\nB$2\r\n$y\r\n", 2, 1, {}),
        ("A$1$x\nB$2", 1, 0, {"too_few_fields": 1}),
        ("A$1$x\nB\t$2$y\n", 2, 0, {}),
    ],
)
def test_broken_lines(tmp_path: Path, text: str, stored: int, repaired: int, reasons: dict[str, int]) -> None:
    rows = small.plain_quarter((101,))
    files = small.texts_of(rows)
    # Three columns: id, case and term; A and B stand for two ids of the one case.
    body = text.replace("A$", "1011$10").replace("B\t$", "1011\t$").replace("B$", "1011$20")
    files["ascii/REAC17Q2.txt"] = ("primaryid$caseid$pt\n" + body).encode("latin-1")
    result = ingest(tmp_path / "store", [small.write_zip(tmp_path / "q.zip", files)])
    account = next(f for f in result.added[0].files if f.table == "reactions")
    assert (account.stored, account.repaired_lines) == (stored, repaired)
    assert {k[3]: n for k, n in aside(result).items()} == reasons
    assert balanced(result)
    terms = result.store.table("reactions").arrow().column("term").to_pylist()
    assert all("\n" not in t and "\r" not in t and "\t" not in t for t in terms)


def test_break_inside_a_field_is_mended(tmp_path: Path) -> None:
    rows = small.plain_quarter((101,))
    rows["DEMO"] = [small.demo(101, lit_ref="SOME TITLE\nAND ITS SECOND LINE", occr_country="US")]
    store = take(tmp_path, rows).store
    case = store.table("cases").arrow().to_pylist()[0]
    assert case["literature"] == "SOME TITLE AND ITS SECOND LINE"
    assert case["event_country"] == "US"


def test_trailing_delimiter_of_legacy_files(tmp_path: Path) -> None:
    head = "ISR$CASE$I_F_COD$EVENT_DT$FDA_DT$AGE$AGE_COD$GNDR_COD\r\n"
    files = {
        "ascii/DEMO04Q1.TXT": (head + "4001$77$I$20031105$20040102$6$DEC$M$\r\n").encode(),
        "ascii/REAC04Q1.TXT": b"ISR$PT\r\n4001$NAUSEA$\r\n",
        "ascii/DRUG04Q1.TXT": b"ISR$DRUG_SEQ$ROLE_COD$DRUGNAME\r\n4001$1$PS$TAVOR$\r\n",
    }
    store = ingest(tmp_path / "store", [small.write_zip(tmp_path / "aers.zip", files)]).store
    case = store.table("cases").arrow().to_pylist()[0]
    assert (case["report_id"], case["case_id"], case["sex"], case["age_years"]) == ("4001", "77", "M", 60.0)
    assert (case["quarter"], case["received_date"]) == ("2004Q1", dt.date(2004, 1, 2))


def test_rows_without_a_case_are_kept_aside(tmp_path: Path) -> None:
    rows = small.plain_quarter((101,))
    rows["DRUG"] += [small.drug(999, "ORPHAN"), small.line(small.DRUG, drugname="NO ID"),
                     small.drug(101, "", drug_seq=3), small.line(small.DRUG, primaryid="x1", drugname="BAD ID")]  # fmt: skip
    rows["DEMO"] += [small.demo(101, age=60)]
    result = take(tmp_path, rows)
    assert aside(result) == {
        ("drugs", "row", "", "orphan"): 1, ("drugs", "row", "", "no_id"): 1, ("drugs", "row", "", "no_content"): 1,
        ("drugs", "row", "", "bad_id"): 1, ("cases", "row", "", "repeated_id"): 1,
    }  # fmt: skip
    assert balanced(result)
    kept = result.store.table("set_aside").where("reason = 'orphan'").arrow().to_pylist()[0]
    assert kept["source_row"] == 3
    assert "ORPHAN" in kept["content"]
    assert any("rows were set aside" in w for w in result.warnings)


def test_impossible_values_leave_the_row(tmp_path: Path) -> None:
    rows = small.plain_quarter((101,))
    rows["DEMO"] = [
        small.demo(101, event_dt="20170231"), small.demo(102, event_dt="yesterday"), small.demo(103, age=999),
        small.demo(104, age=5, age_cod="XX"), small.demo(105, age="abc"), small.demo(106, sex="Q"),
        small.demo(107, wt=9000, wt_cod="KG"), small.demo(108, event_dt="20991231"), small.demo(109, event_dt="18500101"),
        small.demo(110, sex="UNK"), small.demo(111, age=18, age_cod="MON"), small.demo(112, wt=150, wt_cod="LBS"),
    ]  # fmt: skip
    result = take(tmp_path, rows)
    assert result.store.table("cases").count() == 12
    assert {(c[2], c[3]): n for c, n in aside(result).items()} == {
        ("event_dt", "impossible_date"): 3, ("event_dt", "unparsable_date"): 1, ("age", "impossible_age"): 1,
        ("age", "unknown_unit"): 1, ("age", "unparsable_number"): 1, ("sex", "unknown_code"): 1,
        ("weight", "impossible_weight"): 1,
    }  # fmt: skip
    cases = {r["case_id"]: r for r in result.store.table("cases").arrow().to_pylist()}
    assert cases["101"]["event_date"] is None
    assert cases["103"]["age_years"] is None
    assert cases["110"]["sex"] is None
    assert cases["111"]["age_years"] == pytest.approx(1.5)
    assert cases["112"]["weight_kg"] == pytest.approx(68.04, abs=0.01)


def test_partial_dates_keep_their_precision(tmp_path: Path) -> None:
    rows = small.plain_quarter((101,))
    rows["DEMO"] = [
        small.demo(101, event_dt="2016"),
        small.demo(102, event_dt="201603"),
        small.demo(103, event_dt="20160300"),
    ]
    found = take(tmp_path, rows).store.table("cases").select("event_date", "event_date_precision").arrow().to_pylist()
    assert [(r["event_date"], r["event_date_precision"]) for r in found] == [
        (dt.date(2016, 1, 1), "year"), (dt.date(2016, 3, 1), "month"), (dt.date(2016, 3, 1), "month"),
    ]  # fmt: skip


@pytest.mark.parametrize("data", ["caf\xe9".encode("latin-1"), "café".encode(), b"caf\xe9 \x96 noir"])
def test_latin_and_utf8_text(tmp_path: Path, data: bytes) -> None:
    rows = small.plain_quarter((101,))
    files = small.texts_of(rows)
    files["ascii/REAC17Q2.txt"] = b"primaryid$caseid$pt\n1011$101$" + data + b"\n"
    store = ingest(tmp_path / "store", [small.write_zip(tmp_path / "q.zip", files)]).store
    assert store.table("reactions").arrow().column("term")[0].as_py().startswith("café")


def test_columns_may_move_and_be_renamed(tmp_path: Path) -> None:
    files = small.texts_of(small.plain_quarter((101,)))
    files["ascii/OUTC17Q2.txt"] = b"\xef\xbb\xbfOUTC_CODE$PrimaryID$NEW_COLUMN\r\nDE$1011$x\r\n"
    result = ingest(tmp_path / "store", [small.write_zip(tmp_path / "q.zip", files)])
    assert result.store.table("outcomes").arrow().column("outcome").to_pylist() == ["DE"]
    account = next(f for f in result.added[0].files if f.table == "outcomes")
    assert any("new_column" in note for note in account.notes)


def test_deletion_lists(tmp_path: Path) -> None:
    result = take(tmp_path, deleted__DELETE17Q2=b" \r\n101\r\nnonsense\r\n102\r\n")
    assert result.store.table("deletions").arrow().column("case_id").to_pylist() == ["101", "102"]
    assert aside(result) == {("deletions", "row", "", "bad_id"): 1}
    assert balanced(result)


def test_twice_changes_nothing_and_renamed_files_are_known(tmp_path: Path) -> None:
    first = take(tmp_path)
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "data").rglob("*.parquet")}
    again = take(tmp_path)
    other = tmp_path / "renamed.zip"
    other.write_bytes((tmp_path / "in" / "faers_ascii_2017q2.zip").read_bytes())
    third = ingest(tmp_path / "store", [other])
    assert not again.added
    assert len(again.skipped) == 1
    assert not third.added
    assert files == {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "data").rglob("*.parquet")}
    assert first.store.content_id == third.store.content_id


def test_new_quarter_is_added_beside_the_old(tmp_path: Path) -> None:
    take(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store" / "data").rglob("*.parquet")}
    rows = small.plain_quarter((201, 202))
    result = ingest(tmp_path / "store", [small.quarter_zip(tmp_path / "in", rows, "17Q3")])
    assert result.store.table("cases").count() == 5
    assert [r.quarter for r in result.store.receipts] == ["2017Q2", "2017Q3"]
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())


def test_folder_and_pattern_inputs(tmp_path: Path) -> None:
    for name, data in small.texts_of(small.plain_quarter()).items():
        target = tmp_path / "unpacked" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (tmp_path / "unpacked" / "readme.pdf").write_bytes(b"%PDF")
    assert ingest(tmp_path / "a", [tmp_path / "unpacked"]).store.table("drugs").count() == 6
    assert (
        ingest(tmp_path / "b", [str(tmp_path / "unpacked" / "ascii" / "*17Q2.txt")]).store.table("cases").count() == 3
    )


def test_same_quarter_from_other_files_is_said(tmp_path: Path) -> None:
    take(tmp_path)
    result = ingest(tmp_path / "store", [small.quarter_zip(tmp_path / "new", small.plain_quarter((101, 102)))])
    assert any("has this quarter already" in w for w in result.warnings)
    assert result.store.status().where("status = 'current'").count() == 3


@pytest.mark.parametrize(
    ("name", "data", "error", "says"),
    [
        ("DEMO", b"primaryid,caseid,fda_dt\n1,2,3\n", InputError, "delimited by ','"),
        ("DEMO", b"", InputError, "empty"),
        ("DEMO", b"\x00\x01\x02\x03" * 500, InputError, "not text"),
        ("DEMO", b"caseid$age\n1$2\n", ColumnError, "primaryid or isr"),
        ("REAC", b"primaryid$caseid$term\n1011$101$x\n", ColumnError, "'pt'"),
        ("DEMO", b"primaryid$caseid\nx$1\ny$2\n", NoUsableRowsError, "no case"),
        ("DEMO", "primaryid$caseid\n1$1\n".encode("utf-16"), InputError, "not text"),
    ],
)  # fmt: skip
def test_hopeless_files_are_refused_whole(tmp_path: Path, name: str, data: bytes, error: type, says: str) -> None:
    files = small.texts_of(small.plain_quarter())
    files[f"ascii/{name}17Q2.txt"] = data
    with pytest.raises(error, match=says):
        ingest(tmp_path / "store", [small.write_zip(tmp_path / "q.zip", files)])
    store = open_store(tmp_path / "store")
    assert not store.receipts
    assert store.table("cases").count() == 0
    assert not list((tmp_path / "store" / "staging").glob("*"))


def test_unknown_input_is_named(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear madam")
    with pytest.raises(InputError, match="nothing in it"):
        ingest(tmp_path / "store", [tmp_path / "letter.txt"])
    with pytest.raises(InputError, match="no such file"):
        ingest(tmp_path / "store", [tmp_path / "missing.zip"])


def test_only_one_writer(tmp_path: Path) -> None:
    take(tmp_path)
    with writing(tmp_path / "store"), pytest.raises(LockedError):
        ingest(tmp_path / "store", [small.quarter_zip(tmp_path / "in", None, "17Q3")])


def test_free_text_passes_the_filter(tmp_path: Path) -> None:
    rows = small.plain_quarter((101,))
    rows["DEMO"] = [small.demo(101, lit_ref="CASTILLO JJ, REAGAN JL. BORTEZOMIB. BR J HAEMATOL. 2015")]
    rows["DRUG"] = [
        small.drug(101, "HUMIRA", dose_vbm="ask Dr. Ann Lee, 555-123-4567"),
        small.drug(998, "X mail a@b.org"),
    ]
    store = take(tmp_path, rows).store
    text = "\n".join(str(store.table(t).arrow().to_pylist()) for t in ("cases", "drugs", "set_aside"))
    assert not any(word in text for word in ("CASTILLO", "REAGAN", "Ann", "4567", "a@b.org"))
    assert "[author]" in text
    assert "[name]" in text
    assert "[phone]" in text
    assert "[mail]" in text
    config = IngestConfig(privacy=PrivacyConfig(mode="hash", key="secret"))
    hashed = ingest(tmp_path / "hashed", [tmp_path / "in" / "faers_ascii_2017q2.zip"], config=config)
    told = (tmp_path / "hashed" / "receipts" / "000001.json").read_text()
    assert "secret" not in told
    assert "[phone:" in str(hashed.store.table("drugs").arrow().to_pylist())


# ------------------------------------------------------------------------------------------------ real samples

DATA = Path(os.environ["CINCHONA_DATA"]) / "ae" if "CINCHONA_DATA" in os.environ else None
needs_data = pytest.mark.skipif(DATA is None, reason="CINCHONA_DATA is not set")


@needs_data
@pytest.mark.parametrize("name", ["aers_ascii_2004q1.zip", "faers_ascii_2017q2.zip"])
def test_every_row_of_the_real_samples(tmp_path: Path, name: str) -> None:
    assert DATA is not None
    result = ingest(tmp_path / "store", [DATA / "faers_ascii" / name])
    assert balanced(result)
    # The independent reader: one line is one row, and the store has as many.
    with zipfile.ZipFile(DATA / "faers_ascii" / name) as archive:
        members = [n for n in archive.namelist() if n.lower().endswith(".txt")]
        assert len(members) == 7
        for member in members:
            lines = io.TextIOWrapper(archive.open(member), "latin-1").read().splitlines()
            head, body = lines[0].lower().split("$"), [text.split("$") for text in lines[1:]]
            table = TABLE_OF[member.split("/")[-1][:4].upper()]
            stored = result.store.table(table).arrow()
            assert stored.num_rows == len(body)
            for ours, theirs in (("term", "pt"), ("name", "drugname"), ("role", "role_cod"), ("outcome", "outc_cod")):
                if theirs in head and not (ours == "outcome" and table != "outcomes"):
                    wanted = Counter(row[head.index(theirs)].strip() for row in body)
                    assert Counter(stored.column(ours).to_pylist()) == wanted
            if table == "cases":
                sexes = Counter(row[head.index("sex" if "sex" in head else "gndr_cod")] for row in body)
                assert Counter(stored.column("sex").to_pylist())["F"] == sexes["F"]


@needs_data
def test_real_deletion_list(tmp_path: Path) -> None:
    assert DATA is not None
    path = DATA / "faers_ascii" / "DELETE21Q4.txt"
    store = ingest(tmp_path / "store", [path]).store
    wanted = [text.strip() for text in path.read_text().splitlines() if text.strip()]
    assert store.table("deletions").arrow().column("case_id").to_pylist() == wanted
