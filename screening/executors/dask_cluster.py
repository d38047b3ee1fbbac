"""The executor that works on a Dask cluster, on this machine or where the profile of a site says."""

from __future__ import annotations

import logging
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from typing import Any, Final

import dask
from distributed import Client, Future, KilledWorker, Worker, WorkerPlugin, as_completed, get_worker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from cinchona.errors import RetryableError
from cinchona.protocols import Done, Failed, Item, Result
from cinchona.screening.executors.process_pool import worker_died
from cinchona.screening.executors.serial import closed_error
from cinchona.screening.executors.sites import SiteOptions, connect
from cinchona.screening.executors.spawning import WORKER_ENVIRONMENT, hidden_main
from cinchona.screening.executors.transport import call, outcome, packed, unpickled
from cinchona.screening.profile import SiteProfile

logger = logging.getLogger(__name__)

_STARTS: Final = 5
"""Times that the start of the cluster is tried."""
_CONFIG: Final = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.1,
    "distributed.worker.daemon": True,
    "distributed.comm.timeouts.connect": "30s",
    "distributed.nanny.pre-spawn-environ": dict(WORKER_ENVIRONMENT),
    "distributed.scheduler.default-task-durations": {"_apply": "60s"},
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
}
"""Dask settings of our cluster. An item becomes a suspect after its second worker died. Dask's own profiler and clocks, which
look ten to a hundred times a second at work that is done elsewhere, are slowed down; memory is watched by us."""


class DaskExecutor:
    """Runs work on a Dask cluster; satisfies :class:`~cinchona.protocols.Executor`.

    Workers are processes with one thread each. On this machine everything listens on the loopback interface only;
    elsewhere connections are encrypted. The work, with whatever it has loaded, reaches each worker once, through a plugin,
    so workers that Dask starts again get it too.

    Args:
        workers: Worker processes.
        max_in_flight: Items drawn and not yet come back; default: two a worker.
        memory_limit: Memory of one worker, for example ``4GiB``; ``auto`` shares the machine's, ``0`` sets no limit.
        dashboard: Whether to serve Dask's dashboard, on a free port.
        stall_seconds: Silence after which a worker counts as stalled, in seconds: stopped, or held in native code that
            never ends. It is killed and started again as if it had died by itself.
        site: Where workers run; None for this machine.
    """

    def __init__(
        self,
        workers: int,
        *,
        max_in_flight: int | None = None,
        memory_limit: str = "auto",
        dashboard: bool = True,
        stall_seconds: float = 30.0,
        site: SiteProfile | None = None,
    ) -> None:
        self._site = site or SiteProfile(kind="local")
        self._workers = self._site.most_workers or workers
        self._max_in_flight = max_in_flight or 2 * self._workers
        self._memory_limit = memory_limit
        self._dashboard = dashboard
        self._stall_seconds = stall_seconds
        self._resources = ExitStack()
        self._client: Client | None = None
        self._closed = False

    @property
    def n_workers(self) -> int:
        """Worker processes."""
        return self._workers

    @property
    def max_in_flight(self) -> int:
        """Upper bound of items drawn and not yet returned."""
        return self._max_in_flight

    @property
    def dashboard_link(self) -> str:
        """Address of the dashboard, on this machine; empty before the first work or without a dashboard."""
        return str(self._client.dashboard_link or "") if self._client is not None and self._dashboard else ""

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result] | Failed[Item]]:
        """Apply ``work``, which cloudpickle must be able to pickle, to each item.

        Raises:
            RetryableError: from the iterator, if the scheduler is lost.
        """
        if self._closed:
            raise closed_error("Dask")
        return self._map(work, iter(items))

    def close(self) -> None:
        """Stop workers and scheduler."""
        self._closed = True
        self._client = None
        self._resources.close()

    def _map(
        self, work: Callable[[Item], Result], items: Iterator[Item]
    ) -> Iterator[Done[Item, Result] | Failed[Item]]:
        client = self._started()
        name = f"cinchona-{uuid.uuid4().hex}"  # a scheduler that runs already may serve others too
        drawn: dict[object, tuple[Future[Any], Item]] = {}
        with _while_scheduler_lives():
            try:
                client.register_plugin(_WorkPlugin(packed(work)), name=name)
                yield from self._outcomes(client, name, items, drawn)
            finally:
                with suppress(Exception):  # a scheduler that is gone has forgotten it anyway
                    client.cancel([future for future, _ in drawn.values()])
                    client.unregister_worker_plugin(name)

    def _outcomes(
        self, client: Client, name: str, items: Iterator[Item], drawn: dict[object, tuple[Future[Any], Item]]
    ) -> Iterator[Done[Item, Result] | Failed[Item]]:
        """Outcomes as they come; ``drawn`` holds what is on its way."""
        waiting = as_completed(loop=client.loop)
        suspects: deque[Item] = deque()
        while True:
            for item in islice(items, self._max_in_flight - len(drawn) - len(suspects)):
                future = client.submit(_apply, item, name, pure=False)
                drawn[future.key] = future, item
                waiting.add(future)
            if drawn:
                future, item = drawn.pop(next(waiting).key)
                came = _outcome(item, future)
                if came is None:
                    suspects.append(item)
                else:
                    yield came
            elif suspects:
                item = suspects.popleft()
                alone = client.submit(_apply, item, name, pure=False)
                yield _outcome(item, alone) or Failed(item, worker_died(item))
            else:
                return

    def _started(self) -> Client:
        if self._client is None:
            self._client = self._start_patiently()
            if self.dashboard_link:
                logger.info("Dask dashboard: %s", self.dashboard_link)
        return self._client

    def _start_patiently(self) -> Client:
        """Start the cluster; a worker that dies in its first second makes Dask give up, so that is tried again."""
        for left in reversed(range(_STARTS)):
            with ExitStack() as stack:
                try:
                    client = self._start(stack)
                except (RuntimeError, OSError, TimeoutError) as error:
                    if left == 0:
                        raise RetryableError(
                            f"Dask's workers do not start: {error.__cause__ or error}",
                            remedy="look for limits of memory and processes, or set executor.kind=processes",
                        ) from error
                    logger.warning("Dask's workers did not start (%s); trying again", error.__cause__ or error)
                    continue
                self._resources = stack.pop_all()
                return client
        raise AssertionError

    def _start(self, stack: ExitStack) -> Client:
        stack.enter_context(dask.config.set(_CONFIG | {"distributed.scheduler.worker-ttl": f"{self._stall_seconds}s"}))
        stack.enter_context(_quiet())
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="cinchona-dask-", ignore_cleanup_errors=True))
        stack.enter_context(hidden_main())  # as long as the cluster lives, since Dask starts dead workers again
        options = SiteOptions(self._workers, self._memory_limit, self._dashboard, scratch)
        return connect(self._site, options, stack)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's own log: workers that come and go are its daily business, and failures reach the caller."""
    noisy = logging.getLogger("distributed")
    before = noisy.level
    noisy.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        noisy.setLevel(before)


class _WorkPlugin(WorkerPlugin):
    """Carries the pickled work to each worker, where the first item unpickles it.

    Not on arrival: that happens in the worker's event loop, and a worker that imports libraries from a slow disk there
    sends no sign of life and is taken for dead.
    """

    def __init__(self, work: bytes) -> None:
        self._pickled = work
        self._work: Callable[[Any], Any] | None = None

    def apply(self, item: object) -> bytes:
        """Do the work on ``item``; an error in unpickling it belongs to the item too."""
        if self._work is None:
            self._work = unpickled(self._pickled)
        return call(self._work, item)

    def teardown(self, worker: Worker) -> None:
        """End what the work has started."""
        close = getattr(self._work, "close", None)
        if close is not None:
            close()


def _apply(item: object, name: str) -> bytes:
    plugin = get_worker().plugins[name]
    assert isinstance(plugin, _WorkPlugin), plugin
    return plugin.apply(item)


@contextmanager
def _while_scheduler_lives() -> Iterator[None]:
    """Say what it means if the scheduler is lost: while nothing, an answer or an order was on its way.

    Raises:
        RetryableError: in that case.
    """
    try:
        yield
    except (CancelledError, CommClosedError, ClosedClientError) as lost:
        raise RetryableError(
            "the Dask scheduler is gone", expected="a scheduler that answers", remedy="run the same command again"
        ) from lost


def _outcome(item: Item, future: Future[Any]) -> Done[Item, Any] | Failed[Item] | None:
    """What became of an item; None if its workers died, which may be a neighbour's fault."""
    error = future.exception()
    answer = None if error is not None else future.result()
    if isinstance(error, KilledWorker):
        return None
    if answer is None:
        return Failed(item, error if isinstance(error, Exception) else RuntimeError(repr(error)))
    return outcome(item, answer)
