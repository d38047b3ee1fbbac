"""What a run uses of its machine, sampled beside the work and sent with the other metrics."""

from __future__ import annotations

import importlib.util
import threading
import time
from typing import Any, Final

SECONDS: Final = 10.0
"""Time between two samples."""
_MIB: Final = 2**20


class Sampler:
    """Takes a sample every ten seconds in a thread; it never speaks to the store, :meth:`drain` hands the samples over.

    Without psutil it takes none.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._entries: list[tuple[str, float, int, int]] = []
        self._step = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the first sample is taken after ten seconds, so that short runs have none."""
        if self._thread is None and importlib.util.find_spec("psutil") is not None:
            self._thread = threading.Thread(target=self._run, name="cinchona-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; waits for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def drain(self) -> list[tuple[str, float, int, int]]:
        """Samples since the last call, as (name, value, time in ms, step)."""
        with self._lock:
            taken, self._entries = self._entries, []
        return taken

    def _run(self) -> None:
        import psutil

        process = psutil.Process()
        psutil.cpu_percent()  # the first answer means nothing
        while not self._stop.wait(self._seconds):
            figures = _figures(psutil, process)
            stamp = time.time_ns() // 1_000_000
            with self._lock:
                self._entries += [(f"system/{name}", value, stamp, self._step) for name, value in figures.items()]
            self._step += 1


def _figures(psutil: Any, process: Any) -> dict[str, float]:  # noqa: ANN401 - an optional package
    memory = psutil.virtual_memory()
    figures = {
        "cpu_utilization_percentage": psutil.cpu_percent(),
        "system_memory_usage_megabytes": memory.used / _MIB,
        "system_memory_usage_percentage": memory.percent,
    }
    used, seconds = 0.0, 0.0
    for one in _family(psutil, process):
        try:
            times = one.cpu_times()
            used, seconds = used + one.memory_info().rss / _MIB, seconds + times.user + times.system
        except psutil.Error:
            continue  # it has just ended
    return {**figures, "run_memory_megabytes": used, "run_cpu_seconds": seconds}


def _family(psutil: Any, process: Any) -> list[Any]:  # noqa: ANN401 - an optional package
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


__all__ = ["SECONDS", "Sampler"]
