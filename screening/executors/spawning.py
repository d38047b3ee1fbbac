"""Starting worker processes that use one thread each, do not run the user's script again, and die with their parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait
from typing import Final

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Environment variables by which numerical libraries learn how many threads to use; they read them when loaded."""

WORKER_ENVIRONMENT: Final = dict.fromkeys(THREAD_VARIABLES, 1) | {"PYTHONSAFEPATH": 1}
"""Environment of workers elsewhere: one thread each, and no folder of the work is searched for modules. Dask would also have
the C library give back memory at each chance (``MALLOC_TRIM_THRESHOLD_``), which the work then takes page by page again."""

DASK_ONLY: Final = frozenset({"MALLOC_TRIM_THRESHOLD_"})
"""Variables that Dask gives to its workers and that are not for what they start."""


@contextmanager
def single_threaded_children() -> Iterator[None]:
    """Give processes that start inside the block one thread each: many workers with many threads slow each other."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def hidden_main() -> Iterator[None]:
    """Keep processes that are spawned inside the block from importing the user's script.

    ``multiprocessing`` imports the main script again in each child, so a script of five lines without an
    ``if __name__ == "__main__"`` guard would start itself over and over. Work is pickled by value where it is defined
    in the script, so no child needs the import.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        for name in hidden:
            setattr(main, name, None)
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def live_with_parent() -> None:
    """Prepare this worker process: leave signals to the parent, and end when the parent is gone, however it died.

    Ctrl-C reaches all processes of a terminal, and a batch system tells all processes of a job to end. The parent lets
    the workers finish what they have.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), name="cinchona-parent", daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
