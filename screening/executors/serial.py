"""The executor that works here and now, one item after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cinchona.errors import ContractError
from cinchona.protocols import Done, Failed, Item, Result


class SerialExecutor:
    """Runs work in this process; satisfies :class:`~cinchona.protocols.Executor`."""

    def __init__(self) -> None:
        self._closed = False

    @property
    def n_workers(self) -> int:
        """One: this process."""
        return 1

    @property
    def max_in_flight(self) -> int:
        """One: the next item is drawn when the last has come back."""
        return 1

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result] | Failed[Item]]:
        """Apply ``work`` to each item, in order."""
        if self._closed:
            raise closed_error("serial")
        return self._map(work, items)

    def close(self) -> None:
        """Refuse further work."""
        self._closed = True

    @staticmethod
    def _map(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result] | Failed[Item]]:
        for item in items:
            try:
                outcome: Done[Item, Result] | Failed[Item] = Done(item, work(item))
            except Exception as error:  # noqa: BLE001 - whatever the work raises belongs to its item
                outcome = Failed(item, error)
            yield outcome


def closed_error(kind: str) -> ContractError:
    """The error of working with an executor after its end."""
    return ContractError(
        f"the {kind} executor is closed", expected="map() before close()", remedy="make a new executor"
    )
