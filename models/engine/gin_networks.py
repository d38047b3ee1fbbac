"""Outputs of GIN and GINE networks through the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.atom_centred import GinLayer, encode_gin, plan_gin
from cinchona.models.engine.gemm import Gemm
from cinchona.models.engine.graphs import FeatureRows, coded_graphs
from cinchona.models.engine.inference import (
    MAX_STATES,
    feed_forward,
    head_layers,
    part_of,
    passes,
    readout_scale,
    transposed,
    with_features,
)


@dataclass(frozen=True, slots=True)
class GinNetwork:
    """A GIN or GINE network as arrays for the engine."""

    embed: tuple[np.ndarray, np.ndarray]
    """Weight (d_atom, hidden) and bias (hidden,) of the first states."""
    layers: tuple[GinLayer, ...]
    """The layers."""
    head: tuple[tuple[np.ndarray, np.ndarray], ...]
    """Layers as (weight of shape (d_in, d_out), bias of shape (d_out,)), ReLU in between."""

    @classmethod
    def of_weights(cls, weights: Mapping[str, np.ndarray], *, depth: int) -> GinNetwork:
        """Copy weights under the names of :class:`~cinchona.models.network.GraphNet`, transposed for row vectors.

        Raises:
            KeyError: if one is missing.
        """
        embed = (transposed(weights["encoder.embed.weight"]), np.array(weights["encoder.embed.bias"]))
        layers = tuple(_layer(weights, f"encoder.layers.{k}.", last=k + 1 == depth) for k in range(depth))
        return cls(embed, layers, head_layers(weights))


def gin_outputs(  # noqa: PLR0913 - the networks, the molecules, and how
    networks: Sequence[GinNetwork],
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
        extra: Scaled features of whole molecules, float32, shape (n, x), or None.
        vectors: Filled with the molecule vectors of the first network, float32, shape (n, hidden), or None.
    """
    raw = np.empty((len(networks), len(molecules), len(networks[0].head[-1][1])), np.float32)
    for first, last in passes(molecules, MAX_STATES):
        graphs = coded_graphs(part_of(molecules, first, last), rows_of)
        plan, scale = plan_gin(graphs, config.depth), readout_scale(config, graphs)
        for k, network in enumerate(networks):
            weight, bias = network.embed
            start = multiply(np.ascontiguousarray(graphs.atom_rows, np.float32), weight) + bias
            made = encode_gin(graphs, plan, network.layers, multiply, first=start) * scale
            if vectors is not None and k == 0:
                vectors[first:last] = made
            made = with_features(made, None if extra is None else extra[first:last])
            raw[k, first:last] = feed_forward(made, network.head, multiply)
    return raw


def _layer(weights: Mapping[str, np.ndarray], name: str, *, last: bool) -> GinLayer:
    edges = f"{name}bond.weight" in weights
    return GinLayer(
        w_1=transposed(weights[f"{name}first.weight"]),
        b_1=np.array(weights[f"{name}first.bias"]),
        w_2=transposed(weights[f"{name}second.weight"]),
        b_2=np.array(weights[f"{name}second.bias"]),
        eps=float(weights[f"{name}eps"][0]),
        w_edge=transposed(weights[f"{name}bond.weight"]) if edges else None,
        b_edge=np.array(weights[f"{name}bond.bias"]) if edges else None,
        relu_after=not last,
    )


__all__ = ["GinNetwork", "gin_outputs"]
