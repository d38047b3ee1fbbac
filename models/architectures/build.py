"""The encoder that settings name."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from cinchona.models.architectures.attentive_fp import AttentiveEncoder
from cinchona.models.architectures.gatv2 import DynamicAttentionEncoder
from cinchona.models.architectures.gin import IsomorphismEncoder
from cinchona.models.architectures.gps import GraphTransformerEncoder
from cinchona.models.architectures.pna import PrincipalEncoder
from cinchona.models.batching import GraphBatch
from cinchona.models.config import GraphNetConfig
from cinchona.models.message_passing import DirectedMessagePassing


class Encoder(Protocol):
    """From the graphs of a batch to atom states."""

    d_out: int
    """Width of the atom states."""

    def __call__(self, batch: GraphBatch) -> Tensor:
        """Return atom states, float32, shape (V, d_out)."""


def build_encoder(config: GraphNetConfig, *, d_atom: int, d_bond: int) -> nn.Module:
    """Build the encoder of ``config``; its weights are those of torch.

    Raises:
        ConfigError: if the width does not divide among the heads.
    """
    hidden, depth, dropout = config.hidden, config.depth, config.dropout
    match config.architecture:
        case "gin" | "gine":
            bonds = config.architecture == "gine"
            return IsomorphismEncoder(d_atom, d_bond, hidden=hidden, depth=depth, dropout=dropout, bonds=bonds)
        case "attentivefp":
            return AttentiveEncoder(d_atom, d_bond, hidden=hidden, depth=depth, dropout=dropout)
        case "pna":
            return PrincipalEncoder(d_atom, d_bond, hidden=hidden, depth=depth, dropout=dropout)
        case "gatv2" | "gps":
            made = DynamicAttentionEncoder if config.architecture == "gatv2" else GraphTransformerEncoder
            return made(d_atom, d_bond, hidden=hidden, depth=depth, dropout=dropout, heads=config.heads)
        case "dmpnn":
            return DirectedMessagePassing(d_atom, d_bond, hidden=hidden, depth=depth, dropout=dropout)


__all__ = ["Encoder", "build_encoder"]
