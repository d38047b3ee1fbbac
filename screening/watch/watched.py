"""The work on partitions, watched wherever an executor does it."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from cinchona.screening.executors.transport import packed, received
from cinchona.screening.watch.rules import WatchRules

if TYPE_CHECKING:
    from cinchona.screening.config import ExecutorConfig
    from cinchona.screening.watch.apart import WatchdogApart
    from cinchona.screening.watch.watchdog import Watchdog
    from cinchona.screening.work import PartitionWork


class WatchedWork:
    """Does partitions under a watchdog, which it starts in the process where it is first called.

    Args:
        work: What is done with a partition, pickled or as it is.
        rules: What a molecule may take; None to do everything here, unwatched.
        apart: Whether the watchdog gets a process of its own, since this one must not fork.
    """

    def __init__(self, work: bytes | PartitionWork, rules: WatchRules | None, *, apart: bool = False) -> None:
        self._work, self._rules, self._apart = work, rules, apart
        self._kennel = _Kennel()
        Finalize(self, self._kennel.close, exitpriority=10)

    def __call__(self, partition: Any) -> Any:  # noqa: ANN401 - a partition; its receipt
        """Score ``partition`` and commit the result; see :class:`~cinchona.screening.work.PartitionWork`."""
        if self._kennel.dog is None:
            self._kennel.dog = self._started()
        return self._kennel.dog(partition)

    def __reduce__(self) -> tuple[Callable[..., WatchedWork], tuple[bytes, WatchRules | None, bool]]:
        return _sent, (self._pickled(), self._rules, self._apart)

    def close(self) -> None:
        """End whatever was started here."""
        self._kennel.close()

    def _started(self) -> Callable[[Any], Any]:
        if self._rules is None:
            return self._unpickled()
        if self._apart:
            from cinchona.screening.watch.apart import WatchdogApart

            return WatchdogApart(self._pickled(), self._rules)
        from cinchona.screening.watch.watchdog import Watchdog

        return Watchdog(self._unpickled(), self._rules)

    def _pickled(self) -> bytes:
        return self._work if isinstance(self._work, bytes) else packed(self._work)

    def _unpickled(self) -> PartitionWork:
        work: PartitionWork = received(self._work) if isinstance(self._work, bytes) else self._work
        return work


class _Kennel:
    """Holds what was started in this process, so that it can be ended without the work that started it."""

    def __init__(self) -> None:
        self.dog: Watchdog | WatchdogApart | Callable[[Any], Any] | None = None

    def close(self) -> None:
        dog, self.dog = self.dog, None
        end = getattr(dog, "close", None)
        if end is not None:
            end()


def watched(work: PartitionWork, config: ExecutorConfig) -> WatchedWork:
    """``work`` as the executor of ``config`` is to do it."""
    from cinchona.screening.watch.child import can_fork

    if not (config.watchdog and can_fork()):
        return WatchedWork(work, None)
    rules = WatchRules(
        seconds=config.molecule_seconds, memory=int(config.molecule_memory), poison_rows=config.poison_rows
    )
    return WatchedWork(work, rules, apart=config.kind == "dask")


def _sent(work: bytes, rules: WatchRules | None, apart: bool) -> WatchedWork:  # noqa: FBT001 - called by pickle
    return WatchedWork(work, rules, apart=apart)
