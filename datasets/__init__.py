"""Chemistry to numbers: readers, standardization, curation, splits, fingerprints and molecular graphs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cinchona.datasets.assay import AssayTable, read_assay_table
    from cinchona.datasets.catalogue import resolve
    from cinchona.datasets.config import CurationConfig, ReaderConfig, SplitConfig, StandardizeConfig, TargetConfig
    from cinchona.datasets.fingerprints import morgan_bits, morgan_counts, nearest, tanimoto
    from cinchona.datasets.graphcodes import GraphCodes, codes
    from cinchona.datasets.leakage import LeakageReport, leakage_report
    from cinchona.datasets.molgraph import MolGraph, features, featurize, featurize_batch
    from cinchona.datasets.parsing import Rejected, parse_smiles
    from cinchona.datasets.sources import Library, Partition, open_library, read_partition
    from cinchona.datasets.splits import Split, kfold_splits, make_split
    from cinchona.datasets.standardize import Standardized, inchikey, standardize_batch

_LAZY: Final = {
    "AssayTable": "assay", "CurationConfig": "config", "featurize": "molgraph",
    "featurize_batch": "molgraph", "features": "molgraph", "GraphCodes": "graphcodes", "codes": "graphcodes",
    "inchikey": "standardize", "kfold_splits": "splits", "LeakageReport": "leakage", "leakage_report": "leakage",
    "Library": "sources", "make_split": "splits", "MolGraph": "molgraph", "morgan_bits": "fingerprints",
    "morgan_counts": "fingerprints", "nearest": "fingerprints", "open_library": "sources", "parse_smiles": "parsing",
    "Partition": "sources", "read_assay_table": "assay", "read_partition": "sources", "ReaderConfig": "config",
    "Rejected": "parsing", "resolve": "catalogue", "Split": "splits", "SplitConfig": "config",
    "Standardized": "standardize", "standardize_batch": "standardize", "StandardizeConfig": "config",
    "tanimoto": "fingerprints", "TargetConfig": "config",
}  # fmt: skip
"""Public names and the modules they live in; RDKit loads when one of them is first touched."""

__all__ = [
    "AssayTable",
    "codes",
    "CurationConfig",
    "features",
    "featurize",
    "featurize_batch",
    "GraphCodes",
    "inchikey",
    "kfold_splits",
    "leakage_report",
    "LeakageReport",
    "Library",
    "make_split",
    "MolGraph",
    "morgan_bits",
    "morgan_counts",
    "nearest",
    "open_library",
    "parse_smiles",
    "Partition",
    "read_assay_table",
    "read_partition",
    "ReaderConfig",
    "Rejected",
    "resolve",
    "Split",
    "SplitConfig",
    "standardize_batch",
    "StandardizeConfig",
    "Standardized",
    "tanimoto",
    "TargetConfig",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(f"cinchona.datasets.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'cinchona.datasets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
