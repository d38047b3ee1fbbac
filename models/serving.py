"""How an ensemble computes its outputs: by the engine where it knows the network, else by PyTorch, behind one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.molgraph import features
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.additive_block import AdditiveBlock, Answers, additive_block, directed_block
from cinchona.models.engine.gemm import GemmName, gemm
from cinchona.models.engine.gin_networks import GinNetwork, gin_outputs
from cinchona.models.engine.graphs import FeatureRows
from cinchona.models.engine.inference import EngineNetwork, engine_outputs, part_of, passes
from cinchona.models.engine.partial import AtomCentredEncoders
from cinchona.models.threads import one_torch_thread, product_thread

if TYPE_CHECKING:
    from cinchona.models.network import GraphNet

ENGINE_READOUTS: Final = frozenset({"mean", "sum", "norm"})
"""Readouts that are a sum of atom states and a factor."""
_TORCH_STATES: Final = 40_000
"""Directed bonds of one pass through PyTorch."""

Weights = Mapping[str, np.ndarray]


class Bank(Protocol):
    """The networks of an ensemble, ready to compute."""

    def outputs(
        self,
        molecules: CodedMolecules,
        extra: np.ndarray | None,
        product: GemmName,
        *,
        vectors: np.ndarray | None = None,
    ) -> np.ndarray:
        """Raw outputs of every network for n molecules, float32, shape (networks, n, t).

        Args:
            molecules: Their graph codes.
            extra: Scaled features of whole molecules, float32, shape (n, x), or None.
            product: Matrix product of the engine; PyTorch has its own.
            vectors: Filled with the molecule vectors of the first network, float32, shape (n, hidden), or None.
        """


def engine_serves(config: GraphNetConfig) -> bool:
    """Whether the engine computes networks of this shape."""
    return config.architecture in {"dmpnn", "gin", "gine"} and config.readout in ENGINE_READOUTS


def make_bank(config: GraphNetConfig, weights: Sequence[Weights], members: Callable[[], Sequence[GraphNet]]) -> Bank:
    """Put networks where they are computed.

    Args:
        config: Their shape.
        weights: Their parameters by name.
        members: Makes them as PyTorch modules, should they be needed.
    """
    if not engine_serves(config):
        return _TorchBank(config, members)
    if config.architecture == "dmpnn":
        return _EngineBank(config, partial(engine_outputs, tuple(EngineNetwork.of_weights(each) for each in weights)))
    networks = tuple(GinNetwork.of_weights(each, depth=config.depth) for each in weights)
    return _EngineBank(config, partial(gin_outputs, networks))


def additive_blocks(
    config: GraphNetConfig, weights: Sequence[Weights], answers: Answers
) -> tuple[FeatureRows, list[AdditiveBlock] | str]:
    """Networks as sums over atoms, or why they are none.

    Args:
        config: Their shape.
        weights: Their parameters by name.
        answers: What they predict.
    """
    if config.features:
        return features, "its heads join features of whole molecules, which are no sums over atoms"
    if not engine_serves(config):
        return features, f"{config.architecture} with the readout {config.readout} is no sum over atoms"
    if config.architecture == "dmpnn":
        return features, [directed_block([EngineNetwork.of_weights(each) for each in weights], config, answers)]
    networks = [GinNetwork.of_weights(each, depth=config.depth) for each in weights]
    encoders = AtomCentredEncoders([network.layers for network in networks], [network.embed for network in networks])
    return features, [additive_block(encoders, [(network.head, None) for network in networks], config, answers)]


class _EngineBank:
    """Networks of the engine; ``compute`` is its forward pass for their kind."""

    def __init__(self, config: GraphNetConfig, compute: Callable[..., np.ndarray]) -> None:
        self._config, self._compute = config, compute

    def outputs(
        self,
        molecules: CodedMolecules,
        extra: np.ndarray | None,
        product: GemmName,
        *,
        vectors: np.ndarray | None = None,
    ) -> np.ndarray:
        with product_thread(product):
            return self._compute(
                molecules, config=self._config, rows_of=features, multiply=gemm(product), extra=extra, vectors=vectors
            )


class _TorchBank:
    def __init__(self, config: GraphNetConfig, members: Callable[[], Sequence[GraphNet]]) -> None:
        self._config, self._make = config, members
        self._networks: Sequence[GraphNet] | None = None

    def outputs(
        self,
        molecules: CodedMolecules,
        extra: np.ndarray | None,
        product: GemmName,
        *,
        vectors: np.ndarray | None = None,
    ) -> np.ndarray:
        import torch

        from cinchona.models.batching import GraphSet

        if self._networks is None:
            self._networks = self._make()
        networks = self._networks
        parts = [np.empty((len(networks), 0, networks[0].head.n_targets), np.float32)]
        with one_torch_thread(), torch.inference_mode():
            for first, last in passes(molecules, _TORCH_STATES):
                cut = None if extra is None else extra[first:last]
                graphs = GraphSet.of_codes(part_of(molecules, first, last), depth=self._config.program_depth, extra=cut)
                batch = graphs.batch(np.arange(last - first))
                parts.append(np.stack([network(batch).numpy() for network in networks]))
                if vectors is not None:
                    vectors[first:last] = networks[0].embed(batch).numpy()
        return np.concatenate(parts, axis=1)


__all__ = ["ENGINE_READOUTS", "Bank", "additive_blocks", "engine_serves", "make_bank"]
