"""Fit an ensemble of graph networks to an assay table."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.molgraph import FEATURE_SCHEMA, MolGraph, featurize_batch
from cinchona.datasets.parsing import Rejected
from cinchona.datasets.splits import Split
from cinchona.digests import digest_json
from cinchona.errors import ConfigError, ShapeError
from cinchona.models.auxiliary import beside, descriptor_labels, without_outputs
from cinchona.models.batching import GraphSet
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.held_out_networks import held_out_of
from cinchona.models.loop import Checkpoint, TrainingData, TrainingLoop
from cinchona.models.losses import Labels
from cinchona.models.member_parts import member_parts
from cinchona.models.molecule_features import MoleculeFeatures
from cinchona.models.network import GraphNet
from cinchona.models.scaling import TargetScaling
from cinchona.models.schedule import Schedule
from cinchona.models.scorers import endpoints_of
from cinchona.models.start_choice import AUTO, choose_start
from cinchona.models.starting import starting_encoder
from cinchona.models.task_loss import task_loss
from cinchona.models.threads import one_torch_thread, side_by_side
from cinchona.models.training_state import EpochRecord
from cinchona.models.uncertainty.kinds import likelihood_of, warn_of
from cinchona.progress import Progress, progress

logger = logging.getLogger(__name__)

_NEVER_DECIDES = {"workers", "ensemble_size", "lower_is_better", "forest_trees", "pretrained"}


def fit_ensemble(  # noqa: PLR0913 - data, settings, and how to follow it
    table: AssayTable,
    split: Split,
    *,
    network: GraphNetConfig,
    training: TrainingConfig,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: threading.Event | None = None,
) -> GraphEnsemble:
    """Fit networks to ``split.train`` and ``split.valid`` without a part that stops them; ``split.test`` is not looked at.

    From four networks on they leave out different parts (:func:`~cinchona.models.member_parts.member_parts`). What they say of
    the parts that they left out comes with the ensemble, as ``held_out``.

    Networks are trained side by side, one thread each, and every one of them is deterministic on one type of processor:
    neither the number of workers nor an interruption changes a bit of the result.

    Args:
        table: Curated compounds.
        split: Which rows to fit and to stop by.
        network: Shape of the networks.
        training: How they are trained.
        seed: Seed; each network has streams of its own.
        checkpoint: Folder for the state of each network; a training that was killed resumes from it.
        on_epoch: Told of every epoch of every network, one call at a time.
        stop: Ends the training within a batch once it is set.

    Raises:
        CancelledError: if ``stop`` was set.
        NoUsableRowsError: if a target has no label in the training part.
        ConfigError: if the training diverges or a name in ``lower_is_better`` is no target.
    """
    check_names(training.lower_is_better, table)
    warn_of(network)
    choice = None
    if training.pretrained == AUTO:
        choice = choose_start(table, split, network=network, training=training, seed=seed, fit=_fit)
        training = training.model_copy(update={"pretrained": choice.pretrained})
    ensemble = _fit(
        table, split, network=network, training=training, seed=seed, checkpoint=checkpoint, on_epoch=on_epoch, stop=stop
    )
    ensemble.start = choice
    return ensemble


def _fit(  # noqa: PLR0913 - as above
    table: AssayTable,
    split: Split,
    *,
    network: GraphNetConfig,
    training: TrainingConfig,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: threading.Event | None = None,
) -> GraphEnsemble:
    """:func:`fit_ensemble` once it is decided what the networks start from."""
    scaling = TargetScaling.fit(table.values[split.train], table.targets)
    encoder = starting_encoder(training.pretrained, network)
    features = _features(table, split, network)
    data = _data(table, split, scaling, network=network, training=training, features=features)
    parts = member_parts(table, split, training.ensemble_size, seed=seed)
    weights = None if encoder is None else encoder.weights
    n_auxiliary = data.labels.values.shape[1] - len(table.targets)
    loss = task_loss([t.name for t in table.targets], scaling.is_class, training, n_auxiliary=n_auxiliary)
    loss = replace(loss, likelihood=likelihood_of(network, training))
    origin = {} if encoder is None else {"name": encoder.name, "digest": encoder.digest}
    key = partial(_key, table, network=network, training=training, seed=seed, origin=origin)
    size, epochs = training.ensemble_size, Schedule.of(training, len(split.train)).epochs
    with one_torch_thread(), progress(size * epochs, "training", unit="epochs") as bar:
        watch = _Watch(bar, on_epoch, stop or threading.Event())

        def fit_member(member: int) -> tuple[GraphNet, np.ndarray]:
            mine = replace(data, train=parts.fitted(member), valid=parts.left_out(member), encoder=weights)
            loop = TrainingLoop(mine, network=network, training=training, loss=loss, seed=seed, member=member)
            trained = loop.run(checkpoint=_place(checkpoint, member, key(mine)), on_epoch=watch.epoch, stop=watch.stop)
            watch.skip(max(epochs - loop.epochs_run, 0))
            kept = without_outputs(trained, len(table.targets)) if n_auxiliary else trained
            return kept, loop.crossed[:, : loop.crossed.shape[1] - n_auxiliary]

        fitted = side_by_side(fit_member, size, workers=training.workers, stop=watch.stop)
    endpoints = endpoints_of(table.targets, training.lower_is_better)
    ensemble = GraphEnsemble(
        [net for net, _ in fitted], network=network, endpoints=endpoints, scaling=scaling, features=features
    )
    ensemble.origin, ensemble.held_out = origin, held_out_of(ensemble, table, parts, [told for _, told in fitted])
    return ensemble


def _place(folder: Path | None, member: int, key: str) -> Checkpoint | None:
    return None if folder is None else Checkpoint(folder / f"network-{member:03d}.safetensors", key)


@dataclass(slots=True)
class _Watch:
    """Follows networks that are trained side by side, one call at a time."""

    bar: Progress
    on_epoch: Callable[[EpochRecord], None] | None
    stop: threading.Event
    turn: threading.Lock = field(default_factory=threading.Lock)

    def epoch(self, record: EpochRecord) -> None:
        """Count an epoch and tell the caller."""
        with self.turn:
            self.bar.advance(1, valid_loss=round(record.valid_loss, 4))
            if self.on_epoch is not None:
                self.on_epoch(record)

    def skip(self, epochs: int) -> None:
        """Count epochs that early stopping saved."""
        with self.turn:
            self.bar.advance(epochs)


def graphs_of(smiles: Sequence[str]) -> list[MolGraph]:
    """Featurize curated compounds, all of which must be valid.

    Raises:
        ShapeError: if one cannot be featurized, naming it.
    """
    graphs = []
    for text, graph in zip(smiles, featurize_batch(smiles), strict=True):
        if isinstance(graph, Rejected):
            raise ShapeError(f"compound {text[:80]!r} cannot be featurized: {graph.reason}", expected="curated SMILES")
        graphs.append(graph)
    return graphs


def _features(table: AssayTable, split: Split, network: GraphNetConfig) -> MoleculeFeatures | None:
    """What the heads join, scaled by the training part; None where they join nothing."""
    if not network.features:
        return None
    return MoleculeFeatures.fit(network.features, [table.smiles[row] for row in split.train])


def _data(
    table: AssayTable,
    split: Split,
    scaling: TargetScaling,
    *,
    network: GraphNetConfig,
    training: TrainingConfig,
    features: MoleculeFeatures | None,
) -> TrainingData:
    labels = Labels(torch.from_numpy(scaling.to_scaled(table.values)), torch.from_numpy(table.censor.astype(np.int8)))
    if training.auxiliary == "descriptors":
        labels = beside(labels, descriptor_labels(table.smiles, split.train))
    graphs = GraphSet.of(graphs_of(table.smiles), depth=network.program_depth)
    if features is not None:
        graphs = replace(graphs, extra=features.rows(table.smiles))
    return TrainingData(graphs, labels, split.train, split.valid)


def _key(
    table: AssayTable,
    data: TrainingData,
    *,
    network: GraphNetConfig,
    training: TrainingConfig,
    seed: int,
    origin: Mapping[str, str],
) -> str:
    """Digest of all that decides the weights of a network beside its number."""
    rows = [digest_json(part.tolist()) for part in (data.train, data.valid)]
    settings = training.model_dump(mode="json", exclude=_NEVER_DECIDES)
    return digest_json([table.digest, rows, FEATURE_SCHEMA, network.as_spec(), settings, seed, dict(origin)])


def check_names(names: Sequence[str], table: AssayTable) -> None:
    """Refuse names in ``lower_is_better`` that are no targets.

    Raises:
        ConfigError: naming them.
    """
    known = {target.name for target in table.targets}
    if unknown := sorted(set(names) - known):
        raise ConfigError(
            f"{', '.join(unknown)} is no target",
            where="training.lower_is_better",
            expected=f"names among {', '.join(sorted(known))}",
        )
