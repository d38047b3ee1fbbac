"""Small graph networks and molecules for tests of explanations."""

from __future__ import annotations

import numpy as np
import torch

from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.models.config import GraphNetConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.network import build_network, initialize
from cinchona.models.scaling import TargetScaling
from cinchona.records import Endpoint

MOLECULES = ("CC(=O)Oc1ccccc1C(=O)O", "CN1CCC[C@H]1c1cccnc1", "O=S(=O)(Nc1nccs1)c1ccc(Oc2ccccc2)c(C#N)c1", "CCO")


def ensemble_of(network: GraphNetConfig, *, members: int = 1, kind: str = "regression", edit=None) -> GraphEnsemble:
    """Networks with drawn weights; ``edit`` may change each of them."""
    made = []
    for member in range(members):
        net = build_network(network, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=1)
        initialize(net, torch.Generator().manual_seed(member))
        if edit is not None:
            with torch.no_grad():
                edit(net)
        made.append(net.eval())
    scaling = TargetScaling(np.array([2.0]), np.array([3.0]), np.array([kind == "classification"]))
    if kind == "classification":
        scaling = TargetScaling(np.zeros(1), np.ones(1), np.array([True]))
    return GraphEnsemble(made, network=network, endpoints=[Endpoint("y", "u", kind=kind)], scaling=scaling)
