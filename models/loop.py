"""The training loop of one network."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cinchona.errors import ConfigError
from cinchona.models.batching import GraphSet, shuffled
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.cross_stopping import CrossStopping
from cinchona.models.dropout import seed_dropout
from cinchona.models.losses import Labels, MaskedLoss
from cinchona.models.network import GraphNet, build_network, initialize
from cinchona.models.schedule import Schedule
from cinchona.models.training_state import EpochRecord, TrainingState
from cinchona.seeds import derive, rng

logger = logging.getLogger(__name__)

_VALID_BATCH = 512

OnEpoch = Callable[[EpochRecord], None]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a network learns from."""

    graphs: GraphSet
    """All molecules of the table."""
    labels: Labels
    """Their labels in scaled units."""
    train: np.ndarray
    """Rows to fit, int64."""
    valid: np.ndarray
    """Rows to stop by, int64; may be empty."""
    encoder: Mapping[str, np.ndarray] | None = None
    """Weights of a pretrained encoder to start from, by their name in the encoder; None starts from random ones."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training keeps its state."""

    path: Path
    """File of this network."""
    key: str
    """Digest of everything that decides the result; a file with another key is ignored."""


class TrainingLoop:
    """Trains one network: AdamW, clipped gradients, early stopping, the best weights kept.

    The result depends on the data, the settings and the seed, not on the number of cores, on an interruption or on what
    else the process draws at random.

    Args:
        data: Molecules and labels.
        network: Shape of the network.
        training: How it is trained.
        loss: What is minimized.
        seed: Seed of the first weights, of the order of the compounds and of dropout.
        member: Number of the network in its ensemble; each has streams of its own.
    """

    def __init__(
        self,
        data: TrainingData,
        *,
        network: GraphNetConfig,
        training: TrainingConfig,
        loss: MaskedLoss,
        seed: int,
        member: int = 0,
    ) -> None:
        self._data, self._config, self._loss, self._member = data, training, loss, member
        self._stop = threading.Event()
        self._schedule = Schedule.of(training, len(data.train))
        self._network = _first_network(data, network, seed=derive(seed, "weights", member))
        noise = torch.Generator().manual_seed(derive(seed, "dropout", member))
        seed_dropout(self._network, noise)
        optimizer = torch.optim.AdamW(
            _groups(self._network, training, pretrained=data.encoder is not None),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
        )
        crossed = CrossStopping.of(len(data.valid), seed=seed)
        self._state = TrainingState(self._network, optimizer, rng(seed, "order", member), noise, crossed=crossed)

    def run(
        self,
        *,
        checkpoint: Checkpoint | None = None,
        on_epoch: OnEpoch | None = None,
        stop: threading.Event | None = None,
    ) -> GraphNet:
        """Train to the end and return the network with its best weights, in evaluation mode.

        Args:
            checkpoint: Resume from this file if it fits, and write it after each epoch.
            on_epoch: Told of every epoch, also of those that a resumed training had finished before.
            stop: When set, training ends before its next step.

        Raises:
            CancelledError: if ``stop`` was set.
            ConfigError: if the training diverges.
        """
        state = self._state
        self._stop = stop or self._stop
        resumed = checkpoint is not None and state.restore(checkpoint.path, key=checkpoint.key)
        for record in state.history if resumed and on_epoch else ():
            on_epoch(record)  # type: ignore[misc] # checked in the line above
        while not state.finished:
            record = self._epoch()
            if checkpoint is not None:
                state.save(checkpoint.path, key=checkpoint.key)
            if on_epoch is not None:
                on_epoch(record)
        self._network.load_state_dict(state.best)
        _check_finite(self._network)
        seed_dropout(self._network, None)
        logger.debug("network %d: best epoch %d, loss %.4f", self._member, state.best_epoch, state.best_loss)
        return self._network.eval()

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights were kept, from 0."""
        return self._state.best_epoch

    @property
    def crossed(self) -> np.ndarray:
        """Outputs for the rows to stop by that they had no part in choosing, float32, shape (n, outputs); n = 0 without labels."""
        assert self._state.crossed is not None
        return self._state.crossed.told()

    @property
    def epochs_run(self) -> int:
        """Epochs that were run before training stopped."""
        return len(self._state.history)

    def _epoch(self) -> EpochRecord:
        state, started = self._state, time.monotonic()
        epoch = len(state.history)
        train_loss, rate = self._train(epoch)
        valid_loss = self._validate()
        state.keep_if_better(valid_loss)
        record = EpochRecord(self._member, epoch, train_loss, valid_loss, rate)
        state.history.append(record)
        state.seconds += time.monotonic() - started
        state.finished = self._is_over(epoch)
        return record

    def _train(self, epoch: int) -> tuple[float, float]:
        data, state = self._data, self._state
        self._network.train()
        total, rate = 0.0, 0.0
        step = epoch * self._schedule.steps_per_epoch
        for chosen in shuffled(len(data.train), self._config.batch_size, rng=state.order):
            if self._stop.is_set():
                raise CancelledError
            rate = self._schedule.rate(step)
            loss = self._step(data.train[chosen], rate)
            total += loss * len(chosen)
            step += 1
        return total / max(1, len(data.train)), rate

    def _step(self, rows: np.ndarray, rate: float) -> float:
        optimizer = self._state.optimizer
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        loss = self._batch_loss(rows)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._config.gradient_clip)
        optimizer.step()
        return float(loss.detach())

    def _validate(self) -> float:
        valid = self._data.valid
        known = ~torch.isnan(self._data.labels.values[torch.from_numpy(valid)])
        if not bool(known.any()):
            return math.nan
        self._network.eval()
        total, count, parts = 0.0, 0, []
        with torch.no_grad():
            for start in range(0, len(valid), _VALID_BATCH):
                weight = int(known[start : start + _VALID_BATCH].sum())
                rows = valid[start : start + _VALID_BATCH]
                parts.append(self._network(self._data.graphs.batch(rows)))
                total += float(self._loss(parts[-1], self._labels(rows))) * weight
                count += weight
            self._cross(torch.cat(parts))
        return total / count if math.isfinite(total) else math.inf

    def _cross(self, raw: Tensor) -> None:
        labels = self._labels(self._data.valid)
        known = ~torch.isnan(labels.values)

        def loss_of(rows: Tensor) -> float:
            return float(self._loss(raw[rows], labels.at(rows))) if bool(known[rows].any()) else math.nan

        assert self._state.crossed is not None
        self._state.crossed.see(raw, loss_of)

    def _batch_loss(self, rows: np.ndarray) -> Tensor:
        return self._loss(self._network(self._data.graphs.batch(rows)), self._labels(rows))

    def _labels(self, rows: np.ndarray) -> Labels:
        return self._data.labels.at(torch.from_numpy(rows))

    def _is_over(self, epoch: int) -> bool:
        state, budget = self._state, self._config.max_seconds
        waited = not math.isnan(state.best_loss) and epoch - state.best_epoch >= self._schedule.patience
        late = budget is not None and state.seconds >= budget
        return waited or late or epoch + 1 >= self._schedule.epochs


def _check_finite(network: nn.Module) -> None:
    if not all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters()):
        raise ConfigError(
            "training diverged: the weights are no longer finite",
            where="training.learning_rate, training.gradient_clip",
            remedy="lower the learning rate, or look for labels that are far from all others",
        )


def _first_network(data: TrainingData, config: GraphNetConfig, *, seed: int) -> GraphNet:
    network = build_network(
        config,
        d_atom=data.graphs.atom_rows.shape[1],
        d_bond=data.graphs.bond_rows.shape[1],
        n_targets=data.labels.values.shape[1],
    )
    initialize(network, torch.Generator().manual_seed(seed))
    if data.encoder is not None:
        network.encoder.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in data.encoder.items()})
    return network


def _groups(network: GraphNet, training: TrainingConfig, *, pretrained: bool) -> list[dict[str, Any]]:
    """Parameters with the share of the learning rate that they take."""
    if not pretrained or training.encoder_rate == 1:
        return [{"params": list(network.parameters()), "share": 1.0}]
    encoder = list(network.encoder.parameters())
    known = set(map(id, encoder))
    rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
    return [{"params": rest, "share": 1.0}, {"params": encoder, "share": training.encoder_rate}]
