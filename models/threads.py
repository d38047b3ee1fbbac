"""One thread for torch, so that sums have one order and results do not depend on the machine's cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TURN: Final = threading.RLock()


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
