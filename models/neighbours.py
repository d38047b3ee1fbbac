"""Prediction by the nearest training compounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np

from cinchona.datasets.fingerprints import morgan_packed, tanimoto
from cinchona.models.fingerprinting import FINGERPRINT, FingerprintScorer, check_fingerprint
from cinchona.records import Endpoint

_QUERIES: Final = 128
_REFERENCES: Final = 4096


class NearestNeighbourScorer(FingerprintScorer):
    r"""The label of the k most similar training compounds (Tanimoto on Morgan bits).

    Regression: the mean label of the k nearest that have the label; compounds that tie for the last place share it, so
    the order of the training table does not matter. Classification: :math:`p = a / (a + b)` with a and b the mean
    similarity to the k nearest actives and inactives: it ranks by similarity to the actives, and is the share of actives
    where neither is similar at all. Training structures are kept as fingerprints only.

    Args:
        references: Packed fingerprints of the m training compounds, uint8, shape (m, size / 8).
        values: Their labels, float64, shape (m, t); NaN where missing.
        endpoints: The t targets.
        k: Number of neighbours.
    """

    kind: ClassVar[str] = "nearest-neighbour"

    def __init__(
        self, references: np.ndarray, values: np.ndarray, *, endpoints: Sequence[Endpoint], k: int = 1
    ) -> None:
        super().__init__(endpoints)
        self.references, self.values, self.k = references, values, k

    @property
    def name(self) -> str:
        """Short name for reports."""
        return f"{self.k}-nearest neighbour" + ("s" if self.k > 1 else "")

    @classmethod
    def fit(
        cls, smiles: Sequence[str], values: np.ndarray, *, endpoints: Sequence[Endpoint], k: int = 1
    ) -> NearestNeighbourScorer:
        """Remember n training compounds and their labels, float64, shape (n, t)."""
        return cls(morgan_packed(smiles), np.array(values, np.float64), endpoints=endpoints, k=k)

    def predict_packed(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Labels of the neighbours, float64, shape (n, t); no uncertainty."""
        value = np.empty((len(packed), len(self.endpoints)))
        for start in range(0, len(packed), _QUERIES):
            similarity = self._similarities(packed[start : start + _QUERIES])
            for column, endpoint in enumerate(self.endpoints):
                known = ~np.isnan(self.values[:, column])
                decide = _odds if endpoint.kind == "classification" else _mean_label
                here = decide(similarity[:, known], self.values[known, column], self.k)
                value[start : start + _QUERIES, column] = here
        return value, None

    def spec(self) -> dict[str, Any]:
        """Fingerprint and number of neighbours as plain data."""
        return {"fingerprint": dict(FINGERPRINT), "k": self.k}

    def arrays(self) -> dict[str, np.ndarray]:
        """Fingerprints and labels of the training compounds."""
        return {"references": self.references, "values": self.values}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the scorer.

        Raises:
            ModelFileError: if the fingerprint is not the installed one.
        """
        check_fingerprint(spec)
        return cls(arrays["references"], arrays["values"], endpoints=endpoints, k=int(spec["k"]))

    def _similarities(self, packed: np.ndarray) -> np.ndarray:
        blocks = range(0, len(self.references), _REFERENCES)
        return np.concatenate([tanimoto(packed, self.references[b : b + _REFERENCES]) for b in blocks], axis=1)


def _mean_label(similarity: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    weight = _weights(similarity, k)
    label: np.ndarray = (weight @ labels) / weight.sum(axis=1)
    return label


def _odds(similarity: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    active, inactive = (_mean_similarity(similarity[:, labels == label], k) for label in (1, 0))
    total = active + inactive
    share = np.full(len(total), float(labels.mean()))
    np.divide(active, total, out=share, where=total > 0)
    return share


def _mean_similarity(similarity: np.ndarray, k: int) -> np.ndarray:
    if not similarity.shape[1]:
        return np.zeros(len(similarity))
    weight = _weights(similarity, k)
    mean: np.ndarray = np.einsum("ij,ij->i", weight, similarity.astype(np.float64)) / weight.sum(axis=1)
    return mean


def _weights(similarity: np.ndarray, k: int) -> np.ndarray:
    """Weights of the k nearest, float64, same shape: 1 above the k-th similarity, ties share what is left."""
    k = min(k, similarity.shape[1])
    cut = np.partition(similarity, -k, axis=1)[:, -k][:, None]
    above, tied = similarity > cut, similarity == cut
    left = k - above.sum(axis=1, keepdims=True)
    weight: np.ndarray = above + tied * (left / tied.sum(axis=1, keepdims=True))
    return weight
