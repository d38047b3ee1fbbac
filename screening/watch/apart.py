"""A watchdog in a process of its own, for workers with many threads, which must not fork."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

from cinchona.errors import WorkerDiedError
from cinchona.protocols import Failed
from cinchona.screening.executors.spawning import DASK_ONLY, single_threaded_children
from cinchona.screening.executors.transport import call, outcome, packed, received

_PROGRAM: Final = "import sys; from cinchona.screening.watch.apart import serve; serve(int(sys.argv[1]))"
_BEAT: Final = b""
_SILENCE: Final = 20.0
"""Seconds without a beat after which it counts as stopped."""
_OPENING_BEAT: Final = 2.0
"""Seconds between beats while libraries and the model are loaded."""
_TRIES: Final = 2


class WatchdogApart:
    """Sends partitions to a watchdog process and waits for their receipts; the process is started again if it dies.

    Args:
        work: The pickled work.
        rules: What a molecule may take, see :class:`~cinchona.screening.watch.rules.WatchRules`.
    """

    def __init__(self, work: bytes, rules: object) -> None:
        self._work, self._rules = work, rules
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __call__(self, partition: object) -> Any:  # noqa: ANN401 - the receipt; its class need not be loaded before it comes
        """Have ``partition`` done.

        Raises:
            WorkerDiedError: if the watchdog itself died at it twice.
            Exception: whatever the work raised.
        """
        for _ in range(_TRIES):
            answer = self._asked(packed(partition))
            if answer is not None:
                came = outcome(partition, answer)
                if isinstance(came, Failed):
                    raise came.error
                return came.result
            self.close()
        raise WorkerDiedError(
            "the watchdog process died each time it was given this partition",
            where=str(partition)[:200],
            remedy="look for limits of memory and processes; the same command tries again",
        )

    def close(self) -> None:
        """End the process, and with it its children."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5.0)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _asked(self, partition: bytes) -> bytes | None:
        """The answer, or None if the process died or fell silent."""
        try:
            connection = self._connection or self._started()
            connection.send_bytes(partition)
            while connection.poll(_SILENCE):
                answer = connection.recv_bytes()
                if answer != _BEAT:
                    return answer
        except (EOFError, OSError):
            return None
        if self._process is not None:
            self._process.kill()
        return None

    def _started(self) -> Connection:
        ours, theirs = Pipe()
        with theirs, single_threaded_children():
            # -P: the folder that a worker happens to stand in is no place to import from.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        ours.send_bytes(packed((self._work, self._rules)))
        self._connection = ours
        return ours


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in DASK_ONLY}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class _Server:
    """Does partitions in the watchdog process; what cannot be unpickled or opened there is told with each of them."""

    def __init__(self, connection: Connection, work: bytes, rules: Any) -> None:  # noqa: ANN401 - see WatchdogApart
        self._connection, self._work, self._rules = connection, work, rules
        self._dog: Any = None
        self._lock, self._open = threading.Lock(), threading.Event()
        self._opening = threading.Thread(target=self._beat_while_opening, daemon=True)
        self._opening.start()

    def __call__(self, partition: Any) -> Any:  # noqa: ANN401 - a partition; its receipt
        from cinchona.screening.watch.watchdog import Watchdog

        if self._dog is None:
            self._dog = Watchdog(received(self._work), self._rules, beat=self._beat)
        return self._dog(partition)

    def send(self, data: bytes) -> None:
        """Send through the pipe, one sender at a time."""
        with self._lock:
            self._connection.send_bytes(data)

    def close(self) -> None:
        self._open.set()
        if self._dog is not None:
            self._dog.close()

    def _beat(self) -> None:
        """A sign of life of the watchdog itself; the thread that spoke for it while it was loaded has done its work."""
        if not self._open.is_set():
            self._open.set()
            self._opening.join()
        self.send(_BEAT)

    def _beat_while_opening(self) -> None:
        while not self._open.wait(_OPENING_BEAT):
            with contextlib.suppress(OSError):
                self.send(_BEAT)


def serve(descriptor: int) -> None:
    """Be the watchdog process: do what comes through the pipe until it closes.

    Args:
        descriptor: File descriptor of the pipe.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # stopping in order is the driver's business
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(descriptor)
    with (
        contextlib.suppress(EOFError, OSError),
        closing(_Server(connection, *received(connection.recv_bytes()))) as server,
    ):
        while True:
            server.send(call(server, received(connection.recv_bytes())))
    os._exit(0)  # whoever ended the work waits; the interpreter would take a second to take down what it has loaded
