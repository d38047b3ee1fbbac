"""The applicability domain of a model that is being trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.domain.embedding import EmbeddingSpace
from cinchona.models.domain.fitting import HeldOut, fit_domain
from cinchona.models.domain.folding import Folding
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.scorers import ArrayScorer
from cinchona.pipelines.config import Settings


def learn_domain(
    model: ArrayScorer,
    data: AssayTable,
    rows: np.ndarray,
    settings: Settings,
    *,
    seed: int,
    held_out: HeldOut | None = None,
) -> None:
    """Give ``model`` the domain of the compounds that it was fitted to, unless the settings or too few compounds forbid it.

    Args:
        model: The fitted model; its trust is completed.
        data: Curated compounds.
        rows: Which of them were fitted to, int64.
        settings: Settings.
        seed: Seed of the training.
        held_out: Errors on compounds that were not fitted to, with their distances, where there are some.
    """
    if not settings.domain.keep or len(rows) < 2:
        return
    domain = fit_domain(
        [data.smiles[row] for row in rows],
        endpoints=model.endpoints,
        folding=folding_of(data, seed),
        held_out=held_out,
        ids=[data.compound_ids[row] for row in rows] if settings.domain.name_nearest else None,
        quantile=settings.domain.quantile,
        seed=seed,
    )
    if settings.domain.embedding and isinstance(model, GraphEnsemble):
        vectors = model.molecule_vectors([data.smiles[row] for row in rows])
        domain = replace(
            domain, embedding=EmbeddingSpace.fit(vectors, seed=seed, quantile=settings.domain.quantile)
        )  # fmt: skip
    model.trust = replace(model.trust, domain=domain)


def fitted_rows(split: Split, settings: Settings) -> np.ndarray:
    """Rows that the model learnt from: networks stop by the validation part, other models are fitted to it too."""
    if settings.choice.model == "network":
        return split.train
    return np.sort(np.concatenate([split.train, split.valid]))


def folding_of(data: AssayTable, seed: int) -> Folding:
    """The folding of this training: its salt is that of the data and the seed."""
    return Folding.of(data.digest, seed)


__all__ = ["fitted_rows", "folding_of", "learn_domain"]
