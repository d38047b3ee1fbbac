"""The contract of executors accepts an honest executor and catches each kind of cheat."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest
from contracts.executor import ExecutorContract, die_if_seven, raise_awkward, return_something_unpicklable

from cinchona.protocols import Done, Failed


class Plain:
    """One item after another in this process."""

    n_workers = 1
    max_in_flight = 1

    def __init__(self):
        self.closed = False

    def map(self, work, items):
        assert not self.closed, "closed"
        return self._map(work, items)

    def _map(self, work, items):
        for item in items:
            yield self.one(work, item)

    def one(self, work, item):
        try:
            return Done(item, work(item))
        except Exception as error:  # noqa: BLE001 - that is the promise
            return Failed(item, error)

    def close(self):
        self.closed = True


class TestPlain(ExecutorContract):
    @pytest.fixture
    def executor(self):
        return Plain()


class DrawsAll(Plain):
    def _map(self, work, items):
        return super()._map(work, list(items))


class DrawsTooMany(Plain):
    def _map(self, work, items):
        waiting = []
        for item in items:
            waiting.append(item)
            if len(waiting) == 5:
                yield from super()._map(work, waiting)
                waiting = []
        yield from super()._map(work, waiting)


class LosesFailures(Plain):
    def _map(self, work, items):
        return (outcome for outcome in super()._map(work, items) if isinstance(outcome, Done))


class RaisesFailures(Plain):
    def one(self, work, item):
        return Done(item, work(item))


class RewrapsErrors(Plain):
    def one(self, work, item):
        outcome = super().one(work, item)
        return Failed(item, RuntimeError(str(outcome.error))) if isinstance(outcome, Failed) else outcome


class MixesResults(Plain):
    def __init__(self):
        super().__init__()
        self.last = 0

    def one(self, work, item):
        outcome, self.last = Done(self.last, super().one(work, item).result), item
        return outcome


class ForgetsTwins(Plain):
    def _map(self, work, items):
        seen = set()
        return (o for o in super()._map(work, items) if o.item not in seen and not seen.add(o.item))


class SwallowsSource(Plain):
    def _map(self, work, items):
        try:
            yield from super()._map(work, items)
        except OSError:
            return


class OnceOnly(Plain):
    def _map(self, work, items):
        assert not getattr(self, "used", False), "used up"
        self.used = True
        return super()._map(work, items)


class GoesOnAfterClose(Plain):
    def close(self):
        pass


class ClosesOnce(Plain):
    def close(self):
        assert not self.closed, "closed already"
        super().close()


class CannotBeLeft(Plain):
    def map(self, work, items):
        return iter(list(super().map(work, (item for item, _ in zip(items, range(100), strict=False)))))


class NoWorkers(Plain):
    n_workers = 0


class CutsLargeResults(Plain):
    def one(self, work, item):
        outcome = super().one(work, item)
        if isinstance(outcome, Done) and isinstance(outcome.result, bytes):
            return Done(item, outcome.result[:1000])
        return outcome


class LosesSlowOnes(Plain):
    def _map(self, work, items):
        return (o for o in super()._map(work, items) if o.item % 3 != 2)


class FailsOnNothing(Plain):
    def map(self, work, items):
        items = list(items)
        assert items, "no items"
        return super().map(work, items)


class LosesItemsOfDeadWorkers(Plain):
    def _map(self, work, items):
        for item in items:
            if work is die_if_seven and item >= 7:
                return
            yield self.one(work, item)


class FailsAllOnAwkward(Plain):
    def one(self, work, item):
        if work in {raise_awkward, return_something_unpicklable}:
            return Failed(item, RuntimeError("pool broken"))
        return super().one(work, item)


_CATCHES = [
    (NoWorkers, "test_declares_itself"),
    (MixesResults, "test_each_item_comes_back_once_with_its_result"),
    (ForgetsTwins, "test_equal_items_each_come_back"),
    (LosesSlowOnes, "test_uneven_work"),
    (FailsOnNothing, "test_no_items"),
    (LosesFailures, "test_an_exception_is_a_failed_item_and_stops_nothing"),
    (RewrapsErrors, "test_an_exception_is_a_failed_item_and_stops_nothing"),
    (RewrapsErrors, "test_our_errors_keep_their_parts"),
    (FailsAllOnAwkward, "test_what_cannot_travel_does_not_stop_the_others"),
    (DrawsAll, "test_items_are_drawn_lazily"),
    (DrawsTooMany, "test_items_are_drawn_lazily"),
    (CannotBeLeft, "test_an_endless_source_can_be_left"),
    (OnceOnly, "test_maps_follow_each_other"),
    (CutsLargeResults, "test_large_results"),
    (SwallowsSource, "test_a_failing_source_is_not_swallowed"),
    (LosesItemsOfDeadWorkers, "test_a_dead_worker_costs_only_its_item"),
    (GoesOnAfterClose, "test_closing_twice_is_allowed_and_ends_it"),
    (ClosesOnce, "test_closing_twice_is_allowed_and_ends_it"),
]


def _run(test, executor):
    contract = ExecutorContract()
    contract.survives_dead_workers = True
    method = getattr(contract, test)
    extra = {"work": raise_awkward} if "work" in inspect.signature(method).parameters else {}
    method(executor=executor, **extra)


@pytest.mark.parametrize("broken,test", _CATCHES, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_executor_is_caught(broken, test):
    if broken is not LosesItemsOfDeadWorkers:
        _run(test, Plain())
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        _run(test, broken())


def test_an_executor_that_raises_is_caught():
    with pytest.raises(ZeroDivisionError):
        _run("test_an_exception_is_a_failed_item_and_stops_nothing", RaisesFailures())


def test_threads_that_draw_lazily_pass():
    class Threads(Plain):
        n_workers = max_in_flight = 2

        def _map(self, work, items):
            with ThreadPoolExecutor(2) as pool:
                futures = []
                for item in items:
                    futures.append(pool.submit(self.one, work, item))
                    if len(futures) == 2:
                        yield futures.pop(0).result()
                yield from (future.result() for future in futures)

    for test in vars(ExecutorContract):
        if test.startswith("test_") and "dead_worker" not in test:
            _run(test, Threads())


def test_every_test_of_the_contract_catches_somebody():
    assert {test for _, test in _CATCHES} == {name for name in vars(ExecutorContract) if name.startswith("test_")}
