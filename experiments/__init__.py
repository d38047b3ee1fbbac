"""Everything MLflow: tracking, model flavour, registry, browser."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.experiments.store import Store
    from cinchona.experiments.tracker import MlflowTracker, open_tracker
    from cinchona.experiments.ui import serve_ui

_LAZY: Final = {
    "MlflowTracker": "cinchona.experiments.tracker",
    "open_tracker": "cinchona.experiments.tracker",
    "serve_ui": "cinchona.experiments.ui",
    "Store": "cinchona.experiments.store",
}

__all__ = ["MlflowTracker", "open_tracker", "serve_ui", "Store"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'cinchona.experiments' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
