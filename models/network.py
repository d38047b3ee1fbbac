"""The graph network: an encoder, a readout and a head put together."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cinchona.models.batching import GraphBatch
from cinchona.models.config import GraphNetConfig
from cinchona.models.heads import FeedForwardHead
from cinchona.models.message_passing import DirectedMessagePassing
from cinchona.models.readout import SumReadout, build_readout


class GraphNet(nn.Module):
    """``head(readout(encoder(batch)))``.

    Args:
        encoder: Graph to atom states.
        readout: Atom states to one vector a molecule.
        head: Vector to outputs.

    Shapes: a batch of b molecules to raw outputs, float32, (b, t).
    """

    def __init__(self, *, encoder: DirectedMessagePassing, readout: SumReadout, head: FeedForwardHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.head = head

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, hidden)."""
        vectors: Tensor = self.readout(self.encoder(batch), batch)
        return vectors

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return raw outputs, float32, shape (b, t): scaled values or logits."""
        out: Tensor = self.head(self.embed(batch))
        return out


def build_network(config: GraphNetConfig, *, d_atom: int, d_bond: int, n_targets: int) -> GraphNet:
    """Compose the network that ``config`` describes; its weights are undefined until drawn or loaded.

    Building on torch's meta device draws no weights, so the global random state is neither read nor moved.
    """
    with torch.device("meta"):
        encoder = DirectedMessagePassing(
            d_atom, d_bond, hidden=config.hidden, depth=config.depth, dropout=config.dropout
        )
        head = FeedForwardHead(
            config.hidden, n_targets, hidden=config.head_hidden, layers=config.head_layers, dropout=config.dropout
        )
        network = GraphNet(encoder=encoder, readout=build_readout(config), head=head)
    return network.to_empty(device="cpu")


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights from ``generator``: Glorot normal for matrices, zero for biases.

    References:
        Glorot and Bengio, AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.zero_()
            else:
                fan_out, fan_in = parameter.shape
                parameter.normal_(0.0, math.sqrt(2.0 / (fan_in + fan_out)), generator=generator)
