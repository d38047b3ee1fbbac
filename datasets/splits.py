"""Training, validation and test part of an assay table, without compounds that give each other away."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.clusters import leader_clusters
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.scaffolds import scaffolds
from cinchona.datasets.times import times_of
from cinchona.errors import ColumnError, ConfigError, NoUsableRowsError
from cinchona.seeds import rng

logger = logging.getLogger(__name__)

PARTS: Final = ("train", "valid", "test")
"""Names of the parts, in this order."""

_WORDS: Final = {
    "train": 0, "training": 0, "tr": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2, "te": 2, "holdout": 2,
}  # fmt: skip
_TOLERANCE: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A division of the rows of a table; every row is in at most one part."""

    train: np.ndarray
    """Rows to fit, int64, ascending, shape (n_train,)."""
    valid: np.ndarray
    """Rows to stop and calibrate by, int64, ascending, shape (n_valid,)."""
    test: np.ndarray
    """Rows to judge by, int64, ascending, shape (n_test,)."""
    kind: str
    """How the table was divided."""
    seed: int
    """Seed of the division."""
    notes: tuple[str, ...] = field(default=())
    """Where the result differs from what was asked."""

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of the three parts among the rows that are in one."""
        sizes = np.array([len(self.train), len(self.valid), len(self.test)], float)
        train, valid, test = (sizes / max(sizes.sum(), 1)).tolist()
        return (train, valid, test)

    def to_json(self) -> dict[str, Any]:
        """The split as plain data: kind, seed, shares, notes and the rows of each part."""
        parts = {name: getattr(self, name).tolist() for name in PARTS}
        return {
            "kind": self.kind,
            "seed": self.seed,
            "fractions": list(self.fractions),
            "notes": list(self.notes),
            **parts,
        }


def make_split(table: AssayTable, config: SplitConfig, *, seed: int) -> Split:
    """Divide ``table``.

    ``random`` draws rows. ``scaffold`` and ``cluster`` keep groups together: groups larger than half a test or
    validation part go to training, the others are drawn in random order into the part that lacks most. ``time`` sorts
    by the time column; rows of the same time stay together in the older part, rows without a time go to training.
    ``column`` reads the parts from a column and leaves out rows with an empty cell. ``deepchem`` leaves it to a splitter of DeepChem.

    Args:
        table: Curated compounds.
        config: Kind, shares and columns.
        seed: Same seed, same table, same split; ``time`` and ``column`` do not use it.

    Raises:
        ColumnError: if the time or split column is missing or unreadable.
        NoUsableRowsError: if the training part would be empty.
    """
    if config.kind == "column":
        parts, notes = _by_column(table, config)
    elif config.kind == "time":
        parts, notes = _by_time(table, config)
    elif config.kind == "deepchem":
        from cinchona.datasets.deepchem_bridge import split_by

        parts, notes = (
            split_by(table, config.splitter, config.fractions, seed=seed),
            (f"by DeepChem's {config.splitter}",),
        )
    else:
        groups = _groups(table, config.kind, config.cluster_similarity)
        parts, notes = assign_groups(groups, config.fractions, seed=seed), ()
    split = _split_of(parts, config.kind, seed, (*notes, *_missed(parts, config)))
    for note in split.notes:
        logger.info("%s split: %s", config.kind, note)
    if not len(split.train):
        raise NoUsableRowsError("the training part is empty", where=f"{config.kind} split of {len(table)} compounds")
    return split


def kfold_splits(
    table: AssayTable,
    k: int,
    *,
    kind: Literal["scaffold", "random", "cluster"] = "scaffold",
    seed: int = 0,
    valid_fraction: float = 0.0,
    cluster_similarity: float = 0.4,
) -> tuple[Split, ...]:
    """Divide ``table`` into ``k`` test parts that together are all rows.

    Whole groups are dealt out, largest first, each to the smallest fold (equal ones in random order).

    Args:
        table: Curated compounds.
        k: Number of folds, at least 2.
        kind: What is kept together; ``random`` keeps nothing.
        seed: Same seed, same folds.
        valid_fraction: Share of all rows taken from each training part, in whole groups, for validation.
        cluster_similarity: As in :class:`~cinchona.datasets.config.SplitConfig`.

    Raises:
        ConfigError: if there are fewer groups than folds.
    """
    groups = _groups(table, kind, cluster_similarity)
    folds = deal_groups(groups, k, seed=seed)
    splits = []
    for fold in range(k):
        parts = np.where(folds == fold, 2, 0)
        rest = np.flatnonzero(parts == 0)
        if valid_fraction > 0:
            share = min(valid_fraction * len(groups) / max(len(rest), 1), 1.0)
            inner = assign_groups(groups[rest], (1 - share, share, 0.0), seed=seed + fold)
            parts[rest] = inner
        splits.append(_split_of(parts, kind, seed, (f"fold {fold + 1} of {k}",)))
    return tuple(splits)


def assign_groups(groups: np.ndarray, fractions: Sequence[float], *, seed: int) -> np.ndarray:
    """Deal whole groups to three parts.

    Args:
        groups: Group of each row, any integers, shape (n,).
        fractions: Wanted shares, summing to 1.
        seed: Seed of the order.

    Returns:
        Part of each row (0, 1, 2), int64, shape (n,).
    """
    members = _members(groups)
    wanted = np.array(fractions) * len(groups)
    smallest = min((w for w in wanted[1:] if w > 0), default=0.0)
    order = rng(seed, "split", "groups").permutation(len(members))
    large = [g for g in order if len(members[g]) > smallest / 2]
    large.sort(key=lambda g: -len(members[g]))
    is_large = set(large)
    lacking = wanted.copy()
    parts = np.zeros(len(groups), np.int64)
    for g in [*large, *(g for g in order if g not in is_large)]:
        fits = g in is_large and len(members[g]) <= lacking[0]
        part = 0 if fits else int(np.argmax(lacking))
        parts[members[g]] = part
        lacking[part] -= len(members[g])
    return parts


def deal_groups(groups: np.ndarray, k: int, *, seed: int) -> np.ndarray:
    """Fold of each row (0 to k - 1), int64, shape (n,): groups from large to small, each to the smallest fold.

    Raises:
        ConfigError: if there are fewer groups than folds, or ``k`` is below 2.
    """
    members = _members(groups)
    if not 2 <= k <= len(members):
        raise ConfigError(f"{k} folds of {len(members)} groups", expected=f"2 to {len(members)} folds")
    order = rng(seed, "split", "folds").permutation(len(members))
    sizes = np.zeros(k, np.int64)
    folds = np.zeros(len(groups), np.int64)
    for g in sorted(order, key=lambda g: -len(members[g])):
        fold = int(np.argmin(sizes))
        folds[members[g]] = fold
        sizes[fold] += len(members[g])
    return folds


def _groups(table: AssayTable, kind: str, similarity: float) -> np.ndarray:
    if kind == "random":
        return np.arange(len(table))
    if kind == "cluster":
        # In the order of the SMILES, so that clusters do not depend on the order of the rows.
        order = np.argsort(np.array(table.smiles))
        clusters = np.empty(len(table), np.int64)
        clusters[order] = leader_clusters(morgan_packed([table.smiles[k] for k in order]), similarity=similarity)
        return clusters
    return np.unique(np.array(scaffolds(table.smiles)), return_inverse=True)[1]


def _members(groups: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _by_time(table: AssayTable, config: SplitConfig) -> tuple[np.ndarray, tuple[str, ...]]:
    name = config.time_column
    times = times_of(_column(table, name, "split.time_column"))
    known = np.isfinite(times)
    if not known.any():
        raise ColumnError(
            f"no cell of column {name!r} is a time", expected="numbers such as 2019, or ISO dates such as 2019-05-04"
        )
    filled = np.where(known, times, -np.inf)
    cuts = np.quantile(filled, np.clip(np.cumsum(config.fractions[:2]), 0, 1), method="inverted_cdf")
    parts = np.searchsorted(cuts, filled, side="left")
    missing = int((~known).sum())
    return parts, (f"{missing} rows without a time are in training",) if missing else ()


def _by_column(table: AssayTable, config: SplitConfig) -> tuple[np.ndarray, tuple[str, ...]]:
    cells = [cell.strip().lower() for cell in _column(table, config.split_column, "split.split_column")]
    unknown = sorted(set(cells) - set(_WORDS) - {""})
    if unknown:
        raise ColumnError(
            f"column {config.split_column!r} holds {', '.join(map(repr, unknown[:5]))}",
            expected=f"one of {', '.join(_WORDS)}",
        )
    empty = cells.count("")
    return np.array([_WORDS.get(cell, -1) for cell in cells]), (f"{empty} rows are in no part",) if empty else ()


def _column(table: AssayTable, name: str | None, setting: str) -> list[str]:
    if name is None or name not in table.extra.schema.names:
        raise ColumnError(
            f"the table carries no column {name!r}" if name else "no column named",
            where=setting,
            expected=f"one of {', '.join(map(repr, table.extra.schema.names)) or 'the columns kept when reading'}",
        )
    return [str(cell) for cell in table.extra[name].to_pylist()]


def _split_of(parts: np.ndarray, kind: str, seed: int, notes: tuple[str, ...]) -> Split:
    train, valid, test = (np.flatnonzero(parts == part).astype(np.int64) for part in range(3))
    return Split(train, valid, test, kind, seed, notes)


def _missed(parts: np.ndarray, config: SplitConfig) -> tuple[str, ...]:
    if config.kind == "column":
        return ()
    got = [float((parts == part).mean()) for part in range(3)]
    pairs = zip(PARTS, got, config.fractions, strict=True)
    return tuple(
        f"{name} has {share:.1%} of the rows, {wanted:.1%} wanted: groups cannot be cut"
        for name, share, wanted in pairs
        if abs(share - wanted) > _TOLERANCE or (wanted > 0 and share == 0)
    )


__all__ = ["PARTS", "Split", "assign_groups", "deal_groups", "kfold_splits", "make_split"]
