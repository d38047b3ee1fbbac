"""Whether to start from the pretrained encoder, decided by cross-validation on the compounds at hand.

Two of five folds are held out in turn; one network is trained from random weights and one from the encoder on what is left,
and both predict the fold. Whichever has the smaller mean loss is taken. The test part is never looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.splits import Split
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.pretraining.encoder_file import DEFAULT, SHIPPED, is_encoder, open_encoder
from cinchona.models.scorers import batch_of
from cinchona.models.starting import NONE, unlike
from cinchona.seeds import rng

logger = logging.getLogger(__name__)

AUTO: Final = "auto"
"""Let cross-validation decide."""
LARGEST: Final = 2_000
"""Compounds to fit beyond which networks start from random weights without a check."""
FEWEST: Final = 20
"""Labels of each target below which there is nothing to compare on."""
_FOLDS: Final = 5
_USED: Final = 2
_TINY: Final = 1e-7


@dataclass(frozen=True, slots=True)
class StartChoice:
    """Where networks start, and why."""

    pretrained: str
    """``none`` or ``default``."""
    reason: str
    """Why, for people."""
    losses: dict[str, float]
    """Mean loss on held-out folds of each start: squared error in units of the variance, log loss of classes; empty without a check."""

    def to_json(self) -> dict[str, Any]:
        """As it stands in the trust card."""
        return {"pretrained": self.pretrained, "reason": self.reason, "losses": dict(self.losses)}


def choose_start(
    table: AssayTable,
    split: Split,
    *,
    network: GraphNetConfig,
    training: TrainingConfig,
    seed: int,
    fit: Callable[..., GraphEnsemble],
) -> StartChoice:
    """Decide by cross-validation on the training and validation part.

    Args:
        table: Curated compounds.
        split: Its parts; the test part is not looked at.
        network: Shape of the networks.
        training: How they are trained.
        seed: Seed of folds and networks.
        fit: :func:`~cinchona.models.train.fit_ensemble`.
    """
    if reason := _unsuited(table, split, network):
        return StartChoice(NONE, reason, {})
    parts = _folds(np.sort(np.concatenate([split.train, split.valid])), seed)
    one = training.model_copy(update={"ensemble_size": 1, "workers": 1})
    losses = {}
    for start in (NONE, DEFAULT):
        settings = one.model_copy(update={"pretrained": start})
        found = [
            held_out_loss(table, fit(table, part, network=network, training=settings, seed=seed), part)
            for part in parts
        ]
        losses[start] = float(np.mean(found))
    chosen = min(losses, key=lambda start: (losses[start], start == DEFAULT))
    reason = f"loss on held-out folds {losses[DEFAULT]:.3f} from the pretrained encoder, {losses[NONE]:.3f} from random weights"
    logger.info(
        "networks start from %s: %s", "the pretrained encoder" if chosen == DEFAULT else "random weights", reason
    )
    return StartChoice(chosen, reason, losses)


def held_out_loss(table: AssayTable, scorer: GraphEnsemble, part: Split) -> float:
    """Mean over targets of the loss on ``part.test``: squared error over the variance of the training labels, or log loss.

    Bounds are left out. Range [0, inf); the training mean gives about 1, a coin of the training odds at most log 2.
    """
    predicted = scorer.score(batch_of(table, part.test)).value.astype(np.float64)
    found = []
    for k, target in enumerate(table.targets):
        truth, exact = table.values[part.test, k], table.censor[part.test, k] == 0
        known = exact & ~np.isnan(truth)
        if not known.any():
            continue
        guess, label = predicted[known, k], truth[known]
        if target.kind == "classification":
            odds = np.clip(guess, _TINY, 1 - _TINY)
            found.append(float(-np.mean(label * np.log(odds) + (1 - label) * np.log1p(-odds))))
        else:
            spread = float(np.nanvar(table.values[part.train, k]))
            found.append(float(np.mean((guess - label) ** 2)) / (spread or 1.0))
    return float(np.mean(found)) if found else 0.0


def _unsuited(table: AssayTable, split: Split, network: GraphNetConfig) -> str:
    """Why there is nothing to check; empty if there is."""
    if not is_encoder(SHIPPED):
        return "no pretrained encoder is installed"
    if unlike(open_encoder(DEFAULT).network, network):
        return "the pretrained encoder has another shape"
    if len(split.train) > LARGEST:
        return f"more than {LARGEST:,} compounds to fit"
    rows = np.concatenate([split.train, split.valid])
    if int((~np.isnan(table.values[rows])).sum(axis=0).min()) < FEWEST:
        return f"fewer than {FEWEST} labels of a target"
    return ""


def _folds(rows: np.ndarray, seed: int) -> list[Split]:
    """Two divisions: four fifths to fit, of which a tenth stops, and a fifth held out."""
    pieces = np.array_split(rng(seed, "start").permutation(rows), _FOLDS)
    made = []
    for k in range(_USED):
        rest = np.concatenate([piece for position, piece in enumerate(pieces) if position != k])
        cut = max(1, round(0.1 * len(rest)))
        made.append(Split(np.sort(rest[cut:]), np.sort(rest[:cut]), np.sort(pieces[k]), kind="random", seed=seed))
    return made


__all__ = ["AUTO", "StartChoice", "choose_start", "held_out_loss"]
