"""Dictionary files of every kind, groupings of reactions, and coding runs of a store."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_reports as small

import cinchona.pharmacovigilance as pv
from cinchona import seeds
from cinchona.errors import ColumnError, InputError
from cinchona.pharmacovigilance.coding.clusters import CoReporting, cluster
from cinchona.pharmacovigilance.coding.coder import Coder
from cinchona.pharmacovigilance.coding.dictionary import Entry, load
from cinchona.pharmacovigilance.coding.reactions import load_grouping
from cinchona.pharmacovigilance.coding.run import CodingConfig


def write(path: Path, text: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_own_csv_in_any_common_spelling(tmp_path: Path) -> None:
    text = 'Drug_Name;Substance\r\nCAF\u00c9 FORTE;CAFFEINE\r\nTWIN;"A ACID; B BASE"\r\nTWIN;C SALT\r\n'
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        rows = load(f"csv:{path}").rows
        # The quoted delimiter splits ingredients, repeated names add theirs.
        assert rows == (Entry("CAF\u00c9 FORTE", ("CAFFEINE",)), Entry("TWIN", ("A ACID", "B BASE", "C SALT")))


def test_unii_names(tmp_path: Path) -> None:
    table = {
        "name": ["ASPIRIN", "ACETYLSALICYLIC ACID", "ECOTRIN", "NSC-27223", "SOOT", None],
        "type": ["of", "cn", "bn", "cd", "cn", "cn"],
        "unii": ["R1", "R1", "R1", "R1", "S9", "S9"],
        "display_name": ["ASPIRIN", "ASPIRIN", "ASPIRIN", "ASPIRIN", "SOOT", "SOOT"],
    }
    pq.write_table(pa.table(table), tmp_path / "names.parquet")
    found = {e.name: e for e in load(f"unii:{tmp_path / 'names.parquet'}").rows}
    assert {n: e.kind for n, e in found.items()} == {
        "ASPIRIN": "substance", "ACETYLSALICYLIC ACID": "brand", "ECOTRIN": "brand", "NSC-27223": "other", "SOOT": "other",
    }  # fmt: skip
    assert all(e.ingredients == (("SOOT",) if n == "SOOT" else ("ASPIRIN",)) for n, e in found.items())


def test_synonyms_and_products(tmp_path: Path) -> None:
    (tmp_path / "s.gz").write_bytes(gzip.compress(b"TYLENOL\tACETAMINOPHEN\nshort line\nX\tY\n"))
    assert load(f"synonyms:{tmp_path / 's.gz'}").rows == (Entry("TYLENOL", ("ACETAMINOPHEN",)),)
    path = write(
        tmp_path / "p.csv", "DrugName,ActiveIngredient\nTWIN,A ACID; B BASE\nTWIN,A ACID; B BASE\nTWIN,A ACID\n"
    )
    rows = load(f"fda:{path}").rows
    assert rows[0] == Entry("TWIN", ("A ACID", "B BASE"))  # what most of its products hold
    assert {e.name for e in rows if e.kind == "substance"} == {"A ACID", "B BASE"}


def test_rxnorm_release(tmp_path: Path) -> None:
    def concept(cui: str, kind: str, text: str, *, language: str = "ENG", suppress: str = "N") -> str:
        fields = [""] * 18
        fields[0], fields[1], fields[11], fields[12], fields[14], fields[16] = (
            cui,
            language,
            "RXNORM",
            kind,
            text,
            suppress,
        )
        return "|".join(fields)

    def relation(first: str, kind: str, second: str) -> str:
        fields = [""] * 16
        fields[0], fields[4], fields[7] = first, second, kind
        return "|".join(fields)

    names = [
        concept("1", "IN", "atorvastatin"), concept("2", "IN", "amlodipine"), concept("3", "BN", "Caduet"),
        concept("4", "BN", "Lipitor"), concept("5", "MIN", "amlodipine / atorvastatin"), concept("6", "BN", "Old", suppress="O"),
        concept("1", "SY", "atorvastatina", language="SPA"), concept("7", "BN", "Orphan"),
    ]  # fmt: skip
    links = [relation("1", "tradename_of", "4"), relation("5", "tradename_of", "3"), relation("1", "part_of", "5"),
             relation("2", "part_of", "5"), relation("2", "isa", "4")]  # fmt: skip
    path = write(tmp_path / "RXNCONSO.RRF", "\n".join(names) + "\n")
    write(tmp_path / "RXNREL.RRF", "\n".join(links) + "\n")
    found = {e.name: e.ingredients for e in load(f"rxnorm:{path}").rows}
    assert found == {
        "atorvastatin": ("atorvastatin",), "amlodipine": ("amlodipine",), "Lipitor": ("atorvastatin",),
        "Caduet": ("amlodipine", "atorvastatin"), "amlodipine / atorvastatin": ("amlodipine", "atorvastatin"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("csv", b"", "cannot be read"),
        ("csv", b"name,ingredient\n", "holds no names"),
        ("csv", b"name,ingredient\nA,B,C\n", "cannot be read"),
        ("csv", b"drug,remark\nA,B\n", "no column"),
        ("unii", b"name,type\nA,of\n", "no column 'unii'"),
        ("synonyms", b"no tab\n", "holds no names"),
        ("rxnorm", b"1|2|3\n", "too few columns"),
        ("fda", b"\x00\x01\x02PAR1", "cannot be read|no column"),
        ("other", b"", "unknown dictionary"),
    ],
)
def test_damaged_dictionaries_are_refused(tmp_path: Path, kind: str, data: bytes, says: str) -> None:
    path = write(tmp_path / "file.csv", data)
    with pytest.raises((InputError, ColumnError), match=says):
        load(f"{kind}:{path}")


@pytest.mark.parametrize("name", ["x.parquet", "x.csv.gz"])
def test_files_that_are_not_what_they_are_called(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, b"neither\n")
    with pytest.raises(InputError, match="cannot be read"):
        load(f"csv:{path}")
    with pytest.raises(InputError, match="no such dictionary"):
        load("csv:missing.csv")


def test_version_follows_the_content(tmp_path: Path) -> None:
    one = load("csv:" + write(tmp_path / "a.csv", "name,ingredient\nA A,B\n"))
    same = load("csv:" + write(tmp_path / "b.csv", "name,ingredient\nA A,B\n"))
    other = load("csv:" + write(tmp_path / "c.csv", "name,ingredient\nA A,C\n"))
    assert one.version == same.version != other.version
    assert len(one.version) == 16


# ------------------------------------------------------------------------------------------------ runs of a store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coding")


@pytest.fixture(scope="module")
def store(folder: Path) -> pv.ReportStore:
    rows = small.plain_quarter((101, 102, 103, 104))
    rows["DRUG"] += [
        small.drug(101, "LIPITOR AND NORVASC", drug_seq=3, role_cod="SS"), small.drug(102, "MYSTERIUM", drug_seq=3, role_cod="C"),
        small.drug(103, "ATORVASTATINA", drug_seq=3, role_cod="C"), small.drug(104, "ATORVASTXXXN", drug_seq=3, role_cod="C"),
        small.drug(104, "OLD NAME", drug_seq=4, role_cod="C", prod_ai="AMLODIPINE BESYLATE"),
    ]  # fmt: skip
    return pv.ingest(folder / "store", [small.quarter_zip(folder / "in", rows)]).store


@pytest.fixture(scope="module")
def own(folder: Path) -> str:
    text = "name,ingredient\nLIPITOR,ATORVASTATIN\nATORVASTATIN,ATORVASTATIN\nNORVASC,AMLODIPINE\nAMLODIPINE,AMLODIPINE\nASPIRIN,ASPIRIN\n"
    return "csv:" + write(folder / "own.csv", text)


def test_a_run_is_versioned_counted_and_loud(store: pv.ReportStore, own: str, caplog: pytest.LogCaptureFixture) -> None:
    dictionary = load(own)
    with caplog.at_level(logging.WARNING):
        result = pv.code(store, [dictionary])
    counts = result.counts
    assert counts["mentions"] == store.table("drugs").count() == 13
    assert sum(n["mentions"] for n in counts["by"].values()) == 13
    assert counts["mentions_coded"] == 11 and counts["names_coded"] == counts["names"] - 2
    assert result.run.header["dictionaries"] == [{"name": "csv", "version": dictionary.version}]
    assert "2 of 13 drug mentions" in caplog.text and "MYSTERIUM" in caplog.text
    assert "did you mean ATORVASTATIN?" in caplog.text
    names = pq.read_table(result.run.folder / "drug_names.parquet").to_pylist()
    by_name: dict[str, set[str | None]] = {}
    for row in names:
        by_name.setdefault(row["name"], set()).add(row["ingredient"])
    assert by_name["LIPITOR AND NORVASC"] == {"ATORVASTATIN", "AMLODIPINE"}
    assert by_name["OLD NAME"] == {"AMLODIPINE"}  # through the substance that the source gave
    assert by_name["MYSTERIUM"] == {None}
    fuzzy = next(row for row in names if row["name"] == "ATORVASTATINA")
    assert (fuzzy["how"], fuzzy["coded_from"]) == ("fuzzy", "name") and 90 < fuzzy["score"] < 95
    uncoded = pq.read_table(result.run.folder / "uncoded.parquet").to_pylist()
    assert {(r["name"], r["mentions"]) for r in uncoded} == {("MYSTERIUM", 1), ("ATORVASTXXXN", 1)}


def test_analyses_read_the_newest_run(store: pv.ReportStore, own: str) -> None:
    pv.code(store, [load(own)])
    view = store.analysis_view()
    drugs = set(view.drug_names.arrow()["drug"].to_pylist())
    assert {"ATORVASTATIN", "AMLODIPINE", "MYSTERIUM"} <= drugs and "LIPITOR 10 MG" not in drugs
    pv.code(store, [load(own)], config=CodingConfig(fuzzy=False, prefer_substance=False))
    drugs = set(store.analysis_view().drug_names.arrow()["drug"].to_pylist())
    assert "ATORVASTATINA" in drugs


def test_reaction_groups_carry_the_drug_coding_over(store: pv.ReportStore, own: str, folder: Path) -> None:
    pv.code(store, [load(own)])
    path = write(folder / "groups.csv", "Term,Group\nnausea,GUT\nNausea ,SICK\nHEADACHE,HEAD\nRash,SKIN\n,EMPTY\n")
    result = pv.code(store, grouping=load_grouping(f"list:{path}"))
    header = result.run.header
    assert header["drugs"]["mentions_coded"] == 11 and header["dictionaries"]
    told = {k: v for k, v in header["reactions"].items() if k != "version"}
    assert told == {"grouping": "list", "terms": 2, "terms_grouped": 2, "groups": 3}
    groups = pq.read_table(result.run.folder / "reaction_groups.parquet").to_pylist()
    assert {(g["term"], g["reaction_group"]) for g in groups} == {
        ("NAUSEA", "GUT"), ("NAUSEA", "SICK"), ("HEADACHE", "HEAD"),
    }  # fmt: skip
    view = store.analysis_view(reaction="group")
    assert set(view.reaction_names.arrow()["reaction"].to_pylist()) == {"GUT", "SICK", "HEAD"}


def test_meddra_hierarchy_of_the_user(store: pv.ReportStore, folder: Path) -> None:
    def path_of(pt: str, name: str, hlt: str, soc: str, primary: str = "Y") -> str:
        return "$".join([pt, "1", "2", "3", name, hlt, "GROUP OF " + hlt, soc, "XX", "", "9", primary, ""])

    lines = [path_of("10", "Nausea", "Nausea and vomiting", "Gut"), path_of("10", "Nausea", "Other", "Other", "N"),
             path_of("11", "Cephalgia", "Headaches NEC", "Nerves")]  # fmt: skip
    write(folder / "meddra" / "mdhier.asc", "\r\n".join(lines) + "\r\n")
    write(folder / "meddra" / "llt.asc", "20$Headache$11$$$$$$$Y$$\r\n21$Cephalgia$11$$$$$$$Y$$\r\n")
    for level, wanted in (
        ("", {"Nausea and vomiting", "Headaches NEC"}), (":soc", {"Gut", "Nerves"}),
        (":hlgt", {"GROUP OF Nausea and vomiting", "GROUP OF Headaches NEC"}),
    ):  # fmt: skip
        run = pv.code(store, grouping=load_grouping(f"meddra:{folder / 'meddra'}{level}")).run
        assert run.header["reactions"]["grouping"] == f"meddra:{level[1:] or 'hlt'}"
        found = pq.read_table(run.folder / "reaction_groups.parquet")["reaction_group"].to_pylist()
        assert set(found) == wanted


def test_wrong_groupings_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="unknown grouping"):
        load_grouping("magic")
    with pytest.raises(InputError, match="no such list"):
        load_grouping("list:missing.csv")
    with pytest.raises(ColumnError, match="lacks its columns"):
        load_grouping("list:" + write(folder / "bad.csv", "a,b\n1,2\n"))
    with pytest.raises(InputError, match="MedDRA file is missing") as caught:
        load_grouping(f"meddra:{folder / 'nowhere'}")
    assert "clusters" in caught.value.remedy
    write(folder / "short" / "mdhier.asc", "1$2$3\n")
    with pytest.raises(InputError, match="too few columns"):
        load_grouping(f"meddra:{folder / 'short'}")


def test_clusters_find_terms_that_come_together() -> None:
    rng = seeds.rng(1, "clusters")
    n, families = 3000, [(0, 1, 2), (3, 4, 5), (6, 7)]
    family = rng.integers(0, len(families), n)
    reports, terms = [], []
    for report in range(n):
        own = families[family[report]]
        chosen = {int(t) for t in own if rng.random() < 0.6} | {int(rng.integers(8, 30))}
        reports += [report] * len(chosen)
        terms += sorted(chosen)
    clustered, group = cluster(np.array(reports), np.array(terms), n, settings=CoReporting())
    of = dict(zip(clustered.tolist(), group.tolist(), strict=True))
    assert all(len({of[t] for t in members}) == 1 for members in families)
    assert len({of[members[0]] for members in families}) == 3
    rest = [of[t] for t in range(8, 30)]
    assert not set(rest) & {of[0], of[3], of[6]}


def test_clusters_of_a_store_are_written_and_named(store: pv.ReportStore) -> None:
    run = pv.code(store, grouping=load_grouping("clusters")).run
    assert run.header["reactions"]["terms"] == 2
    assert run.header["reactions"]["version"] == store.content_id
    view = store.analysis_view(reaction="group")
    assert view.n_cases == 4


def test_a_coder_takes_any_dictionary() -> None:
    class Mine:
        name, version = "mine", "2026"

        def entries(self) -> list[Entry]:
            return [Entry("FOO BAR", ("BAZ",))]

    assert Coder([Mine()]).code(["foo bar 5 mg"])["foo bar 5 mg"].ingredients == ("BAZ",)
