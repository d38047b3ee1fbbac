"""The loop of pretraining: block after block, saved after each, so that a killed run loses at most one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.errors import ConfigError
from cinchona.models.batching import GraphSet, shuffled
from cinchona.models.config import GraphNetConfig, PretrainingConfig
from cinchona.models.dropout import seed_dropout
from cinchona.models.losses import Labels
from cinchona.models.network import GraphNet, build_network, initialize
from cinchona.models.pretraining.blocks import Block
from cinchona.models.pretraining.targets import PretrainTargets, explained
from cinchona.models.schedule import rate_at
from cinchona.models.threads import one_torch_thread
from cinchona.models.training_state import EpochRecord, TrainingState
from cinchona.seeds import derive, rng

_VALID_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files of blocks."""

    train: tuple[Path, ...]
    """Blocks to learn from, at least one."""
    sizes: tuple[int, ...]
    """Molecules in each."""
    valid: Path
    """Block to measure on."""


class Pretrainer:
    """Trains one network on the blocks of a corpus.

    What it ends with depends on corpus, settings and seed alone, however often it was killed.

    Args:
        corpus: Blocks.
        network: Shape of the network; its head predicts the targets and is thrown away.
        config: How it learns.
        seed: Seed of first weights and orders.
        state: File that keeps the state after each block.
        key: Digest of everything that decides the result; a file with another key is ignored.
    """

    def __init__(
        self, corpus: Corpus, *, network: GraphNetConfig, config: PretrainingConfig, seed: int, state: Path, key: str
    ) -> None:
        self._corpus, self._network, self._config, self._seed = corpus, network, config, seed
        self._path, self._key = state, key
        self._targets = PretrainTargets.fit(Block.load(corpus.train[0]))
        self._loss = self._targets.loss(config.fingerprint_weight)
        self._net = build_network(network, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=len(self._targets))
        initialize(self._net, torch.Generator().manual_seed(derive(seed, "weights")))
        noise = torch.Generator().manual_seed(derive(seed, "dropout"))
        seed_dropout(self._net, noise)
        optimizer = torch.optim.AdamW(self._net.parameters(), lr=config.learning_rate, weight_decay=0.0)
        self._state = TrainingState(self._net, optimizer, rng(seed, "unused"), noise)
        steps = [max(1, math.ceil(size / config.batch_size)) for size in corpus.sizes]
        self._starts = _starts(self._orders(), steps)
        self._stop = min(config.stop_epoch or config.epochs, config.epochs) * len(corpus.train)

    @property
    def corpus(self) -> Corpus:
        """What it learns from."""
        return self._corpus

    @property
    def targets(self) -> PretrainTargets:
        """What is predicted."""
        return self._targets

    @property
    def history(self) -> list[EpochRecord]:
        """One record a block of each epoch."""
        return self._state.history

    def run(self, on_block: Callable[[EpochRecord, int], None]) -> GraphNet:
        """Go on from the saved state to the end, or to the epoch to stop after.

        Args:
            on_block: Told of every block with the molecules in it, also of those that an earlier run had finished.

        Raises:
            ConfigError: if the training diverges, or an earlier run came further than this one is to go.
            RetryableError: if the disk is full or failing.
        """
        state, orders = self._state, self._orders()
        state.restore(self._path, key=self._key)
        if len(state.history) > self._stop:
            raise ConfigError(
                "an earlier run has passed the epoch to stop after", where="pretraining.stop_epoch",
                expected=f"{-(-len(state.history) // len(self._corpus.train))} or more",
                remedy=f"ask for more, or remove {self._path.name} beside the blocks",
            )  # fmt: skip
        for record in state.history:
            on_block(record, self._corpus.sizes[orders[record.epoch]])
        with one_torch_thread():
            while len(state.history) < self._stop:
                record = self._block(orders)
                on_block(record, self._corpus.sizes[orders[record.epoch]])
        return self._net.eval()

    def _block(self, orders: Sequence[int]) -> EpochRecord:
        """Learn from the next block and save."""
        began, number = time.monotonic(), len(self._state.history)
        block = Block.load(self._corpus.train[orders[number]])
        graphs, labels = (
            GraphSet.of_codes(block.molecules, depth=self._network.program_depth),
            self._targets.labels(block),
        )
        self._net.train()
        total, step = 0.0, self._starts[number]
        for rows in shuffled(len(block), self._config.batch_size, rng=rng(self._seed, "order", number)):
            total += self._step(graphs, labels.at(torch.from_numpy(rows)), rows, step) * len(rows)
            step += 1
        epoch_ends = (number + 1) % len(self._corpus.train) == 0
        valid = self.measure()[0] if epoch_ends else math.nan
        record = EpochRecord(0, number, total / len(block), valid, self._rate(step - 1))
        if not math.isfinite(record.train_loss):
            raise ConfigError(
                "pretraining diverged: the loss is no longer finite", where="pretraining.learning_rate",
                remedy="lower the learning rate",
            )  # fmt: skip
        self._state.history.append(record)
        self._state.seconds += time.monotonic() - began
        self._state.finished = len(self._state.history) == len(orders)
        self._state.save(self._path, key=self._key)
        return record

    def _step(self, graphs: GraphSet, labels: Labels, rows: np.ndarray, step: int) -> float:
        optimizer = self._state.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self._rate(step)
        loss = self._loss(self._net(graphs.batch(rows)), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._net.parameters(), self._config.gradient_clip)
        optimizer.step()
        return float(loss.detach())

    def measure(self) -> tuple[float, np.ndarray]:
        """Loss on the block kept apart, and the share of the variance of each target that is predicted, shape (t,)."""
        block = Block.load(self._corpus.valid)
        graphs, labels = (
            GraphSet.of_codes(block.molecules, depth=self._network.program_depth),
            self._targets.labels(block),
        )
        self._net.eval()
        with torch.no_grad():
            parts = [np.arange(k, min(k + _VALID_BATCH, len(block))) for k in range(0, len(block), _VALID_BATCH)]
            raw = torch.cat([self._net(graphs.batch(part)) for part in parts])
            loss = float(self._loss(raw, labels))
        predicted = raw.numpy().astype(np.float64)
        k = len(self._targets.columns)
        predicted[:, k:] = 0.5 * (1 + np.tanh(0.5 * predicted[:, k:]))
        return loss, explained(predicted, labels.values.numpy().astype(np.float64))

    def _rate(self, step: int) -> float:
        return rate_at(step, self._starts[-1], self._config)

    def _orders(self) -> list[int]:
        """Blocks of all epochs, each epoch in an order of its own."""
        n = len(self._corpus.train)
        orders = [rng(self._seed, "blocks", epoch).permutation(n) for epoch in range(self._config.epochs)]
        return [int(block) for order in orders for block in order]


def _starts(orders: Sequence[int], steps: Sequence[int]) -> list[int]:
    """First optimization step of each block in order, and the end."""
    return [0, *np.cumsum([steps[block] for block in orders]).tolist()]


__all__ = ["Corpus", "Pretrainer"]
