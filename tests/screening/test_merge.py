"""Merged runs are what one run of all libraries would have been; scores open in DuckDB and Polars."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from cheap_scorer import CheapScorer
from small_screens import NCI, small_settings

from cinchona.errors import InputError, PlanMismatchError, RetryableError
from cinchona.pipelines.screen import screen
from cinchona.screening.folder import RunFolder
from cinchona.screening.merge import merge_runs

SCORER = CheapScorer(rejects="Br", nan="I")
CUTS = [(0, 300), (250, 500), (500, 620)]
"""Rows of the three libraries; the second repeats fifty compounds and their identifiers."""


def library(path: Path, ranges) -> Path:
    lines = [line.split() for line in NCI.read_text().splitlines()]
    rows = [f"NSC{name},{smiles}\n" for a, b in ranges for smiles, name in lines[a:b]]
    path.write_text("id,smiles\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    made = []
    for n, cut in enumerate(CUTS):
        file = library(root / f"{n}.csv", [cut])
        made.append(screen(file, model=SCORER, out=root / f"run{n}", settings=small_settings(method="chembl")).folder)
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    file = library(root / "all.csv", CUTS)
    return screen(file, model=SCORER, out=root / "run", settings=small_settings(method="chembl"))


@pytest.fixture(scope="module")
def merged(runs, tmp_path_factory):
    return merge_runs(runs, tmp_path_factory.mktemp("merged") / "all")


def test_hits_are_those_of_one_run(merged, whole):
    ours, theirs = pq.read_table(merged.folder / "hits.parquet"), whole.hits
    for name in ("rank", "compound_id", "parent_smiles", "score", "n_duplicates"):
        assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    starts = [0, 300, 550]
    rows = [starts[run] + row for run, row in zip(ours["run"].to_pylist(), ours["row_id"].to_pylist(), strict=True)]
    assert rows == theirs["row_id"].to_pylist()
    assert sorted(map(sorted, (i.split(";") for i in ours["duplicate_ids"].to_pylist()))) == sorted(
        map(sorted, (i.split(";") for i in theirs["duplicate_ids"].to_pylist()))
    )


def test_counts_and_rejects_are_those_of_one_run(merged, whole):
    assert (merged.rows, merged.scored, merged.rejected) == (whole.rows, whole.scored, whole.rejected)
    ours = pq.read_table(merged.folder / "rejects.parquet")
    theirs = pq.read_table(whole.folder / "rejects.parquet")
    assert ours["compound_id"].to_pylist() == theirs["compound_id"].to_pylist()
    assert ours["stage"].to_pylist() == theirs["stage"].to_pylist()


def test_repeated_identifiers_are_told(merged):
    lines = (merged.folder / "repeated_ids.csv").read_text().splitlines()
    assert merged.repeated_ids == len(lines) - 1 == 50
    assert {line.split(",")[1] for line in lines[1:]} == {"0;1"}


def test_parts_name_every_row_once(merged):
    parts = pq.read_table(merged.folder / "parts.parquet").to_pylist()
    assert sum(p["rows"] for p in parts) == merged.rows
    assert sum(pq.read_metadata(p["path"]).num_rows for p in parts) == merged.rows


def test_duckdb_and_polars_read_full_scores(whole):
    pattern = str(whole.folder / "data" / "*" / "*.parquet")
    rows, scored, best = duckdb.sql(
        f"select count(*), count(score), max(score) filter (where isfinite(score)) from read_parquet('{pattern}')"
    ).fetchall()[0]
    assert (rows, scored) == (whole.rows, whole.scored)
    assert best == whole.hits["score"][0].as_py()
    lazy = pl.scan_parquet(pattern)
    found = lazy.filter(pl.col("score").is_finite()).sort("score", descending=True).limit(1).collect()
    assert found["score"][0] == best
    assert lazy.select("row_id").collect()["row_id"].sort().to_list() == list(range(whole.rows))


def test_another_model_or_configuration_is_refused(runs, tmp_path):
    file = library(tmp_path / "x.csv", [(0, 50)])
    other = screen(file, model=CheapScorer(salt="x"), out=tmp_path / "model", settings=small_settings(method="chembl"))
    with pytest.raises(PlanMismatchError, match="model: planned"):
        merge_runs([runs[0], other.folder], tmp_path / "out")
    other = screen(file, model=SCORER, out=tmp_path / "top", settings=small_settings(method="chembl", top_k=5))
    with pytest.raises(PlanMismatchError, match=r"screen.top_k: planned 20, now 5"):
        merge_runs([runs[0], other.folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_twice_unfinished_or_damaged_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match="given twice"):
        merge_runs([runs[0], runs[1], runs[0]], tmp_path / "out")
    with pytest.raises(InputError, match="not empty"):
        merge_runs(runs, runs[0])
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(runs[2], copy)
    next(RunFolder(copy).receipt_files()).unlink()
    with pytest.raises(RetryableError, match="not complete"):
        merge_runs([runs[0], copy], tmp_path / "out")
    (copy / "_SUCCESS").unlink()
    with pytest.raises(InputError, match="not finished"):
        merge_runs([runs[0], copy], tmp_path / "out")


def test_the_command(runs, tmp_path, capsys):
    from cinchona.cli.main import run

    assert run(["merge", *map(str, runs), "--out", str(tmp_path / "out"), "--json", "--quiet"]) == 0
    assert '"repeated_ids": 50' in capsys.readouterr().out
    assert (tmp_path / "out" / "hits.sdf").exists()
