"""A screen as an array of jobs on a real SLURM: requeued, preempted, drained and cancelled halfway, and exact."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_screen import write_model
from slurm_jobs import ending, logs, receipts, states, submit, until
from small_screens import nci_library, score_table, small_settings

from cinchona.pipelines.array import plan_array
from cinchona.pipelines.config import Settings, TrackingConfig
from cinchona.pipelines.screen import screen, status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROWS = 2_400
TASKS = 3


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "a library.csv", ROWS)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "forest"
    write_model(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Jobs so large that only two of three run at a time."""
    file = tmp_path_factory.mktemp("site") / "site.yaml"
    file.write_text("kind: slurm\njob:\n  queue: main\n  memory: 2GiB\n  walltime: '00:10:00'\n")
    return file


@pytest.fixture(scope="module")
def settings(site) -> Settings:
    settings = small_settings(method="chembl", partition_rows=20)
    executor = settings.executor.model_copy(update={"profile": site})
    return settings.model_copy(update={"executor": executor, "tracking": TrackingConfig(enabled=False)})


@pytest.fixture(scope="module")
def clean(library, model, tmp_path_factory):
    """An undisturbed run in one process."""
    out = tmp_path_factory.mktemp("clean") / "run"
    return screen(library, model=model, out=out, settings=small_settings(method="chembl", partition_rows=20))


@pytest.fixture
def run(library, model, settings, tmp_path):
    """A planned run in a folder whose name wants quoting."""
    return plan_array(library, model=model, out=tmp_path / "run of 100%, 'once'", tasks=TASKS, settings=settings)


def done(folder: Path) -> int:
    return len(receipts(folder))


def test_drained_requeued_preempted_and_cancelled_halfway(slurm, run, clean):
    """Two tasks run, one waits; the node is drained, one task is requeued by hand and one queues itself again. Then one is
    cancelled for good, and an urgent job takes the node from the others; the last job does what is left."""
    array, finish = submit(slurm, run.submit)
    until(lambda: done(run.folder) >= 4, "the first receipts")
    slurm.run("scontrol", "update", "nodename=ALL", "state=drain", "reason=test")
    slurm.run("scontrol", "requeue", f"{array}_0")
    slurm.run("scancel", "--signal=USR1", "--batch", f"{array}_1")  # as SLURM does before the time limit
    until(lambda: set(states(slurm, array).values()) == {"PENDING"}, f"all tasks wait\n{logs(run.folder)}")
    before = receipts(run.folder)
    assert 4 <= len(before) < run.partitions
    assert status(run.folder).state == "stopped"
    assert ending(slurm, f"{array}_0")["Restarts"] == ending(slurm, f"{array}_1")["Restarts"] == "1"

    slurm.run("scontrol", "update", "nodename=ALL", "state=resume")
    slurm.run("scancel", f"{array}_2")
    until(lambda: done(run.folder) >= len(before) + 4, "more receipts")
    running = {task for task, state in states(slurm, array).items() if state == "RUNNING"}
    assert running & {f"{array}_0", f"{array}_1"}
    urgent = slurm.run(
        "sbatch", "--parsable", "-p", "urgent", "-c", "4", "-o", "/dev/null", "--wrap", "sleep 1"
    ).strip()
    until(lambda: ending(slurm, urgent)["JobState"] == "COMPLETED", "the urgent job")
    assert not (run.folder / "_SUCCESS").exists()
    assert done(run.folder) < run.partitions

    until((run.folder / "_SUCCESS").exists, f"the end of the run\n{logs(run.folder)}")
    assert before.items() <= receipts(run.folder).items(), "committed partitions were done again"
    assert score_table(run.folder)["row_id"].to_pylist() == list(range(ROWS))
    assert (run.folder / "_SUCCESS").read_text().strip() == clean.scores_digest
    assert sum(int(ending(slurm, f"{array}_{task}")["Restarts"]) for task in (0, 1)) >= 3, "none was preempted"
    assert ending(slurm, f"{array}_2")["JobState"] == "CANCELLED"
    until(lambda: ending(slurm, finish)["JobState"] == "COMPLETED", "the last job")
