"""Coding of real drug names: how many are coded, and how many of 200 hand-checked misspellings are coded rightly.

``data/fuzzy_matches.csv`` holds every name that the rules code by nearest spelling in the report samples (``report``,
one of names that differ in case or package alone) and in the ADE corpus of abstracts (``abstract``), and 78 drawn at
random from those in the list of synonyms, when it is not used as a dictionary itself (``synonym list``). Each was read
and judged by hand: ``correct`` when all ingredients are those of the medicine that was meant, and no others.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

import cinchona.pharmacovigilance as pv
from cinchona.pharmacovigilance.coding.coder import Coded, Coder, How
from cinchona.pharmacovigilance.coding.dictionary import Dictionary, load
from cinchona.pharmacovigilance.coding.spelling import tidy, without_noise

DATA = Path(os.environ.get("CINCHONA_DATA", "missing")) / "ae"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="CINCHONA_DATA is not set")
_LIST = Path(__file__).parent / "data" / "fuzzy_matches.csv"
CHECKED = list(csv.DictReader(_LIST.read_text(encoding="utf-8").splitlines()))


def checked(source: str) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in CHECKED if row["source"] == source}


@pytest.fixture(scope="module")
def dictionaries() -> list[Dictionary]:
    folder = DATA / "vocab"
    return [
        load(f"unii:{folder / 'unii_names_filtered.parquet'}"), load(f"fda:{folder / 'products_fda.parquet'}"),
        load(f"synonyms:{folder / 'synonyms.dat.gz'}"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def coder(dictionaries: list[Dictionary]) -> Coder:
    return Coder(dictionaries)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """Mentions of each reported name in all samples of reports."""
    inputs = [*sorted((DATA / "faers_ascii").glob("*.zip")), DATA / "diana", DATA / "faers_sample5000"]
    store = pv.ingest(tmp_path_factory.mktemp("real") / "store", inputs).store
    table = store.sql("SELECT name, count(*) AS n FROM drugs WHERE name IS NOT NULL GROUP BY name").arrow()
    return Counter(dict(zip(table["name"].to_pylist(), table["n"].to_pylist(), strict=True)))


def test_two_hundred_were_read_by_hand() -> None:
    assert len({(row["source"], row["name"]) for row in CHECKED}) == len(CHECKED) == 200
    assert {row["verdict"] for row in CHECKED} == {"correct", "wrong"}
    assert all(row["note"] for row in CHECKED if row["verdict"] == "wrong")


def test_precision_of_the_checked_matches() -> None:
    right = Counter(row["source"] for row in CHECKED if row["verdict"] == "correct")
    asked = Counter(row["source"] for row in CHECKED)
    assert {s: (right[s], asked[s]) for s in asked} == {
        "report": (92, 98), "abstract": (19, 24), "synonym list": (73, 78),
    }  # fmt: skip


def same(row: dict[str, str], coded: Coded) -> bool:
    return (row["matched"], row["ingredients"]) == (coded.matched, ";".join(coded.ingredients)) and float(
        row["score"]
    ) == pytest.approx(coded.score)


def test_names_of_reports(coder: Coder, reported: Counter[str]) -> None:
    coded = coder.code(reported)
    # How much is coded, by the reported name alone.
    rest = [n for n, c in coded.items() if c.how is How.NONE]
    assert 1 - len(rest) / len(reported) > 0.82
    assert 1 - sum(reported[n] for n in rest) / reported.total() > 0.92
    # The checked list is complete: nothing that is coded by nearest spelling stands beside it.
    fuzzy = {n: c for n, c in coded.items() if c.how is How.FUZZY}
    wanted = checked("report")
    assert all(name in fuzzy and same(row, fuzzy[name]) for name, row in wanted.items())
    assert {_bare(n) for n in fuzzy} <= {_bare(n) for n in wanted}


def _bare(name: str) -> str:
    return without_noise(tidy(name))


def test_names_of_abstracts(coder: Coder) -> None:
    with gzip.open(DATA / "text" / "DRUG-AE.rel.gz", "rt", encoding="utf-8", errors="replace") as lines:
        names = {line.split("|")[5] for line in lines}
    fuzzy = {n: c for n, c in coder.code(sorted(names)).items() if c.how is How.FUZZY}
    wanted = checked("abstract")
    assert all(name in fuzzy and same(row, fuzzy[name]) for name, row in wanted.items())
    listed = {_bare(n) for n in [*wanted, *checked("report")]}
    assert {_bare(n) for n in fuzzy} <= listed


def test_names_of_the_synonym_list(dictionaries: list[Dictionary]) -> None:
    *others, synonyms = dictionaries
    coder = Coder(others)
    coded = coder.code(e.name for e in synonyms.rows)
    fuzzy = {n: c for n, c in coded.items() if c.how is How.FUZZY}
    wanted = checked("synonym list")
    assert all(name in fuzzy and same(row, fuzzy[name]) for name, row in wanted.items())
    # The list names an ingredient itself. It is wrong here and there, so that agreement is a lower bound of precision.
    agree = sum(
        fuzzy[e.name].ingredients == (coder.thesaurus.base(tidy(e.ingredients[0])),)
        for e in synonyms.rows if e.name in fuzzy
    )  # fmt: skip
    assert agree / len(fuzzy) > 0.89
