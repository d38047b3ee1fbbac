"""Models on fingerprints and descriptors as a scorer: one member a target, or a weighted blend of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from rdkit import Chem

from cinchona.datasets.descriptors import quick_descriptors
from cinchona.models.classical.boosting import BoostedMember
from cinchona.models.classical.descriptors import check_descriptors
from cinchona.models.classical.forests import ForestMember
from cinchona.models.classical.inputs import Basis, Inputs, Molecules
from cinchona.models.classical.members import Member, logistic
from cinchona.models.classical.neighbours import NeighbourMember
from cinchona.models.classical.networks import NetworkMember
from cinchona.models.classical.sureness import log_odds, rescaled
from cinchona.models.classical.svm import KernelMember
from cinchona.models.fingerprinting import parsed_molecules
from cinchona.models.scorers import ArrayScorer, Predictions
from cinchona.records import CompoundBatch, Endpoint

_BLOCK: Final = 512
_KINDS: Final[Mapping[str, type[Member]]] = {
    kind.kind: kind for kind in (KernelMember, NeighbourMember, ForestMember, BoostedMember, NetworkMember)
}


@dataclass(frozen=True, slots=True)
class Weighted:
    """A member of a blend."""

    name: str
    """What it is, for people."""
    member: Member
    """The fitted model."""
    weight: float
    """Its share; those of one target sum to 1."""
    scale: tuple[float, float] = (1.0, 0.0)
    """Of a class, slope and shift of its log-odds (:mod:`cinchona.models.classical.sureness`); nothing else uses them."""


class BlendScorer(ArrayScorer):
    r"""A weighted blend of members for each target; a single member of weight 1 is a plain model.

    Regression: :math:`\hat y = \sum_i w_i \hat y_i`. Classification: the same sum of log-odds,
    :math:`\operatorname{logit} p = \sum_i w_i (a_i \operatorname{logit} p_i + c_i)`, which does not drown a sure member in
    undecided ones, once slope and shift have set right how sure each is. The uncertainty is the weighted standard deviation of the members, 0 for a single one; it warns where they
    disagree and is no error bar.

    Args:
        blends: Members of each target.
        basis: Training compounds that kernels compare with, reduced to what the members use.
        endpoints: The t targets.
    """

    kind: ClassVar[str] = "blend"

    def __init__(self, blends: Sequence[Sequence[Weighted]], *, basis: Basis, endpoints: Sequence[Endpoint]) -> None:
        super().__init__(endpoints)
        self.blends = tuple(tuple(blend) for blend in blends)
        self.basis = basis

    @property
    def name(self) -> str:
        """Short name for reports."""
        names = list(dict.fromkeys(part.name for blend in self.blends for part in blend))
        return names[0] if len(names) == 1 else f"blend of {len(names)} models"

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Parse and predict the molecules of ``batch``."""
        molecules, kept, rejects = parsed_molecules(batch)
        value, spread = self.predict_molecules(molecules)
        return Predictions(kept, value, spread, rejects, molecules)

    def predict_molecules(self, molecules: Sequence[Chem.Mol]) -> tuple[np.ndarray, np.ndarray]:
        """Values and spread of the members, float64, both of shape (n, t)."""
        value = np.empty((len(molecules), len(self.blends)))
        spread = np.empty_like(value)
        for start in range(0, len(molecules), _BLOCK):
            inputs = Inputs(Molecules(molecules[start : start + _BLOCK]), self.basis)
            here = slice(start, start + _BLOCK)
            for column, (blend, endpoint) in enumerate(zip(self.blends, self.endpoints, strict=True)):
                parts = np.stack([part.member.predict(inputs) for part in blend], axis=1)
                if endpoint.kind == "classification":
                    parts = rescaled(parts, np.array([part.scale for part in blend]))
                weights = np.array([part.weight for part in blend])
                value[here, column] = blended(parts, weights, task=endpoint.kind)
                spread[here, column] = members_spread(parts, weights)
        return value, spread

    def spec(self) -> dict[str, Any]:
        """Members, weights, kernels and descriptors as plain data."""
        return {
            "basis": self.basis.spec(),
            "descriptors": list(quick_descriptors()),
            "blends": [
                [
                    {
                        "name": p.name,
                        "weight": p.weight,
                        "scale": [*p.scale],
                        "kind": p.member.kind,
                        "spec": p.member.spec(),
                    }
                    for p in blend
                ]
                for blend in self.blends
            ],
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the basis, and of each member by name, ``members.<target>.<i>.<array>``."""
        found = dict(self.basis.arrays())
        for t, blend in enumerate(self.blends):
            for i, part in enumerate(blend):
                found |= {f"members.{t}.{i}.{name}": array for name, array in part.member.arrays().items()}
        return found

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the blend.

        Raises:
            ModelFileError: if the descriptors are not those of the installed RDKit.
            ValueError: if the parts do not fit together.
        """
        check_descriptors(spec["descriptors"])
        basis = Basis.restore(spec["basis"], arrays)
        blends = [
            [_restored(entry, arrays, f"members.{t}.{i}.", basis) for i, entry in enumerate(entries)]
            for t, entries in enumerate(spec["blends"])
        ]
        if len(blends) != len(endpoints) or not all(blends):
            raise ValueError("each endpoint needs at least one member")
        return cls(blends, basis=basis, endpoints=endpoints)


def compact(blends: Sequence[Sequence[Weighted]], basis: Basis, endpoints: Sequence[Endpoint]) -> BlendScorer:
    """A blend that keeps only the training compounds and kernels that a member uses.

    Args:
        blends: Members of each target, fitted on all of ``basis``.
        basis: All training compounds.
        endpoints: The t targets.
    """
    parts = [part for blend in blends for part in blend]
    kernels = {part.member.kernel for part in parts} - {""}
    if not kernels:
        return BlendScorer(blends, basis=basis.only(np.zeros(0, np.int64), ()), endpoints=endpoints)
    rows = np.flatnonzero(np.any([part.member.used() for part in parts if part.member.kernel], axis=0))
    rows = rows if len(rows) else np.zeros(1, np.int64)
    kept = [[replace(part, member=part.member.onto(rows)) for part in blend] for blend in blends]
    return BlendScorer(kept, basis=basis.only(rows, kernels), endpoints=endpoints)


def blended(parts: np.ndarray, weights: np.ndarray, *, task: str) -> np.ndarray:
    """Blend predictions.

    Args:
        parts: Values or probabilities of k members, float64, shape (n, k).
        weights: Shares, float64, shape (k,).
        task: ``regression`` or ``classification``.

    Returns:
        float64, shape (n,).
    """
    if task == "regression":
        mean: np.ndarray = np.einsum("ij,j->i", parts, weights)
        return mean
    return logistic(np.einsum("ij,j->i", log_odds(parts), weights))


def members_spread(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted standard deviation of k members, float64, shape (n,), from ``parts`` of shape (n, k) and ``weights`` of shape (k,)."""
    share = weights / weights.sum()
    away = parts - np.einsum("ij,j->i", parts, share)[:, None]
    spread: np.ndarray = np.sqrt(np.einsum("ij,j->i", away**2, share))
    return spread


def _restored(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray], prefix: str, basis: Basis) -> Weighted:
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    member = _KINDS[entry["kind"]].restore(entry["spec"], own, references=basis.size)
    weight = float(entry["weight"])
    if not 0 <= weight <= 1:
        raise ValueError(f"a member has weight {weight}")
    slope, shift = (float(number) for number in entry.get("scale", (1.0, 0.0)))  # folders of old have none
    if not (slope > 0 and np.isfinite([slope, shift]).all()):
        raise ValueError(f"a member has slope {slope} and shift {shift}")
    return Weighted(str(entry["name"]), member, weight, (slope, shift))


__all__ = ["blended", "BlendScorer", "compact", "members_spread", "Weighted"]
