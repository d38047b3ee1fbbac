"""Whole screens: the hits are those of sorting everything, and every executor gives the same table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cheap_scorer import CheapScorer
from rdkit import Chem
from small_screens import nci_library, score_table, small_settings

from cinchona.datasets.sameness import canonical_form
from cinchona.errors import ConfigError, NoUsableRowsError, TooManyRejectsError
from cinchona.pipelines.screen import resume, screen, status
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan, partitions
from cinchona.screening.totals import check_complete, digest_scores

SCORER = CheapScorer(detailed=True, rejects="Br", raises="[Na", nan="I")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", 450)


@pytest.fixture(scope="module")
def result(library, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "serial"
    return screen(library, model=SCORER, out=out, settings=small_settings(method="chembl"))


@pytest.fixture(scope="module")
def table(result):
    return score_table(result.folder)


def test_every_row_is_accounted_for(result, table):
    assert result.rows == table.num_rows == 450
    assert table["row_id"].to_pylist() == list(range(450))
    assert table["compound_id"].to_pylist() == [f"NSC{i}" for i in ids()]
    assert result.scored == pc.sum(pc.equal(table["status"], "scored")).as_py()
    assert result.rejected == 450 - result.scored > 0
    assert set(table["stage"].drop_null().to_pylist()) >= {"score"}
    assert {"salt_removed", "unspecified_stereo"} <= set(";".join(table["flags"].to_pylist()).split(";"))


def ids():
    from small_screens import NCI

    return [line.split()[1] for line in NCI.read_text().splitlines()[:450]]


def test_hits_are_the_best_distinct_compounds(result, table):
    best = {}
    for row in table.to_pylist():
        if row["status"] == "scored" and np.isfinite(row["score"]):
            best.setdefault(canonical_form(row["parent_smiles"]), []).append(row)
    order = sorted(best, key=lambda parent: (-best[parent][0]["score"], best[parent][0]["row_id"]))[:20]
    hits = result.hits.to_pylist()
    assert [h["parent_smiles"] for h in hits] == order
    assert [h["rank"] for h in hits] == list(range(1, 21))
    for hit, parent in zip(hits, order, strict=True):
        rows = best[parent]
        assert (hit["row_id"], hit["score"], hit["pX"]) == (rows[0]["row_id"], rows[0]["score"], rows[0]["pX"])
        assert hit["n_duplicates"] == len(rows) - 1
        assert hit["duplicate_ids"] == ";".join(r["compound_id"] for r in rows[1:])
        assert hit["mw"] == pytest.approx(Chem.Descriptors.MolWt(Chem.MolFromSmiles(parent)), rel=1e-5)


def test_not_finite_scores_are_scored_but_never_hits(result, table):
    iodine = pc.and_(pc.match_substring(table["parent_smiles"], "I"), pc.equal(table["status"], "scored"))
    n = pc.sum(iodine).as_py()
    assert n > 0
    assert result.histogram.not_finite == n
    assert result.histogram.total + n == result.scored
    assert not [s for s in result.hits["parent_smiles"].to_pylist() if "I" in s]


def test_rejects_have_reasons(result, table):
    rejects = pq.read_table(result.rejects)
    assert rejects.num_rows == result.rejected
    expected = table.filter(pc.equal(table["status"], "rejected")).select(rejects.schema.names)
    assert rejects.to_pylist() == expected.to_pylist()
    assert all(rejects["reason"].to_pylist())
    assert len(result.rejects.with_suffix(".csv").read_text().splitlines()) == rejects.num_rows + 1


def test_files_of_a_finished_run(result):
    names = {p.name for p in result.folder.iterdir()}
    assert names == {
        "plan.json", "partitions.parquet", "data", "receipts", "lease", "manifest.json", "_SUCCESS", "report.html",
        "hits.parquet", "hits.csv", "hits.sdf", "rejects.parquet", "rejects.csv",
    }  # fmt: skip
    assert len(list(Chem.SDMolSupplier(str(result.folder / "hits.sdf")))) == 20
    assert digest_scores(RunFolder(result.folder)) == result.scores_digest
    assert "http" not in (result.folder / "hits.csv").read_text()


@pytest.mark.parametrize(("kind", "workers"), [("processes", 3), pytest.param("dask", 2, marks=pytest.mark.slow)])
def test_every_executor_gives_the_same_table(kind, workers, library, result, tmp_path):
    settings = small_settings(kind, workers=workers, method="chembl")
    other = screen(library, model=SCORER, out=tmp_path / kind, settings=settings)
    assert other.scores_digest == result.scores_digest
    assert other.plan == result.plan
    assert other.hits == result.hits
    assert (other.folder / "rejects.csv").read_bytes() == (result.folder / "rejects.csv").read_bytes()


def test_the_digest_follows_the_content(library, result, tmp_path):
    other = screen(library, model=CheapScorer(), out=tmp_path / "a", settings=small_settings(method="chembl"))
    assert other.scores_digest != result.scores_digest


def test_equal_scores_are_ranked_by_row(library, tmp_path):
    scorer = CheapScorer(constant=1.0)
    result = screen(library, model=scorer, out=tmp_path / "run", settings=small_settings(top_k=150))
    rows = result.hits["row_id"].to_pylist()
    assert rows == sorted(rows)
    assert rows[0] == 0
    assert len(rows) == 150


def test_duplicates_of_the_whole_library_are_one_hit(tmp_path):
    library = tmp_path / "library.smi"
    library.write_text("".join(f"{'OCC' if i % 2 else 'CCO'} e{i}\nC{'C' * (i % 7)} a{i}\n" for i in range(150)))
    result = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(top_k=100))
    assert result.hits.num_rows == 8
    ethanol = next(h for h in result.hits.to_pylist() if h["parent_smiles"] == "CCO")
    assert (ethanol["compound_id"], ethanol["row_id"]) == ("e0", 0)
    # 149 further rows under its own spellings, and 'CC' + 'O' is nobody else's.
    assert ethanol["n_duplicates"] == 149
    assert ethanol["duplicate_ids"].split(";") == [f"e{i}" for i in range(1, 101)], (
        "the list is capped, the count is not"
    )
    assert result.duplicates == 300 - sum(len({*chunk}) for chunk in chunks(result))


def chunks(result):
    table = score_table(result.folder)
    return [table["parent_smiles"].slice(i, 100).to_pylist() for i in range(0, 300, 100)]


def test_the_plan_covers_the_library_without_gaps(result):
    folder = RunFolder(result.folder)
    plan = load_plan(folder)
    cut = list(partitions(folder))
    assert [(p.partition_id, p.first_row, p.n_rows) for p in cut] == [
        (i, 100 * i, n) for i, n in enumerate([100] * 4 + [50])
    ]
    totals = check_complete(folder, plan)
    assert totals.rows == plan.rows == totals.scored + totals.rejected
    assert sum(totals.rejects_by_stage.values()) == totals.rejected == totals.rejects.sum()


def test_status_of_a_finished_run(result):
    record = status(result.folder)
    assert (record.state, record.rows, record.rows_done, record.partitions_done) == ("finished", 450, 450, 5)
    assert (record.scored, record.rejected) == (result.scored, result.rejected)
    assert record.best == result.hits["score"][0].as_py()
    assert record.rows_per_second is None
    assert status(result.folder).model_validate_json(record.model_dump_json()) == record


def test_too_many_rejects_end_with_an_error_after_writing_everything(library, tmp_path):
    scorer = CheapScorer(rejects="C")
    with pytest.raises(TooManyRejectsError, match=r"rows \(\d+\.\d%\) were rejected: \d+ at score") as ended:
        screen(library, model=scorer, out=tmp_path / "run", settings=small_settings(max_reject_share=0.9))
    assert ended.value.exit_code == 6
    assert "all results are written" in str(ended.value)
    assert status(tmp_path / "run").state == "finished"
    with pytest.raises(TooManyRejectsError):
        resume(tmp_path / "run", model=scorer)


def test_no_usable_row_ends_with_an_error_after_writing_the_reasons(tmp_path):
    library = tmp_path / "library.csv"
    library.write_text("id,smiles\na,Xx\nb,C1CC\n")
    with pytest.raises(NoUsableRowsError, match="none of 2 rows could be scored: 2 at parse") as ended:
        screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings())
    assert ended.value.exit_code == 2
    assert pq.read_table(tmp_path / "run" / "rejects.parquet")["compound_id"].to_pylist() == ["a", "b"]
    assert pq.read_table(tmp_path / "run" / "hits.parquet").num_rows == 0


def test_a_gpu_that_is_not_there_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr("cinchona.screening.planning.has_gpu", lambda: False)
    library = nci_library(tmp_path / "library.csv", 3)
    with pytest.raises(ConfigError, match="no GPU"):
        screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(product="cuda"))
