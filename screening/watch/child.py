"""A forked child with a pipe and a beacon, which ends with its parent, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import psutil

from cinchona.screening.watch.notes import Beacon

_PR_SET_PDEATHSIG: Final = 1
_OUT_OF_MEMORY_FIRST: Final = "500"
_PATIENCE: Final = 5.0
"""Seconds for a child to end by itself when its pipe is closed."""

Main = Callable[[Connection, Beacon], None]
"""What a child does with its end of the pipe and with the beacon; afterwards it ends."""


def can_fork() -> bool:
    """Whether children can be forked here; where they cannot, work is done unwatched."""
    return hasattr(os, "fork") and sys.platform != "darwin"


class Child:
    """A process forked from this one, with all that this one has loaded; milliseconds, where a new one takes seconds.

    Args:
        main: What it does.
        memory: Bytes of private memory that it may take beyond what it begins with.
    """

    def __init__(self, main: Main, *, memory: int) -> None:
        self.connection, theirs = Pipe()
        self.beacon = Beacon()
        parent = os.getpid()
        self.pid = _forked()
        if self.pid == 0:
            self._live(main, theirs, parent, memory)
        theirs.close()
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)  # the child does so too; whoever is first
        self._status: int | None = None

    def kill(self) -> int:
        """End it and whatever it started.

        Returns:
            Its exit code, negative for the number of a signal; what it had ended with, if it had.
        """
        if self._status is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._reap()
        return self._status if self._status is not None else 0

    def died(self) -> int:
        """Exit code of a child whose pipe has closed; it is given a moment to end by itself."""
        if self._status is None:
            with contextlib.suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
                status = psutil.Process(self.pid).wait(timeout=_PATIENCE)
                self._status = int(status) if status is not None else None
        return self.kill()

    def close(self) -> None:
        """End it in order: its pipe closes, which it takes for the end of work."""
        self.connection.close()
        self.died()

    def _reap(self) -> None:
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            status = 0
        self._status = os.waitstatus_to_exitcode(status)

    def _live(self, main: Main, theirs: Connection, parent: int, memory: int) -> None:
        """Be the child; never returns, since what stands above on the stack is the parent's."""
        code = 1
        try:
            self.connection.close()
            _settle(parent, memory)
            main(theirs, self.beacon)
            code = 0
        except (EOFError, BrokenPipeError):
            code = 0  # the parent wants no more
        finally:
            os._exit(code)


def _forked() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads. Those of the parent wait or sleep, and the child uses none of their locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _settle(parent: int, memory: int) -> None:
    """Prepare this child: signals, group, limits, and its end with its parent."""
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM):  # stopping in order is the parent's business
        signal.signal(number, signal.SIG_IGN)
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(memory)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OUT_OF_MEMORY_FIRST)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit_memory(memory: int) -> None:
    """Let a huge allocation fail at once: on Linux this counts all private memory that can be written."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = getattr(psutil.Process().memory_info(), "data", 0) + memory
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
