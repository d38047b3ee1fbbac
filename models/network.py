"""The graph network: an encoder, a readout and a head put together."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cinchona.errors import ShapeError
from cinchona.models.architectures.build import build_encoder
from cinchona.models.batching import GraphBatch
from cinchona.models.config import GraphNetConfig
from cinchona.models.heads import FeedForwardHead
from cinchona.models.molecule_features import feature_width
from cinchona.models.readout import build_readout
from cinchona.models.uncertainty.kinds import outputs_of


class GraphNet(nn.Module):
    r"""``head(readout(encoder(batch)) || batch.extra)``.

    Args:
        encoder: Graph to atom states.
        readout: Atom states to one vector a molecule.
        head: Vector to outputs.
        d_extra: Features of whole molecules that join the vector (:attr:`~cinchona.models.batching.GraphBatch.extra`).

    Shapes: a batch of b molecules to raw outputs, float32, (b, t).
    """

    def __init__(self, *, encoder: nn.Module, readout: nn.Module, head: FeedForwardHead, d_extra: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.head = head
        self.d_extra = d_extra

    def embed(self, batch: GraphBatch) -> Tensor:
        """Return molecule vectors, float32, shape (b, hidden)."""
        vectors: Tensor = self.readout(self.encoder(batch), batch)
        return vectors

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return raw outputs, float32, shape (b, t): scaled values or logits.

        Raises:
            ShapeError: if the batch does not carry the features that the head joins.
        """
        vectors = self.embed(batch)
        found = 0 if batch.extra is None else batch.extra.shape[1]
        if found != self.d_extra:
            raise ShapeError.of("batch.extra", (len(batch), found), f"(b, {self.d_extra})")
        out: Tensor = self.head(vectors if batch.extra is None else torch.cat([vectors, batch.extra], dim=1))
        return out


def build_network(config: GraphNetConfig, *, d_atom: int, d_bond: int, n_targets: int) -> GraphNet:
    """Compose the network that ``config`` describes; its weights are undefined until drawn or loaded.

    Building on torch's meta device draws no weights, so the global random state is neither read nor moved.

    Raises:
        ConfigError: if the settings do not fit together.
    """
    d_extra = feature_width(config.features)
    with torch.device("meta"):
        encoder = build_encoder(config, d_atom=d_atom, d_bond=d_bond)
        head = FeedForwardHead(
            config.hidden + d_extra, outputs_of(config, n_targets), hidden=config.head_hidden, layers=config.head_layers,
            dropout=config.dropout,
        )  # fmt: skip
        network = GraphNet(encoder=encoder, readout=build_readout(config), head=head, d_extra=d_extra)
    return network.to_empty(device="cpu")


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights from ``generator``: Glorot normal for matrices, zero for biases, one for factors of normalization.

    References:
        Glorot and Bengio, AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """
    factors = set(map(id, _factors(network)))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.fill_(float(id(parameter) in factors))
            else:
                fan_out, fan_in = parameter.shape
                parameter.normal_(0.0, math.sqrt(2.0 / (fan_in + fan_out)), generator=generator)


def _factors(network: nn.Module) -> Iterator[nn.Parameter]:
    return (module.weight for module in network.modules() if isinstance(module, nn.LayerNorm))
