"""Where the work runs: in this process, in a pool of processes, on a local Dask cluster."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.screening.executors.choose import default_workers, make_executor
    from cinchona.screening.executors.dask_cluster import DaskExecutor
    from cinchona.screening.executors.process_pool import ProcessExecutor
    from cinchona.screening.executors.serial import SerialExecutor

_LAZY: Final = {
    "DaskExecutor": "cinchona.screening.executors.dask_cluster",
    "ProcessExecutor": "cinchona.screening.executors.process_pool",
    "SerialExecutor": "cinchona.screening.executors.serial",
    "default_workers": "cinchona.screening.executors.choose",
    "make_executor": "cinchona.screening.executors.choose",
}

__all__ = ["DaskExecutor", "default_workers", "make_executor", "ProcessExecutor", "SerialExecutor"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
