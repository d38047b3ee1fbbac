"""Which compounds each network of an ensemble leaves out: to stop by, and to learn from what the networks are worth.

A network never fits the compounds that it is stopped by. With one validation part for all, no more than that part can be used to
calibrate the ensemble; with several parts that networks share in turn, calibration has several times as many compounds, every
compound is fitted to by most networks, and the training takes no longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.calibration.folds import alike_folds, groups_of, in_small_groups, largest_tested

FEWEST_MEMBERS: Final = 4
"""Networks below which all leave out the same part: two at least must leave out each, or their spread would not be known."""
_MOST_PARTS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class MemberParts:
    """Parts of the training and validation compounds that networks leave out."""

    parts: tuple[np.ndarray, ...]
    """Rows of each part, int64, ascending; no row is in two. The first one is the validation part."""
    pool: np.ndarray
    """All rows that may be fitted, parts included, int64, ascending."""

    def left_out(self, member: int) -> np.ndarray:
        """Rows that network number ``member`` leaves out."""
        return self.parts[member % len(self.parts)]

    def fitted(self, member: int) -> np.ndarray:
        """Rows that it fits."""
        rows: np.ndarray = np.setdiff1d(self.pool, self.left_out(member))
        return rows

    def members(self, part: int, size: int) -> list[int]:
        """Networks of ``size`` that leave out part number ``part``."""
        return [member for member in range(size) if member % len(self.parts) == part]


def member_parts(table: AssayTable, split: Split, size: int, *, seed: int) -> MemberParts:
    """Choose the parts: each as large as the validation part and drawn as the split draws.

    Splits by time and column have no second part like theirs, so all networks leave out the validation part. So do fewer
    than :data:`FEWEST_MEMBERS` networks.

    Args:
        table: Curated compounds.
        split: Its parts.
        size: Number of networks.
        seed: Seed of the drawing.
    """
    pool = np.sort(np.concatenate([split.train, split.valid]))
    wanted = min(size // 2, _MOST_PARTS) if size >= FEWEST_MEMBERS else 1
    if wanted < 2 or not len(split.valid) or split.kind not in {"random", "scaffold", "cluster"}:
        return MemberParts((split.valid,), pool)
    groups = groups_of([table.smiles[row] for row in split.train], split.kind)
    largest = largest_tested(split)
    k = round(in_small_groups(groups, largest=largest).sum() / len(split.valid))
    if k < 1:  # nothing left that is like the test
        return MemberParts((split.valid,), pool)
    folds = alike_folds(groups, max(k, 2), largest=largest, seed=seed)
    further = [split.train[folds == turn] for turn in range(min(k, wanted - 1))]
    return MemberParts((split.valid, *(part for part in further if len(part))), pool)


__all__ = ["FEWEST_MEMBERS", "MemberParts", "member_parts"]
