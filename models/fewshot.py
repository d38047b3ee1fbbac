"""A ranker made from a few actives: which molecules of a library are like them, in what others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np
from rdkit import Chem

from cinchona.models.classical.counts import Counts, count_substructures
from cinchona.models.classical.fitting import molecules_of
from cinchona.models.fewshot_weights import FAMILIES, SubstructureWeights, Weights, held_out_ranks
from cinchona.models.fingerprinting import parsed_molecules
from cinchona.models.predictions import Predictions
from cinchona.models.scorers import ArrayScorer
from cinchona.records import CompoundBatch, Endpoint

ENDPOINT: Final = Endpoint("likeness")
"""What it predicts: about -1 for molecules like the background and 1 for molecules like the actives, without a unit."""
_PARTS: Final = ("ids", "rarity", "weight")


class FewShotScorer(ArrayScorer):
    """Ranks by what a molecule shares with a few actives and not with a background (:class:`SubstructureWeights`).

    It needs no inactives: a sample of the library that is to be screened, or of any library like it, stands for them. Of the structures
    it keeps hashes of substructures alone.

    Args:
        weights: What was learnt.
        actives: Number of actives.
        background: Number of background molecules.
    """

    kind: ClassVar[str] = "few-shot"

    def __init__(self, weights: SubstructureWeights, *, actives: int, background: int) -> None:
        super().__init__([ENDPOINT])
        self.weights, self.actives, self.background = weights, actives, background

    @property
    def name(self) -> str:
        """Short name for reports."""
        return f"few-shot ranker of {self.actives} actives"

    @classmethod
    def fit(cls, actives: Sequence[str], background: Sequence[str]) -> FewShotScorer:
        """Learn from n actives and m background molecules, all curated SMILES.

        Raises:
            ShapeError: if one does not parse.
            ValueError: if either is empty.
        """
        found, others = (counts_of(smiles) for smiles in (actives, background))
        return cls(SubstructureWeights.fit(found, others), actives=len(actives), background=len(background))

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Parse and score the molecules of ``batch``."""
        molecules, kept, rejects = parsed_molecules(batch)
        value = self.weights.scores(_counted(molecules))
        return Predictions(kept, value[:, None], None, rejects, molecules)

    def spec(self) -> dict[str, Any]:
        """Families and numbers as plain data."""
        return {
            "families": list(self.weights.families), "bias": self.weights.bias, "unseen": self.weights.unseen,
            "actives": self.actives, "background": self.background,
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, ``FAMILY.ids`` and so on."""
        families = self.weights.families.items()
        return {f"{name}.{part}": getattr(known, part) for name, known in families for part in _PARTS}

    @classmethod
    def restore(
        cls,
        spec: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        endpoints: Sequence[Endpoint],  # noqa: ARG003 - always the one
    ) -> Self:
        """Rebuild the ranker.

        Raises:
            ValueError: if families are missing or weights do not fit their substructures.
        """
        if tuple(spec["families"]) != FAMILIES:
            raise ValueError(f"the ranker has the families {spec['families']}, expected {', '.join(FAMILIES)}")
        families = {name: Weights(*(arrays[f"{name}.{part}"] for part in _PARTS)) for name in FAMILIES}
        weights = SubstructureWeights(families, bias=float(spec["bias"]), unseen=float(spec["unseen"]))
        return cls(weights, actives=int(spec["actives"]), background=int(spec["background"]))


def counts_of(smiles: Sequence[str]) -> dict[str, Counts]:
    """Counts of curated compounds, by family.

    Raises:
        ShapeError: if one does not parse.
    """
    molecules = molecules_of(smiles)
    return {family: molecules.counts(family) for family in FAMILIES}


def ranks_without(actives: Sequence[str], background: Sequence[str]) -> np.ndarray:
    """Share of the background behind each active that was held out (:func:`~cinchona.models.fewshot_weights.held_out_ranks`).

    Raises:
        ShapeError: if a compound does not parse.
        ValueError: if there are fewer than two actives or four background molecules.
    """
    return held_out_ranks(counts_of(actives), counts_of(background))


def _counted(molecules: Sequence[Chem.Mol]) -> dict[str, Counts]:
    return {family: count_substructures(molecules, family) for family in FAMILIES}


__all__ = ["counts_of", "ENDPOINT", "FewShotScorer", "ranks_without"]
