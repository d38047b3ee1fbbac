"""One thread for torch, so that sums have one order and results do not depend on the machine's cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

_TURN: Final = threading.RLock()
T = TypeVar("T")


def side_by_side(fit: Callable[[int], T], size: int, *, workers: int | None, stop: threading.Event) -> list[T]:
    """Call ``fit`` with 0 to ``size`` - 1, some at the same time, and return what it gave in order.

    Threads, not processes: torch lets the interpreter go while it computes, and nothing has to be sent anywhere.

    Args:
        fit: Fits one network; ends soon after ``stop`` is set.
        size: How many.
        workers: Threads; None takes the cores at hand.
        stop: Set once a call failed or the user interrupts, so that the others end too.
    """
    with ThreadPoolExecutor(min(size, workers or _cores()), thread_name_prefix="fit") as pool:
        pending = [pool.submit(fit, member) for member in range(size)]
        try:
            return [future.result() for future in pending]
        except BaseException:
            stop.set()
            for future in pending:
                future.cancel()
            raise


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_torch_thread(*, strict: bool = True) -> Iterator[None]:
    """Hold torch to one thread and deterministic algorithms inside the block; others of this process wait.

    Torch keeps these settings for the whole process, so two threads that set and restore them would trip each other.

    Args:
        strict: False leaves the choice of algorithms alone: for plain matrix products, which have one. Setting it makes
            torch import its compiler, which takes a worker three seconds.
    """
    import torch

    with _TURN:
        threads = torch.get_num_threads()
        was_strict = torch.are_deterministic_algorithms_enabled()
        torch.set_num_threads(1)
        if strict and not was_strict:
            torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            if strict and not was_strict:
                torch.use_deterministic_algorithms(mode=False)


@contextmanager
def product_thread(product: str) -> Iterator[None]:
    """Hold the library that multiplies matrices to one thread; numpy's is held by whoever starts a worker.

    Args:
        product: ``torch`` or ``numpy``, see :mod:`cinchona.models.engine.gemm`.
    """
    if product == "torch":
        with one_torch_thread(strict=False):
            yield
    else:
        yield
