"""Weights of the networks of an ensemble: their shapes, their checks, and networks made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.errors import ModelFileError
from cinchona.models.config import GraphNetConfig
from cinchona.models.molecule_features import feature_width
from cinchona.models.serving import engine_serves
from cinchona.models.uncertainty.kinds import outputs_of

if TYPE_CHECKING:
    from cinchona.models.network import GraphNet


@dataclass(frozen=True, slots=True)
class Members:
    """Makes the networks as PyTorch modules once they are called for."""

    network: GraphNetConfig
    weights: tuple[dict[str, np.ndarray], ...]
    n_targets: int

    def __call__(self) -> tuple[GraphNet, ...]:
        """The networks in evaluation mode."""
        return tuple(_member(self.network, weights, self.n_targets) for weights in self.weights)


def weights_of(
    config: GraphNetConfig, arrays: Mapping[str, np.ndarray], position: int, n_targets: int
) -> dict[str, np.ndarray]:
    """Weights of one member, checked against the architecture."""
    prefix = f"members.{position}."
    weights = {n.removeprefix(prefix): np.array(a, np.float32) for n, a in arrays.items() if n.startswith(prefix)}
    wanted = shapes_of(config, n_targets)
    wrong = [name for name in {**wanted, **weights} if wanted.get(name) != getattr(weights.get(name), "shape", None)]
    if wrong:
        found = weights[wrong[0]].shape if wrong[0] in weights else "missing"
        raise ModelFileError(
            f"the weights of network {position} do not fit its architecture: {wrong[0]} is {found}",
            expected=f"one array of the right shape for each parameter, here {wanted.get(wrong[0], 'none')}",
            remedy="copy the model folder again from where it was trained",
        )
    return weights


def shapes_of(config: GraphNetConfig, n_targets: int) -> dict[str, tuple[int, ...]]:
    """Shape of each parameter by its name in a state dict."""
    if config.architecture != "dmpnn" or not engine_serves(config):
        return _shapes_of_modules(config, n_targets)
    h = config.hidden
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.W_i.weight": (h, ATOM_DIM + BOND_DIM), "encoder.W_h.weight": (h, h),
        "encoder.W_o.weight": (h, ATOM_DIM + h), "encoder.W_o.bias": (h,),
    }  # fmt: skip
    widths = [
        h + feature_width(config.features),
        *[config.head_hidden] * config.head_layers,
        outputs_of(config, n_targets),
    ]
    for k, (width, after) in enumerate(pairwise(widths)):
        shapes |= {f"head.{3 * k}.weight": (after, width), f"head.{3 * k}.bias": (after,)}
    return shapes


def _shapes_of_modules(config: GraphNetConfig, n_targets: int) -> dict[str, tuple[int, ...]]:
    from cinchona.models.network import build_network

    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=n_targets)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _member(config: GraphNetConfig, weights: Mapping[str, np.ndarray], n_targets: int) -> GraphNet:
    import torch

    from cinchona.models.network import build_network

    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=n_targets)
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    return network.eval().requires_grad_(requires_grad=False)


__all__ = ["Members", "shapes_of", "weights_of"]
