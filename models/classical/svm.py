"""Support vector machines on count kernels: the strongest single models on a few hundred to a few thousand compounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np
from sklearn.svm import SVC, SVR

from cinchona.models.classical.inputs import Inputs
from cinchona.models.classical.kernels import KERNELS
from cinchona.models.classical.members import Labels, Learner, Member, logistic
from cinchona.seeds import rng

_FOLDS: Final = 3
_TUBE: Final = 0.1
"""Width of the insensitive tube in standard deviations of the labels: about the error of an assay."""
_CACHE_MB: Final = 500


class KernelMember(Member):
    r"""A weighted sum of similarities to training compounds.

    .. math:: f(x) = b + \sum_i \alpha_i \, k(x, x_i)

    of a classification the logistic function of :math:`a f(x) + c`.

    Args:
        kernel: Name of the kernel.
        weights: :math:`\alpha`, float64, shape (m,); 0 for compounds that do not matter.
        offset: b.
        platt: a and c for a classification, None for a regression.
    """

    kind: ClassVar[str] = "kernel"

    def __init__(self, kernel: str, weights: np.ndarray, *, offset: float, platt: tuple[float, float] | None) -> None:
        self._kernel, self.weights, self.offset, self.platt = kernel, weights, offset, platt

    @property
    def kernel(self) -> str:
        """Kernel that it compares with."""
        return self._kernel

    def decision(self, inputs: Inputs) -> np.ndarray:
        """The weighted sum, float64, shape (n,)."""
        # Not a matrix product: the sum of a row must not depend on how many rows there are.
        total: np.ndarray = np.einsum("ij,j->i", inputs.kernel(self._kernel), self.weights) + self.offset
        return total

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Values, or probabilities by Platt's logistic function."""
        raw = self.decision(inputs)
        return raw if self.platt is None else logistic(self.platt[0] * raw + self.platt[1])

    def used(self) -> np.ndarray:
        """Support vectors."""
        found: np.ndarray = self.weights != 0
        return found

    def onto(self, rows: np.ndarray) -> Self:
        """The same sum over ``rows``."""
        return type(self)(self._kernel, self.weights[rows], offset=self.offset, platt=self.platt)

    def spec(self) -> dict[str, Any]:
        """Kernel, offset and slope as plain data."""
        return {"kernel": self._kernel, "offset": self.offset, "platt": None if self.platt is None else [*self.platt]}

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights."""
        return {"weights": self.weights}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, references: int) -> Self:
        """Rebuild the machine."""
        if spec["kernel"] not in KERNELS or arrays["weights"].shape != (references,):
            raise ValueError(f"a weight for each of {references} compounds and a known kernel are needed")
        platt = spec["platt"]
        return cls(
            str(spec["kernel"]),
            arrays["weights"],
            offset=float(spec["offset"]),
            platt=None if platt is None else (float(platt[0]), float(platt[1])),
        )


class SvmLearner(Learner):
    """Support vector regression or classification with a precomputed kernel.

    Probabilities are Platt's, fitted to decision values of compounds that were held out of three inner fits.

    Args:
        kernel: Name of the kernel.
        penalty: C, for regression in standard deviations of the labels.

    References:
        Drucker et al., NIPS 1996; Platt, Advances in Large Margin Classifiers 1999.
    """

    def __init__(self, kernel: str, *, penalty: float = 3.0) -> None:
        self.kernel, self.penalty = kernel, penalty
        self.growth, self.most_rows = 2.2, 6_000
        self.name = f"SVM on {kernel}" + (f", C = {penalty:g}" if penalty != 3.0 else "")

    def fit(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, seed: int) -> KernelMember:
        """Fit to ``rows``."""
        gram, values = inputs.kernel(self.kernel), labels.values[rows]
        if labels.task == "regression":
            return self._regression(gram, values, rows)
        if len(np.unique(values)) < 2:
            certain = 30.0 if values[0] == 1 else -30.0
            return KernelMember(self.kernel, np.zeros(gram.shape[1]), offset=certain, platt=(1.0, 0.0))
        weights, offset = self._classify(gram, values, rows)
        return KernelMember(self.kernel, weights, offset=offset, platt=self._platt(gram, values, rows, seed))

    def _regression(self, gram: np.ndarray, values: np.ndarray, rows: np.ndarray) -> KernelMember:
        scale = float(values.std()) or 1.0
        machine = SVR(kernel="precomputed", C=self.penalty, epsilon=_TUBE, cache_size=_CACHE_MB)
        machine.fit(gram[np.ix_(rows, rows)].astype(np.float64), (values - values.mean()) / scale)
        weights = np.zeros(gram.shape[1])
        weights[rows[machine.support_]] = machine.dual_coef_[0] * scale
        return KernelMember(
            self.kernel, weights, offset=float(machine.intercept_[0]) * scale + float(values.mean()), platt=None
        )

    def _classify(self, gram: np.ndarray, values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
        machine = SVC(kernel="precomputed", C=self.penalty, class_weight="balanced", cache_size=_CACHE_MB)
        machine.fit(gram[np.ix_(rows, rows)].astype(np.float64), values)
        weights = np.zeros(gram.shape[1])
        weights[rows[machine.support_]] = machine.dual_coef_[0]
        return weights, float(machine.intercept_[0])

    def _platt(self, gram: np.ndarray, values: np.ndarray, rows: np.ndarray, seed: int) -> tuple[float, float]:
        folds = _class_folds(values, seed)
        held_out = np.zeros(len(rows))
        for fold in range(_FOLDS):
            here, others = folds == fold, folds != fold
            if len(np.unique(values[others])) < 2:
                return (1.0, 0.0)
            weights, offset = self._classify(gram, values[others], rows[others])
            held_out[here] = gram[rows[here]] @ weights + offset
        return fit_platt(held_out, values)


def fit_platt(decisions: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope a (at least 0.01, so that the order stays) and shift c of the logistic function of best likelihood.

    Targets are Platt's, (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), so that separable classes get no infinite slope.

    Args:
        decisions: Decision values, float64, shape (n,).
        values: 0 or 1, shape (n,).
    """
    from scipy.optimize import minimize

    positive = values == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    wanted = np.where(positive, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        raw = point[0] * decisions + point[1]
        error = logistic(raw) - wanted
        value = float(np.mean(np.logaddexp(0, raw) - wanted * raw))
        return value, np.array([np.mean(error * decisions), np.mean(error)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.01, 100), (-50, 50)])
    return float(found.x[0]), float(found.x[1])


def _class_folds(values: np.ndarray, seed: int) -> np.ndarray:
    """Fold of each row, classes dealt out evenly, int64, shape (n,)."""
    folds = np.zeros(len(values), np.int64)
    draw = rng(seed, "platt")
    for label in (0, 1):
        rows = draw.permutation(np.flatnonzero(values == label))
        folds[rows] = np.arange(len(rows)) % _FOLDS
    return folds


__all__ = ["fit_platt", "KernelMember", "SvmLearner"]
