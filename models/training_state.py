"""Everything that a training loop carries from one epoch to the next, and its file.

The file is one safetensors file: tensors hold weights, optimizer moments and the state of torch's generator, the
metadata holds the rest as JSON. It is replaced atomically after each epoch, so a killed training resumes from the last
finished epoch and ends with the same weights to the bit.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cinchona.files import write_bytes
from cinchona.models.cross_stopping import CrossStopping

_STATE_VERSION = 2


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Figures of one epoch of one network."""

    member: int
    """Network, from 0."""
    epoch: int
    """Epoch, from 0."""
    train_loss: float
    """Mean loss over the batches, measured while the weights moved."""
    valid_loss: float
    """Loss on the validation part after the epoch; NaN without one."""
    learning_rate: float
    """Learning rate of the last step."""


@dataclass(slots=True)
class TrainingState:
    """A network in training."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    order: np.random.Generator
    """Draws the order of the compounds."""
    noise: torch.Generator
    """Draws what dropout drops."""
    history: list[EpochRecord] = field(default_factory=list)
    """Finished epochs."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the epoch with the lowest validation loss."""
    best_loss: float = math.inf
    """Its loss."""
    best_epoch: int = -1
    """Its epoch; -1 before the first."""
    seconds: float = 0.0
    """Time spent so far."""
    finished: bool = False
    """Whether training is over."""
    crossed: CrossStopping | None = None
    """What is kept of the left-out compounds, if that is wanted."""

    def keep_if_better(self, loss: float) -> None:
        """Remember the present weights if ``loss`` is the lowest so far, or if there is no validation part (NaN)."""
        if math.isnan(loss) or loss < self.best_loss or not self.best:
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
            self.best_loss = loss
            self.best_epoch = len(self.history)

    def save(self, path: Path, *, key: str) -> None:
        """Write the state; ``key`` says which data, settings and seed it belongs to."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for position, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{position}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors["noise"] = self.noise.get_state()
        tensors |= {} if self.crossed is None else self.crossed.tensors()
        said = {
            "version": _STATE_VERSION,
            "key": key,
            "order": self.order.bit_generator.state,
            "history": [asdict(record) for record in self.history],
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "finished": self.finished,
        }
        write_bytes(path, save({name: t.contiguous() for name, t in tensors.items()}, {"state": json.dumps(said)}))

    def restore(self, path: Path, *, key: str) -> bool:
        """Continue from ``path``; False, with nothing changed, if there is no readable state with this ``key``."""
        found = _read(path)
        if found is None or found[0].get("version") != _STATE_VERSION or found[0].get("key") != key:
            return False
        said, tensors = found
        self.network.load_state_dict(_under("network.", tensors))
        self._restore_optimizer(_under("optimizer.", tensors))
        self.best = _under("best.", tensors)
        if self.crossed is not None:
            self.crossed.restore(**_under("crossed.", tensors))
        self.noise.set_state(tensors["noise"])
        self.order.bit_generator.state = said["order"]
        self.history = [EpochRecord(**record) for record in said["history"]]
        self.best_loss, self.best_epoch = said["best_loss"], said["best_epoch"]
        self.seconds, self.finished = said["seconds"], said["finished"]
        return True

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            position, _, moment = name.partition(".")
            state.setdefault(int(position), {})[moment] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    try:
        with safe_open(str(path), framework="pt") as file:
            said = json.loads((file.metadata() or {}).get("state", "{}"))
            return said, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, ValueError):
        return None


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
