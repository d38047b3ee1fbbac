"""Bringing results and errors home from another process, whatever they are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cloudpickle

from cinchona.errors import CinchonaError
from cinchona.protocols import Done, Failed, Item


def call_packed(work: bytes, item: object) -> bytes:
    """Apply pickled ``work`` to ``item`` in a worker; what it returns or raises comes back packed."""
    try:
        function = unpickled(work)
    except Exception as error:  # noqa: BLE001 - a worker that lacks a module, for example
        return packed((None, _that_can_travel(error)))
    return call(function, item)


def call(work: Callable[[Any], Any], item: object) -> bytes:
    """Apply ``work`` to ``item`` in a worker; what it returns or raises comes back packed, so nothing can get stuck."""
    try:
        return packed((work(item), None))
    except Exception as error:  # noqa: BLE001 - it belongs to the item, at home
        return packed((None, _that_can_travel(error)))


def outcome(item: Item, answer: bytes) -> Done[Item, Any] | Failed[Item]:
    """Unpack what :func:`call` gave, at home."""
    result, error = cloudpickle.loads(answer)
    return Done(item, result) if error is None else Failed(item, error)


def packed(value: object) -> bytes:
    """``value`` pickled, to go through a pipe or socket of this program, never to a file."""
    data: bytes = cloudpickle.dumps(value)
    return data


def received(data: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """What :func:`packed` packed."""
    return cloudpickle.loads(data)


@lru_cache(maxsize=1)
def unpickled(work: bytes) -> Callable[[Any], Any]:
    """The work, unpickled once in each worker."""
    function: Callable[[Any], Any] = cloudpickle.loads(work)
    return function


def _that_can_travel(error: Exception) -> Exception:
    """The error itself, or one that says the same if its class cannot be pickled and unpickled."""
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - any failure of a foreign class
        return CinchonaError(f"{type(error).__name__}: {error}")
    return error
