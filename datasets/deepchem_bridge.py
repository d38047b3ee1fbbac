"""DeepChem's datasets, loaders, featurizers and splitters for our tables, and our tables as its datasets.

The only module of this room that imports DeepChem, and only when it is called: the import takes 5 to 9 seconds. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from rdkit import rdBase

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.config import SplitterName
from cinchona.datasets.deepchem_disk import from_deepchem
from cinchona.errors import ConfigError, MissingDependencyError

WANTED: Final = "2.8"
"""Version that is tested; on Python 3.12 and later, pip installs one of 2021 without a word."""


def deepchem() -> Any:  # noqa: ANN401 - a module without types
    """The package.

    Raises:
        MissingDependencyError: if it is not installed, is another version, or cannot be on this Python.
    """
    remedy = (
        "use Python 3.11: pip install 'cinchona[screening]'"
        if sys.version_info >= (3, 12)
        else "pip install 'cinchona[screening]'"
    )
    try:
        version = metadata.version("deepchem")
    except metadata.PackageNotFoundError as error:
        raise MissingDependencyError(
            "DeepChem is not installed", expected=f"deepchem {WANTED}", remedy=remedy
        ) from error
    if not version.startswith(f"{WANTED}."):
        raise MissingDependencyError(f"DeepChem {version} is installed", expected=f"deepchem {WANTED}", remedy=remedy)
    return _quietly_imported()


def _quietly_imported() -> Any:  # noqa: ANN401 - a module without types
    """DeepChem tells on import, in many ways, of all the optional packages that it does not find."""
    silence, before = io.StringIO(), logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with rdBase.BlockLogs(), warnings.catch_warnings(), redirect_stdout(silence), redirect_stderr(silence):
            warnings.simplefilter("ignore")
            return import_module("deepchem")
    finally:
        logging.disable(before)


def load_csv(
    path: str | Path, *, tasks: Sequence[str], smiles: str = "smiles", compound_id: str | None = None
) -> pa.Table:
    """Read a CSV, such as those of MoleculeNet, by DeepChem's own loader; nothing is fetched.

    Args:
        path: The file, also gzipped.
        tasks: Columns of labels.
        smiles: Column of structures.
        compound_id: Column of identifiers; None takes the SMILES, as DeepChem does.

    Raises:
        MissingDependencyError: if DeepChem cannot be used.
        InputError: if there are no structures.
    """
    dc = deepchem()
    loader = dc.data.CSVLoader(
        tasks=list(tasks), feature_field=smiles, id_field=compound_id or smiles, featurizer=dc.feat.DummyFeaturizer()
    )
    with tempfile.TemporaryDirectory(prefix="cinchona-deepchem-") as scratch:
        return from_deepchem(loader.create_dataset(str(path), data_dir=str(Path(scratch, "data"))))


def to_deepchem(table: AssayTable, *, rows: np.ndarray | None = None, featurizer: Any = None) -> Any:  # noqa: ANN401 - without types
    """Compounds of an assay table as a ``NumpyDataset``; missing labels are 0 with weight 0, as DeepChem has them.

    A bound (``>``) counts with its value: DeepChem has none.

    Args:
        table: Curated compounds.
        rows: Which, int64; all by default.
        featurizer: A DeepChem featurizer, or None for SMILES as inputs.
    """
    dc = deepchem()
    chosen = np.arange(len(table)) if rows is None else rows
    smiles = [table.smiles[row] for row in chosen]
    x = np.array(smiles, dtype=object) if featurizer is None else np.asarray(features(featurizer, smiles))
    y, w = _labels(table, chosen)
    return dc.data.NumpyDataset(X=x, y=y, w=w, ids=np.array(smiles, dtype=object))


def write_deepchem(table: AssayTable, folder: str | Path, *, rows: np.ndarray | None = None) -> Any:  # noqa: ANN401 - without types
    """Write compounds as a ``DiskDataset`` with SMILES as inputs, and return it. The files hold no pickle, as DeepChem's own often do.

    Raises:
        ConfigError: if the folder is not empty.
        MissingDependencyError: if DeepChem cannot be used.
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise ConfigError("the folder is not empty", where=str(target), expected="a new or empty folder")
    chosen = np.arange(len(table)) if rows is None else rows
    y, w = _labels(table, chosen)
    x = np.array([table.smiles[row] for row in chosen])  # a fixed width: no objects, no pickle
    ids = np.array([table.compound_ids[row] for row in chosen])
    data = deepchem().data.DiskDataset
    data.from_numpy(X=x, y=y, w=w, ids=ids, tasks=[target.name for target in table.targets], data_dir=str(target))
    for name, texts in (("X", x), ("ids", ids)):  # DeepChem has made objects of them
        np.save(target / f"shard-0-{name}.npy", texts, allow_pickle=False)
    return data(str(target))


def features(featurizer: Any, smiles: Sequence[str]) -> list[Any]:  # noqa: ANN401 - without types
    """What a DeepChem featurizer makes of n molecules: a vector or a graph each, an empty array where it fails."""
    if not smiles:
        return []
    with rdBase.BlockLogs(), _quiet_logs(), np.errstate(all="ignore"):
        return list(featurizer.featurize(list(smiles)))


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """DeepChem warns of each molecule that it fails at; ours are rejects with a reason."""
    logger = logging.getLogger("deepchem")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def split_by(
    table: AssayTable, splitter: SplitterName, fractions: tuple[float, float, float], *, seed: int
) -> np.ndarray:
    """Divide a table by a splitter of DeepChem.

    Returns:
        Part of each row (0, 1, 2), int64, shape (n,); -1 for rows that the splitter leaves out.

    Raises:
        MissingDependencyError: if DeepChem cannot be used.
    """
    dc = deepchem()
    train, valid, test = fractions
    with rdBase.BlockLogs():
        found = getattr(dc.splits, splitter)().split(
            to_deepchem(table), frac_train=train, frac_valid=valid, frac_test=test, seed=seed
        )
    parts = np.full(len(table), -1, np.int64)
    for part, rows in enumerate(found):
        parts[np.asarray(rows, np.int64)] = part
    return parts


def _labels(table: AssayTable, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = table.values[rows]
    known = np.isfinite(values)
    return np.where(known, values, 0.0), known.astype(np.float64)


__all__ = [
    "deepchem", "features", "load_csv", "split_by", "to_deepchem", "write_deepchem",
]  # fmt: skip
