"""A dry run foretells what a screen takes and leaves nothing behind."""

from __future__ import annotations

import json
import time

import pytest
from cheap_scorer import CheapScorer
from small_screens import nci_library, small_settings

from cinchona.errors import InputError
from cinchona.pipelines.estimate import PROBE_ROWS, estimate_screen
from cinchona.pipelines.prepare import prepare
from cinchona.pipelines.screen import screen
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", 4_000)


class BusyScorer(CheapScorer):
    """Takes half a millisecond of processor time for each compound."""

    def score(self, batch):
        until = time.process_time() + 0.0005 * len(batch)
        while time.process_time() < until:
            pass
        return super().score(batch)


def test_it_agrees_with_the_screen(library, tmp_path):
    settings = small_settings(partition_rows=500, batch_rows=500)
    told = estimate_screen(library, model=BusyScorer(), settings=settings)
    assert told.probed == PROBE_ROWS
    before = time.process_time()
    done = screen(library, model=BusyScorer(), out=tmp_path / "run", settings=settings)
    spent = time.process_time() - before
    plan = load_plan(RunFolder(done.folder))
    assert (told.rows, told.partitions, told.workers) == (plan.rows, plan.partitions, 1)
    scoring = told.rows / told.rows_per_second
    assert scoring == pytest.approx(spent, rel=0.4), "the screen also plans, ranks and reports"
    disk = sum(p.stat().st_size for p in (done.folder / "data").rglob("*.parquet"))
    assert told.disk == pytest.approx(disk, rel=0.25)
    assert sum(told.steps.values()) == pytest.approx(1)
    assert told.steps["score"] > 0.5
    assert 50e6 < told.memory_per_worker < 4e9


def test_workers_share_the_time(library):
    one, four = (
        estimate_screen(
            library, model=BusyScorer(), settings=small_settings("processes", workers=n, partition_rows=500)
        )
        for n in (1, 4)
    )
    assert (one.workers, four.workers) == (1, 4)
    assert four.seconds < one.seconds
    assert four.cpu_seconds > one.cpu_seconds * 0.8


def test_small_prepared_and_unusable_libraries(library, tmp_path):
    (tmp_path / "two.smi").write_text("CCO a\nC1CC broken\n")
    told = estimate_screen(tmp_path / "two.smi", model=CheapScorer(), settings=small_settings())
    assert (told.rows, told.probed, told.partitions) == (2, 2, 1)
    made = prepare(library, out=tmp_path / "prepared", settings=small_settings(partition_rows=500))
    told = estimate_screen(made.folder, model=CheapScorer(), settings=small_settings(partition_rows=500))
    assert (told.rows, told.partitions) == (4_000, 8)
    assert "standardize" not in told.steps
    with pytest.raises(InputError):
        estimate_screen(tmp_path / "none.smi", model=CheapScorer())


def test_nothing_is_written(library, tmp_path, monkeypatch):
    from small_training import quick_model

    from cinchona.cli.main import run

    quick_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.csv").write_text("".join(library.read_text().splitlines(keepends=True)[:200]))
    before = sorted(p.name for p in tmp_path.iterdir())
    lines = []
    monkeypatch.setattr("cinchona.cli.output.emit", lines.append)
    assert run(["screen", "few.csv", "--model", "model", "--out", "run", "--dry-run", "--json"]) == 0
    assert json.loads(lines[0])["rows"] == 199
    assert sorted(p.name for p in tmp_path.iterdir()) == before
