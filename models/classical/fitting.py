"""One model of one kind for every target, and the register of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.errors import ConfigError, ShapeError
from cinchona.models.classical.blend import BlendScorer, Weighted, compact
from cinchona.models.classical.boosting import BoostingLearner
from cinchona.models.classical.forests import ForestLearner
from cinchona.models.classical.inputs import Basis, Inputs, Molecules
from cinchona.models.classical.members import Labels, Learner
from cinchona.models.classical.neighbours import NeighbourLearner
from cinchona.models.classical.svm import SvmLearner
from cinchona.records import Endpoint

MakeLearner = Callable[[int | None], Learner]
"""From the number of threads (None: all cores) to a learner."""

SINGLE_MODELS: Final[Mapping[str, MakeLearner]] = MappingProxyType({
    "svm": lambda _: SvmLearner("everything"),
    "lightgbm": lambda workers: BoostingLearner("wide", workers=workers),
    "extra-trees": lambda workers: ForestLearner("plain", grower="extra trees", workers=workers),
    "random-forest": lambda workers: ForestLearner("plain", workers=workers),
    "neighbours": lambda _: NeighbourLearner("substructures"),
})  # fmt: skip
"""Models that ``cinchona train --model NAME`` fits, by name."""


def fit_single(
    name: str,
    smiles: Sequence[str],
    values: np.ndarray,
    *,
    endpoints: Sequence[Endpoint],
    seed: int,
    workers: int | None = None,
) -> BlendScorer:
    """Fit one model of one kind to every target, on the compounds that have its label.

    Args:
        name: One of :data:`SINGLE_MODELS`.
        smiles: n curated training compounds.
        values: Labels, float64, shape (n, t); NaN where missing.
        endpoints: The t targets.
        seed: Seed of everything random.
        workers: Threads; they do not change the result.

    Raises:
        ConfigError: if there is no such model.
        ShapeError: if a compound does not parse.
    """
    learner = learner_of(name, workers)
    molecules = molecules_of(smiles)
    basis = Basis.of(molecules, kernels_of([learner]))
    inputs, rows = Inputs(molecules, basis), np.arange(len(smiles))
    blends = []
    for column, endpoint in enumerate(endpoints):
        labels = Labels.of(values[:, column], endpoint)
        member = learner.fit(inputs, labels, labels.known(rows), seed=seed)
        blends.append([Weighted(learner.name, member, 1.0)])
    return compact(blends, basis, endpoints)


def learner_of(name: str, workers: int | None) -> Learner:
    """The learner of that name in :data:`SINGLE_MODELS`, with so many threads.

    Raises:
        ConfigError: if there is no such model.
    """
    if name not in SINGLE_MODELS:
        raise ConfigError(f"unknown model {name!r}", expected=f"one of {', '.join(SINGLE_MODELS)}")
    return SINGLE_MODELS[name](workers)


def kernels_of(learners: Sequence[Learner]) -> list[str]:
    """Kernels that the learners need, each once."""
    return list(dict.fromkeys(learner.kernel for learner in learners if learner.kernel))


def molecules_of(smiles: Sequence[str]) -> Molecules:
    """Parse curated compounds.

    Raises:
        ShapeError: if one does not parse, naming it.
    """
    molecules = []
    for text in smiles:
        mol = parse_smiles(text)
        if isinstance(mol, Rejected):
            raise ShapeError(f"compound {text[:80]!r} does not parse: {mol.reason}", expected="curated SMILES")
        molecules.append(mol)
    return Molecules(molecules)


__all__ = ["fit_single", "kernels_of", "learner_of", "molecules_of", "SINGLE_MODELS"]
