"""Cinchona: virtual screening with graph networks, and safety signals from adverse-event reports.

Importing this package imports none of its rooms; they load when first touched.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.pipelines.api import explain, load, screen, screen_space, train

__version__ = "0.1.0"

ROOMS: Final = ("datasets", "models", "screening", "pipelines", "experiments", "pharmacovigilance")
"""The rooms, from the bottom up; ``pharmacovigilance`` stands beside them."""

_LAZY: Final = dict.fromkeys(("explain", "load", "screen", "screen_space", "train"), "cinchona.pipelines.api")

__all__ = ["__version__", "explain", "load", "ROOMS", "screen", "screen_space", "train"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name in ROOMS:
        return importlib.import_module(f"cinchona.{name}")
    raise AttributeError(f"module 'cinchona' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *ROOMS})


def _missing_rooms() -> list[str]:
    here = Path(__file__).parent
    return [room for room in ROOMS if not (here / room / "__init__.py").is_file()]


if _missing_rooms():
    raise ImportError(
        f"cinchona was installed without its rooms {', '.join(_missing_rooms())}. "
        "Expected: src/cinchona holds a symbolic link to each room folder of the repository. "
        "Remedy: clone with symbolic links (git config core.symlinks true, then git checkout -- src/cinchona) "
        "and install again."
    )
