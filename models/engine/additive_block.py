"""Networks behind a sum over atoms: what the engine's networks look like to those who put molecules together from parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.inference import EngineNetwork
from cinchona.models.engine.partial import DirectedEncoders, Encoders


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One network behind its encoder."""

    weight: np.ndarray
    """From the sum of atom states (divided by the number of atoms for a mean readout) to the first layer of the head, float32,
    shape (d, width): the readout's constant and the factor of a normalization are in it."""
    bias: np.ndarray
    """What the first layer adds, a normalization's summand included, float32, shape (width,)."""
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Further layers of the head as (weight (d_in, d_out), bias (d_out,)), ReLU before each."""


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveBlock:
    """Networks of one shape that answer for the same endpoints."""

    encoders: Encoders
    """Their encoders, member after member."""
    members: tuple[Member, ...]
    """Their heads."""
    endpoints: tuple[str, ...]
    """What they predict."""
    is_class: tuple[bool, ...]
    """Whether each endpoint is a probability, of which the outputs are logits."""
    scale: np.ndarray
    """Factor from outputs to natural units, float64, shape (members, t)."""
    mean: np.ndarray
    """Summand from outputs to natural units, float64, shape (members, t)."""
    is_mean: bool
    """Whether the readout is a mean over atoms."""

    @property
    def width(self) -> int:
        """Units of the first layers of all heads together."""
        return sum(len(m.bias) for m in self.members)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What networks predict, and how their outputs become natural units."""

    endpoints: tuple[str, ...]
    """Names, in the order of the outputs."""
    is_class: tuple[bool, ...]
    """Whether each is a probability."""
    scale: np.ndarray
    """Factor to natural units, float64, shape (members, t)."""
    mean: np.ndarray
    """Summand to natural units, float64, shape (members, t)."""


Head = tuple[tuple[np.ndarray, np.ndarray], ...]
"""Layers as (weight (d_in, d_out), bias (d_out,))."""
Affine = tuple[np.ndarray, np.ndarray]
"""Factor and summand of a normalization, float32, shape (d,)."""


def additive_block(
    encoders: Encoders, heads: Sequence[tuple[Head, Affine | None]], config: GraphNetConfig, answers: Answers
) -> AdditiveBlock:
    """Networks as a block.

    Args:
        encoders: Their encoders.
        heads: The head of each, and a normalization before it.
        config: Their shape; the readout counts.
        answers: What they predict.
    """
    constant = np.float32(1.0 / config.norm if config.readout == "norm" else 1.0)
    members = tuple(_member(head, affine, constant) for head, affine in heads)
    return AdditiveBlock(
        encoders, members, answers.endpoints, answers.is_class, answers.scale, answers.mean, config.readout == "mean"
    )


def directed_block(networks: Sequence[EngineNetwork], config: GraphNetConfig, answers: Answers) -> AdditiveBlock:
    """Directed message-passing networks, none of which takes descriptors, as a block; arguments as above."""
    encoders = DirectedEncoders([network.encoder for network in networks], config.depth)
    return additive_block(encoders, [(network.head, network.affine) for network in networks], config, answers)


def _member(head: Head, affine: Affine | None, constant: np.float32) -> Member:
    weight, bias = head[0]
    if affine is None:
        return Member(constant * weight, bias, head[1:])
    scaled = np.ascontiguousarray((constant * affine[0])[:, None] * weight, np.float32)
    return Member(scaled, np.asarray(affine[1] @ weight + bias, np.float32), head[1:])


__all__ = ["AdditiveBlock", "Answers", "Member", "additive_block", "directed_block"]
