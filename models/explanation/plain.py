r"""A directed message-passing network as plain functions of torch, cut where its answer stops growing with its input.

Neither W_i nor W_h has a bias, and ReLU keeps factors above 0. So what flows into the last layer of the atoms grows with the
features as a whole: :math:`z(\alpha x) = \alpha z(x)`, along the whole way that integrated gradients take. It is computed
once, and its gradients are taken back once for all points; only what comes after is computed at each.

Nothing here needs torch_geometric, or the compiler that torch imports when algorithms are made deterministic. Together they take
as long to import as a thousand hits to explain. Sums run in one thread, so in one order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from cinchona.models.batching import GraphBatch, Step
from cinchona.models.config import GraphNetConfig
from cinchona.models.serving import ENGINE_READOUTS


@dataclass(frozen=True, slots=True)
class PlainNetwork:
    """A :class:`~cinchona.models.network.GraphNet` of directed messages at rest, from its weights alone."""

    config: GraphNetConfig
    """Its shape, one that :func:`is_plain`."""
    weights: Mapping[str, Tensor]
    """Its parameters by name."""

    @classmethod
    def of(cls, config: GraphNetConfig, weights: Mapping[str, np.ndarray]) -> Self:
        """A network of ``config`` with copies of ``weights``, named as in its state dict."""
        return cls(config, {name: torch.from_numpy(np.array(array, np.float32)) for name, array in weights.items()})

    def __call__(self, batch: GraphBatch) -> Tensor:
        """Raw outputs for b molecules, float32, shape (b, t)."""
        return self.answer(self.inputs(batch), batch)

    def inputs(self, batch: GraphBatch) -> Tensor:
        """What the last layer of u distinct atoms takes, without its bias, float32, shape (u, hidden).

        See :class:`~cinchona.models.message_passing.DirectedMessagePassing` for the formulas. Gradients reach the feature rows.
        """
        program, d_atom = batch.program, batch.atom_rows.shape[1]
        assert program is not None, "a batch without messages"
        w_i, w_h, w_o = (self.weights[f"encoder.W_{k}.weight"] for k in "iho")
        by_atom, by_bond = F.linear(batch.atom_rows, w_i[:, :d_atom]), F.linear(batch.bond_rows, w_i[:, d_atom:])
        start = by_atom.index_select(0, program.start[0]) + by_bond.index_select(0, program.start[1])
        states = torch.relu(start)
        for step in program.steps:
            states = torch.relu(start.index_select(0, step.origin) + F.linear(_gathered(states, step), w_h))
        own = F.linear(batch.atom_rows, w_o[:, :d_atom]).index_select(0, program.finish.origin)
        return own + F.linear(_gathered(states, program.finish), w_o[:, d_atom:])

    def answer(self, inputs: Tensor, batch: GraphBatch) -> Tensor:
        """Raw outputs, float32, shape (b, t), from the ``inputs`` of the last layer of the atoms."""
        assert batch.program is not None, "a batch without messages"
        states = torch.relu(inputs + self.weights["encoder.W_o.bias"]).index_select(0, batch.program.atom)
        pooled = states.new_zeros(len(batch), states.shape[1]).index_add(0, batch.molecule, states)
        if self.config.readout == "mean":
            pooled = pooled / batch.sizes.clamp(min=1)
        elif self.config.readout == "norm":
            pooled = pooled / self.config.norm
        return self._head(pooled)

    def _head(self, vectors: Tensor) -> Tensor:
        layers = sorted(int(n.split(".")[1]) for n in self.weights if n.startswith("head.") and n.endswith(".weight"))
        for layer in layers:
            vectors = torch.relu(vectors) if layer else vectors
            vectors = F.linear(vectors, self.weights[f"head.{layer}.weight"], self.weights[f"head.{layer}.bias"])
        return vectors


def is_plain(config: GraphNetConfig) -> bool:
    """Whether :class:`PlainNetwork` computes networks of this shape."""
    return config.architecture == "dmpnn" and config.readout in ENGINE_READOUTS and not config.features


def _gathered(states: Tensor, step: Step) -> Tensor:
    sender, receiver = step.links
    sums = states.new_zeros(len(step.origin), states.shape[1])
    return sums.index_add(0, receiver, states.index_select(0, sender))


__all__ = ["PlainNetwork", "is_plain"]
