"""States of chosen atoms only, so that a molecule's vector can be put together from parts that repeat.

The sum of atom states that the readout takes is a sum over atoms, and the state of an atom depends on nothing farther away
than the network's reach. A caller that knows which atoms are alike asks for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from cinchona.models.engine.atom_centred import GinLayer, gin_states, plan_gin
from cinchona.models.engine.directed import (
    CodedGraphs,
    DirectedWeights,
    MessagePlan,
    atom_inputs,
    atom_states,
    plan_messages,
)
from cinchona.models.engine.gemm import Gemm


class Encoders(Protocol):
    """Networks of one depth that read the same graphs."""

    @property
    def reach(self) -> int:
        """Bonds that an atom's state looks along."""

    @property
    def width(self) -> int:
        """Length of an atom's state in all networks together."""

    def states(self, graphs: CodedGraphs, atoms: np.ndarray, multiply: Gemm) -> np.ndarray:
        """Final states of ``atoms`` (int, shape (a,)), float32, shape (a, width), network after network."""


class DirectedEncoders:
    """Directed message-passing networks of one depth.

    Args:
        networks: Their weights.
        depth: Their number of bond states.
    """

    def __init__(self, networks: Sequence[DirectedWeights], depth: int) -> None:
        self.networks, self.reach = tuple(networks), depth
        self.width = sum(len(weights.b_o) for weights in networks)

    def states(self, graphs: CodedGraphs, atoms: np.ndarray, multiply: Gemm) -> np.ndarray:
        """Final states of ``atoms``; equal surroundings are looked for once for all networks."""
        plan, chosen = _narrowed(plan_messages(graphs, self.reach), atoms)
        return np.concatenate([atom_states(graphs, plan, w, multiply)[chosen] for w in self.networks], axis=1)

    def inputs(self, graphs: CodedGraphs, atoms: np.ndarray, multiply: Gemm) -> np.ndarray:
        """What the last ReLU takes for ``atoms``, float32, shape (a, width).

        It is a sum over neighbours none of which knows the atom, because no message returns the way it came.
        """
        plan, chosen = _narrowed(plan_messages(graphs, self.reach), atoms)
        return np.concatenate([atom_inputs(graphs, plan, w, multiply)[chosen] for w in self.networks], axis=1)


class AtomCentredEncoders:
    """GIN and GINE networks with as many layers.

    Args:
        networks: Layers of each.
        embeds: Weight (d_atom, d_in) and bias (d_in,) of the first states of each; None where the features are the states.
    """

    def __init__(
        self, networks: Sequence[Sequence[GinLayer]], embeds: Sequence[tuple[np.ndarray, np.ndarray]] | None = None
    ) -> None:
        self.networks = tuple(tuple(layers) for layers in networks)
        self.embeds = tuple(embeds) if embeds is not None else (None,) * len(self.networks)
        self.reach = len(self.networks[0])
        self.width = sum(len(layers[-1].b_2) for layers in self.networks)

    def states(self, graphs: CodedGraphs, atoms: np.ndarray, multiply: Gemm) -> np.ndarray:
        """Final states of ``atoms``; equal surroundings are looked for once for all networks."""
        plan = plan_gin(graphs, self.reach)
        groups = plan.levels[-1].ids[atoms]
        found = []
        for layers, embed in zip(self.networks, self.embeds, strict=True):
            rows = np.ascontiguousarray(graphs.atom_rows, np.float32)
            first = None if embed is None else multiply(rows, embed[0]) + embed[1]
            found.append(gin_states(graphs, plan, layers, multiply, first=first)[groups])
        return np.concatenate(found, axis=1)


def _narrowed(plan: MessagePlan, atoms: np.ndarray) -> tuple[MessagePlan, np.ndarray]:
    """The plan with only those atom groups that ``atoms`` belong to, and the new group of each of them."""
    used, chosen = np.unique(plan.atoms.ids[atoms], return_inverse=True)
    return plan.only(used), chosen


__all__ = ["AtomCentredEncoders", "DirectedEncoders", "Encoders"]
