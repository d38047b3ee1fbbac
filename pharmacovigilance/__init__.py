"""Adverse-event reports to safety signals; works without torch and rdkit."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.generator import GeneratorConfig, generate
    from cinchona.pharmacovigilance.intake.run import IngestConfig, ingest
    from cinchona.pharmacovigilance.store import ReportStore
    from cinchona.pharmacovigilance.store import open_store as open  # noqa: A004 - the agreed public name

_LAZY: Final = {
    "generate": ("cinchona.pharmacovigilance.generator", "generate"),
    "GeneratorConfig": ("cinchona.pharmacovigilance.generator", "GeneratorConfig"),
    "ingest": ("cinchona.pharmacovigilance.intake.run", "ingest"),
    "IngestConfig": ("cinchona.pharmacovigilance.intake.run", "IngestConfig"),
    "open": ("cinchona.pharmacovigilance.store", "open_store"),
    "ReportStore": ("cinchona.pharmacovigilance.store", "ReportStore"),
}

__all__ = ["generate", "GeneratorConfig", "ingest", "IngestConfig", "open", "ReportStore"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
