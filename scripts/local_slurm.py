"""A real SLURM of one node on the loopback interface, for tests: started in a folder of its own, stopped without a trace.

Needs the programs of Debian's packages ``slurm-wlm`` and ``munge``, and no other right than to run them: key, sockets,
ports, state and logs are the folder's own, so several can run beside each other and beside a real one.

By hand::

    python scripts/local_slurm.py start FOLDER    # prints what to export
    python scripts/local_slurm.py stop FOLDER
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo", "squeue", "scancel")
"""What must be installed."""
CPUS: Final = 4
"""Processors that the node claims to have, whatever the machine has."""
_MEMORY: Final = 4_096
_PATIENCE: Final = 30.0
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin"
_STARTED: Final = ("slurmd", "slurmctld", "munged")

_CONFIG: Final = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,requeue_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=3
MinJobAge=600
ReturnToService=2
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10
"""


def missing_programs() -> list[str]:
    """Programs of :data:`PROGRAMS` that are not installed."""
    return [name for name in PROGRAMS if _program(name) is None]


class LocalSlurm:
    """The SLURM in ``folder``; use as a context manager, or :meth:`start` and :meth:`stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.config = self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which SLURM's commands find it."""
        return {"SLURM_CONF": str(self.config)}

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs.

        Raises:
            RuntimeError: with the end of the logs, if it does not come up.
        """
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.config.write_text(
            _CONFIG.format(
                folder=self.folder,
                host=socket.gethostname().split(".")[0],
                user=pwd.getpwuid(os.getuid()).pw_name,
                control=_free_port(),
                node=_free_port(),
                cpus=CPUS,
                memory=_MEMORY,
            )
        )
        self._start_munge()
        self._daemon("slurmctld")
        self._until(lambda: self._answers("ping", "UP"), "slurmctld does not answer")
        self._daemon("slurmd")
        self._until(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T"), "the node does not come up")

    def stop(self) -> None:
        """Stop jobs and daemons; each is killed if it does not go by itself."""
        with suppress(subprocess.SubprocessError, OSError):
            self.run("scancel", "--signal=KILL", "--batch", f"--user={os.getuid()}")
            self.run("scancel", f"--user={os.getuid()}")
        for name in _STARTED:
            _end(self.folder / f"{name}.pid")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, program: str, *arguments: str) -> str:
        """Run one of SLURM's commands and return what it printed."""
        command = [_program(program) or program, *arguments]
        env = os.environ | self.environment
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE, env=env)
        if answer.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {answer.stderr.strip()}")
        return answer.stdout

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        if not key.exists():
            key.touch(0o600)
            key.write_bytes(secrets.token_bytes(128))
        self._daemon(
            "munged",
            "--force",  # folders of tests lie below world-writable ones
            f"--key-file={key}",
            f"--socket={self.folder / 'munge.socket'}",
            f"--pid-file={self.folder / 'munged.pid'}",
            f"--log-file={self.folder / 'munged.log'}",
            f"--seed-file={self.folder / 'munge.seed'}",
            "--num-threads=2",
        )

    def _daemon(self, name: str, *arguments: str) -> None:
        command = [_program(name) or name, *arguments]
        env = os.environ | self.environment
        log = self.folder / f"{name}.out"
        with log.open("ab") as out:
            subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60, env=env)
        self._until((self.folder / f"{name}.pid").exists, f"{name} does not start")

    def _answers(self, command: str, word: str) -> bool:
        try:
            return word in self.run("scontrol", command)
        except (RuntimeError, subprocess.TimeoutExpired):
            return False

    def _until(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what}\n{self._logs()}")
            time.sleep(0.1)

    def _logs(self) -> str:
        files = sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
        return "\n".join(f"--- {f.name}\n{f.read_text(errors='replace')[-2000:]}" for f in files)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(pid_file: Path) -> None:
    """End the process that a daemon's file names, and wait until it is gone."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def main() -> int:
    """Start or stop by hand."""
    if len(sys.argv) != 3 or sys.argv[1] not in {"start", "stop"}:
        print(__doc__, file=sys.stderr)
        return 2
    slurm = LocalSlurm(Path(sys.argv[2]))
    if sys.argv[1] == "stop":
        slurm.stop()
        return 0
    if missing := missing_programs():
        print(f"not installed: {', '.join(missing)}; Debian has them in slurm-wlm and munge", file=sys.stderr)
        return 2
    slurm.start()
    print(*(f"export {name}={value}" for name, value in slurm.environment.items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
