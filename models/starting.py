"""Where the weights of an encoder start: drawn at random, or from a pretrained encoder."""

from __future__ import annotations

from typing import Final

from cinchona.errors import ConfigError
from cinchona.models.config import GraphNetConfig
from cinchona.models.pretraining.encoder_file import Encoder, open_encoder

NONE: Final = "none"
"""Start from random weights."""
_SHAPE: Final = ("architecture", "hidden", "depth", "heads")


def starting_encoder(place: str, network: GraphNetConfig) -> Encoder | None:
    """The encoder that settings name; None for random weights.

    Args:
        place: ``none``, ``default``, or a folder that ``cinchona pretrain`` wrote.
        network: Shape of the network that is to start from it.

    Raises:
        ModelFileError: if there is no such encoder, or it is damaged.
        ConfigError: if its shape is another.
    """
    if place == NONE:
        return None
    encoder = open_encoder(place)
    if wrong := unlike(encoder.network, network):
        name = wrong[0]
        raise ConfigError(
            f"the pretrained encoder has {name} {getattr(encoder.network, name)}, the network {getattr(network, name)}",
            where=f"network.{name}", expected=f"network.{name}={getattr(encoder.network, name)}",
            remedy="leave these settings to the encoder, or pretrain one of the wanted shape: cinchona pretrain",
        )  # fmt: skip
    return encoder


def unlike(encoder: GraphNetConfig, network: GraphNetConfig) -> list[str]:
    """Settings in which two encoders' shapes differ."""
    counted = [name for name in _SHAPE if name != "heads" or encoder.architecture in {"gatv2", "gps"}]
    return [name for name in counted if getattr(encoder, name) != getattr(network, name)]


__all__ = ["NONE", "starting_encoder", "unlike"]
