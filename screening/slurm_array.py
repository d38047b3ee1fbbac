"""A run as an array of SLURM jobs without Dask: the scripts that an administrator can read, and nothing else.

``array.sbatch`` does the partitions, ``finish.sbatch`` waits for all of its tasks, checks and writes the results, and
``submit.sh`` hands both to SLURM. A task that is requeued or preempted begins again and leaves out what has a receipt.
Shortly before the time limit it stops in order and queues itself again.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

from cinchona.files import write_text
from cinchona.screening.folder import RunFolder
from cinchona.screening.profile import JobConfig, n_bytes, n_seconds

_WARNING_SECONDS: Final = 120
"""Time before the limit at which a task is told to stop, at most; a partition should take less."""
_WAIT_SECONDS: Final = 300
"""How long the last job waits for tasks that were lost and look alive."""

_HEAD: Final = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cores}
#SBATCH --mem={megabytes}M
#SBATCH --time={walltime}
#SBATCH --requeue
#SBATCH --open-mode=append
"""

_ARRAY: Final = """\
{prologue}
# SLURM says USR1 when the time is nearly over, and TERM when the job is cancelled, requeued or preempted. In both cases
# the partition at work is finished and committed. Only after USR1 there is more to do for this very job.
again=no
trap 'again=yes; kill -TERM "$work" 2>/dev/null' USR1
trap 'kill -TERM "$work" 2>/dev/null' TERM
{command} work {folder} --task "$SLURM_ARRAY_TASK_ID" --of {tasks} &
work=$!
while kill -0 "$work" 2>/dev/null; do wait "$work"; done  # a signal ends wait, not the work
wait "$work"
code=$?
if [ "$again" = yes ] && [ "$code" = 130 ]; then
  exec scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""

_FINISH: Final = """\
{prologue}
# Does what a lost task left, checks that each row is there exactly once, and writes hits, rejects and report.
exec {command} resume {folder} --wait {wait}
"""

_SUBMIT: Final = """\
#!/bin/bash
# Hands the run to SLURM: the array, and the job that finishes it when all tasks have ended, well or not.
set -euo pipefail
cd {slurm}
array=$(sbatch --parsable array.sbatch)
finish=$(sbatch --parsable --dependency="afterany:${{array%%;*}}" finish.sbatch)
echo "array ${{array%%;*}}, then ${{finish%%;*}}"
"""


def write_scripts(folder: RunFolder, job: JobConfig, *, tasks: int) -> Path:
    """Write the scripts of a planned run into its folder.

    Args:
        folder: The run.
        job: How the site's jobs look.
        tasks: Tasks of the array.

    Returns:
        The script that submits the others.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    logs = folder.slurm / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    place = _escaped(logs)
    warning = min(_WARNING_SECONDS, n_seconds(job.walltime) // 4)
    array = (f"--array=0-{tasks - 1}", f"--output={place}/%A_%a.log", f"--signal=B:USR1@{warning}")
    common = {
        "prologue": "\n".join(job.prologue),
        "command": shlex.join([job.python or sys.executable, "-P", "-m", "cinchona.cli"]),
        "folder": shlex.quote(str(folder.root)),
    }
    write_text(folder.slurm / "array.sbatch", _head(job, "cinchona", array) + _ARRAY.format(**common, tasks=tasks))
    finish = _head(job, "cinchona-finish", (f"--output={place}/finish-%j.log",))
    write_text(folder.slurm / "finish.sbatch", finish + _FINISH.format(**common, wait=_WAIT_SECONDS))
    submit = folder.slurm / "submit.sh"
    write_text(submit, _SUBMIT.format(slurm=shlex.quote(str(folder.slurm))))
    submit.chmod(0o755)
    return submit


def _head(job: JobConfig, name: str, own: tuple[str, ...]) -> str:
    # Where the run was planned: settings may name the record of runs by a relative path.
    options = [f"--chdir={shlex.quote(str(Path.cwd()))}", *own, *job.directives]
    options += [f"--{key}={value}" for key, value in (("partition", job.queue), ("account", job.account)) if value]
    head = _HEAD.format(name=name, cores=job.cores, megabytes=-(-n_bytes(job.memory) // 2**20), walltime=job.walltime)
    return head + "".join(f"#SBATCH {option}\n" for option in options)


def _escaped(path: Path) -> str:
    """A path as a directive wants it: quoted where it has blanks, percent signs doubled."""
    text = str(path).replace("%", "%%")
    return shlex.quote(text)
