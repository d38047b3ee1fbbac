"""How much of a test part is already known from the training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.overlap import Overlap, overlap
from cinchona.datasets.scaffolds import NO_SCAFFOLD, scaffolds
from cinchona.datasets.splits import Split

BINS: Final = 20
"""Bars of the histogram of similarities, of equal width in [0, 1]."""


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """Overlap between the compounds of the test part and those of the training and validation parts.

    A random split of a typical series has most test compounds above 0.5; a split by cluster should have none above
    the similarity of the clusters by much.
    """

    n_train: int
    """Compounds known to the model: training and validation part."""
    n_test: int
    """Compounds of the test part."""
    duplicates: int
    """Test compounds whose canonical SMILES is in training."""
    twins: int
    """Test compounds of which training has another form (other stereo, isotopes or protons, or a tautomer; see
    :func:`~cinchona.datasets.overlap.overlap`) and that are no duplicates."""
    shared_scaffolds: int
    """Test compounds whose Bemis-Murcko scaffold is in training; those without rings do not count."""
    histogram: tuple[int, ...]
    """Test compounds by Tanimoto similarity to the nearest training compound (Morgan, radius 2, 2,048 bits):
    :data:`BINS` bars of equal width in [0, 1], the last one closed."""
    median_similarity: float
    """Median of that similarity; NaN without test compounds."""
    share_above_0_9: float
    """Share of test compounds with a similarity of at least 0.9."""
    share_above_0_7: float
    """Share of test compounds with a similarity of at least 0.7."""
    share_above_0_5: float
    """Share of test compounds with a similarity of at least 0.5."""

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def summary(self) -> str:
        """The report in one sentence."""
        return (
            f"{self.n_test} test compounds against {self.n_train} known ones: {self.duplicates} duplicates, "
            f"{self.twins} stereo or tautomer twins, {self.shared_scaffolds} with a known scaffold, nearest neighbour "
            f"{self.median_similarity:.2f} in the median, at least 0.9 for {self.share_above_0_9:.1%}"
        )


def leakage_report(table: AssayTable, split: Split) -> LeakageReport:
    """Compare the test part of ``split`` with the rest that a model sees.

    Args:
        table: Curated compounds.
        split: A division of it.
    """
    known = [table.smiles[k] for k in (*split.train, *split.valid)]
    tested = [table.smiles[k] for k in split.test]
    return leakage_of(overlap(tested, known), tested, known)


def leakage_of(found: Overlap, tested: Sequence[str], known: Sequence[str]) -> LeakageReport:
    """Sum up what :func:`~cinchona.datasets.overlap.overlap` found between n tested and m known compounds."""
    rings = set(scaffolds(known)) - {NO_SCAFFOLD}
    similarity = found.similarity
    return LeakageReport(
        n_train=len(known),
        n_test=len(tested),
        duplicates=int(found.duplicate.sum()),
        twins=int(found.twin.sum()),
        shared_scaffolds=sum(scaffold in rings for scaffold in scaffolds(tested)),
        histogram=tuple(np.histogram(similarity, bins=BINS, range=(0.0, 1.0))[0].tolist()),
        median_similarity=float(np.median(similarity)) if len(tested) else float("nan"),
        share_above_0_9=_share(similarity, 0.9),
        share_above_0_7=_share(similarity, 0.7),
        share_above_0_5=_share(similarity, 0.5),
    )


def _share(similarity: np.ndarray, threshold: float) -> float:
    # float32 similarities: 0.9 itself must count.
    return float((similarity >= threshold - 1e-6).mean()) if len(similarity) else 0.0


__all__ = ["BINS", "leakage_of", "leakage_report", "LeakageReport"]
