"""Scorers whose molecule vector is a plain sum over atoms, as needed to score products without building them.

Up to the first layer of the head everything is linear in that sum, so the layer can be applied to parts of molecules; what
follows is a few more products and the way to natural units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cinchona.models.engine.additive_block import AdditiveBlock
from cinchona.models.engine.directed import CodedGraphs
from cinchona.models.engine.gemm import Gemm
from cinchona.models.engine.graphs import FeatureRows
from cinchona.models.engine.partial import DirectedEncoders
from cinchona.models.trusting import Trust
from cinchona.protocols import Scorer
from cinchona.records import Direction, Endpoint


@dataclass(frozen=True, slots=True, eq=False)
class AdditiveModel:
    """A scorer as sums over atoms."""

    features: FeatureRows
    """Feature schema of all networks."""
    blocks: tuple[AdditiveBlock, ...]
    """Networks that the objective needs, at least one block."""
    endpoints: tuple[Endpoint, ...]
    """All endpoints of the scorer, in order."""
    rank: Callable[[np.ndarray], np.ndarray]
    """From calibrated values in natural units (float, shape (n, t); NaN where no block answers) to the score."""

    trust: Trust = field(default_factory=Trust)
    """Calibration of the scorer."""

    @property
    def reach(self) -> int:
        """Bonds that an atom's state looks along at most."""
        return max(block.encoders.reach for block in self.blocks)

    @property
    def width(self) -> int:
        """Units of the first layers of all heads together: length of a table row."""
        return sum(block.width for block in self.blocks)

    @property
    def is_mean(self) -> bool:
        """Whether the readout is a mean over atoms; the same for all blocks."""
        return self.blocks[0].is_mean

    @property
    def bias(self) -> np.ndarray:
        """What the first layers add for each product, float32, shape (width,)."""
        return np.concatenate([m.bias for block in self.blocks for m in block.members]).astype(np.float32)

    @property
    def states_width(self) -> int:
        """Length of an atom's state in all networks together."""
        return sum(block.encoders.width for block in self.blocks)

    def rows(self, graphs: CodedGraphs, atoms: np.ndarray, multiply: Gemm) -> np.ndarray:
        """What ``atoms`` (int, shape (a,)) contribute to the first layers of all heads, float32, shape (a, width)."""
        states = [block.encoders.states(graphs, atoms, multiply) for block in self.blocks]
        return self.rows_of(np.concatenate(states, axis=1), multiply)

    @property
    def is_one_way(self) -> bool:
        """Whether the last ReLU takes a sum over neighbours none of which knows the atom; then :meth:`inputs` gives it."""
        return all(isinstance(block.encoders, DirectedEncoders) for block in self.blocks)

    def inputs(self, graphs: CodedGraphs, atoms: np.ndarray, multiply: Gemm) -> np.ndarray:
        """What the last ReLU of all encoders takes for ``atoms``, float32, shape (a, states_width)."""
        encoders = [block.encoders for block in self.blocks]
        return np.concatenate(
            [e.inputs(graphs, atoms, multiply) for e in encoders if isinstance(e, DirectedEncoders)], axis=1
        )

    def rows_of(self, states: np.ndarray, multiply: Gemm) -> np.ndarray:
        """What atoms in these states (float32, shape (a, states_width)) contribute, float32, shape (a, width)."""
        at, parts = 0, []
        for member in (m for block in self.blocks for m in block.members):
            width = len(member.weight)
            parts.append(multiply(np.ascontiguousarray(states[:, at : at + width]), member.weight))
            at += width
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def outputs(self, first: np.ndarray, multiply: Gemm) -> list[np.ndarray]:
        """From sums at the first layers (float32, shape (n, width), bias included) to raw outputs.

        Returns:
            For each block float32, shape (members, n, t).
        """
        at, raw = 0, []
        for block in self.blocks:
            outs = []
            for member in block.members:
                width = len(member.bias)
                outs.append(_behind_first(first[:, at : at + width], member.layers, multiply))
                at += width
            raw.append(np.stack(outs))
        return raw

    def scores(self, first: np.ndarray, multiply: Gemm) -> np.ndarray:
        """From sums at the first layers to scores, float32, shape (n,); as the scorer itself gives them."""
        value = np.full((len(first), len(self.endpoints)), np.nan)
        position = {e.name: k for k, e in enumerate(self.endpoints)}
        for block, raw in zip(self.blocks, self.outputs(first, multiply), strict=True):
            wide = raw * block.scale[:, None, :] + block.mean[:, None, :]
            logistic = 0.5 * (1.0 + np.tanh(0.5 * raw.astype(np.float64)))
            natural = np.where(np.array(block.is_class), logistic, wide).mean(axis=0)
            value[:, [position[name] for name in block.endpoints]] = natural
        return np.asarray(self.rank(self.trust.calibrated(value).astype(np.float32)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class QuickHead:
    """A score that is a sum over members of a number behind one hidden layer, the shape that a compiled loop can follow."""

    weight: np.ndarray
    """Weight of each hidden unit, float32, shape (width,)."""
    segment: np.ndarray
    """First hidden unit of each member and the end, int64, shape (members + 1,)."""
    bias: np.ndarray
    """Summand of each member, float32, shape (members,)."""
    factor: np.ndarray
    """Factor of each member in the score, float32, shape (members,)."""
    constant: float
    """Summand of the score."""
    logistic: bool
    """Whether the number of each member goes through the logistic function first."""


def quick_head(model: AdditiveModel, objective: str) -> QuickHead | None:
    """The compiled form of a score that is one endpoint or its negative; None where there is none.

    Args:
        model: The scorer as sums.
        objective: What ranks; an endpoint's name, with ``-`` in front if low is good.
    """
    sign, name = (-1.0, objective[1:]) if objective.startswith("-") else (1.0, objective)
    found = [block for block in model.blocks if name in block.endpoints]
    if len(model.blocks) != 1 or len(found) != 1 or any(len(m.layers) != 1 for m in found[0].members):
        return None
    block = found[0]
    k, count = block.endpoints.index(name), len(block.members)
    if block.is_class[k] and model.trust.conformal is not None:  # a calibrated probability is no sum over members
        return None
    widths = [len(m.bias) for m in block.members]
    scale = np.ones(count) if block.is_class[k] else block.scale[:, k]
    constant = 0.0 if block.is_class[k] else sign * float(block.mean[:, k].mean())
    return QuickHead(
        weight=np.concatenate([m.layers[0][0][:, k] for m in block.members]).astype(np.float32),
        segment=np.concatenate([[0], np.cumsum(widths)]).astype(np.int64),
        bias=np.array([m.layers[0][1][k] for m in block.members], np.float32),
        factor=(sign * scale / count).astype(np.float32),
        constant=constant,
        logistic=block.is_class[k],
    )


def additive_form(scorer: Scorer) -> AdditiveModel | str:
    """The scorer as sums over atoms, or why it is none."""
    inner: Any = getattr(scorer, "inner", scorer)
    blocks_of = getattr(inner, "additive_blocks", None)
    if blocks_of is None:
        return f"{inner.name} is no graph network with a sum or mean readout"
    rows_of, blocks = blocks_of()
    if isinstance(blocks, str):
        return blocks
    chosen = getattr(scorer, "chosen", None)
    first = inner.endpoints[0]
    needed = {first.name} if chosen is None else set(chosen.names)
    kept = tuple(block for block in blocks if needed & set(block.endpoints))
    if len({block.is_mean for block in kept}) > 1:
        return "some of its networks take a mean over atoms and others a sum"
    rank = _first_endpoint(first) if chosen is None else chosen.score
    return AdditiveModel(rows_of, kept, tuple(inner.endpoints), rank, getattr(inner, "trust", Trust()))


def _first_endpoint(first: Endpoint) -> Callable[[np.ndarray], np.ndarray]:
    sign = np.float32(1.0 if first.direction is Direction.HIGHER else -1.0)
    return lambda value: np.asarray(sign * value[:, 0], np.float32)


def _behind_first(first: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]], multiply: Gemm) -> np.ndarray:
    state = first
    for weight, bias in layers:
        state = multiply(np.maximum(state, np.float32(0.0)), weight) + bias
    return state


__all__ = ["AdditiveModel", "QuickHead", "additive_form", "quick_head"]
