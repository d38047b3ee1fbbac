"""The screening workflow as a user calls it: messy libraries, wrong inputs, a real model, a tracked run."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from cheap_scorer import CheapScorer
from hypothesis import given, settings
from hypothesis import strategies as st
from small_screens import nci_library, score_table, small_settings
from strategies import MessyTable, any_smiles, messy_tables

from cinchona.errors import CinchonaError, ColumnError, ExitCode, InputError, NoUsableRowsError, PlanMismatchError
from cinchona.pipelines.screen import resume, screen
from cinchona.pipelines.screen_result import ScreenResult
from cinchona.records import Endpoint
from cinchona.screening.config import ExecutorConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.tracking import NullRun

MODEL = CheapScorer(rejects="F", raises="Cl", detailed=True)
FREE = {"max_reject_share": 1.0, "top_k": 5, "partition_rows": 4, "batch_rows": 3}


def check_accounts(result: ScreenResult, rows: int | None = None) -> None:
    """Each row of the library is there once, scored or with a reason."""
    table = score_table(result.folder)
    assert table["row_id"].to_pylist() == list(range(result.rows))
    scored = table["score"].is_valid().to_numpy()
    assert result.rows == result.scored + result.rejected == table.num_rows
    assert result.scored == scored.sum()
    assert [r is None for r in table["reason"].to_pylist()] == scored.tolist()
    assert pq.read_metadata(result.rejects).num_rows == result.rejected
    if rows is not None:
        assert result.rows == rows


# ----------------------------------------------------------------------------------------------------- messy input


def attempt(library, out, options) -> ScreenResult | CinchonaError:
    """Screen; an error that a user may see comes back as a value, any other is a defect and passes."""
    try:
        return screen(library, model=MODEL, out=out, settings=options)
    except CinchonaError as error:
        return error


@given(table=messy_tables())
@settings(max_examples=25)
def test_messy_tables_lose_no_row(tmp_path_factory, table: MessyTable):
    root = tmp_path_factory.mktemp("messy")
    (root / "library.csv").write_bytes(table.data)
    result = attempt(root / "library.csv", root / "run", small_settings(**FREE))
    if isinstance(result, ScreenResult):
        check_accounts(result)
        return
    assert result.exit_code == ExitCode.USAGE
    assert result.remedy or result.expected, "an error that does not help"
    if (root / "run" / "plan.json").exists():
        rows = load_plan(RunFolder(root / "run")).rows
        assert pq.read_metadata(root / "run" / "rejects.parquet").num_rows == rows > 0


@given(cells=st.lists(any_smiles(), min_size=1, max_size=30))
@settings(max_examples=15)
def test_messy_smiles_files_lose_no_row(tmp_path_factory, cells):
    root = tmp_path_factory.mktemp("messy")
    lines = [f"{' '.join(c.split()) or 'X'} id{i}" for i, c in enumerate(cells)]
    (root / "library.smi").write_text("\n".join(["C first", *lines]), encoding="utf-8", errors="replace")
    settings_ = small_settings(method="chembl", **FREE)
    result = screen(root / "library.smi", model=MODEL, out=root / "run", settings=settings_)
    check_accounts(result)


@pytest.mark.slow
def test_real_messy_libraries_lose_no_row(data_folder, tmp_path):
    """Salts, metals, macrocycles, broken records, packed and plain, all in one screen."""
    folder = data_folder / "libraries" / "messy"
    files = sorted(p for p in folder.iterdir() if not p.name.startswith("smilesreading"))  # 47,000 rows more
    assert len(files) >= 5, "the folder of messy libraries has changed"
    options = small_settings(max_reject_share=1.0, partition_rows=1_000, batch_rows=500)
    result = screen(files, model=MODEL, out=tmp_path / "run", settings=options)
    check_accounts(result)
    assert result.scored > 5_000
    assert result.rejected > 100


# ----------------------------------------------------------------------------------------------------- wrong input

NOISE = np.random.default_rng(5).bytes(4096)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", InputError, "."),
        (b"\n\n\n", InputError, "."),
        (b"id,smiles\n", NoUsableRowsError, "."),
        (b"id,name\na,b\nc,d\n", ColumnError, "."),
        (b"id,smiles\na,not a molecule\nb,C1CC\n", NoUsableRowsError, "none of 2 rows could be scored"),
        (b"\x80\x04\x95pickle", InputError, "."),
        (NOISE, InputError, "."),
    ],
    ids=["empty", "blank", "header only", "no column", "no molecule", "pickle", "noise"],
)
def test_libraries_that_cannot_be_used(tmp_path, content, kind, message):
    library = tmp_path / "library.csv"
    library.write_bytes(content)
    with pytest.raises(kind, match=message) as refused:
        screen(library, model=MODEL, out=tmp_path / "run", settings=small_settings())
    assert refused.value.exit_code == ExitCode.USAGE
    assert "library.csv" in str(refused.value) or "rejects.csv" in str(refused.value)


def test_a_missing_library(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        screen(tmp_path / "nowhere.csv", model=MODEL, out=tmp_path / "run", settings=small_settings())
    assert not (tmp_path / "run").exists(), "a mistyped name leaves a folder behind"


@pytest.mark.parametrize(
    ("content", "scored"),
    [
        ("id,smiles\nÄther,CCOCC\nb,CC\n".encode("latin-1"), 2),
        (b"id,smiles\na,CC\nb," + b"C" * 1_000_000 + b"\nc,CCC\n", 2),
        (b"id,smiles\na,CCN.Cl\na,CCN\na,[Na+].CC(=O)[O-]\nb,CCO.CCCCC\n", 4),
        (b"smiles,id\nCC,=1+1\nCCC,@x\nCCCC,-2\n", 3),
    ],
    ids=["latin-1", "1 MB line", "salts, mixtures, equal ids", "formulas"],
)
def test_libraries_that_are_only_odd(tmp_path, content, scored):
    library = tmp_path / "library.csv"
    library.write_bytes(content)
    options = {"method": "chembl", "max_reject_share": 1.0}
    result = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(**options))
    check_accounts(result)
    assert result.scored == scored
    assert "\n=" not in (result.folder / "hits.csv").read_text()


def test_salts_and_equal_ids_keep_their_rows(tmp_path):
    library = tmp_path / "library.csv"
    library.write_text("id,smiles\na,CCN.Cl\na,CCN\nb,NCC.Br\n")
    result = screen(library, model=CheapScorer(), out=tmp_path / "run", settings=small_settings(method="chembl"))
    hit = result.hits.to_pylist()[0]
    assert (result.hits.num_rows, hit["parent_smiles"], hit["n_duplicates"], hit["duplicate_ids"]) == (
        1,
        "CCN",
        2,
        "a;b",
    )
    assert score_table(result.folder)["duplicate_of"].to_pylist() == [-1, 0, 0]


def test_a_model_that_is_none(tmp_path):
    (tmp_path / "library.csv").write_text("id,smiles\na,CC\n")
    (tmp_path / "model").mkdir()
    with pytest.raises(CinchonaError) as refused:
        screen(tmp_path / "library.csv", model=tmp_path / "model", out=tmp_path / "run", settings=small_settings())
    assert refused.value.exit_code == ExitCode.USAGE


# ------------------------------------------------------------------------------------------------------ a real model


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    from cinchona.models.folder import save_model
    from cinchona.models.neighbours import NearestNeighbourScorer

    smiles = ["CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O", "CCN(CC)CC"]
    values = np.array([[5.0], [6.0], [7.0], [8.0]])
    scorer = NearestNeighbourScorer.fit(smiles, values, endpoints=(Endpoint("pIC50"),))
    folder = tmp_path_factory.mktemp("models") / "neighbour"
    save_model(scorer, folder, trust={"training": {"run_id": "abc123"}})
    return folder


def test_a_model_folder_is_screened_moved_and_resumed(model_folder, tmp_path):
    library = nci_library(tmp_path / "library.csv", 300)
    model = tmp_path / "model"
    shutil.copytree(model_folder, model)
    serial = screen(library, model=model, out=tmp_path / "serial", settings=small_settings())
    check_accounts(serial, rows=300)
    pool = screen(library, model=str(model), out=tmp_path / "pool", settings=small_settings("processes", workers=1))
    assert pool.scores_digest == serial.scores_digest
    assert (resume(tmp_path / "pool")).scores_digest == serial.scores_digest, "the plan knows the model's place"
    model.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is gone, so it must be given again"):
        resume(tmp_path / "pool")
    (tmp_path / "pool" / "receipts" / "00" / "00000000.json").unlink()
    here = ExecutorConfig(kind="serial")
    again = resume(tmp_path / "pool", model=tmp_path / "elsewhere", executor=here)
    assert again.scores_digest == serial.scores_digest
    with pytest.raises(PlanMismatchError, match="model: planned"):
        resume(tmp_path / "pool", model=CheapScorer())


# ---------------------------------------------------------------------------------------------------- a tracked run


class Recorder(NullRun):
    """Remembers the calls of one run."""

    run_id = "run-7"

    def __init__(self):
        self.params, self.metrics, self.datasets, self.files, self.tables, self.tags = {}, {}, [], [], {}, {}

    def log_params(self, params):
        self.params.update(params)

    def log_metrics(self, metrics, *, step=None):
        self.metrics.update({name: (value, step) for name, value in metrics.items()})

    def log_dataset(self, name, *, digest, source, context):
        self.datasets.append((name, digest, context))

    def log_artifact(self, path, *, folder=""):
        assert path.stat().st_size > 0
        self.files.append(path.name)

    def log_table(self, name, table):
        self.tables[name] = table

    def set_tags(self, tags):
        self.tags.update(tags)


class RecordingTracker:
    def __init__(self):
        self.runs = []

    @contextmanager
    def run(self, name, *, kind, tags=None, parent=None):
        run = Recorder()
        run.set_tags({**(tags or {}), "name": name, "kind": kind})
        self.runs.append(run)
        yield run

    def describe(self):
        return "in memory"


def test_a_tracked_run_tells_everything(model_folder, tmp_path):
    library, tracker = nci_library(tmp_path / "library.csv", 220), RecordingTracker()
    chosen = small_settings()
    result = screen(library, model=model_folder, out=tmp_path / "run", settings=chosen, seed=5, tracker=tracker)
    (run,) = tracker.runs
    assert result.run_id == "run-7"
    assert run.tags["name"] == "screen library.csv"
    assert run.tags["kind"] == "screen"
    assert run.tags["training_run_id"] == "abc123"
    assert run.tags["scores_digest"] == result.scores_digest
    assert run.tags["plan_fingerprint"] == result.plan
    assert (run.params["seed"], run.params["rows"], run.params["screen.top_k"]) == (5, 220, 20)
    assert run.params["executor.kind"] == "serial"
    assert [(name, context) for name, _, context in run.datasets] == [("library.csv", "library")]
    assert run.metrics["scored"] == (result.scored, None)
    assert run.metrics["rows_done"] == (220, 3)
    assert run.metrics["rows_per_second"][0] > 0
    assert {"score_histogram.svg", "report.html", "manifest.json", "hits.csv"} <= set(run.files)
    assert run.tables["hits"]["structure"][0].as_py().startswith("<svg")
    screen(library, model=model_folder, out=tmp_path / "run", settings=chosen, seed=5, tracker=tracker)
    assert len(tracker.runs) == 1, "nothing was done, so there is nothing to record"


def test_results_show_themselves_safely(tmp_path):
    library = tmp_path / "library.csv"
    library.write_text("id,smiles\n<script>alert(1)</script>,CCO\n")
    result = screen(library, model=CheapScorer(), out=tmp_path / "<b>run", settings=small_settings())
    assert repr(result).startswith("<ScreenResult: 1 rows, 1 scored, 0 rejected, 1 hits in ")
    page = result._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert "<svg" in page
    assert result.report.is_file()


def test_progress_is_recorded_now_and_then_and_at_the_end():
    from cinchona.pipelines.screen_tracking import RECORD_SECONDS, Recorder
    from cinchona.screening.run import Doing

    now, told = [0.0], []

    class Run:
        def log_metrics(self, metrics, *, step):
            told.append(step)

    doing, recorder = Doing(bytearray(100_000)), Recorder(Run(), 0.0, clock=lambda: now[0])
    recorder.write(doing)
    assert told == [], "nothing was done"
    for i in range(100):
        now[0] += 0.5
        doing.done[i] = 1
        doing.rows += 10
        recorder.observe(doing)
    recorder.write(doing)
    assert len(told) == 50 / RECORD_SECONDS + 1
    assert (told[0], told[-1]) == (1, 100)
