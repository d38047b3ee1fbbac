"""Does an explanation depend on what the model has learnt? The randomised-weights check."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.explanation.records import Attribution
from cinchona.seeds import rng


def with_random_weights(scorer: GraphEnsemble, *, seed: int) -> GraphEnsemble:
    """The same ensemble with the entries of every weight matrix in random order: as large as before, and nothing learnt.

    References:
        Adebayo et al., NeurIPS 2018, https://arxiv.org/abs/1810.03292.
    """
    draw = rng(seed, "random weights")
    arrays = {
        name: draw.permuted(array.reshape(-1)).reshape(array.shape) if array.ndim > 1 else array
        for name, array in scorer.arrays().items()
    }
    return GraphEnsemble.restore(scorer.spec(), arrays, scorer.endpoints)


def agreement(one: Sequence[Attribution], other: Sequence[Attribution]) -> float:
    r"""Mean over molecules of the rank correlation (Spearman) of the sizes of the atoms' shares.

    Range [-1, 1]; unrelated explanations expect 0, equal ones get 1. Sizes, so that a change of sign alone does not count as another
    explanation. Molecules of fewer than three atoms, or with constant shares, are left out; NaN if none is left.
    """
    found = []
    for first, second in zip(one, other, strict=True):
        ranks = [rankdata(np.abs(x.by_atom)) for x in (first, second)]
        if len(ranks[0]) >= 3 and all(rank.std() > 0 for rank in ranks):
            found.append(float(np.corrcoef(*ranks)[0, 1]))
    return float(np.mean(found)) if found else float("nan")


__all__ = ["agreement", "with_random_weights"]
