"""One workflow a file: wires the rooms together.

The verbs are functions of the modules (``cinchona.pipelines.train.train``, …) and, for notebooks, of ``cinchona``
itself; here are their settings and results.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.pipelines.api import Model
    from cinchona.pipelines.config import Settings, TrackingConfig
    from cinchona.pipelines.demo import DemoResult
    from cinchona.pipelines.screen_result import ScreenResult
    from cinchona.pipelines.train import TrainResult

_LAZY: Final = {
    "DemoResult": "cinchona.pipelines.demo",
    "Model": "cinchona.pipelines.api",
    "ScreenResult": "cinchona.pipelines.screen_result",
    "Settings": "cinchona.pipelines.config",
    "TrackingConfig": "cinchona.pipelines.config",
    "TrainResult": "cinchona.pipelines.train",
}

__all__ = ["DemoResult", "Model", "ScreenResult", "Settings", "TrackingConfig", "TrainResult"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
