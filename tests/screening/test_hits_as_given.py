"""Hits of a screen that takes structures as given: one compound is one hit, however and wherever it is written."""

from __future__ import annotations

import csv

import pytest
from cheap_scorer import CheapScorer
from small_screens import score_table, small_settings

from cinchona.pipelines.prepare import prepare
from cinchona.pipelines.screen import screen

WAYS = ("OCC(N)C", "CC(N)CO", "C(C(C)N)O", "NC(C)CO")


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.smi"
    others = [f"{'C' * k}N x{k}" for k in range(1, 13)]
    lines = [line for k, way in enumerate(WAYS) for line in (f"{way} w{k}", *others[3 * k : 3 * k + 3])]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("top_k", [1, 3, 10, 20])
def test_differently_written_rows_of_other_partitions_are_one_hit(library, tmp_path, top_k):
    settings = small_settings(partition_rows=4, top_k=top_k)
    found = screen(library, model=CheapScorer(constant=1.0), out=tmp_path / "run", settings=settings)
    with (found.folder / "hits.csv").open(newline="") as file:
        hits = list(csv.DictReader(file))
    assert len(hits) == min(top_k, 13)
    first = hits[0]
    assert (first["compound_id"], first["smiles"], first["parent_smiles"]) == ("w0", "OCC(N)C", "CC(N)CO")
    assert (first["n_duplicates"], first["duplicate_ids"]) == ("3", "w1;w2;w3")
    assert len({hit["parent_smiles"] for hit in hits}) == len(hits)


def test_within_a_partition_the_score_is_copied(library, tmp_path):
    settings = small_settings(partition_rows=100)
    table = score_table(screen(library, model=CheapScorer(), out=tmp_path / "run", settings=settings).folder)
    rows = {row["compound_id"]: row for row in table.to_pylist()}
    assert [rows[f"w{k}"]["duplicate_of"] for k in range(4)] == [-1, 0, 0, 0]
    assert len({rows[f"w{k}"]["score"] for k in range(4)}) == 1
    assert {rows[f"w{k}"]["parent_smiles"] for k in range(4)} == {"OCC(N)C"}


def test_a_prepared_library_is_cut_as_the_library_itself(library, tmp_path):
    prepared = prepare(library, out=tmp_path / "prepared", settings=small_settings(partition_rows=100))
    assert prepared.header.duplicates == 3
    settings = small_settings(partition_rows=8)
    raw, ready = (
        screen(given, model=CheapScorer(), out=tmp_path / name, settings=settings)
        for name, given in (("raw", library), ("ready", prepared.folder))
    )
    assert score_table(raw.folder).equals(score_table(ready.folder))
