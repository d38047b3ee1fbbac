"""A library through a scorer: plan, partitions, receipts, executors, hits."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.screening.config import ExecutorConfig, ScreenConfig
    from cinchona.screening.executors.choose import make_executor
    from cinchona.screening.executors.dask_cluster import DaskExecutor
    from cinchona.screening.executors.process_pool import ProcessExecutor
    from cinchona.screening.executors.serial import SerialExecutor
    from cinchona.screening.folder import RunFolder
    from cinchona.screening.histogram import ScoreHistogram
    from cinchona.screening.layout import TableLayout
    from cinchona.screening.lease import Lease
    from cinchona.screening.plan import Plan, load_plan
    from cinchona.screening.receipt_book import ReceiptBook
    from cinchona.screening.receipts import Receipt
    from cinchona.screening.status import RunStatus, run_status
    from cinchona.screening.totals import Totals, check_complete, committed, digest_scores

_LAZY: Final = {
    "check_complete": "totals", "committed": "totals", "DaskExecutor": "executors.dask_cluster",
    "digest_scores": "totals", "ExecutorConfig": "config", "Lease": "lease", "load_plan": "plan",
    "make_executor": "executors.choose", "Plan": "plan", "ProcessExecutor": "executors.process_pool",
    "Receipt": "receipts", "ReceiptBook": "receipt_book", "run_status": "status", "RunFolder": "folder",
    "RunStatus": "status", "ScoreHistogram": "histogram", "ScreenConfig": "config",
    "SerialExecutor": "executors.serial", "TableLayout": "layout", "Totals": "totals",
}  # fmt: skip
"""Public names and the modules they live in; RDKit and Dask load when a name that needs them is first touched."""

__all__ = [
    "check_complete",
    "committed",
    "DaskExecutor",
    "digest_scores",
    "ExecutorConfig",
    "Lease",
    "load_plan",
    "make_executor",
    "Plan",
    "ProcessExecutor",
    "Receipt",
    "ReceiptBook",
    "run_status",
    "RunFolder",
    "RunStatus",
    "ScoreHistogram",
    "ScreenConfig",
    "SerialExecutor",
    "TableLayout",
    "Totals",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(f"cinchona.screening.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
