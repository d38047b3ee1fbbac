"""Outputs of whole graph networks through the engine: one plan for all members of an ensemble and all targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.graphcodes import GraphCodes
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.directed import CodedGraphs, DirectedWeights, MessagePlan, encode, plan_messages
from cinchona.models.engine.gemm import Gemm
from cinchona.models.engine.graphs import FeatureRows, coded_graphs

if TYPE_CHECKING:
    from cinchona.models.network import GraphNet

MAX_STATES: Final = 180_000
"""Directed bonds in one pass, whatever the batch: bounds memory to a few hundred megabytes at 300 units."""


NARROW_STATES: Final = 6_000
"""The same where most environments are distinct: their states then fit the processor's cache."""
_MUCH_DISTINCT: Final = 0.5


@dataclass(frozen=True, slots=True)
class EngineNetwork:
    """A graph network as arrays for the engine."""

    encoder: DirectedWeights
    head: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Layers as (weight of shape (d_in, d_out), bias of shape (d_out,)), ReLU in between."""
    affine: tuple[np.ndarray, np.ndarray] | None = None
    """Factor and summand for the molecule vector (a batch normalization at rest), float32, shape (d_hidden,), or None."""
    extra_scale: tuple[np.ndarray, np.ndarray] | None = None
    """Mean and standard deviation by which descriptors are scaled, float32, shape (x,), or None."""

    @classmethod
    def of(cls, network: GraphNet) -> EngineNetwork:
        """Copy the weights of ``network``."""
        return cls.of_weights({name: tensor.detach().numpy() for name, tensor in network.state_dict().items()})

    @classmethod
    def of_weights(cls, weights: Mapping[str, np.ndarray]) -> EngineNetwork:
        """Copy weights under the names of :class:`~cinchona.models.network.GraphNet`, transposed for row vectors.

        Raises:
            ShapeError: if they do not fit together.
            KeyError: if one is missing.
        """
        w_i, w_h, w_o = (weights[f"encoder.W_{k}.weight"] for k in "iho")
        hidden = w_h.shape[0]
        d_atom = w_o.shape[1] - hidden
        none = np.zeros(hidden, np.float32)
        encoder = DirectedWeights(
            w_atom=transposed(w_i[:, :d_atom]),
            w_bond=transposed(w_i[:, d_atom:]),
            b_i=none,
            w_h=transposed(w_h),
            b_h=none,
            w_out_atom=transposed(w_o[:, :d_atom]),
            w_out_message=transposed(w_o[:, d_atom:]),
            b_o=np.array(weights["encoder.W_o.bias"]),
        )
        return cls(encoder, head_layers(weights))


@dataclass(frozen=True, slots=True)
class EngineBlock:
    """Networks of one shape that answer for the same targets."""

    networks: tuple[EngineNetwork, ...]
    """The members."""
    config: GraphNetConfig
    """The shape; depth and readout count."""
    extra: np.ndarray | None = None
    """Descriptors to put behind the molecule vectors, float32, shape (n, x), or None."""


def engine_outputs(  # noqa: PLR0913 - the networks, the molecules, and how
    networks: Sequence[EngineNetwork],
    molecules: CodedMolecules,
    *,
    config: GraphNetConfig,
    rows_of: FeatureRows,
    multiply: Gemm,
    extra: np.ndarray | None = None,
    vectors: np.ndarray | None = None,
) -> np.ndarray:
    """Raw outputs of every network for every molecule, float32, shape (len(networks), n, t).

    Args:
        networks: Members of an ensemble, of one shape.
        molecules: Codes of n molecules.
        config: The shape.
        rows_of: Feature schema that the networks were trained on.
        multiply: Matrix product to use.
        extra: Scaled features of whole molecules to put behind the molecule vectors, float32, shape (n, x), or None.
        vectors: Filled with the molecule vectors of the first network, float32, shape (n, hidden), or None.
    """
    block = EngineBlock(tuple(networks), config, extra)
    return block_outputs([block], molecules, rows_of=rows_of, multiply=multiply, vectors=vectors)[0]


def block_outputs(
    blocks: Sequence[EngineBlock],
    molecules: CodedMolecules,
    *,
    rows_of: FeatureRows,
    multiply: Gemm,
    vectors: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Raw outputs of several blocks; equal environments are looked for once for all networks of one depth.

    Args:
        blocks: Networks on one feature schema.
        molecules: Codes of n molecules.
        rows_of: Feature schema that they were trained on.
        multiply: Matrix product to use.
        vectors: Filled with the molecule vectors of the first network, float32, shape (n, hidden), or None.

    Returns:
        For each block float32, shape (networks, n, t).
    """
    n = len(molecules)
    raw = [np.empty((len(b.networks), n, len(b.networks[0].head[-1][1])), np.float32) for b in blocks]
    depths = {block.config.depth for block in blocks}
    for (first, last), graphs, plans in _planned_passes(molecules, rows_of, depths):
        for block, out in zip(blocks, raw, strict=True):
            scale = readout_scale(block.config, graphs)
            extra = None if block.extra is None else block.extra[first:last]
            for k, network in enumerate(block.networks):
                made = encode(graphs, plans[block.config.depth], network.encoder, multiply)
                made *= scale
                out[k, first:last] = feed_forward(_completed(made, network, extra), network.head, multiply)
                if vectors is not None and network is blocks[0].networks[0]:
                    vectors[first:last] = made
    return raw


def _planned_passes(
    molecules: CodedMolecules, rows_of: FeatureRows, depths: set[int]
) -> Iterator[tuple[tuple[int, int], CodedGraphs, dict[int, MessagePlan]]]:
    """Cut molecules into passes, each with its graphs and plans.

    Wide passes share more. Where little is shared they only leave the cache, so such a pass is cut again.
    """
    for first, last in passes(molecules, MAX_STATES):
        part = part_of(molecules, first, last)
        graphs, plans = _plans(part, rows_of, depths)
        if _share_of_distinct(plans[max(depths)]) <= _MUCH_DISTINCT:
            yield (first, last), graphs, plans
            continue
        for begin, end in passes(part, NARROW_STATES):
            yield (first + begin, first + end), *_plans(part_of(part, begin, end), rows_of, depths)


def _plans(
    molecules: CodedMolecules, rows_of: FeatureRows, depths: set[int]
) -> tuple[CodedGraphs, dict[int, MessagePlan]]:
    graphs = coded_graphs(molecules, rows_of)
    return graphs, {depth: plan_messages(graphs, depth) for depth in depths}


def _share_of_distinct(plan: MessagePlan) -> float:
    last = plan.levels[-1]
    return len(last) / max(1, len(last.ids))


def _completed(vectors: np.ndarray, network: EngineNetwork, extra: np.ndarray | None) -> np.ndarray:
    if network.affine is not None:
        vectors = vectors * network.affine[0] + network.affine[1]
    if extra is not None and network.extra_scale is not None:
        extra = (extra - network.extra_scale[0]) / network.extra_scale[1]
    return with_features(vectors, extra)


def with_features(vectors: np.ndarray, extra: np.ndarray | None) -> np.ndarray:
    """Molecule vectors (n, d) with features of whole molecules (n, x) behind them, if there are any."""
    return vectors if extra is None else np.concatenate([vectors, extra.astype(np.float32)], axis=1)


def part_of(molecules: CodedMolecules, first: int, last: int) -> CodedMolecules:
    """Molecules ``first`` to ``last`` without a copy of their codes."""
    atom_offsets = molecules.atom_offsets[first : last + 1]
    bond_offsets = molecules.bond_offsets[first : last + 1]
    atoms = slice(atom_offsets[0], atom_offsets[-1])
    bonds = slice(bond_offsets[0], bond_offsets[-1])
    graph = molecules.graph
    return CodedMolecules(
        GraphCodes(graph.atoms[atoms], graph.bonds[bonds], graph.ends[bonds]),
        atom_offsets - atom_offsets[0],
        bond_offsets - bond_offsets[0],
    )


def head_layers(weights: Mapping[str, np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Layers of the head as (weight of shape (d_in, d_out), bias of shape (d_out,))."""
    numbers = sorted(int(n.split(".")[1]) for n in weights if n.startswith("head.") and n.endswith(".weight"))
    layers = [(weights[f"head.{k}.weight"], weights[f"head.{k}.bias"]) for k in numbers]
    return tuple((transposed(weight), np.array(bias)) for weight, bias in layers)


def passes(molecules: CodedMolecules, states: int) -> list[tuple[int, int]]:
    """Cut n molecules into runs of at most ``states`` directed bonds; a larger molecule is a run of its own."""
    bonds = 2 * molecules.bond_offsets.astype(np.int64)
    cuts = [0]
    while cuts[-1] < len(molecules):
        reach = int(np.searchsorted(bonds, bonds[cuts[-1]] + states, side="right")) - 1
        cuts.append(min(max(reach, cuts[-1] + 1), len(molecules)))
    return list(pairwise(cuts))


def readout_scale(config: GraphNetConfig, graphs: CodedGraphs) -> np.ndarray:
    """Factor from the sum of atom states to the readout, float32, shape (n, 1)."""
    n = len(graphs.offsets) - 1
    if config.readout == "mean":
        sizes = np.maximum(np.diff(graphs.offsets), 1)
        return (1.0 / sizes).astype(np.float32)[:, None]
    return np.full((n, 1), 1.0 / config.norm if config.readout == "norm" else 1.0, np.float32)


def feed_forward(vectors: np.ndarray, head: Sequence[tuple[np.ndarray, np.ndarray]], multiply: Gemm) -> np.ndarray:
    """Outputs of a head for molecule vectors (n, d_in), float32, shape (n, t)."""
    for weight, bias in head[:-1]:
        vectors = multiply(vectors, weight)
        vectors += bias
        np.maximum(vectors, np.float32(0.0), out=vectors)
    weight, bias = head[-1]
    outputs: np.ndarray = multiply(vectors, weight) + bias
    return outputs


def transposed(weight: np.ndarray) -> np.ndarray:
    """A weight of PyTorch's layout for row vectors: float32, C order."""
    return np.array(weight.T, np.float32, order="C")


__all__ = [
    "MAX_STATES",
    "EngineBlock",
    "EngineNetwork",
    "block_outputs",
    "engine_outputs",
    "feed_forward",
    "head_layers",
    "part_of",
    "passes",
    "readout_scale",
    "transposed",
    "with_features",
]
