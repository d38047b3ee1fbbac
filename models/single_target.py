"""Networks of one target, trained on coded molecules without a part that stops them."""

from __future__ import annotations

import threading
from typing import Literal

import numpy as np
import torch

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.labels import TargetColumn
from cinchona.models.batching import GraphSet
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.loop import TrainingData, TrainingLoop
from cinchona.models.losses import Labels
from cinchona.models.molecule_features import MoleculeFeatures
from cinchona.models.network import GraphNet
from cinchona.models.scaling import TargetScaling
from cinchona.models.starting import starting_encoder
from cinchona.models.task_loss import task_loss
from cinchona.models.threads import one_torch_thread, side_by_side
from cinchona.records import Endpoint


def fit_networks(  # noqa: PLR0913 - molecules, labels, and how to train
    molecules: CodedMolecules,
    values: np.ndarray,
    extra: np.ndarray | None,
    *,
    features: MoleculeFeatures | None,
    endpoint: Endpoint,
    network: GraphNetConfig,
    training: TrainingConfig,
    seed: int,
) -> GraphEnsemble:
    """Fit ``training.ensemble_size`` networks to all n molecules, to the end of the schedule.

    The result depends neither on the number of workers nor on what else the process draws at random.

    Args:
        molecules: n molecules.
        values: Their labels, all known, float64, shape (n,).
        extra: Scaled features of whole molecules, float32, shape (n, x); None for heads that join none.
        features: How ``extra`` was scaled; kept with the networks.
        endpoint: What the label is.
        network: Shape of the networks.
        training: How they are trained; ``pretrained`` names an encoder or ``none``.
        seed: Seed; each network has streams of its own.

    Raises:
        ConfigError: if the training diverges.
        ModelFileError: if the encoder is missing or damaged.
    """
    scaling = _scaling(values, endpoint)
    scaled = torch.from_numpy(scaling.to_scaled(values[:, None]))
    encoder = starting_encoder(training.pretrained, network)
    data = TrainingData(
        GraphSet.of_codes(molecules, depth=network.program_depth, extra=extra),
        Labels(scaled, torch.zeros(scaled.shape, dtype=torch.int8)),
        np.arange(len(values)),
        np.zeros(0, np.int64),
        None if encoder is None else encoder.weights,
    )
    loss, stop = task_loss([endpoint.name], scaling.is_class, training), threading.Event()

    def fit_member(member: int) -> GraphNet:
        loop = TrainingLoop(data, network=network, training=training, loss=loss, seed=seed, member=member)
        return loop.run(stop=stop)

    with one_torch_thread():
        members = side_by_side(fit_member, training.ensemble_size, workers=training.workers, stop=stop)
    ensemble = GraphEnsemble(members, network=network, endpoints=(endpoint,), scaling=scaling, features=features)
    ensemble.origin = {} if encoder is None else {"name": encoder.name, "digest": encoder.digest}
    return ensemble


def _scaling(values: np.ndarray, endpoint: Endpoint) -> TargetScaling:
    kind: Literal["regression", "classification"] = (
        "classification" if endpoint.kind == "classification" else "regression"
    )
    return TargetScaling.fit(values[:, None], (TargetColumn(endpoint.name, "", kind, endpoint.name),))


__all__ = ["fit_networks"]
