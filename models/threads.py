"""One thread for torch, so that sums have one order and results do not depend on the machine's cores."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

_TURN: Final = threading.RLock()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Hold torch to one thread and deterministic algorithms inside the block; others of this process wait.

    Torch keeps these settings for the whole process, so two threads that set and restore them would trip each other.
    """
    with _TURN:
        threads = torch.get_num_threads()
        strict = torch.are_deterministic_algorithms_enabled()
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(mode=strict)
