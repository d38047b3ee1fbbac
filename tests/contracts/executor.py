"""What every executor promises. Subclass :class:`ExecutorContract`, give an ``executor`` fixture, receive the tests.

The work is made of functions of the standard library and of this module, so that it travels to other processes.
"""

from __future__ import annotations

import itertools
import operator
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar

import pytest

from cinchona.errors import RetryableError
from cinchona.protocols import Done, Executor, Failed

triple = partial(operator.mul, 3)
divide_twelve_by = partial(operator.truediv, 12)


class AwkwardError(Exception):
    """An exception that its pickle cannot bring back: its constructor wants two arguments."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")


def raise_awkward(item: int) -> int:
    """Raise an exception that does not survive pickling, for odd items."""
    if item % 2:
        raise AwkwardError("boom", str(item))
    return item


def raise_retryable(item: int) -> int:
    """Raise one of our own errors."""
    raise RetryableError("disk full", where=f"item {item}", remedy="free space")


def return_something_unpicklable(item: int) -> object:
    """Return what cannot travel, for odd items."""
    return (lambda: item) if item % 2 else item


def die_if_seven(item: int) -> int:
    """End the worker process without a word at item 7, as an out-of-memory kill does."""
    if item == 7:
        time.sleep(0.2)
        os._exit(9)
    return item


def nap(item: int) -> int:
    """Take an uneven time, so that results overtake each other."""
    time.sleep(0.02 * (item % 3))
    return item


class DrawnItems:
    """A source of items that counts how many were drawn."""

    def __init__(self, items: Iterable[int]) -> None:
        self._items = iter(items)
        self.drawn = 0

    def __iter__(self) -> Iterator[int]:
        for item in self._items:
            self.drawn += 1
            yield item


class ExecutorContract:
    """Tests of the promises of :class:`cinchona.protocols.Executor`."""

    survives_dead_workers: ClassVar[bool] = False
    """Set to True for executors whose work runs in processes of its own."""

    def test_declares_itself(self, executor: Executor) -> None:
        assert isinstance(executor, Executor)
        assert executor.n_workers >= 1
        assert executor.max_in_flight >= 1

    def test_each_item_comes_back_once_with_its_result(self, executor: Executor) -> None:
        outcomes = list(executor.map(triple, range(40)))
        assert all(isinstance(outcome, Done) for outcome in outcomes)
        found = Counter((outcome.item, outcome.result) for outcome in outcomes if isinstance(outcome, Done))
        assert found == Counter((i, 3 * i) for i in range(40))

    def test_equal_items_each_come_back(self, executor: Executor) -> None:
        outcomes = list(executor.map(triple, [5, 5, 5, 6]))
        assert Counter(outcome.item for outcome in outcomes) == {5: 3, 6: 1}

    def test_uneven_work(self, executor: Executor) -> None:
        assert sorted(outcome.item for outcome in executor.map(nap, range(12))) == list(range(12))

    def test_no_items(self, executor: Executor) -> None:
        assert list(executor.map(triple, [])) == []

    def test_an_exception_is_a_failed_item_and_stops_nothing(self, executor: Executor) -> None:
        outcomes = list(executor.map(divide_twelve_by, [1, 2, 0, 3, 0, 4]))
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        assert [outcome.item for outcome in failed] == [0, 0]
        assert all(isinstance(outcome.error, ZeroDivisionError) for outcome in failed)
        assert {o.item: o.result for o in outcomes if isinstance(o, Done)} == {1: 12, 2: 6, 3: 4, 4: 3}

    def test_our_errors_keep_their_parts(self, executor: Executor) -> None:
        (outcome,) = executor.map(raise_retryable, [4])
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, RetryableError)
        assert (outcome.error.where, outcome.error.remedy) == ("item 4", "free space")

    @pytest.mark.parametrize("work", [raise_awkward, return_something_unpicklable])
    def test_what_cannot_travel_does_not_stop_the_others(self, executor: Executor, work: object) -> None:
        outcomes = list(executor.map(work, range(6)))  # type: ignore[arg-type,var-annotated]
        assert sorted(outcome.item for outcome in outcomes) == list(range(6))
        good = {outcome.item: outcome.result for outcome in outcomes if isinstance(outcome, Done)}
        assert {0: 0, 2: 2, 4: 4}.items() <= good.items()

    def test_items_are_drawn_lazily(self, executor: Executor) -> None:
        source = DrawnItems(range(40 + 3 * executor.max_in_flight))
        returned = 0
        for _ in executor.map(triple, source):
            assert source.drawn - returned <= executor.max_in_flight, "more items drawn than may be in flight"
            returned += 1
        assert returned == source.drawn == 40 + 3 * executor.max_in_flight

    def test_an_endless_source_can_be_left(self, executor: Executor) -> None:
        source = DrawnItems(itertools.count())
        outcomes = executor.map(triple, source)
        first = [next(outcomes) for _ in range(5)]
        assert len(first) == 5
        assert source.drawn <= 5 + executor.max_in_flight
        _close(outcomes)
        assert source.drawn <= 5 + executor.max_in_flight, "closing the iterator drew more items"
        assert len(list(executor.map(triple, range(3)))) == 3, "the executor must be usable after a cancelled map"

    def test_maps_follow_each_other(self, executor: Executor) -> None:
        for n in (3, 0, 5):
            assert sum(1 for _ in executor.map(triple, range(n))) == n

    def test_large_results(self, executor: Executor) -> None:
        sizes = [len(o.result) for o in executor.map(bytes, [10, 2_000_000]) if isinstance(o, Done)]
        assert sorted(sizes) == [10, 2_000_000]

    def test_a_failing_source_is_not_swallowed(self, executor: Executor) -> None:
        def source() -> Iterator[int]:
            yield 1
            raise OSError("the library is gone")

        with pytest.raises(OSError, match="gone"):
            list(executor.map(triple, source()))

    def test_a_dead_worker_costs_only_its_item(self, executor: Executor) -> None:
        if not self.survives_dead_workers:
            pytest.skip("the work runs in this process")
        outcomes = list(executor.map(die_if_seven, range(12)))
        assert sorted(outcome.item for outcome in outcomes) == list(range(12))
        lost = [outcome.item for outcome in outcomes if isinstance(outcome, Failed)]
        assert 7 in lost
        assert len(lost) <= 1 + executor.max_in_flight, "more items lost than were in flight"

    def test_closing_twice_is_allowed_and_ends_it(self, executor: Executor) -> None:
        assert len(list(executor.map(triple, [1]))) == 1
        executor.close()
        executor.close()
        raised = False
        try:
            list(executor.map(triple, [1]))
        except Exception:  # noqa: BLE001 - which one is the executor's choice
            raised = True
        assert raised, "map after close must raise"


def _close(outcomes: Iterator[object]) -> None:
    close = getattr(outcomes, "close", None)
    assert close is not None, "map returns an iterator that can be closed"
    close()
