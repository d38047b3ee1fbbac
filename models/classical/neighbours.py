"""The most similar training compounds, weighted by their similarity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np

from cinchona.models.classical.inputs import Inputs
from cinchona.models.classical.kernels import KERNELS
from cinchona.models.classical.members import Labels, Learner, Member

_SHARPNESS: Final = 4
"""Power of the similarity in the weights; a neighbour at 0.8 counts 16 times one at 0.4."""
_PRIOR: Final = 0.01
"""Weight of the mean label: what a compound without neighbours gets."""


class NeighbourMember(Member):
    r"""Mean label of the k nearest, weighted by a power of their similarity, drawn to the mean label where all are far.

    .. math:: f(x) = \frac{p \bar y + \sum_i s_i^4 y_i}{p + \sum_i s_i^4}

    Compounds that tie with the k-th count too, so that their order does not matter.

    Args:
        kernel: Name of the kernel.
        values: Labels, float64, shape (m,); NaN for compounds that do not count.
        k: Number of neighbours.
    """

    kind: ClassVar[str] = "neighbours"

    def __init__(self, kernel: str, values: np.ndarray, *, k: int, mean: float) -> None:
        self._kernel, self.values, self.k, self.mean = kernel, values, k, mean

    @property
    def kernel(self) -> str:
        """Kernel that it compares with."""
        return self._kernel

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Weighted mean labels."""
        known = np.flatnonzero(~np.isnan(self.values))
        similarity = inputs.kernel(self._kernel)[:, known]
        k = min(self.k, len(known))
        cut = np.partition(similarity, len(known) - k, axis=1)[:, len(known) - k][:, None]
        weight = np.where(similarity >= cut, similarity, 0).astype(np.float64) ** _SHARPNESS
        found = np.einsum("ij,j->i", weight, self.values[known]) + _PRIOR * self.mean
        mean: np.ndarray = found / (weight.sum(axis=1) + _PRIOR)
        return mean

    def used(self) -> np.ndarray:
        """Compounds with a label."""
        known: np.ndarray = ~np.isnan(self.values)
        return known

    def onto(self, rows: np.ndarray) -> Self:
        """The same neighbours among ``rows``."""
        return type(self)(self._kernel, self.values[rows], k=self.k, mean=self.mean)

    def spec(self) -> dict[str, Any]:
        """Kernel, number and mean as plain data."""
        return {"kernel": self._kernel, "k": self.k, "mean": self.mean}

    def arrays(self) -> dict[str, np.ndarray]:
        """The labels."""
        return {"values": self.values}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, references: int) -> Self:
        """Rebuild it."""
        values = arrays["values"]
        if spec["kernel"] not in KERNELS or values.shape != (references,) or np.isnan(values).all():
            raise ValueError(f"labels of {references} compounds and a known kernel are needed")
        return cls(str(spec["kernel"]), values, k=max(1, int(spec["k"])), mean=float(spec["mean"]))


class NeighbourLearner(Learner):
    """Remembers labels.

    Args:
        kernel: Name of the kernel.
        k: Number of neighbours.
    """

    def __init__(self, kernel: str, *, k: int = 5) -> None:
        self.kernel, self.k = kernel, k
        self.growth, self.most_rows = 2.0, 6_000
        self.name = f"{k} nearest neighbours by {kernel}"

    def fit(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, seed: int) -> NeighbourMember:
        """Remember the labels of ``rows``."""
        values = np.full(inputs.kernel(self.kernel).shape[1], np.nan)
        values[rows] = labels.values[rows]
        return NeighbourMember(self.kernel, values, k=self.k, mean=float(labels.values[rows].mean()))
