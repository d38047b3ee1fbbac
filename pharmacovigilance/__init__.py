"""Adverse-event reports to safety signals; works without torch and rdkit."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.analysis import AnalysisView
    from cinchona.pharmacovigilance.coding.run import code
    from cinchona.pharmacovigilance.generator import GeneratorConfig, generate
    from cinchona.pharmacovigilance.intake.run import IngestConfig, ingest
    from cinchona.pharmacovigilance.linking.explain import explain
    from cinchona.pharmacovigilance.linking.run import dedupe
    from cinchona.pharmacovigilance.store import ReportStore
    from cinchona.pharmacovigilance.store import open_store as open  # noqa: A004 - the agreed public name

_LAZY: Final = {
    "AnalysisView": ("analysis", "AnalysisView"),
    "code": ("coding.run", "code"),
    "dedupe": ("linking.run", "dedupe"),
    "explain": ("linking.explain", "explain"),
    "generate": ("generator", "generate"),
    "GeneratorConfig": ("generator", "GeneratorConfig"),
    "ingest": ("intake.run", "ingest"),
    "IngestConfig": ("intake.run", "IngestConfig"),
    "open": ("store", "open_store"),
    "ReportStore": ("store", "ReportStore"),
}
"""Public names by module of this room and name there."""

__all__ = [
    "AnalysisView", "code", "dedupe", "explain", "generate", "GeneratorConfig", "ingest", "IngestConfig", "open",
    "ReportStore",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
