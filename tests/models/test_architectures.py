"""Every architecture with every readout: invariances, gradients, oracles of PyTorch Geometric, and one way through the engine."""

from __future__ import annotations

from itertools import product
from typing import get_args

import numpy as np
import pytest
import torch
from rdkit import Chem
from torch_geometric import nn as pyg
from torch_geometric.utils import degree, to_dense_adj

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, MolGraph, featurize
from cinchona.errors import ConfigError, ShapeError
from cinchona.models.architectures import gps
from cinchona.models.architectures.gps import WALKS, walk_returns
from cinchona.models.architectures.pna import LOG_DEGREE
from cinchona.models.batching import collate
from cinchona.models.config import ArchitectureName, GraphNetConfig, ReadoutName
from cinchona.models.network import build_network, initialize
from cinchona.models.serving import engine_serves, make_bank

ARCHITECTURES, READOUTS = get_args(ArchitectureName), get_args(ReadoutName)
SMILES = ("CCO", "C", "c1ccccc1C(=O)O", "[Na+].[Cl-]", "CC(=O)Oc1ccccc1C(=O)O", "C[C@H](F)/C=C/Cl", "C1CC1.O=[N+]([O-])C",
          "CN1CCC[C@H]1c1cccnc1", "CC(C)(C)C", "N#Cc1ccc(cc1)S(=O)(=O)N")  # fmt: skip
every = pytest.mark.parametrize("architecture,readout", list(product(ARCHITECTURES, READOUTS)))


def network_of(architecture, readout="norm", **changes):
    config = GraphNetConfig(architecture=architecture, readout=readout, hidden=16, head_hidden=12, **changes)
    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=2)
    initialize(network, torch.Generator().manual_seed(7))
    with torch.no_grad():  # biases at 0 would hide a bias that is not served
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(
                    0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(parameter)))
                )
    return config, network.eval()


def graphs() -> list[MolGraph]:
    return [featurize(text) for text in SMILES]


def batch_of(found, config):
    return collate(found, depth=config.program_depth)


def renumbered(graph: MolGraph, order: np.ndarray) -> MolGraph:
    """The same molecule with its atoms in another order, and its bonds in another order and direction."""
    place = np.argsort(order)
    pairs = np.random.default_rng(1).permutation(graph.n_bonds)
    bonds = np.stack([2 * pairs + 1, 2 * pairs], axis=1).ravel()
    return MolGraph(graph.atoms[order], graph.bonds[bonds], place[graph.edges[:, bonds]])


@every
def test_order_of_atoms_and_company_in_the_batch_do_not_matter(architecture, readout):
    config, network = network_of(architecture, readout)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        together = network(batch_of(graphs(), config))
        alone = torch.cat([network(batch_of([graph], config)) for graph in graphs()])
        mixed = [renumbered(graph, rng.permutation(graph.n_atoms)) for graph in graphs()]
        turned = network(batch_of(mixed[::-1], config)).flip(0)
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(turned, alone, rtol=1e-5, atol=1e-5)
    assert len({tuple(row) for row in np.round(alone.numpy(), 4)}) == len(SMILES), "molecules that differ look alike"


@every
def test_the_gradient_reaches_every_parameter(architecture, readout):
    config, network = network_of(architecture, readout)
    network(batch_of(graphs(), config)).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert still == []


@every
def test_served_as_trained(architecture, readout):
    """The bank that screening uses gives what the trained module gives, by the engine or not."""
    config, network = network_of(architecture, readout)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    asked = []

    def members():
        asked.append(1)
        return (network,)

    bank = make_bank(config, [weights], members)
    found = bank.outputs(codes_of_many([Chem.MolFromSmiles(text) for text in SMILES]), None, "torch")
    with torch.no_grad():
        np.testing.assert_allclose(found[0], network(batch_of(graphs(), config)), rtol=1e-4, atol=1e-5)
    assert bool(asked) != engine_serves(config), "the engine serves what it can, PyTorch the rest"


def test_the_engine_serves_three_architectures_with_three_readouts():
    served = {
        (a, r) for a, r in product(ARCHITECTURES, READOUTS) if engine_serves(GraphNetConfig(architecture=a, readout=r))
    }
    assert served == set(product(("dmpnn", "gin", "gine"), ("mean", "sum", "norm")))


def test_of_no_molecule_there_is_no_output():
    for architecture in ("gin", "gps"):
        config, network = network_of(architecture)
        weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        bank = make_bank(config, [weights], lambda network=network: (network,))
        assert bank.outputs(codes_of_many([]), None, "torch").shape == (1, 0, 2)


def _joined():
    batch = collate(graphs(), depth=0)
    return batch, torch.randn(len(batch.molecule), 16, generator=torch.Generator().manual_seed(3))


def test_gin_layers_are_those_of_pyg():
    batch, states = _joined()
    for name in ("gin", "gine"):
        layer = network_of(name)[1].encoder.layers[0]
        mlp = torch.nn.Sequential(layer.first, torch.nn.ReLU(), layer.second)
        if name == "gin":
            want = pyg.GINConv(mlp, eps=float(layer.eps.detach()))(states, batch.edges)
        else:
            theirs = pyg.GINEConv(mlp, eps=float(layer.eps.detach()), edge_dim=BOND_DIM)
            theirs.lin = layer.bond
            want = theirs(states, batch.edges, batch.bonds)
        np.testing.assert_allclose(layer(states, batch).detach(), want.detach(), rtol=1e-5, atol=1e-5)


def test_gatv2_layer_is_that_of_pyg():
    batch, states = _joined()
    layer = network_of("gatv2")[1].encoder.layers[0]
    theirs = pyg.GATv2Conv(16, 4, heads=4, edge_dim=BOND_DIM, add_self_loops=False)
    theirs.lin_l.load_state_dict(layer.sender.state_dict())
    theirs.lin_r.load_state_dict({"weight": layer.receiver.weight, "bias": torch.zeros(16)})
    theirs.lin_edge.load_state_dict(layer.bond.state_dict())
    with torch.no_grad():
        theirs.att.copy_(layer.attention[None])
        theirs.bias.copy_(layer.bias)
        # PyG's values carry the sender's bias too, as ours do.
        np.testing.assert_allclose(layer(states, batch), theirs(states, batch.edges, batch.bonds), rtol=1e-4, atol=1e-5)


def test_pna_statistics_against_loops_over_atoms():
    batch, states = _joined()
    layer = network_of("pna")[1].encoder.layers[0]
    with torch.no_grad():
        new = layer(states, batch)
        source, target = batch.edges
        message = layer.sender(states)[source] + layer.receiver(states)[target] + layer.bond(batch.bonds)
        for atom in range(len(states)):
            own = message[target == atom]
            if len(own):
                parts = [own.mean(0), (own.var(0, unbiased=False) + 1e-5).sqrt(), own.amax(0), own.amin(0)]
            else:
                parts = [torch.zeros(16), torch.full((16,), 1e-5).sqrt(), torch.zeros(16), torch.zeros(16)]
            statistics = torch.cat(parts)
            scaler = np.log(max(1, len(own)) + 1) / LOG_DEGREE
            want = layer.out(torch.cat([states[atom], statistics, statistics * scaler, statistics / scaler]))
            np.testing.assert_allclose(new[atom], want, rtol=1e-3, atol=1e-4)


def test_attentive_fp_is_that_of_pyg():
    """PyG's whole AttentiveFP with our weights, up to its last linear layer."""
    _, network = network_of("attentivefp", "attentive", head_layers=0)
    encoder, readout = network.encoder, network.readout
    theirs = pyg.AttentiveFP(ATOM_DIM, 16, 16, edge_dim=BOND_DIM, num_layers=3, num_timesteps=2).eval()
    batch = collate(graphs(), depth=0)
    first, *later = encoder.layers
    with torch.no_grad():
        theirs.lin1.load_state_dict(encoder.embed.state_dict())
        gate = theirs.gate_conv
        gate.lin1.weight.copy_(torch.cat([first.through.weight, encoder.bond.weight], dim=1))
        gate.lin2.weight.copy_(first.value.weight)
        gate.att_l.copy_(first.sender.weight)
        gate.att_r.copy_(first.receiver.weight)
        gate.bias.copy_(first.bias)
        theirs.gru.load_state_dict(first.memory.state_dict())
        for conv, gru, layer in zip(theirs.atom_convs, theirs.atom_grus, later, strict=True):
            _copy_gat(conv, layer, layer.sender, layer.receiver)
            gru.load_state_dict(layer.memory.state_dict())
        _copy_gat(theirs.mol_conv, readout, readout.atom, readout.whole)
        theirs.mol_gru.load_state_dict(readout.memory.state_dict())
        theirs.lin2.weight.copy_(torch.eye(16))
        theirs.lin2.bias.zero_()
        want = theirs(batch.atoms, batch.edges, batch.bonds, batch.molecule)
        np.testing.assert_allclose(network.embed(batch), want, rtol=1e-4, atol=1e-5)


def _copy_gat(conv, part, sender, receiver):
    for name in ("lin", "lin_src"):
        linear = getattr(conv, name, None)
        if linear is not None:
            linear.weight.copy_(part.through.weight)
    conv.att_src.copy_(sender.weight[None])
    conv.att_dst.copy_(receiver.weight[None])
    conv.bias.copy_(part.bias)


def test_places_in_gps_are_returns_of_random_walks():
    batch = collate(graphs(), depth=0)
    found = walk_returns(batch, list(gps._blocks(batch.sizes.squeeze(1).long())))
    adjacency = to_dense_adj(batch.edges, max_num_nodes=len(batch.molecule))[0]
    step = adjacency / degree(batch.edges[1], len(batch.molecule)).clamp(min=1)[:, None]
    for k in range(WALKS):
        np.testing.assert_allclose(found[:, k], torch.linalg.matrix_power(step, k + 1).diagonal(), atol=1e-6)


def test_attention_of_gps_in_blocks_of_any_size_agrees(monkeypatch):
    config, network = network_of("gps")
    batch = batch_of(graphs(), config)
    with torch.no_grad():
        want = network(batch)
        monkeypatch.setattr(gps, "_DENSE", 1)
        np.testing.assert_allclose(network(batch), want, rtol=1e-5, atol=1e-6)


def test_blocks_of_gps_hold_every_molecule_once_and_stay_small():
    sizes = torch.from_numpy(np.random.default_rng(0).integers(1, 300, 500))
    blocks = list(gps._blocks(sizes))
    assert sorted(torch.cat(blocks).tolist()) == list(range(500))
    assert all(len(block) * int(sizes[block].max()) ** 2 <= gps._DENSE for block in blocks)


@pytest.mark.parametrize("architecture", ["gatv2", "gps"])
def test_heads_must_divide_the_width(architecture):
    with pytest.raises(ConfigError, match="15 units do not divide among 4 heads"):
        network_of(architecture, heads=4)[1] and build_network(
            GraphNetConfig(architecture=architecture, hidden=15), d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=1
        )


def test_a_hybrid_head_wants_its_features():
    config = GraphNetConfig(hidden=8, head_hidden=8, features=("morgan",))
    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=1)
    with pytest.raises(ShapeError, match=r"batch\.extra"):
        network(collate(graphs(), depth=3))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dropout_is_seeded_and_off_in_use(architecture):
    from cinchona.models.dropout import seed_dropout

    config, network = network_of(architecture, dropout=0.5)
    batch = batch_of(graphs(), config)
    outputs = []
    for seed in (1, 1, 2):
        network.train()
        seed_dropout(network, torch.Generator().manual_seed(seed))
        outputs.append(network(batch).detach())
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])
    network.eval()
    assert torch.equal(network(batch), network(batch))
