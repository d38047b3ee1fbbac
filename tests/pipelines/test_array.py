"""Array tasks without a batch system: shares, several at once, killed halfway, and the scripts that are written."""

from __future__ import annotations

import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cheap_scorer import CheapScorer
from small_screens import ended, nci_library, score_table, small_settings, start_task

from cinchona.errors import ConfigError, LockedError, UsageError
from cinchona.pipelines.array import plan_array, work
from cinchona.pipelines.screen import resume, screen, status
from cinchona.screening.failpoints import VARIABLE
from cinchona.screening.folder import RunFolder
from cinchona.screening.lease import Lease
from cinchona.screening.profile import JobConfig
from cinchona.screening.slurm_array import write_scripts

ROWS, PARTITIONS, TASKS = 600, 6, 4
MODEL = CheapScorer()


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return nci_library(tmp_path_factory.mktemp("library") / "library.csv", ROWS)


@pytest.fixture(scope="module")
def clean(library, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("clean") / "run"
    return screen(library, model=MODEL, out=out, settings=small_settings()).scores_digest


@pytest.fixture
def run(library, tmp_path):
    return plan_array(library, model=MODEL, out=tmp_path / "run", tasks=TASKS, settings=small_settings())


def test_planning_scores_nothing_and_leaves_the_folder_free(run):
    assert (run.rows, run.partitions, run.tasks) == (ROWS, PARTITIONS, TASKS)
    found = status(run.folder)
    assert (found.state, found.partitions_done) == ("stopped", 0)


def test_no_more_tasks_than_partitions(library, tmp_path):
    run = plan_array(library, model=MODEL, out=tmp_path / "run", tasks=1_000, settings=small_settings())
    assert run.tasks == PARTITIONS
    assert f"--array=0-{PARTITIONS - 1}\n" in (run.folder / "slurm/array.sbatch").read_text()


def test_the_shares_are_the_whole(run, clean):
    results = [work(run.folder, task=i, of=TASKS, model=MODEL) for i in range(TASKS)]
    assert [r.partitions for r in results] == [2, 2, 1, 1]
    assert sum(r.rows for r in results) == ROWS
    assert status(run.folder).partitions_done == PARTITIONS
    assert not (run.folder / "_SUCCESS").exists(), "only the exact final check may say so"
    assert resume(run.folder, model=MODEL).scores_digest == clean
    assert score_table(run.folder)["row_id"].to_pylist() == list(range(ROWS))


def test_tasks_at_the_same_time_and_two_of_one_number(run, clean):
    tasks = [0, 1, 2, 3, 0, 2]
    with ThreadPoolExecutor(len(tasks)) as pool:
        list(pool.map(lambda i: work(run.folder, task=i, of=TASKS, model=MODEL), tasks))
    assert len(list(RunFolder(run.folder).receipt_files())) == PARTITIONS
    result = resume(run.folder, model=MODEL)
    assert result.scores_digest == clean
    assert len(list(RunFolder(run.folder).part_files())) == PARTITIONS, "the part of the slower attempt is left"


def test_a_task_again_does_nothing_twice(run):
    first = work(run.folder, task=1, of=TASKS, model=MODEL)
    again = work(run.folder, task=1, of=TASKS, model=MODEL)
    assert (first.partitions, first.before) == (2, 0)
    assert (again.partitions, again.before, again.rows) == (0, 2, 0)


def test_a_late_task_leaves_a_finished_run_finished(run):
    resume(run.folder, model=MODEL)
    assert work(run.folder, task=0, of=TASKS, model=MODEL).partitions == 0
    assert status(run.folder).state == "finished"


@pytest.mark.parametrize("point", ["part.after_fsync", "receipt.before_link", "receipt.after_link"])
def test_a_task_is_killed_and_begins_again(point, run, clean):
    task = start_task(run.folder, 0, 2, environment={VARIABLE: f"{point}:2"})
    assert ended(task) == -signal.SIGKILL
    assert status(run.folder).partitions_done == (2 if point == "receipt.after_link" else 1)
    for i in range(2):
        work(run.folder, task=i, of=2, model=MODEL)
    assert resume(run.folder, model=MODEL).scores_digest == clean


def test_a_lost_task_costs_time_only(run, clean):
    """It never comes back; the last job does its share."""
    for i in (0, 1, 3):
        work(run.folder, task=i, of=TASKS, model=MODEL)
    assert resume(run.folder, model=MODEL).scores_digest == clean


def test_drivers_and_tasks_keep_out_of_each_other(run):
    lease = RunFolder(run.folder).lease
    with Lease.acquire(lease), pytest.raises(LockedError):
        work(run.folder, task=0, of=TASKS, model=MODEL)
    with Lease.join(lease):
        assert status(run.folder).state == "running"
        with pytest.raises(LockedError, match="1 array tasks are at work"):
            resume(run.folder, model=MODEL)


def test_the_last_job_waits_for_tasks(run, clean):
    task = Lease.join(RunFolder(run.folder).lease)
    threading.Timer(0.5, task.release).start()
    assert resume(run.folder, model=MODEL, wait=30).scores_digest == clean


@pytest.mark.parametrize("task,of", [(4, 4), (-1, 4), (0, 0)])
def test_there_is_no_such_task(run, task, of):
    with pytest.raises(UsageError, match="there is no task"):
        work(run.folder, task=task, of=of)


def test_only_slurm_has_arrays(library, tmp_path):
    site = tmp_path / "site.yaml"
    site.write_text("kind: pbs\n")
    settings = small_settings()
    settings = settings.model_copy(update={"executor": settings.executor.model_copy(update={"profile": site})})
    with pytest.raises(ConfigError, match="written for SLURM"):
        plan_array(library, model=MODEL, out=tmp_path / "run", tasks=2, settings=settings)


def test_scripts_say_what_the_profile_says_and_are_shell(tmp_path, monkeypatch):
    (tmp_path / "my work").mkdir()
    monkeypatch.chdir(tmp_path / "my work")
    job = JobConfig(
        queue="long", account="me", walltime="2-00:00:00", cores=4, memory="1.5GiB",
        directives=("--constraint=avx512",), prologue=("module load python",), python="/opt/my python/bin/python",
    )  # fmt: skip
    folder = RunFolder(tmp_path / "it's $HOME; rm -rf %j")
    submit = write_scripts(folder, job, tasks=7)
    array = (folder.slurm / "array.sbatch").read_text()
    for line in ("partition=long", "account=me", "time=2-00:00:00", "cpus-per-task=4", "mem=1536M", "array=0-6",
                 "constraint=avx512", "requeue", "signal=B:USR1@120"):  # fmt: skip
        assert f"#SBATCH --{line}\n" in array, line
    assert f"#SBATCH --chdir='{tmp_path}/my work'\n" in array, "relative paths of settings would mean other folders"
    assert "\nmodule load python\n" in array
    assert "'/opt/my python/bin/python' -P -m cinchona.cli work " in array
    assert "%j/slurm" not in array.replace("%%j/slurm", ""), "SLURM would put a job number there"
    for script in (submit, *folder.slurm.glob("*.sbatch")):
        subprocess.run(["bash", "-n", script], check=True)
