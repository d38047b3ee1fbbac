"""A prepared library gives the scores of the library that it was made from, and says so where it cannot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cheap_scorer import CheapScorer
from rdkit import Chem
from rdkit.Chem import Descriptors
from sdf_text import sdf
from small_screens import nci_library, score_table, small_settings
from small_training import quick_model, quick_settings

from cinchona.datasets.parsing import parse_smiles
from cinchona.datasets.prepared import DUPLICATES, HEADER, read_header
from cinchona.datasets.sources import open_library
from cinchona.errors import ConfigError, InputError, PlanMismatchError, RetryableError, RunInterrupted, UnsafeFileError
from cinchona.pipelines.prepare import PLAN, prepare
from cinchona.pipelines.screen import resume, screen
from cinchona.screening.interrupt import Interruption

ROWS = 450


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """Real compounds with salts and duplicates, and rows that cannot be used."""
    path = nci_library(tmp_path_factory.mktemp("library") / "library.csv", ROWS)
    again = "again," + path.read_text().splitlines()[1].rpartition(",")[2]
    odd = [
        "empty,",
        "wrong,C1CC",
        "twice,CCO",
        "twice,OCC",
        "salt,CCO.Cl",
        "same,CC(=O)[O-].[Na+]",
        f"long,{'C' * 30_000}",
        again,
    ]
    path.write_text(path.read_text() + "\n".join(odd) + "\n")
    return path


@pytest.fixture(scope="module")
def prepared(library, tmp_path_factory) -> Path:
    return prepare(
        library, out=tmp_path_factory.mktemp("prepared") / "it", descriptors=["MolWt", "TPSA"],
        settings=small_settings(method="chembl"),
    ).folder  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    quick_model(folder)
    return folder


def parts(folder: Path):
    return pq.read_table(sorted((folder / "parts").glob("*.parquet")))


@pytest.mark.parametrize("method", ["chembl", "none"])
def test_scores_are_those_of_the_library_itself(method, library, tmp_path):
    settings = small_settings(method=method)
    made = prepare(library, out=tmp_path / "prepared", settings=settings)
    raw = screen(library, model=CheapScorer(), out=tmp_path / "raw", settings=settings)
    ready = screen(made.folder, model=CheapScorer(), out=tmp_path / "ready", settings=settings)
    assert ready.scores_digest == raw.scores_digest
    assert (ready.rows, ready.rejected) == (raw.rows, raw.rejected) == (made.header.rows, made.header.rejected)
    assert score_table(ready.folder).equals(score_table(raw.folder))
    assert ready.rejected >= 3


def test_a_graph_network_parses_nothing_again(library, prepared, model, tmp_path, monkeypatch):
    settings = quick_settings("screen.partition_rows=100", "screen.batch_rows=32")
    raw = screen(library, model=model, out=tmp_path / "raw", settings=settings)
    parsed = []
    monkeypatch.setattr(
        "cinchona.models.coded_input.parse_smiles", lambda text: parsed.append(text) or parse_smiles(text)
    )
    monkeypatch.setattr("cinchona.screening.work.standardize_batch", lambda *_, **__: pytest.fail("standardized again"))
    ready = screen(prepared, model=model, out=tmp_path / "ready", settings=settings)
    assert ready.scores_digest == raw.scores_digest
    # The few molecules on which a model is tried whenever it is opened and planned with, and none of the library.
    assert len(set(parsed)) < 15 < ROWS / 4


def test_other_partitions_than_the_parts(prepared, model, tmp_path):
    whole = screen(prepared, model=model, out=tmp_path / "whole", settings=quick_settings("screen.partition_rows=100"))
    cut = screen(prepared, model=model, out=tmp_path / "cut", settings=quick_settings("screen.partition_rows=37"))
    left, right = score_table(whole.folder), score_table(cut.folder)
    assert left.column("row_id").equals(right.column("row_id"))
    np.testing.assert_allclose(left.column("score").to_numpy(), right.column("score").to_numpy(), rtol=1e-5, atol=1e-5)


def test_molecules_beyond_the_graph_limits_are_rejected_all_the_same(model, tmp_path):
    library = tmp_path / "library.smi"
    library.write_text(f"CCO a\n{'C' * 1500} huge\nCCN b\n")
    settings = quick_settings("standardize.max_atoms=5000", "reader.max_cell_length=9000")
    made = prepare(library, out=tmp_path / "prepared", settings=settings)
    raw, ready = (
        screen(given, model=model, out=tmp_path / name, settings=settings)
        for name, given in (("raw", library), ("ready", made.folder))
    )
    assert ready.scores_digest == raw.scores_digest
    assert (ready.scored, ready.rejected) == (raw.scored, raw.rejected)


def test_structures_that_sdf_does_not_give(tmp_path):
    path = tmp_path / "library.sdf"
    path.write_text(sdf("a") + "broken\n\n\nnot a block\nM  END\n$$$$\n" + sdf("b", "N"))
    made = prepare(path, out=tmp_path / "prepared", settings=small_settings())
    raw, ready = (
        screen(given, model=CheapScorer(), out=tmp_path / name, settings=small_settings())
        for name, given in (("raw", path), ("ready", made.folder))
    )
    assert ready.scores_digest == raw.scores_digest
    assert (raw.scored, raw.rejected) == (2, 1)


def test_duplicates_are_found_across_parts(prepared):
    table = parts(prepared)
    smiles, first = table.column("canonical_smiles").to_pylist(), {}
    wanted = [(k, first[s]) for k, s in enumerate(smiles) if s is not None and first.setdefault(s, k) != k]
    found = pq.read_table(prepared / DUPLICATES)
    assert list(zip(found["row_id"].to_pylist(), found["first_row_id"].to_pylist(), strict=True)) == wanted
    assert len(wanted) == read_header(prepared).duplicates > 2
    assert any(a // 100 != b // 100 for a, b in wanted), "all in one part, so nothing was shown"


def test_descriptors_are_those_of_the_parents(prepared):
    rows = parts(prepared).select(["smiles", "MolWt", "TPSA"]).to_pylist()
    for row in rows[::17]:
        if row["smiles"] is not None:
            mol = Chem.MolFromSmiles(row["smiles"])
            assert row["MolWt"] == pytest.approx(Descriptors.MolWt(mol), rel=1e-6)
            assert row["TPSA"] == pytest.approx(Descriptors.TPSA(mol), rel=1e-5, abs=1e-5)
    assert {row["MolWt"] is None for row in rows if row["smiles"] is None} == {True}


def test_every_executor_writes_the_same_parts(library, prepared, tmp_path):
    made = prepare(library, out=tmp_path / "p", descriptors=["MolWt", "TPSA"],
                   settings=small_settings("processes", method="chembl"))  # fmt: skip
    assert parts(made.folder).equals(parts(prepared))
    assert [p.digest for p in made.header.parts] == [p.digest for p in read_header(prepared).parts]


def test_gzip_and_two_files(library, tmp_path):
    import gzip

    packed = tmp_path / "more.csv.gz"
    packed.write_bytes(gzip.compress(b"id,smiles\nx,CCO\ny,CCCCCCCCN\n"))
    made = prepare([library, packed], out=tmp_path / "p", settings=small_settings())
    assert [s.rows for s in made.header.sources] == [ROWS + 8, 2]
    assert not (made.folder / "staged").exists()
    raw = screen([library, packed], model=CheapScorer(), out=tmp_path / "raw", settings=small_settings())
    ready = screen(made.folder, model=CheapScorer(), out=tmp_path / "ready", settings=small_settings())
    assert raw.scores_digest == ready.scores_digest


# ------------------------------------------------------------------------------------------------- interruptions


def test_what_was_done_before_a_failure_is_kept(library, tmp_path, monkeypatch):
    from cinchona.pipelines import prepare as module

    done, write = [], module.part_of

    def fails_at_the_third(partition, *rest):
        if partition.partition_id == 2 and not done.count(2):
            done.append(2)
            raise RetryableError("disk full")
        done.append(partition.partition_id)
        return write(partition, *rest)

    monkeypatch.setattr(module, "part_of", fails_at_the_third)
    with pytest.raises(RetryableError, match="disk full"):
        prepare(library, out=tmp_path / "p", settings=small_settings())
    assert not (tmp_path / "p" / HEADER).exists()
    made = prepare(library, out=tmp_path / "p", settings=small_settings())
    assert done == [0, 1, 2, 2, 3, 4]
    whole = prepare(library, out=tmp_path / "q", settings=small_settings())
    assert made.header == whole.header
    again = prepare(library, out=tmp_path / "p", settings=small_settings())
    assert again.header == made.header and len(done) == 11


def test_asked_to_stop(library, tmp_path, monkeypatch):
    monkeypatch.setattr(Interruption, "asked", True)
    with pytest.raises(RunInterrupted, match="5 parts left"):
        prepare(library, out=tmp_path / "p", settings=small_settings())


def test_a_folder_begun_for_something_else(library, tmp_path):
    prepare(library, out=tmp_path / "p", settings=small_settings())
    with pytest.raises(PlanMismatchError, match=r"standardize.method: planned none, now chembl"):
        prepare(library, out=tmp_path / "p", settings=small_settings(method="chembl"))


# ------------------------------------------------------------------------------------------------------- refusals


def test_bad_wishes(library, prepared, tmp_path):
    with pytest.raises(ConfigError, match="no descriptor 'MolWeight'") as told:
        prepare(library, out=tmp_path / "p", descriptors=["MolWeight"])
    assert "did you mean" in told.value.remedy
    with pytest.raises(InputError, match="prepared already"):
        prepare(prepared, out=tmp_path / "p", settings=small_settings())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds other things"):
        prepare(library, out=tmp_path / "full")
    with pytest.raises(InputError, match="is a file"):
        prepare(library, out=library)


def test_other_rules_than_those_of_the_library(prepared, tmp_path):
    settings = small_settings(method="none")
    with pytest.raises(InputError, match="standardized by other rules") as told:
        screen(prepared, model=CheapScorer(), out=tmp_path / "run", settings=settings)
    assert "method=none" in told.value.expected
    assert not (tmp_path / "run").exists()


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_damage_is_found(prepared, tmp_path):
    copy = shutil.copytree(prepared, tmp_path / "copy")
    part = copy / "parts" / "part-000001.parquet"
    flip(part)
    with pytest.raises(InputError, match="not what was prepared"):
        screen(copy, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(method="chembl"))
    shutil.copy(prepared / "parts" / part.name, part)
    done = resume(tmp_path / "run", model=CheapScorer())
    assert done.rows == ROWS + 8
    part.unlink()
    with pytest.raises(InputError, match="part of the prepared library is missing"):
        open_library([copy], staging=tmp_path)


@pytest.mark.parametrize(("change", "error", "words"), [
    (lambda h: h["parts"][0].update(file="../outside.parquet"), UnsafeFileError, "leaves its folder"),
    (lambda h: h["parts"][0].update(file="/etc/passwd"), UnsafeFileError, "leaves its folder"),
    (lambda h: h["parts"].pop(1), InputError, "do not follow"),
    (lambda h: h["parts"].pop(), InputError, "do not add up"),
    (lambda h: h.update(codes_schema="codes-0"), InputError, "codes-0"),
    (lambda h: h.update(form="cinchona-prepared-9"), InputError, "does not read"),
    (lambda h: h.pop("rows"), InputError, "does not read"),
])  # fmt: skip
def test_headers_that_lie(prepared, tmp_path, change, error, words):
    copy = shutil.copytree(prepared, tmp_path / "copy")
    header = json.loads((copy / HEADER).read_text())
    change(header)
    (copy / HEADER).write_text(json.dumps(header))
    with pytest.raises(error, match=words):
        open_library([copy], staging=tmp_path)


def test_a_half_prepared_folder_is_no_library(prepared, tmp_path):
    copy = shutil.copytree(prepared, tmp_path / "copy")
    (copy / HEADER).unlink()
    assert (copy / PLAN).exists()
    with pytest.raises(InputError, match="is a folder"):
        open_library([copy], staging=tmp_path)
