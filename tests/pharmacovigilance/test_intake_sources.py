"""VAERS, CAERS, openFDA, the two samples and mapped files: the same tables, the same accounts."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cinchona.errors import ColumnError, ConfigError, InputError
from cinchona.pharmacovigilance import ingest
from cinchona.pharmacovigilance.intake.run import IngestResult

DATA = Path(os.environ["CINCHONA_DATA"]) / "ae" if "CINCHONA_DATA" in os.environ else None
needs_data = pytest.mark.skipif(DATA is None, reason="CINCHONA_DATA is not set")

VAERS_DATA = (
    "VAERS_ID,RECVDATE,STATE,AGE_YRS,CAGE_YR,CAGE_MO,SEX,RPT_DATE,SYMPTOM_TEXT,DIED,DATEDIED,L_THREAT,ER_VISIT,HOSPITAL,"
    "HOSPDAYS,X_STAY,DISABLE,RECOVD,VAX_DATE,ONSET_DATE,NUMDAYS,LAB_DATA,V_ADMINBY,V_FUNDBY,OTHER_MEDS,CUR_ILL,HISTORY,"
    "PRIOR_VAX,SPLTTYPE,FORM_VERS,TODAYS_DATE,BIRTH_DEFECT,OFC_VISIT,ER_ED_VISIT,ALLERGIES\n"
    '0916600,01/05/2021,TX,33.0,33,,F,,"Swelling, ""hot"",\ncall 555-123-4567",,,,,Y,2,Y,,Y,12/28/2020,12/30/2020,2,,PVT,,,,'
    ",,,2,01/01/2021,,Y,,\n"
    "0916601,01/06/2021,CA,173.0,73,,U,,short,Y,02/30/2021,,,,,,,,12/31/2020,31/12/2020,0,,SEN,,,,,,US-X-1,2,01/01/2021,,,,\n"
    "0916602,bad,line\n"
)
VAERS_VAX = (
    "VAERS_ID,VAX_TYPE,VAX_MANU,VAX_LOT,VAX_DOSE_SERIES,VAX_ROUTE,VAX_SITE,VAX_NAME\n"
    "0916600,COVID19,MODERNA,037K20A,1,IM,LA,COVID19 (COVID19 (MODERNA))\n0916600,FLU4,X,1,1,IM,LA,INFLUENZA (Y)\n"
    "0916699,FLU4,X,1,1,IM,LA,INFLUENZA (Y)\n"
)
_FIVE = ",".join(f"SYMPTOM{i},SYMPTOMVERSION{i}" for i in range(1, 6))
VAERS_SYMPTOMS = (
    f"VAERS_ID,{_FIVE}\n0916600,Dysphagia,23.1,Epiglottitis,23.1,,,,,,\n0916600,Rash,23.1,,,,,,,,\n0916601,,,,,,,,,,\n"
    "0916601,A,23.1,B,23.1,C,23.1,D,23.1,E,23.1\n"
)


def balanced(result: IngestResult) -> bool:
    return all(f.rows_in == f.stored + f.set_aside for r in result.added for f in r.files)


def account(result: IngestResult, table: str) -> tuple[int, int, int, int]:
    file = next(f for r in result.added for f in r.files if f.table == table)
    return file.records, file.rows_in, file.stored, file.set_aside


def test_vaers_year(tmp_path: Path) -> None:
    for kind, text in (("DATA", VAERS_DATA), ("VAX", VAERS_VAX), ("SYMPTOMS", VAERS_SYMPTOMS)):
        (tmp_path / f"2021VAERS{kind}.csv").write_bytes(text.encode("cp1252"))
    result = ingest(tmp_path / "store", [tmp_path])
    assert balanced(result)
    assert account(result, "cases") == (3, 3, 2, 1)
    assert account(result, "drugs") == (3, 3, 2, 1)
    assert account(result, "reactions") == (4, 9, 8, 1)  # 2 + 1 + 5 terms and one row without any
    store = result.store
    case = store.table("cases").where("report_id = '0916600'").arrow().to_pylist()[0]
    assert (case["source"], case["quarter"], case["received_date"]) == ("vaers", "2021", dt.date(2021, 1, 5))
    assert case["narrative"] == 'Swelling, "hot", call [phone]'
    assert case["serious"] is True
    assert (case["event_date"], case["event_country"]) == (dt.date(2020, 12, 30), "US")
    assert store.table("outcomes").arrow().column("outcome").to_pylist() == ["DE", "HO"]  # a longer stay is one stay
    drugs = store.table("drugs").arrow().to_pylist()
    assert [(d["drug_seq"], d["role"], d["substance"]) for d in drugs] == [(1, "PS", "COVID19"), (2, "PS", "FLU4")]
    reasons = set(store.table("set_aside").arrow().column("reason").to_pylist())
    assert reasons == {"too_few_fields", "orphan", "no_content", "impossible_age", "impossible_date"}
    view = store.analysis_view()
    assert view.cases.arrow().column("quarter").to_pylist() == ["2021Q1", "2021Q1"]


def test_vaers_without_its_data_file(tmp_path: Path) -> None:
    (tmp_path / "2021VAERSVAX.csv").write_text(VAERS_VAX)
    with pytest.raises(InputError, match="DATA file is missing"):
        ingest(tmp_path / "store", [tmp_path / "2021VAERSVAX.csv"])


def test_caers_wide_rows(tmp_path: Path) -> None:
    (tmp_path / "CAERS_ASCII_2017.csv").write_text(
        "RA_Report #,RA_CAERS Created Date,AEC_Event Start Date,PRI_Product Role,PRI_Reported Brand/Product Name,"
        "CI_Age at Adverse Event,CI_Age Unit,CI_Gender,AEC_One Row Outcomes,SYM_One Row Coded Symptoms\n"
        '65325,1/2/2004,,Suspect,MIDWEST COUNTRY FAIR CHOCOLATE,2,Year(s),Female,"VISITED AN ER, HOSPITALIZATION","RASH, URTICARIA"\n'
        '65325,1/2/2004,,Concomitant,MILK,2,Year(s),Female,"VISITED AN ER, HOSPITALIZATION","RASH, URTICARIA"\n'
        "65326,1/3/2004,8/4/2003,Suspect,KROGER CLASSIC,Not Available,Not Available,Not Available,DEATH,NAUSEA\n"
    )
    result = ingest(tmp_path / "store", [tmp_path / "CAERS_ASCII_2017.csv"])
    assert balanced(result)
    assert account(result, "cases") == (3, 2, 2, 0)
    assert account(result, "drugs") == (3, 3, 3, 0)
    assert account(result, "reactions") == (3, 3, 3, 0)
    store = result.store
    roles = [(d["name"], d["role"]) for d in store.table("drugs").arrow().to_pylist()]
    assert roles == [("MIDWEST COUNTRY FAIR CHOCOLATE", "PS"), ("MILK", "C"), ("KROGER CLASSIC", "PS")]
    assert store.table("outcomes").arrow().column("outcome").to_pylist() == ["VISITED AN ER", "HO", "DE"]
    assert store.table("cases").arrow().column("sex").to_pylist() == ["F", None]


def report(case: str, **more: object) -> dict[str, object]:
    drug = {
        "drugcharacterization": "1",
        "medicinalproduct": "VIOXX",
        "drugindication": "PAIN",
        "drugstartdate": "20000918",
    }
    return {
        "safetyreportid": case, "safetyreportversion": "2", "receiptdate": "20140301", "serious": "1", "seriousnessdeath": "1",
        "companynumb": "US-X-1", "primarysource": {"qualification": "5", "reportercountry": "US"},
        "patient": {
            "patientonsetage": "62", "patientonsetageunit": "801", "patientsex": "2", "patientweight": "70",
            "drug": [drug, {**drug, "drugindication": "ARTHRITIS"}, {**drug, "medicinalproduct": "ZOCOR"},
                     {"drugcharacterization": "2", "medicinalproduct": "ASPIRIN"}],
            "reaction": [{"reactionmeddrapt": "Stroke", "reactionmeddraversionpt": "17.0", "reactionoutcome": "6"}],
        },
        **more,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["results", "list", "lines", "single"])
def test_openfda_forms(tmp_path: Path, form: str) -> None:
    reports = [report("10003300"), report("10003301")] if form != "single" else [report("10003300")]
    text = {
        "results": json.dumps({"meta": {"results": {"total": 2}}, "results": reports}, indent=1),
        "list": json.dumps(reports),
        "lines": "\n".join(map(json.dumps, reports)),
        "single": json.dumps(reports[0], indent=2),
    }[form]
    path = tmp_path / "2014q1" / "drug-event-0001.json"
    path.parent.mkdir()
    path.write_text(text)
    result = ingest(tmp_path / "store", [path])
    assert balanced(result)
    assert result.added[0].quarter == "2014Q1"
    n = len(reports)
    assert account(result, "cases") == (n, n, n, 0)
    assert account(result, "drugs") == (n, 4 * n, 3 * n, n)  # one drug named for two indications
    assert account(result, "indications") == (n, 3 * n, 3 * n, 0)
    assert account(result, "therapies") == (n, 3 * n, 2 * n, n)
    first = result.store.table("drugs").arrow().to_pylist()[:3]
    assert [(d["name"], d["role"], d["drug_seq"]) for d in first] == [
        ("VIOXX", "PS", 1),
        ("ZOCOR", "SS", 2),
        ("ASPIRIN", "C", 3),
    ]
    case = result.store.table("cases").arrow().to_pylist()[0]
    assert (case["sex"], case["age_years"], case["version"], case["reporter_occupation"]) == ("F", 62.0, 2, "CN")
    assert (case["report_id"], case["case_id"], case["serious"]) == ("10003300.2", "10003300", True)


@pytest.mark.parametrize(
    "text", ['{"results": [{"safetyreportid": "1"}, {"safe', '[{"safetyreportid": "1"}', '{"safetyreportid": ']
)
def test_truncated_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"ends in the middle|broken"):
        ingest(tmp_path / "store", [tmp_path / "x.json"])


def test_json_that_holds_no_reports(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"results": []}')
    with pytest.raises(InputError, match="nothing in it"):
        ingest(tmp_path / "store", [tmp_path / "x.json"])
    (tmp_path / "y.json").write_text(json.dumps([report("1"), 5, {"safetyreportid": None}]))
    result = ingest(tmp_path / "store", [tmp_path / "y.json"])
    assert account(result, "cases") == (3, 3, 1, 2)
    assert balanced(result)


MAPPING = """
source: registry
quarter: 2021Q3
tables:
  cases:
    file: reports.csv
    id: Report No
    date_order: dmy
    repeats: first
    columns: {received_date: received, age: age, age_unit: unit, sex: gender}
    constants: {event_country: NL}
  drugs:
    file: reports.csv
    id: Report No
    columns: {name: drugs}
    constants: {role: PS}
    split: {name: ";"}
  reactions:
    file: reactions.parquet
    id: report
    columns: {term: pt}
"""


def mapped(tmp_path: Path, text: str = MAPPING) -> Path:
    import pyarrow as pa

    (tmp_path / "reports.csv").write_text(
        'Report No;received;age;unit;gender;drugs\n1;31.12.2020;70;YR;f;"aspirin; ; zocor"\n1;31.12.2020;70;YR;f;warfarin\n'
        "2;1.2.2021;6;MON;male;\n;1.2.2021;6;MON;male;x\n"
    )
    pq.write_table(
        pa.table({"report": [1.0, 2.0, 9.0], "pt": ["Rash", "Pain", "Lost"]}), tmp_path / "reactions.parquet"
    )
    (tmp_path / "mapping.yaml").write_text(text)
    return tmp_path / "mapping.yaml"


def test_mapped_files(tmp_path: Path) -> None:
    result = ingest(tmp_path / "store", [], mapping=mapped(tmp_path))
    assert balanced(result)
    assert result.added[0].source == "registry"
    cases = result.store.table("cases").arrow().to_pylist()
    assert [(c["report_id"], c["received_date"], c["sex"]) for c in cases] == [
        ("1", dt.date(2020, 12, 31), "F"), ("2", dt.date(2021, 2, 1), "M"),
    ]  # fmt: skip
    assert cases[1]["age_years"] == pytest.approx(0.5)
    assert cases[0]["event_country"] == "NL"
    assert result.store.table("drugs").arrow().column("name").to_pylist() == ["aspirin", "zocor", "warfarin"]
    reasons = sorted(result.store.table("set_aside").arrow().column("reason").to_pylist())
    assert reasons == ["no_content", "no_id", "no_id", "orphan"]
    assert not ingest(tmp_path / "store", [], mapping=tmp_path / "mapping.yaml").added


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("name: drugs}", "nam: drugs}", ConfigError, "did you mean 'name'"),
        ("  drugs:\n", "  medicines:\n", ConfigError, "unknown table"),
        ("  cases:\n", "  outcomes:\n", ConfigError, "no table 'cases'"),
        ("term: pt", "term: symptom", ColumnError, "no column 'symptom'"),
        ("reactions.parquet", "missing.csv", InputError, "no file"),
        ("split: {name", "split: {role", ConfigError, "split takes one"),
    ],
)
def test_wrong_mappings_are_refused(tmp_path: Path, old: str, new: str, error: type, says: str) -> None:
    assert old in MAPPING
    with pytest.raises(error, match=says):
        ingest(tmp_path / "store", [], mapping=mapped(tmp_path, MAPPING.replace(old, new)))


# ------------------------------------------------------------------------------------------------ real samples


@needs_data
def test_real_samples_are_accounted_for(tmp_path: Path) -> None:
    assert DATA is not None
    result = ingest(tmp_path / "store", [DATA / "diana", DATA / "faers_sample5000", DATA / "openfda"])
    assert balanced(result)
    sizes = {
        "sample_Demo": "cases",
        "sample_Drug_Name": "drugs",
        "sample_Reac": "reactions",
        "sample_Indi": "indications",
    }
    for file, table in sizes.items():
        wanted = pq.read_metadata(DATA / "diana" / f"{file}.parquet").num_rows
        stored = next(f for r in result.added for f in r.files if f.name == f"{file}.parquet" and f.table == table)
        assert stored.stored == wanted
    sample = result.store.table("drugs").where("source = 'sample'")
    assert sample.count() == 15332
    assert sample.where("role = 'PS'").count() == 5000  # one primary suspect a report
    before, after = (json.loads((DATA / "openfda" / f"event.{k}annotation.json").read_text()) for k in ("pre", "post"))
    for entry in (before, after):
        reactions = [r["reactionmeddrapt"] for r in entry["patient"]["reaction"]]
        assert result.store.table("reactions").where("source = 'openfda'").count() == 2 * len(reactions)


@needs_data
def test_caers_of_2012_through_a_mapping(tmp_path: Path) -> None:
    assert DATA is not None
    source = DATA / "openEBGM" / "caers.parquet"
    one = {"file": str(source), "id": "id"}
    tables = {
        "cases": {**one, "repeats": "first", "columns": {"sex": "strat1"}},
        "drugs": {**one, "columns": {"name": "var1"}, "constants": {"role": "PS"}},
        "reactions": {**one, "columns": {"term": "var2"}},
    }
    (tmp_path / "m.yaml").write_text(json.dumps({"source": "caers", "tables": tables}))
    store = ingest(tmp_path / "store", [], mapping=tmp_path / "m.yaml").store
    view = store.analysis_view(drug="verbatim", reaction="verbatim")
    assert view.n_cases == 3356
    pairs = view.sql(
        "SELECT count(*) AS n FROM (SELECT DISTINCT drug_id, reaction_id FROM drugs JOIN reactions USING (report_no))"
    )
    assert pairs.arrow()["n"][0].as_py() == 17189  # as openEBGM's processRaw counts them
