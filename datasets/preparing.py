"""Making a part of a prepared library from a partition of one that is not prepared."""

from __future__ import annotations

import difflib
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pyarrow as pa
from rdkit import Chem, rdBase
from rdkit.Chem import Descriptors

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import code_columns
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.molgraph import MAX_ATOMS
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.partitions import Partition
from cinchona.datasets.prepared_parts import CANONICAL, part_schema
from cinchona.datasets.sources import read_partition
from cinchona.datasets.standardize import FLAGS, GIVEN_SMILES, standardize_batch, structures_as_written
from cinchona.errors import ConfigError
from cinchona.records import CompoundBatch

logger = logging.getLogger(__name__)


def part_of(partition: Partition, rules: StandardizeConfig, descriptors: Sequence[str] = ()) -> pa.Table:
    """Read, standardize and code the rows of a partition; one row for each of its rows.

    Args:
        partition: Rows of a library that is not prepared.
        rules: How structures are standardized.
        descriptors: Names of RDKit descriptors to add, see :func:`check_descriptors`.
    """
    given, unreadable = read_partition(partition)
    done = standardize_batch(given, rules, keep_texts=True)
    n, first = partition.n_rows, partition.first_row
    rejects = {r.row_id - first: r for r in (*unreadable, *done.rejects)}
    columns = {"row_id": pa.array(np.arange(first, first + n), pa.int64())}
    was_read, standard = given.row_ids - first, done.batch.row_ids - first
    columns["compound_id"] = _spread(given.data.column(1), was_read, n)
    columns[GIVEN_SMILES] = _spread(given.data.column(2), was_read, n)
    structures = _own_structures(done.batch, rules) if rules.keeps_texts else done.batch.smiles
    columns["smiles"] = _spread(pa.array(structures, pa.string()), standard, n)
    columns[FLAGS] = _spread(done.batch.data.column(FLAGS), standard, n)
    columns["stage"] = pa.array([str(rejects[k].stage) if k in rejects else None for k in range(n)], pa.string())
    columns["reason"] = pa.array([rejects[k].reason if k in rejects else None for k in range(n)], pa.string())
    mols = [parse_smiles(text, max_length=None) for text in structures]
    if rules.keeps_texts:
        columns[CANONICAL] = _spread(pa.array(_canonical(mols, structures), pa.string()), standard, n)
    columns |= _codes(mols, standard, n)
    columns |= {name: _descriptor(name, mols, standard, n) for name in descriptors}
    return pa.table(columns, schema=part_schema(descriptors, as_written=rules.keeps_texts))


def _own_structures(batch: CompoundBatch, rules: StandardizeConfig) -> list[str]:
    """Structure of each row by itself: which rows are one compound is for the screen's partitions to say."""
    given: list[str] = batch.data.column(GIVEN_SMILES).to_pylist()
    doubled = Counter(batch.smiles)
    own = structures_as_written([text for text, s in zip(given, batch.smiles, strict=True) if doubled[s] > 1], rules)
    return [own.get(text, smiles) for text, smiles in zip(given, batch.smiles, strict=True)]


def _canonical(mols: Sequence[Chem.Mol | Rejected], structures: Sequence[str]) -> list[str]:
    return [
        text if isinstance(mol, Rejected) else str(Chem.MolToSmiles(mol))
        for mol, text in zip(mols, structures, strict=True)
    ]


def check_descriptors(names: Sequence[str]) -> None:
    """Check that RDKit has descriptors of these names.

    Raises:
        ConfigError: naming the nearest one that it has.
    """
    for name in names:
        if name not in _descriptors():
            near = difflib.get_close_matches(name, _descriptors(), n=1)
            raise ConfigError(
                f"RDKit has no descriptor {name!r}", expected="a name such as MolWt, MolLogP or TPSA",
                remedy=f"did you mean {near[0]}?" if near else "see rdkit.Chem.Descriptors.descList",
            )  # fmt: skip


def _spread(values: pa.Array, places: np.ndarray, n: int) -> pa.Array:
    """Values at their places, null elsewhere."""
    at = np.full(n, -1, np.int64)
    at[places] = np.arange(len(places))
    return values.take(pa.array(at, pa.int64(), mask=at < 0))


def _codes(mols: Sequence[Chem.Mol | Rejected], places: np.ndarray, n: int) -> dict[str, pa.Array]:
    usable = {k: m for k, m in enumerate(mols) if not isinstance(m, Rejected) and m.GetNumAtoms() <= MAX_ATOMS}
    coded = codes_of_many(list(usable.values()))
    return code_columns(coded, places[list(usable)], n)


def _descriptor(name: str, mols: Sequence[Chem.Mol | Rejected], places: np.ndarray, n: int) -> pa.Array:
    function = _descriptors()[name]
    values = np.full(n, np.nan, np.float32)
    with rdBase.BlockLogs(), np.errstate(over="ignore"):
        for place, mol in zip(places.tolist(), mols, strict=True):
            if not isinstance(mol, Rejected):
                values[place] = _value(function, mol)
    return pa.array(values, pa.float32(), mask=np.isnan(values))


def _value(function: Callable[[Chem.Mol], float], mol: Chem.Mol) -> float:
    try:
        value = float(function(mol))
    except (ValueError, RuntimeError, ZeroDivisionError, OverflowError) as error:
        logger.debug("a descriptor failed: %s", error)
        return math.nan
    return value


@cache
def _descriptors() -> dict[str, Callable[[Chem.Mol], float]]:
    return dict(Descriptors.descList)


__all__ = ["check_descriptors", "part_of"]
