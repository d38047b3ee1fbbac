"""The executor that works in a pool of processes on this machine."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Final

from cinchona.errors import WorkerDiedError
from cinchona.protocols import Done, Failed, Item, Result
from cinchona.screening.executors.heartbeat import BEAT_SECONDS, Heartbeats, Listener
from cinchona.screening.executors.serial import closed_error
from cinchona.screening.executors.spawning import hidden_main, live_with_parent, single_threaded_children
from cinchona.screening.executors.transport import call_packed, outcome, packed

logger = logging.getLogger(__name__)

_TRIES_ALONE: Final = 2
"""Times that an item is tried with no other beside it before it is blamed for the death of its worker."""


class ProcessExecutor:
    """Runs work in spawned processes, one thread each; satisfies :class:`~cinchona.protocols.Executor`.

    A worker that dies takes the pool with it and nobody can tell whose fault it was. So the pool is started again and
    the items that were in flight are tried again, one at a time with nothing beside them; the one that kills its worker
    twice comes back as failed, the others come back done. A worker that gives no sign of life counts as dead.

    Args:
        workers: Processes that work at the same time.
        max_in_flight: Items drawn and not yet come back; default: two a worker.
        stall_seconds: Silence after which a worker counts as stalled, in seconds: stopped, or held in native code that
            never ends. It is killed.
    """

    def __init__(self, workers: int, *, max_in_flight: int | None = None, stall_seconds: float = 30.0) -> None:
        self._workers = workers
        self._max_in_flight = max_in_flight or 2 * workers
        self._stall_seconds = stall_seconds
        self._pool: ProcessPoolExecutor | None = None
        self._listener: Listener | None = None
        self._left_behind = False
        self._closed = False

    @property
    def n_workers(self) -> int:
        """Processes that work at the same time."""
        return self._workers

    @property
    def max_in_flight(self) -> int:
        """Upper bound of items drawn and not yet returned."""
        return self._max_in_flight

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result] | Failed[Item]]:
        """Apply ``work``, which cloudpickle must be able to pickle, to each item."""
        if self._closed:
            raise closed_error("process")
        return self._map(packed(work), iter(items))

    def close(self) -> None:
        """Stop the workers. An item that nobody waits for any more is not finished."""
        self._closed = True
        self._drop_pool(kill=self._left_behind)

    def _map(self, work: bytes, items: Iterator[Item]) -> Iterator[Done[Item, Result] | Failed[Item]]:
        pending: dict[Future[bytes], Item] = {}
        try:
            while True:
                pending.update((self._submit(work, i), i) for i in islice(items, self._max_in_flight - len(pending)))
                if not pending:
                    return
                self._wait(pending)
                answers, suspects = _harvest(pending)
                for item, answer in answers:
                    yield outcome(item, answer)
                if suspects:
                    self._drop_pool(kill=True)
                for item in suspects:
                    yield self._alone(work, item)
        finally:
            running = [future for future in pending if not future.cancel()]
            self._left_behind |= bool(running)

    def _alone(self, work: bytes, item: Item) -> Done[Item, Result] | Failed[Item]:
        for _ in range(_TRIES_ALONE):
            future: Future[bytes] = self._submit(work, item)
            self._wait([future])
            if not isinstance(future.exception(), BrokenProcessPool):
                return outcome(item, future.result())
            self._drop_pool(kill=True)
        return Failed(item, worker_died(item))

    def _wait(self, pending: Iterable[Future[bytes]]) -> None:
        """Wait until one of ``pending`` is done; workers that fall silent meanwhile are killed, which breaks the pool."""
        waiting = list(pending)
        while not wait(waiting, timeout=BEAT_SECONDS, return_when=FIRST_COMPLETED).done:
            assert self._listener is not None
            for pid in self._listener.stalled(self._pids()):
                logger.warning("worker %d gives no sign of life; it is started again", pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _pids(self) -> list[int]:
        return list((self._pool._processes or {}) if self._pool is not None else {})  # noqa: SLF001 - as above

    def _submit(self, work: bytes, item: Item) -> Future[bytes]:
        while True:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                heartbeats = Heartbeats(context, self._workers)
                self._listener = Listener(heartbeats, self._stall_seconds)
                self._pool = ProcessPoolExecutor(
                    self._workers, mp_context=context, initializer=_begin, initargs=(heartbeats,)
                )
            try:
                with single_threaded_children(), hidden_main():
                    return self._pool.submit(call_packed, work, item)
            except BrokenProcessPool:
                # An idle worker died: nobody's item, so just a new pool.
                self._drop_pool(kill=True)

    def _drop_pool(self, *, kill: bool = False) -> None:
        """Stop the pool; ``kill`` does not wait for what is at work, which ignores the gentler signals."""
        if self._pool is not None:
            if kill:
                for process in list((self._pool._processes or {}).values()):  # noqa: SLF001 - public from Python 3.14 on
                    process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _begin(heartbeats: Heartbeats) -> None:
    live_with_parent()
    heartbeats.begin()


def worker_died(item: object) -> WorkerDiedError:
    """The error of an item whose worker died each time it was tried alone."""
    return WorkerDiedError(
        "the worker process died each time it tried this item: killed, out of memory, or crashed in native code",
        where=str(item)[:200],
        remedy="look for memory limits and at the rows of this partition; the same command tries again",
    )


def _harvest(pending: dict[Future[bytes], Item]) -> tuple[list[tuple[Item, bytes]], list[Item]]:
    """Take what has come back out of ``pending``: answers, and if the pool broke, the items that it took along."""
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
        done, _ = wait(pending)
    suspects = [f for f in done if isinstance(f.exception(), BrokenProcessPool)]
    answers = [(pending.pop(f), f.result()) for f in done.difference(suspects)]
    return answers, [pending.pop(f) for f in suspects]
