"""How much of a test part is already known from the training part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.fingerprints import morgan_packed, nearest
from cinchona.datasets.scaffolds import NO_SCAFFOLD, scaffolds
from cinchona.datasets.splits import Split
from cinchona.datasets.standardize import inchikey

BINS: Final = 20
"""Bars of the histogram of similarities, of equal width in [0, 1]."""

_SKELETON: Final = 14


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
    """Test compounds whose InChIKey agrees with one in training in the first block (same skeleton; other stereo,
    isotopes, protons or tautomer) and that are no duplicates."""
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
    exact = np.isin(np.array(tested, object), np.array(known, object)) if tested else np.zeros(0, bool)
    skeletons = {inchikey(smiles)[:_SKELETON] for smiles in known} - {""}
    twins = np.array([inchikey(smiles)[:_SKELETON] in skeletons for smiles in tested], bool)
    rings = set(scaffolds(known)) - {NO_SCAFFOLD}
    similarity = _similarity(tested, known)
    return LeakageReport(
        n_train=len(known),
        n_test=len(tested),
        duplicates=int(exact.sum()),
        twins=int((twins & ~exact).sum()),
        shared_scaffolds=sum(scaffold in rings for scaffold in scaffolds(tested)),
        histogram=tuple(np.histogram(similarity, bins=BINS, range=(0.0, 1.0))[0].tolist()),
        median_similarity=float(np.median(similarity)) if tested else float("nan"),
        share_above_0_9=_share(similarity, 0.9),
        share_above_0_7=_share(similarity, 0.7),
        share_above_0_5=_share(similarity, 0.5),
    )


def _similarity(tested: list[str], known: list[str]) -> np.ndarray:
    if not tested or not known:
        return np.zeros(len(tested), np.float32)
    return nearest(morgan_packed(tested), morgan_packed(known))[0]


def _share(similarity: np.ndarray, threshold: float) -> float:
    # float32 similarities: 0.9 itself must count.
    return float((similarity >= threshold - 1e-6).mean()) if len(similarity) else 0.0


__all__ = ["BINS", "LeakageReport", "leakage_report"]
