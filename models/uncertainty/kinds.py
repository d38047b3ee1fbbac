"""From the name of a kind of uncertainty to what it needs: outputs, loss, weights to serve, variance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from cinchona.errors import ConfigError
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.scaling import TargetScaling
from cinchona.models.uncertainty import mc_dropout

if TYPE_CHECKING:
    from torch import Tensor

    Likelihood = Callable[[Tensor, Tensor, Tensor], Tensor]

logger = logging.getLogger(__name__)

_OUTPUTS: Final = {"ensemble": 1, "mean-variance": 2, "evidential": 4, "mc-dropout": 1}


def outputs_of(config: GraphNetConfig, n_targets: int) -> int:
    """Outputs of a network for ``n_targets`` targets as it is trained and stored; the first ``n_targets`` are the values."""
    return _OUTPUTS[config.uncertainty] * n_targets


def served_targets(config: GraphNetConfig, n_targets: int) -> int:
    """The same number of targets, or more where samples are served beside the values."""
    return n_targets * (config.samples + 1) if config.uncertainty == "mc-dropout" else n_targets


def served(config: GraphNetConfig, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights as they are computed with."""
    if config.uncertainty != "mc-dropout":
        return dict(weights)
    return mc_dropout.expanded(weights, share=config.dropout, samples=config.samples)


def values_only(config: GraphNetConfig, weights: Mapping[str, np.ndarray], n_targets: int) -> dict[str, np.ndarray]:
    """Weights of the network that predicts the values and nothing else."""
    if outputs_of(config, n_targets) == n_targets:
        return dict(weights)
    numbers = [int(name.split(".")[1]) for name in weights if name.startswith("head.")]
    stem = f"head.{max(numbers)}"
    cut = {f"{stem}.{part}": weights[f"{stem}.{part}"][:n_targets] for part in ("weight", "bias")}
    return {**weights, **cut}


def own_variance(config: GraphNetConfig, raw: np.ndarray, scaling: TargetScaling) -> np.ndarray | None:
    """Variance that each network states itself, in natural units.

    Args:
        config: Shape of the networks.
        raw: Their outputs, float32, shape (members, n, outputs).
        scaling: Of the t targets.

    Returns:
        float64, shape (members, n, t), 0 for classes where the kind says nothing of them; None for plain ensembles.
    """
    t = len(scaling.scale)
    if config.uncertainty == "ensemble":
        return None
    if config.uncertainty == "mc-dropout":
        return mc_dropout.variance(raw, t, scaling)
    from cinchona.models.uncertainty import evidential, gaussian

    kind = gaussian if config.uncertainty == "mean-variance" else evidential
    stated: np.ndarray = np.where(scaling.is_class, 0.0, kind.variance(raw, t) * scaling.scale**2)
    return stated


def warn_of(network: GraphNetConfig) -> None:
    """Say it where a kind is known to be unreliable."""
    if network.uncertainty == "evidential":
        from cinchona.models.uncertainty import evidential

        logger.warning(evidential.WARNING)


def likelihood_of(network: GraphNetConfig, training: TrainingConfig) -> Likelihood | None:
    """Loss of regression targets that the kind brings; None where ``training.loss`` decides.

    Raises:
        ConfigError: if the settings do not fit together.
    """
    if network.uncertainty not in {"mean-variance", "evidential"}:
        return None
    if training.loss != "mse" or training.auxiliary != "none":
        raise ConfigError(
            f"networks with {network.uncertainty} outputs have a likelihood of their own",
            where="training.loss, training.auxiliary", expected="training.loss=mse and training.auxiliary=none",
            remedy="leave both at their defaults, or take network.uncertainty=ensemble or mc-dropout",
        )  # fmt: skip
    from cinchona.models.uncertainty import evidential, gaussian

    if network.uncertainty == "mean-variance":
        return partial(gaussian.element, beta=training.variance_weighting)
    return partial(evidential.element, penalty=training.evidence_penalty)


__all__ = ["likelihood_of", "outputs_of", "own_variance", "served", "served_targets", "values_only", "warn_of"]
