"""A random forest on Morgan fingerprints, stored as arrays and predicted without scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Self

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from cinchona.datasets.fingerprints import SIZE, morgan_packed
from cinchona.errors import ModelFileError
from cinchona.models.fingerprinting import FINGERPRINT, FingerprintScorer, check_fingerprint
from cinchona.records import Endpoint
from cinchona.seeds import derive

_BLOCK: Final = 256
_LEAF: Final = -1
_FEATURES: Final = {"regression": 1 / 3, "classification": "sqrt"}
"""Share of the features looked at in each node, as Breiman advises; all of them is no better here and slower."""


@dataclass(frozen=True, slots=True, eq=False)
class ForestArrays:
    """The trees of one forest laid end to end, m nodes in all."""

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
    """Mean label or share of the positive class among the training rows of the node, float64, shape (m,)."""

    @classmethod
    def of(cls, forest: RandomForestRegressor | RandomForestClassifier) -> ForestArrays:
        """Copy the trees of a fitted forest of one target; a classifier has the classes 0 and 1, or one of them."""
        trees = [tree.tree_ for tree in forest.estimators_]
        root = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])[:-1]]).astype(np.int64)

        def children(side: str) -> np.ndarray:
            parts = [getattr(tree, side) for tree in trees]
            moved = [np.where(part == _LEAF, _LEAF, part + start) for part, start in zip(parts, root, strict=True)]
            return np.concatenate(moved).astype(np.int32)

        return cls(
            root=root,
            left=children("children_left"),
            right=children("children_right"),
            feature=np.concatenate([tree.feature for tree in trees]).astype(np.int32),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            value=np.concatenate([_node_values(tree.value[:, 0, :], forest) for tree in trees]),
        )

    def per_tree(self, rows: np.ndarray) -> np.ndarray:
        """Prediction of each tree, float64, shape (n, n_trees), for features ``rows``, float32, shape (n, d)."""
        value: np.ndarray = self.value[self._leaves(rows)]
        return value

    def _leaves(self, rows: np.ndarray) -> np.ndarray:
        node = np.tile(self.root, (len(rows), 1)).ravel()
        owner = np.repeat(np.arange(len(rows)), len(self.root))
        active = np.flatnonzero(self.left[node] != _LEAF)
        while len(active):
            here = node[active]
            goes_left = rows[owner[active], self.feature[here]] <= self.threshold[here]
            node[active] = np.where(goes_left, self.left[here], self.right[here])
            active = active[self.left[node[active]] != _LEAF]
        return node.reshape(len(rows), -1)


class ForestScorer(FingerprintScorer):
    """Random forests on folded Morgan bits, one for each target, fitted on the rows that have its label.

    The value is the mean over the trees, the uncertainty their population standard deviation.

    Args:
        forests: One for each endpoint.
        endpoints: What is predicted.

    References:
        Breiman, Machine Learning 2001, 45, 5, https://doi.org/10.1023/A:1010933404324
    """

    kind: ClassVar[str] = "forest"

    def __init__(self, forests: Sequence[ForestArrays], *, endpoints: Sequence[Endpoint]) -> None:
        super().__init__(endpoints)
        self.forests = tuple(forests)

    @property
    def name(self) -> str:
        """Short name for reports."""
        return "random forest"

    @classmethod
    def fit(
        cls,
        smiles: Sequence[str],
        values: np.ndarray,
        *,
        endpoints: Sequence[Endpoint],
        seed: int,
        n_trees: int = 300,
    ) -> ForestScorer:
        """Grow the forests.

        Args:
            smiles: n training compounds.
            values: Labels, float64, shape (n, t); NaN where missing.
            endpoints: The t targets.
            seed: Seed of bootstrap and feature choice.
            n_trees: Trees of each forest.
        """
        features = _unpacked(morgan_packed(smiles))
        forests = []
        for position, endpoint in enumerate(endpoints):
            known = ~np.isnan(values[:, position])
            grow = RandomForestClassifier if endpoint.kind == "classification" else RandomForestRegressor
            forest = grow(
                n_trees, max_features=_FEATURES[endpoint.kind], random_state=derive(seed, "forest", position), n_jobs=-1
            )
            forests.append(ForestArrays.of(forest.fit(features[known], values[known, position])))
        return cls(forests, endpoints=endpoints)

    def predict_packed(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean and standard deviation over the trees, float64, both of shape (n, t)."""
        value = np.empty((len(packed), len(self.forests)))
        spread = np.empty_like(value)
        for start in range(0, len(packed), _BLOCK):
            rows = _unpacked(packed[start : start + _BLOCK])
            for position, forest in enumerate(self.forests):
                trees = forest.per_tree(rows)
                value[start : start + _BLOCK, position] = trees.mean(axis=1)
                spread[start : start + _BLOCK, position] = trees.std(axis=1)
        return value, spread

    def spec(self) -> dict[str, Any]:
        """Fingerprint and number of forests as plain data."""
        return {"fingerprint": FINGERPRINT, "forests": len(self.forests)}

    def arrays(self) -> dict[str, np.ndarray]:
        """Trees by name, ``forests.<i>.<array>``."""
        return {
            f"forests.{position}.{item.name}": getattr(forest, item.name)
            for position, forest in enumerate(self.forests)
            for item in fields(ForestArrays)
        }

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the forests.

        Raises:
            ModelFileError: if the fingerprint is not the installed one, or a tree points outside itself.
        """
        check_fingerprint(spec)
        names = [item.name for item in fields(ForestArrays)]
        forests = [
            ForestArrays(**{name: arrays[f"forests.{position}.{name}"] for name in names})
            for position in range(int(spec["forests"]))
        ]
        for forest in forests:
            _check_trees(forest)
        return cls(forests, endpoints=endpoints)


def _unpacked(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed, axis=1, bitorder="little").astype(np.float32)


def _node_values(value: np.ndarray, forest: RandomForestRegressor | RandomForestClassifier) -> np.ndarray:
    """Mean label, or share of class 1, of each node; ``value`` has shape (m, 1) or (m, n_classes)."""
    if isinstance(forest, RandomForestRegressor):
        return value[:, 0].astype(np.float64)
    positive = np.flatnonzero(forest.classes_ == 1)
    share = value / value.sum(axis=1, keepdims=True)
    active: np.ndarray = share[:, positive].sum(axis=1)
    return active


def _check_trees(forest: ForestArrays) -> None:
    """Refuse trees whose walk would leave the arrays or never end."""
    node = np.arange(len(forest.left))
    inner = forest.left != _LEAF
    ahead = (forest.left > node) & (forest.right > node) & (forest.left < len(node)) & (forest.right < len(node))
    looks = (forest.feature >= 0) & (forest.feature < SIZE)
    lengths = {len(getattr(forest, item.name)) for item in fields(ForestArrays)[1:]}
    roots = (forest.root >= 0) & (forest.root < len(node))
    if len(lengths) != 1 or not bool((ahead & looks)[inner].all()) or not bool(roots.all()) or not len(forest.root):
        raise ModelFileError(
            "the forest's trees are damaged: a node points outside the arrays or backwards",
            remedy="copy the model folder again from where it was trained",
        )
