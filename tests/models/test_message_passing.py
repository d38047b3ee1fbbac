"""The encoder against the formula written out, atom by atom and bond by bond."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import permutations_of, smiles

from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, MolGraph, featurize
from cinchona.errors import ShapeError
from cinchona.models.batching import collate
from cinchona.models.config import GraphNetConfig
from cinchona.models.network import GraphNet, build_network, initialize

HIDDEN = 7


def network_of(depth: int = 3, readout: str = "mean", **more) -> GraphNet:
    config = GraphNetConfig(hidden=HIDDEN, depth=depth, readout=readout, head_hidden=5, **more)
    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=2)
    initialize(network, torch.Generator().manual_seed(11))
    with torch.no_grad():  # biases of zero would hide a mistake in their place
        network.encoder.W_o.bias.normal_(generator=torch.Generator().manual_seed(12))
    return network.eval()


def by_hand(graph: MolGraph, network: GraphNet) -> np.ndarray:
    """Atom states of Yang et al. 2019, with loops and no tricks."""
    w_i, w_h = network.encoder.W_i.weight.numpy(force=True), network.encoder.W_h.weight.numpy(force=True)
    w_o, b_o = network.encoder.W_o.weight.numpy(force=True), network.encoder.W_o.bias.numpy(force=True)
    bonds = list(zip(*graph.edges.tolist(), strict=True))
    start = {bond: w_i @ np.concatenate([graph.atoms[bond[0]], graph.bonds[k]]) for k, bond in enumerate(bonds)}
    states = {bond: np.maximum(value, 0) for bond, value in start.items()}
    for _ in range(network.encoder.depth - 1):
        messages = {
            (v, w): sum((states[a, b] for a, b in bonds if b == v and a != w), np.zeros(HIDDEN)) for v, w in bonds
        }
        states = {bond: np.maximum(start[bond] + w_h @ messages[bond], 0) for bond in bonds}
    into = [sum((states[a, b] for a, b in bonds if b == v), np.zeros(HIDDEN)) for v in range(graph.n_atoms)]
    return np.stack([np.maximum(w_o @ np.concatenate([graph.atoms[v], into[v]]) + b_o, 0) for v in range(len(into))])


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("text", ["C", "CC", "C[C@H](N)C(=O)Nc1ccccc1Cl", "C1CC2CCC1CC2", "[Na+].[Cl-]"])
def test_states_are_those_of_the_formula(text, depth):
    graph, network = featurize(text), network_of(depth)
    got = network.encoder(collate([graph], depth=depth)).numpy(force=True)
    np.testing.assert_allclose(got, by_hand(graph, network), rtol=1e-5, atol=1e-5)


@settings(max_examples=30)
@given(smiles(), smiles())
def test_sharing_changes_nothing(one, other):
    graphs = [g for g in (featurize(one), featurize(other), featurize("CCO"), featurize("CCO")) if type(g) is MolGraph]
    network = network_of(4)
    shared, plain = (network.encoder(collate(graphs, depth=4, share=share)) for share in (True, False))
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=1e-6)


def test_sharing_gives_the_same_gradients():
    graphs = [featurize(text) for text in ("CCO", "CCCO", "c1ccccc1O", "Cc1ccccc1", "CCO")]
    found = []
    for share in (True, False):
        network = network_of()
        network(collate(graphs, depth=3, share=share)).square().sum().backward()
        found.append([parameter.grad.clone() for parameter in network.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        assert one.abs().sum() > 0


def test_equal_surroundings_are_computed_once():
    benzene = collate([featurize("c1ccccc1")] * 5, depth=3)
    assert benzene.program.start.shape == (2, 1)
    assert [len(step.origin) for step in benzene.program.steps] == [1, 1]
    assert len(benzene.program.finish.origin) == 1
    assert len(benzene.program.atom) == 30


@settings(max_examples=25)
@given(permutations_of(9), permutations_of(9))
def test_order_of_atoms_and_bonds_does_not_matter(order, pairs):
    graph = featurize("CC(=O)Oc1ccco1")
    bonds = np.stack([2 * pairs + 1, 2 * pairs], axis=1).ravel()
    renamed = MolGraph(graph.atoms[order], graph.bonds[bonds], np.argsort(order)[graph.edges[:, bonds]])
    network = network_of()
    for share in (True, False):
        one, other = (network(collate([g], depth=3, share=share)) for g in (graph, renamed))
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("readout", ["mean", "sum", "norm"])
def test_other_molecules_of_the_batch_do_not_matter(readout):
    texts = ["CCO", "c1ccccc1", "C", "CC(=O)Oc1ccccc1C(=O)O", "C1CC1", "[Na+].[Cl-]"]
    network, graphs = network_of(readout=readout), [featurize(text) for text in texts]
    together = network(collate(graphs, depth=3))
    alone = torch.cat([network(collate([graph], depth=3)) for graph in graphs])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_readouts_are_those_of_their_formulas():
    graph = featurize("CCCO")
    batch = collate([featurize("CC"), graph], depth=3)
    networks = {name: network_of(readout=name, norm=20.0) for name in ("mean", "sum", "norm")}
    found = {name: network.embed(batch)[1] for name, network in networks.items()}
    states = networks["sum"].encoder(collate([graph], depth=3))
    torch.testing.assert_close(found["sum"], states.sum(0))
    torch.testing.assert_close(found["mean"], states.mean(0))
    torch.testing.assert_close(found["norm"], states.sum(0) / 20)


def test_head_is_a_plain_feed_forward_network():
    network = network_of(head_layers=2)
    shapes = [tuple(p.shape) for p in network.head.parameters()]
    assert shapes == [(5, HIDDEN), (5,), (5, 5), (5,), (2, 5), (2,)]
    vector = torch.randn(3, HIDDEN, generator=torch.Generator().manual_seed(0))
    weights = list(network.head.parameters())
    by_steps = torch.relu(torch.relu(vector @ weights[0].T + weights[1]) @ weights[2].T + weights[3])
    torch.testing.assert_close(network.head(vector), by_steps @ weights[4].T + weights[5])
    assert [tuple(p.shape) for p in network_of(head_layers=0).head.parameters()] == [(2, HIDDEN), (2,)]


def test_state_dict_has_the_documented_names():
    assert {name: tuple(tensor.shape) for name, tensor in network_of().state_dict().items()} == {
        "encoder.W_i.weight": (HIDDEN, ATOM_DIM + BOND_DIM),
        "encoder.W_h.weight": (HIDDEN, HIDDEN),
        "encoder.W_o.weight": (HIDDEN, ATOM_DIM + HIDDEN),
        "encoder.W_o.bias": (HIDDEN,),
        "head.0.weight": (5, HIDDEN),
        "head.0.bias": (5,),
        "head.3.weight": (2, 5),
        "head.3.bias": (2,),
    }


def test_depths_must_agree():
    with pytest.raises(ShapeError, match="depth - 1"):
        network_of(3)(collate([featurize("CCO")], depth=2))


def test_building_moves_no_global_random_state_and_leaves_no_file():
    before, files = torch.get_rng_state(), set(Path(tempfile.gettempdir()).glob("*propagate*"))
    network_of()(collate([featurize("CCO")], depth=3))
    assert torch.equal(torch.get_rng_state(), before)
    assert set(Path(tempfile.gettempdir()).glob("*propagate*")) == files


def test_dropout_draws_from_its_generator_and_only_in_training():
    from cinchona.models.dropout import seed_dropout

    batch = collate([featurize("CC(=O)Oc1ccccc1C(=O)O")], depth=3)
    network = network_of(dropout=0.5)
    calm = network(batch)
    network.train()
    drawn = []
    for seed in (1, 1, 2):
        seed_dropout(network, torch.Generator().manual_seed(seed))
        drawn.append(network(batch))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], calm)
    assert torch.equal(network.eval()(batch), calm)


def test_dropout_keeps_the_expectation():
    from cinchona.models.dropout import SeededDropout

    layer = SeededDropout(0.3).train()
    layer.generator = torch.Generator().manual_seed(5)
    assert float(layer(torch.ones(200_000)).mean()) == pytest.approx(1.0, abs=0.01)
