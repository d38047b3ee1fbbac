"""Runs over a space: files, resume, damage, limits."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from rdkit import Chem
from small_spaces import ACIDS, AMINES, brute_force, random_model, run_until_killed, write_space

from cinchona.errors import InputError, PlanMismatchError, RunInterrupted
from cinchona.models.additive import additive_form
from cinchona.models.folder import save_model
from cinchona.pipelines import space_plan
from cinchona.pipelines.config import Settings
from cinchona.pipelines.space import resume_space, screen_space, space_status
from cinchona.pipelines.space_estimate import estimate_space
from cinchona.screening.folder import RunFolder
from cinchona.screening.scorers import FolderScorer
from cinchona.screening.synthons import units
from cinchona.screening.synthons.plan import load_space_plan, receipt_path
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.settings import load_settings


def quick(*changes: str) -> Settings:
    """Serial, untracked settings with 20 hits."""
    return load_settings(
        Settings, overrides=["executor.kind=serial", "screen.top_k=20", "space.audit=40", *changes], environ={}
    )


@pytest.fixture
def many_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small spaces in many units."""
    monkeypatch.setattr(units, "_SMALLEST_UNIT", 10)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model(random_model(members=2), folder)
    return folder


@pytest.mark.usefixtures("many_units")
def test_a_run_gives_the_best_products_of_brute_force(tmp_path: Path, model_folder: Path) -> None:
    path = write_space(tmp_path, acids=ACIDS[:10], amines=AMINES[:10])
    result = screen_space(path, model=model_folder, out=tmp_path / "run", settings=quick())
    space = SynthonSpace.load(path)
    known = brute_force(space, random_model(members=2))
    order = np.lexsort((known.numbers, -known.scores.score))[:20]
    assert result.hits["row_id"].to_pylist() == known.numbers[order].tolist()
    assert result.hits["score"].to_numpy() == pytest.approx(known.scores.score[order], abs=1e-5)
    assert result.hits["score_built"].to_numpy() == pytest.approx(known.scores.score[order], abs=1e-6)
    assert result.offered == result.scored + result.rejected
    assert result.largest_difference < 1e-5
    assert result.audited > 20
    assert "t0_uncertainty" in result.hits.column_names
    record, plan = result.record(), load_space_plan(RunFolder(tmp_path / "run"))
    assert 5 < record["classes"] <= 20
    assert record["table_rows"] >= record["classes"]
    assert record["table_bytes"] == record["table_rows"] * additive_form(random_model(members=2)).width * 4
    assert record["expected_products_per_second"] * record["expected_cpu_seconds"] == pytest.approx(plan.numbered)
    shown = (tmp_path / "run" / "report.html").read_text()
    assert f"{record['classes']:,} classes of reagents" in shown
    assert "t0 " in shown
    assert "\N{PLUS-MINUS SIGN}" in shown
    reagents = pq.read_table(tmp_path / "run" / "reagents.parquet").to_pylist()
    first = next(r for r in reagents if r["role"] == 1)
    mine = [s for n, s in zip(known.numbers.tolist(), known.scores.score.tolist(), strict=True)
            if space.reagents(n)[0].id == first["reagent"]]  # fmt: skip
    assert first["mean"] == pytest.approx(np.mean(mine), abs=1e-4)
    assert first["best"] == pytest.approx(max(mine), abs=1e-5)
    assert pc.read_csv(tmp_path / "run" / "hits.csv").num_rows == 20
    assert len(list(Chem.SDMolSupplier(str(tmp_path / "run" / "hits.sdf")))) == 20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> tuple[Path, pa.Table]:
    """A space of a few units, and its hits."""
    folder = tmp_path_factory.mktemp("small")
    path = write_space(folder, acids=ACIDS[:8], amines=AMINES[:8])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "_SMALLEST_UNIT", 10)
        patch.setattr(space_plan, "chosen_gemm", lambda: "numpy")
        return path, screen_space(path, model=model_folder, out=folder / "run", settings=quick()).hits


@pytest.mark.usefixtures("many_units")
@pytest.mark.parametrize(("kind", "workers"), [("processes", 2), ("dask", 1)])
def test_every_executor_gives_the_same_hits(
    tmp_path: Path, model_folder: Path, small: tuple[Path, pa.Table], monkeypatch, kind: str, workers: int
) -> None:
    """Without an audit and with numpy's product workers need not import PyTorch, which takes them most of their time."""
    path, hits = small
    monkeypatch.setattr(space_plan, "chosen_gemm", lambda: "numpy")
    settings = quick(f"executor.kind={kind}", f"executor.workers={workers}", "space.audit=0")
    assert screen_space(path, model=model_folder, out=tmp_path / "run", settings=settings).hits.equals(hits)


@pytest.mark.usefixtures("many_units")
@pytest.mark.parametrize(
    "place",
    [
        "receipt.before_link:3",
        "receipt.after_link:3",
        "finish.before_outputs",
        "finish.after_hits",
        "finish.after_manifest",
    ],
)
def test_a_killed_run_goes_on_and_gives_the_same(
    tmp_path: Path, model_folder: Path, small: tuple[Path, pa.Table], place: str
) -> None:
    path, hits = small
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cinchona.pipelines.space", "cinchona.models.ensemble"])
    process = context.Process(target=run_until_killed, args=(path, model_folder, tmp_path / "run", quick(), place))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "run" / "_SUCCESS").exists()
    assert space_status(tmp_path / "run")["finished"] is False
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").glob("receipts/*/*.safetensors")}
    opened = FolderScorer.at(model_folder).open()  # this process may have used the model with the other product before
    opened.product = "torch"
    again = resume_space(tmp_path / "run")
    assert opened.product == "numpy"
    assert again.hits.equals(hits)
    assert {p: p.stat().st_mtime_ns for p in done} == done
    assert space_status(tmp_path / "run")["finished"] is True
    assert resume_space(tmp_path / "run").run_id == ""


@pytest.mark.usefixtures("many_units")
def test_damaged_receipts_are_set_aside_and_their_units_done_again(
    tmp_path: Path, model_folder: Path, small: tuple[Path, pa.Table]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(small[0].parent / "run", out)
    folder = RunFolder(out)
    for unit, damage in ((0, b"torn"), (1, None)):
        receipt = receipt_path(folder, unit)
        data = bytearray(receipt.read_bytes())
        data[-5] ^= 1
        receipt.write_bytes(damage or bytes(data))
    receipt_path(folder, 2).write_bytes(receipt_path(folder, 3).read_bytes())
    before = receipt_path(folder, 4).stat().st_mtime_ns
    assert resume_space(out).hits.equals(small[1])
    assert len(list((out / "quarantine").iterdir())) == 3
    assert receipt_path(folder, 4).stat().st_mtime_ns == before


def test_another_space_model_or_setting_is_refused(tmp_path: Path, model_folder: Path) -> None:
    path, out = write_space(tmp_path, acids=ACIDS[:4], amines=AMINES[:4]), tmp_path / "run"
    screen_space(path, model=model_folder, out=out, settings=quick())
    with pytest.raises(PlanMismatchError, match="top_k"):
        screen_space(path, model=model_folder, out=out, settings=quick("screen.top_k=7"))
    with pytest.raises(PlanMismatchError, match="model"):
        resume_space(out, model=random_model(9))
    (tmp_path / "amines.smi").write_text("CCN other\n")
    with pytest.raises(PlanMismatchError, match="digest"):
        resume_space(out)
    plan = json.loads((out / "plan.json").read_text())
    (out / "plan.json").write_text(json.dumps(plan | {"top_k": 3}))
    with pytest.raises(InputError, match="altered"):
        load_space_plan(RunFolder(out))


def test_a_threshold_counts_all_that_reach_it_and_lists_no_others(tmp_path: Path) -> None:
    path = write_space(tmp_path, acids=ACIDS[:8], amines=AMINES[:8])
    model = random_model()
    scores = brute_force(SynthonSpace.load(path), model).scores.score
    threshold = float(np.sort(scores)[-31]) + 1e-3
    reach = int((scores >= threshold).sum())
    result = screen_space(path, model=model, out=tmp_path / "run", settings=quick(f"space.threshold={threshold}"))
    assert result.reached == reach > 20
    assert result.hits.num_rows == 20
    assert "reach the threshold" in (tmp_path / "run" / "report.html").read_text()
    few = quick(f"space.threshold={np.sort(scores)[-4] - 1e-4}")
    assert screen_space(path, model=model, out=tmp_path / "few", settings=few).hits.num_rows == 4


def test_a_model_that_is_no_sum_over_atoms_scores_built_products(tmp_path: Path, caplog, monkeypatch) -> None:
    from cheap_scorer import CheapScorer

    path = write_space(tmp_path, acids=ACIDS[:5], amines=AMINES[:5])
    result = screen_space(path, model=CheapScorer(), out=tmp_path / "run", settings=quick())
    assert "built one by one" in caplog.text
    assert result.built == result.scored > 0
    monkeypatch.setattr(space_plan, "MOST_WITHOUT_TABLES", 3)
    with pytest.raises(InputError, match="too many"):
        screen_space(path, model=CheapScorer(), out=tmp_path / "other", settings=quick())


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, model_folder: Path, monkeypatch) -> None:
    path = write_space(tmp_path, acids=ACIDS[:4], amines=AMINES[:4])
    monkeypatch.setattr("cinchona.screening.interrupt.Interruption.until", lambda *_: iter(()))
    with pytest.raises(RunInterrupted, match="units left"):
        screen_space(path, model=model_folder, out=tmp_path / "run", settings=quick())


def test_hostile_names_reach_neither_the_page_nor_a_spreadsheet(tmp_path: Path, model_folder: Path) -> None:
    path = write_space(tmp_path, acids=ACIDS[:3], amines=AMINES[:3])
    (tmp_path / "acids.smi").write_text("CC(=O)O <script>alert(1)</script>\nOC(=O)CC =1+1\n")
    path.write_text(path.read_text().replace("name: amide", "name: '=cmd|<b>'"))
    out = tmp_path / "run"
    screen_space(path, model=model_folder, out=out, settings=quick())
    page = (out / "report.html").read_text()
    assert "<script>alert" not in page
    assert "<b>:" not in page
    assert "what raises and lowers" in page, "the best products are explained"
    assert "\n=" not in (out / "reagents.csv").read_text()


def test_an_estimate_counts_products_and_writes_nothing(tmp_path: Path, model_folder: Path) -> None:
    path = write_space(tmp_path)
    before = sorted(tmp_path.iterdir())
    found = estimate_space(path, model=model_folder, settings=quick())
    assert sorted(tmp_path.iterdir()) == before
    space = SynthonSpace.load(path)
    assert (found.products, found.exact_parts) == (space.offered, True)
    assert found.cpu_seconds > 0
    assert 10 < found.classes < found.reagents
    assert found.table_rows >= found.reagents
    assert found.memory_per_worker > 1e7
    from cheap_scorer import CheapScorer

    assert estimate_space(path, model=CheapScorer(), settings=quick()).exact_parts is False
