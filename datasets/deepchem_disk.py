"""DeepChem's datasets, read without DeepChem and without running anything that is in them.

A folder holds ``tasks.json``, ``metadata.csv.gzip`` (which files make a shard) and shards of numpy files. Numbers are plain numpy. Texts are mostly
arrays of objects, which numpy stores as a pickle; it is read as data (:mod:`cinchona.datasets.pickled`), so nothing that it names is called.
"""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from rdkit import Chem

from cinchona.datasets.parsing import parses
from cinchona.datasets.pickled import Inert, read_pickle
from cinchona.errors import CinchonaError, InputError, UnsafeFileError
from cinchona.files import inside

TASKS: Final = "tasks.json"
METADATA: Final = "metadata.csv.gzip"
OBSOLETE: Final = "metadata.joblib"
MAX_METADATA: Final = 64 << 20
"""Bytes of unpacked metadata that are read."""
_LOOKED_AT: Final = 20


def is_deepchem_folder(path: Path) -> bool:
    """Whether ``path`` looks like a folder that ``deepchem.data.DiskDataset`` wrote."""
    return path.is_dir() and ((path / METADATA).is_file() or (path / OBSOLETE).is_file())


def read_deepchem_folder(path: Path) -> pa.Table:
    """A dataset folder as a table: ``compound_id``, ``smiles`` and a column for each task.

    A label with weight 0 is missing, as DeepChem has it; other weights are left out.

    Raises:
        InputError: if a file is missing or damaged, or there are no structures.
        UnsafeFileError: if a file is a pickle of something else than texts, or lies outside of the folder.
    """
    tasks, shards = _described(path)
    parts = [_shard(path, shard) for shard in shards]
    if not parts:
        raise InputError("the dataset has no shard", where=str(path), expected="at least one row")
    ids, x, y, w = (np.concatenate([part[k] for part in parts]) if parts[0][k] is not None else None for k in range(4))
    assert ids is not None
    return table_of_arrays(ids=ids, x=x, y=y, w=w, tasks=tasks, where=str(path))


def table_of_arrays(
    *, ids: np.ndarray, x: np.ndarray | None, y: np.ndarray | None, w: np.ndarray | None, tasks: list[str], where: str
) -> pa.Table:
    """The arrays of a DeepChem dataset of n rows and t tasks as a table.

    Args:
        ids: Identifiers, shape (n,); DeepChem's loaders put SMILES here.
        x: Inputs, shape (n, ...), or None; used if they are SMILES.
        y: Labels, float, shape (n, t) or (n,), or None.
        w: Weights, float, shape (n, t), (n, 1) or (n,); None for 1.
        tasks: Names of the tasks; DeepChem's numbers become ``task0``, …
        where: What the dataset is called in messages.

    Raises:
        InputError: if neither ids nor inputs are SMILES, or shapes do not fit.
    """
    names = [f"task{name}" if str(name).isdigit() else str(name) for name in tasks]
    labels = _matrix(y, len(ids), len(names), "y", where)
    weights = np.ones_like(labels) if w is None else _matrix(w, len(ids), len(names), "w", where)
    columns: dict[str, Any] = {
        "compound_id": pa.array([str(value) for value in ids], pa.string()),
        "smiles": pa.array(_structures(ids, x, where), pa.string()),
    }
    for k, name in enumerate(names):
        missing = (weights[:, k] == 0) | ~np.isfinite(labels[:, k])
        columns[name] = pa.array(labels[:, k], pa.float64(), mask=missing)
    return pa.table(columns)


def is_deepchem_dataset(source: object) -> bool:
    """Whether ``source`` is a dataset of DeepChem, without importing it."""
    return any(
        kind.__module__ == "deepchem.data.datasets" and kind.__name__ == "Dataset" for kind in type(source).__mro__
    )


def from_deepchem(dataset: Any) -> pa.Table:  # noqa: ANN401 - without types
    """A dataset in memory or on disk as a table: ``compound_id``, ``smiles`` and a column for each task.

    Structures are its inputs if these are SMILES or RDKit molecules, else its ids. A label with weight 0 is missing.

    Raises:
        InputError: if it has no structures.
    """
    x = np.asarray(dataset.X)
    if x.ndim == 1 and len(x) and isinstance(x[0], Chem.Mol):
        x = np.array([Chem.MolToSmiles(mol) for mol in x], dtype=object)
    y = None if dataset.y is None else np.asarray(dataset.y)
    tasks = [str(name) for name in dataset.get_task_names()]
    return table_of_arrays(
        ids=np.array([str(one) for one in dataset.ids], dtype=object), x=x, y=y, w=np.asarray(dataset.w), tasks=tasks,
        where=f"the {type(dataset).__name__} in memory",
    )  # fmt: skip


def _described(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    if not (path / METADATA).is_file():
        raise UnsafeFileError(
            f"the description of the dataset is a pickle ({OBSOLETE}); opening it could run any program", where=str(path),
            expected=f"{TASKS} and {METADATA}",
            remedy="where you trust it, open it once with deepchem.data.DiskDataset(folder), which writes the new form",
        )  # fmt: skip
    try:
        tasks = json.loads((path / TASKS).read_text("utf-8"))
        with gzip.open(path / METADATA) as file:
            text = file.read(MAX_METADATA)
        shards = pyarrow.csv.read_csv(
            io.BytesIO(text),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys("idsXyw", pa.string())),
        ).to_pylist()
    except (OSError, ValueError, EOFError, pa.ArrowInvalid) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(tasks, list) or any("ids" not in shard for shard in shards):
        raise _damaged(path, "tasks are no list, or shards have no ids")
    return [str(task) for task in tasks], shards


def _shard(
    path: Path, shard: dict[str, str]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    ids = _array(path, shard["ids"], texts=True)
    inputs = _texts_or_none(path, shard.get("X"))
    labels, weights = (_array(path, shard[name]) if shard.get(name) else None for name in ("y", "w"))
    return ids, inputs, labels, weights


def _texts_or_none(path: Path, name: str | None) -> np.ndarray | None:
    """Inputs if they are texts; features and molecules of RDKit are of no use here and are not read."""
    try:
        found = None if not name else _array(path, name, texts=True)
    except UnsafeFileError:
        return None
    return found if found is not None and found.ndim == 1 and found.dtype.kind in "UO" else None


def _array(path: Path, name: str, *, texts: bool = False) -> np.ndarray:
    file = inside(path, name)
    if file.is_symlink() or not file.is_file():
        raise _damaged(path, f"{name} is missing or a link")
    with file.open("rb") as handle:
        try:
            version = np.lib.format.read_magic(handle)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(handle)
            if not dtype.hasobject:
                handle.seek(0)
                return np.asarray(np.lib.format.read_array(handle, allow_pickle=False))
            if not texts:
                raise _pickle(file)
            return _object_texts(handle.read(), shape, file)
        except (ValueError, EOFError) as error:
            raise _damaged(path, f"{name}: {error}") from error


def _object_texts(data: bytes, shape: tuple[int, ...], file: Path) -> np.ndarray:
    """The texts of an array of objects, whose pickle is looked at and not run."""
    made = read_pickle(data, where=str(file))
    state = made.state if isinstance(made, Inert) else None
    values = state[4] if isinstance(state, tuple) and len(state) == 5 else None
    if not isinstance(values, list) or not all(isinstance(value, str | int | float) for value in values):
        raise _pickle(file)
    if shape != (len(values),):
        raise _damaged(file.parent, f"{file.name} holds {len(values)} texts, its header says {shape}")
    return np.array([str(value) for value in values], dtype=object)


def _structures(ids: np.ndarray, x: np.ndarray | None, where: str) -> list[str]:
    for values in (x, ids):
        if values is None or values.ndim != 1 or not len(values) or not isinstance(values[0], str):
            continue
        texts = [str(value) for value in values]
        looked = texts[:_LOOKED_AT]
        if 2 * sum(map(parses, looked)) > len(looked):
            return texts
    raise InputError(
        "the dataset has no structures: neither its ids nor its inputs are SMILES", where=where,
        expected="ids or X that hold SMILES, as DeepChem's CSVLoader leaves them",
        remedy="load it with feature_field and id_field set to the column of the SMILES",
    )  # fmt: skip


def _matrix(values: np.ndarray | None, rows: int, columns: int, name: str, where: str) -> np.ndarray:
    if values is None:
        return np.full((rows, columns), np.nan)
    wide = np.asarray(values, np.float64).reshape(rows, -1) if rows else np.zeros((0, columns))
    if wide.shape[1] == 1 and columns > 1 and name == "w":
        wide = np.repeat(wide, columns, axis=1)
    if wide.shape != (rows, columns):
        raise InputError(
            f"{name} has shape {wide.shape}", where=where, expected=f"({rows}, {columns}), a column for each task"
        )
    return wide


def _pickle(file: Path) -> CinchonaError:
    return UnsafeFileError(
        f"{file.name} is a pickle of objects; opening it could run any program", where=str(file), expected="numbers or texts",
        remedy="write the dataset again with SMILES as ids or inputs",
    )  # fmt: skip


def _damaged(path: Path, what: str) -> InputError:
    return InputError(
        f"the dataset is damaged: {what[:200]}", where=str(path), expected="a folder as deepchem.data.DiskDataset writes it",
        remedy="copy it again, or write it again with DeepChem",
    )  # fmt: skip


__all__ = [
    "from_deepchem",
    "is_deepchem_dataset",
    "is_deepchem_folder",
    "read_deepchem_folder",
    "table_of_arrays",
]
