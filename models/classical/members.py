"""What a member of a blend is: one fitted model of one target, as plain data and arrays."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from cinchona.models.classical.inputs import Inputs
from cinchona.records import Endpoint

Task = Literal["regression", "classification"]
"""What a target is."""


class Member(ABC):
    """One fitted model of one target."""

    kind: ClassVar[str]
    """Name of the class in model folders."""

    @property
    def kernel(self) -> str:
        """Kernel that it compares with; empty where it needs none."""
        return ""

    @abstractmethod
    def predict(self, inputs: Inputs) -> np.ndarray:
        """Values in natural units, or probabilities of class 1; float64, shape (n,). Each row on its own."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON data."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""

    @classmethod
    @abstractmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, references: int) -> Self:
        """Rebuild it.

        Args:
            spec: As :meth:`spec` gave.
            arrays: As :meth:`arrays` gave.
            references: Training compounds of the kernels.

        Raises:
            ValueError: if they do not fit.
        """

    def used(self) -> np.ndarray:
        """Training compounds that matter to it, bool, shape (m,); empty where it needs no kernel."""
        return np.zeros(0, bool)

    def onto(self, rows: np.ndarray) -> Self:
        """The same model on the training compounds ``rows`` alone, which must include :meth:`used`."""
        assert not len(self.used()) or len(rows)
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of one target on all training compounds."""

    values: np.ndarray
    """float64, shape (n,); NaN where missing."""
    task: Task
    """Regression, or classification with 0 and 1."""

    @classmethod
    def of(cls, values: np.ndarray, endpoint: Endpoint) -> Labels:
        """Labels of an endpoint, float64, shape (n,); whatever is no class is a number."""
        return cls(values, "classification" if endpoint.kind == "classification" else "regression")

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Those of ``rows`` that have a label, int64."""
        found: np.ndarray = rows[~np.isnan(self.values[rows])]
        return found


class Learner(ABC):
    """Fits members of one kind with fixed settings."""

    name: str
    """Name in tables, ``SVM on substructures`` for example."""
    kernel: str = ""
    """Kernel that it needs; empty for none."""
    layout: str = ""
    """Table of features that it needs; empty for none."""
    growth: float = 1.0
    """Power of the number of compounds by which its time grows."""
    costly: bool = False
    """Whether it has to earn its place: it becomes part of a blend only where the blend is better with it."""
    refits: int = 1
    """Final fits that differ in their seed and share the weight: what is drawn at random averages out, and squared error and cross-entropy are convex."""
    most_rows: int = 1_000_000
    """Compounds beyond which it is not worth its time or memory."""

    @abstractmethod
    def fit(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, seed: int) -> Member:
        """Fit to the training compounds ``rows`` (int64), all of which have a label.

        A classification may lack a class there; the member then says the one that it saw.
        """

    def costs(self, inputs: Inputs, labels: Labels, rows: np.ndarray, *, wanted: list[int], seed: int) -> list[float]:
        """Seconds of a fit to each of so many compounds, foretold from a fit to ``rows`` (int64), all of which have a label.

        Times grow with the power :attr:`growth`, and do not shrink below a fifth of the compounds.
        """
        start = time.monotonic()
        self.fit(inputs, labels, rows, seed=seed).predict(inputs.take(rows[:50]))
        took = time.monotonic() - start
        return [took * max(n / len(rows), 0.2) ** self.growth for n in wanted]


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow, float64."""
    bounded: np.ndarray = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, np.float64)))
    return bounded
