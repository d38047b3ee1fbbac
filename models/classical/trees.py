"""Trees as arrays, walked by compiled code: those of scikit-learn's forests and those in LightGBM's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numba
import numpy as np

_LEAF: Final = -1
_DEFAULT_LEFT: Final = 2
"""The only bit of LightGBM's decision type that means nothing without missing values; 1 is a category, 4 and 8 are missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """The trees of one model laid end to end, m nodes in all."""

    root: np.ndarray
    """First node of each tree, int64, shape (n_trees,)."""
    left: np.ndarray
    """Child where the feature is at most the threshold, -1 in a leaf; int32, shape (m,)."""
    right: np.ndarray
    """The other child, int32, shape (m,)."""
    feature: np.ndarray
    """Column that the node looks at, int32, shape (m,)."""
    threshold: np.ndarray
    """Its threshold, float64, shape (m,)."""
    value: np.ndarray
    """What a leaf says, float64, shape (m,)."""

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """Sum of the leaves that each row falls into, float64, shape (n,), for features float32, shape (n, d)."""
        total: np.ndarray = _walk(
            np.ascontiguousarray(rows, np.float32),
            (self.root, self.left, self.right, self.feature, self.threshold, self.value),
        )
        return total

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray], *, width: int) -> Trees:
        """Take trees from a file.

        Args:
            arrays: As :meth:`arrays` gave.
            width: Columns of the features.

        Raises:
            ValueError: if a node points outside the arrays, backwards, or at a column that is not there.
        """
        trees = cls(**{item.name: arrays[item.name] for item in fields(cls)})
        trees.check(width)
        return trees

    def check(self, width: int) -> None:
        """Refuse trees whose walk would leave the arrays or never end.

        Raises:
            ValueError: if there are any.
        """
        node = np.arange(len(self.left))
        inner = self.left != _LEAF
        lengths = {len(getattr(self, item.name)) for item in fields(self)[1:]}
        if len(lengths) != 1 or not len(self.root) or not np.isfinite(self.value).all():
            raise ValueError("the arrays of the trees differ in length")
        ahead = (self.left > node) & (self.right > node) & (self.left < len(node)) & (self.right < len(node))
        looks = (self.feature >= 0) & (self.feature < width)
        roots = (self.root >= 0) & (self.root < len(node))
        if not bool((ahead & looks)[inner].all()) or not bool(roots.all()):
            raise ValueError("a node of the trees points outside the arrays or backwards")


@numba.njit(cache=True)
def _walk(rows: np.ndarray, trees: tuple[np.ndarray, ...]) -> np.ndarray:
    root, left, right, feature, threshold, value = trees
    out = np.zeros(len(rows), np.float64)
    for r in range(len(rows)):
        total = 0.0
        for start in root:
            node = start
            while left[node] != -1:
                low = rows[r, feature[node]] <= threshold[node]
                node = np.int64(left[node] if low else right[node])
            total += value[node]
        out[r] = total
    return out


def trees_of_forest(forest: Any, columns: np.ndarray) -> Trees:  # noqa: ANN401 - any forest of scikit-learn
    """Copy a fitted forest of one target; leaves hold the mean label, or the share of class 1.

    Args:
        forest: Regressor, or classifier with the classes 0 and 1 or one of them.
        columns: Column of the full table that each of its features is, int64.
    """
    parts = [tree.tree_ for tree in forest.estimators_]
    root = np.concatenate([[0], np.cumsum([part.node_count for part in parts])[:-1]]).astype(np.int64)

    def children(side: str) -> np.ndarray:
        moved = [
            np.where(c == _LEAF, _LEAF, c + at)
            for c, at in ((getattr(p, side), at) for p, at in zip(parts, root, strict=True))
        ]
        return np.concatenate(moved).astype(np.int32)

    feature = np.concatenate([part.feature for part in parts])
    return Trees(
        root=root,
        left=children("children_left"),
        right=children("children_right"),
        feature=columns[np.maximum(feature, 0)].astype(np.int32),
        threshold=np.concatenate([part.threshold for part in parts]),
        value=np.concatenate([_leaf_values(part.value[:, 0, :], forest) for part in parts]),
    )


def _leaf_values(value: np.ndarray, forest: Any) -> np.ndarray:  # noqa: ANN401
    if not hasattr(forest, "classes_"):
        return value[:, 0].astype(np.float64)
    share = value / value.sum(axis=1, keepdims=True)
    active: np.ndarray = share[:, np.flatnonzero(forest.classes_ == 1)].sum(axis=1)
    return active


def trees_of_text(text: str, *, width: int) -> Trees:
    """Read the trees of a model in LightGBM's text format, without LightGBM: nothing in the text is trusted.

    Args:
        text: What ``Booster.model_to_string`` gave.
        width: Columns of the features.

    Raises:
        ValueError: if the text is no such model, splits by category or treats missing values, or points outside itself.
    """
    found = [_tree(block) for block in text.split("\nTree=")[1:]]
    if not found:
        raise ValueError("the text holds no tree")
    sizes = [len(tree["left"]) for tree in found]
    root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    def joined(name: str) -> np.ndarray:
        return np.concatenate([tree[name] for tree in found])

    def moved(name: str) -> np.ndarray:
        parts = [np.where(t[name] == _LEAF, _LEAF, t[name] + at) for t, at in zip(found, root, strict=True)]
        return np.concatenate(parts).astype(np.int32)

    trees = Trees(
        root, moved("left"), moved("right"), joined("feature").astype(np.int32), joined("threshold"), joined("value")
    )
    trees.check(width)
    return trees


def _tree(block: str) -> dict[str, np.ndarray]:
    """One tree: its inner nodes, then its leaves."""
    entries = dict(line.split("=", 1) for line in block.split("\n\n", maxsplit=1)[0].splitlines()[1:] if "=" in line)
    leaves, inner = int(entries["num_leaves"]), int(entries["num_leaves"]) - 1
    value = _numbers(entries["leaf_value"], leaves)
    if inner == 0:
        empty = np.full(1, _LEAF, np.int64)
        return {"left": empty, "right": empty, "feature": np.zeros(1), "threshold": np.zeros(1), "value": value}
    if int(entries.get("num_cat", 0)) or (_numbers(entries["decision_type"], inner) % 16 // 1 != _DEFAULT_LEFT).any():
        raise ValueError("the trees split by category or treat missing values, which no model of ours does")
    nothing = np.zeros(leaves)

    def child(name: str) -> np.ndarray:
        raw = _numbers(entries[name], inner).astype(np.int64)
        if (raw < -leaves).any() or (raw >= inner).any():
            raise ValueError("a child of a tree is not there")
        return np.concatenate([np.where(raw < 0, inner + ~raw, raw), np.full(leaves, _LEAF)])

    return {
        "left": child("left_child"),
        "right": child("right_child"),
        "feature": np.concatenate([_numbers(entries["split_feature"], inner), nothing]),
        "threshold": np.concatenate([_numbers(entries["threshold"], inner), nothing]),
        "value": np.concatenate([np.zeros(inner), value]),
    }


def _numbers(text: str, count: int) -> np.ndarray:
    items: Sequence[str] = text.split()
    if len(items) != count:
        raise ValueError(f"a tree lists {len(items)} numbers in place of {count}")
    return np.array([float(item) for item in items])


__all__ = ["Trees", "trees_of_forest", "trees_of_text"]
