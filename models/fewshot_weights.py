"""Weights of substructures learnt from a few actives against a background of other molecules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from cinchona.models.classical.counts import Counts

FAMILIES: Final = ("morgan3", "features3", "pairs", "torsions")
"""Families of substructures that are looked at, as in :data:`cinchona.models.classical.counts.FAMILIES`."""
_PENALTY: Final = 1.0
_ROUNDS: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What is known of the substructures of one family."""

    ids: np.ndarray
    """Substructures of the background and the actives, uint64, ascending, shape (v,)."""
    rarity: np.ndarray
    """Size of each in a molecule before it is brought to length 1, float32, shape (v,)."""
    weight: np.ndarray
    """How much each speaks for the actives, float32, shape (v,)."""

    def __post_init__(self) -> None:
        shapes = {self.ids.shape, self.rarity.shape, self.weight.shape}
        ascending = self.ids.ndim == 1 and bool((self.ids[1:] > self.ids[:-1]).all())
        finite = np.isfinite(self.rarity).all() and np.isfinite(self.weight).all()
        if len(shapes) > 1 or not ascending or not finite:
            raise ValueError("weights of substructures must be finite, one each, in the order of their ids")

    def place(self, ids: np.ndarray) -> np.ndarray:
        """Position of each of ``ids`` (uint64) among the known ones, int64; -1 for those that are not known."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        near = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[near] == ids, near, -1)


class SubstructureWeights:
    r"""A linear score of which rare substructures a molecule shares with a few actives.

    .. math:: s(x) = b + \frac{\sum_k w_k r_k x_k}{\sqrt{\sum_k r_k^2 x_k}}, \quad
              r_k = \sqrt{\ln \frac{m + 1}{m_k + 1}}

    with :math:`x_k` 1 where substructure k occurs, :math:`m_k` the number of the m background molecules that hold it, and w and b
    those of a linear support vector machine between actives and background, each side with the same total weight. The background
    counts as inactive although some of it may be active: that costs little as long as actives are rare.

    Range all numbers; about -1 for the background and 1 for the actives. Each molecule is scored on its own.

    Args:
        families: Weights of each family.
        bias: b.
        unseen: Size of a substructure that neither the actives nor the background hold.

    References:
        Salton and Buckley, Inf. Process. Manag. 1988, 24, 513, https://doi.org/10.1016/0306-4573(88)90021-0 (rarity)
        Elkan and Noto, KDD 2008, 213, https://doi.org/10.1145/1401890.1401920 (learning from positive and unlabelled examples)
        Riniker et al., J. Chem. Inf. Model. 2013, 53, 2829, https://doi.org/10.1021/ci400466r (learning from few actives)
    """

    def __init__(self, families: Mapping[str, Weights], *, bias: float, unseen: float) -> None:
        self.families, self.bias, self.unseen = dict(families), bias, unseen

    @classmethod
    def fit(cls, actives: Mapping[str, Counts], background: Mapping[str, Counts]) -> Self:
        """Learn from the counts of n actives and m background molecules, by family.

        Raises:
            ValueError: if either is empty.
        """
        n, m = (len(next(iter(side.values()))) for side in (actives, background))
        if not n or not m:
            raise ValueError(f"got {n} actives and {m} background molecules, both are needed")
        unseen = float(np.sqrt(np.log(m + 1.0)))
        plain = {name: _rarities(actives[name], found, m) for name, found in background.items()}
        table = _table(plain, actives, background, unseen)
        machine = LinearSVC(C=_PENALTY, class_weight="balanced", dual=False, max_iter=_ROUNDS)
        machine.fit(table, np.repeat([1, 0], [n, m]))
        weights = np.split(machine.coef_[0], np.cumsum([len(part.ids) for part in plain.values()])[:-1])
        families = {
            name: Weights(part.ids, part.rarity, weight.astype(np.float32))
            for (name, part), weight in zip(plain.items(), weights, strict=True)
        }
        return cls(families, bias=float(machine.intercept_[0]), unseen=unseen)

    def scores(self, counts: Mapping[str, Counts]) -> np.ndarray:
        """Scores of n molecules, float64, shape (n,), from their counts by family."""
        n = len(next(iter(counts.values())))
        toward, length = np.zeros(n), np.zeros(n)
        for name, known in self.families.items():
            place, rarity, owner = _entries(known, counts[name], self.unseen)
            weight = np.where(place >= 0, known.weight[place], 0.0) if len(known.ids) else np.zeros(len(place))
            # Entry by entry, so that no molecule's sum depends on its company.
            toward += np.bincount(owner, weight * rarity, minlength=n)
            length += np.bincount(owner, rarity * rarity, minlength=n)
        scores: np.ndarray = self.bias + np.divide(toward, np.sqrt(length), out=np.zeros(n), where=length > 0)
        return scores


def held_out_ranks(actives: Mapping[str, Counts], background: Mapping[str, Counts], *, folds: int = 10) -> np.ndarray:
    """Where each active stands when the weights are learnt without it.

    The other actives and every second background molecule teach, and the held-out active is ranked among the rest of the background.

    Args:
        actives: Counts of n actives, by family; two or more.
        background: Counts of m molecules, by family; four or more.
        folds: At most so many fits; with more actives several are held out at a time.

    Returns:
        Share of the background that stands behind each active, ties by half, float64, shape (n,); a random guess gets 0.5 on average.

    Raises:
        ValueError: if there are too few of either.
    """
    n, m = (len(next(iter(side.values()))) for side in (actives, background))
    if n < 2 or m < 4:
        raise ValueError(f"got {n} actives and {m} background molecules, expected 2 and 4 or more")
    taught, rest = (_taken(background, np.arange(first, m, 2)) for first in (0, 1))
    fold, ranks = np.arange(n) % folds, np.zeros(n)
    for k in range(fold.max() + 1):
        learnt = SubstructureWeights.fit(_taken(actives, np.flatnonzero(fold != k)), taught)
        others = learnt.scores(rest)
        out = np.flatnonzero(fold == k)
        own = learnt.scores(_taken(actives, out))[:, None]
        ranks[out] = (others < own).mean(axis=1) + 0.5 * (others == own).mean(axis=1)
    return ranks


def _taken(counts: Mapping[str, Counts], rows: np.ndarray) -> dict[str, Counts]:
    return {name: found.take(rows) for name, found in counts.items()}


def _rarities(actives: Counts, background: Counts, m: int) -> Weights:
    """Everything that either side holds, with its rarity among the m of the background; weights are yet to come."""
    ids, held = np.unique(background.ids, return_counts=True)
    both = np.union1d(ids, actives.ids)
    often = np.zeros(len(both))
    often[np.searchsorted(both, ids)] = held
    rarity = np.sqrt(np.log((m + 1) / (often + 1))).astype(np.float32)
    return Weights(both, rarity, np.zeros(len(both), np.float32))


def _entries(known: Weights, counts: Counts, unseen: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each entry of ``counts``: its place among the known ones, its rarity (float64), and its molecule."""
    place = known.place(counts.ids)
    rarity = np.where(place >= 0, known.rarity[place], unseen) if len(known.ids) else np.full(len(place), unseen)
    return place, rarity.astype(np.float64), np.repeat(np.arange(len(counts)), np.diff(counts.start))


def _table(
    families: Mapping[str, Weights], actives: Mapping[str, Counts], background: Mapping[str, Counts], unseen: float
) -> csr_matrix:
    """Actives above background, each row of length 1; shape (n + m, all substructures)."""
    sides = [_side(families, side, unseen) for side in (actives, background)]
    n, m = (len(next(iter(side.values()))) for side in (actives, background))
    owner = np.concatenate([sides[0][0], sides[1][0] + n])
    column, value = (np.concatenate([side[k] for side in sides]) for k in (1, 2))
    return csr_matrix((value, (owner, column)), shape=(n + m, sum(len(known.ids) for known in families.values())))


def _side(
    families: Mapping[str, Weights], counts: Mapping[str, Counts], unseen: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and value of every entry; each row has length 1."""
    first, parts = 0, []
    for name, known in families.items():
        place, rarity, owner = _entries(known, counts[name], unseen)
        parts.append((owner, place + first, rarity))
        first += len(known.ids)
    owner, column, value = (np.concatenate(found) for found in zip(*parts, strict=True))
    length = np.sqrt(np.bincount(owner, value * value))
    return owner, column, value / np.where(length > 0, length, 1.0)[owner]


__all__ = ["FAMILIES", "held_out_ranks", "SubstructureWeights", "Weights"]
