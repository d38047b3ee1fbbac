"""Atom-centred layers through the engine equal PyTorch Geometric's, on graphs of any kind and in any company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coded_molecules import CHAIN, CUBE, LONE, STAR, make_graphs, molecule_graphs, one_by_one
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from torch_geometric.nn import GINConv, GINEConv

from cinchona.models.engine import workspace as workspace_module
from cinchona.models.engine.atom_centred import GinLayer, encode_gin, gin_states, plan_gin
from cinchona.models.engine.gemm import gemm
from cinchona.models.engine.kernels import molecule_sums
from cinchona.models.engine.workspace import Workspace

D_ATOM, D_BOND, WIDTH = 7, 3, 12


def networks(*, edges: bool, depth: int, seed: int = 0):
    """Layers of PyTorch Geometric, and the same for the engine."""
    rng = np.random.default_rng(seed)
    theirs, ours = [], []
    for t in range(depth):
        d_in = D_ATOM if t == 0 else WIDTH
        mlp = torch.nn.Sequential(torch.nn.Linear(d_in, 9), torch.nn.ReLU(), torch.nn.Linear(9, WIDTH))
        conv = GINEConv(mlp, eps=0.3, edge_dim=D_BOND) if edges else GINConv(mlp, eps=0.3)
        with torch.no_grad():
            for parameter in conv.parameters():
                parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape) / 3))
        theirs.append(conv)
        w = [p.detach().numpy() for p in mlp.parameters()]
        edge = [conv.lin.weight.detach().numpy().T.copy(), conv.lin.bias.detach().numpy()] if edges else [None, None]
        ours.append(GinLayer(w[0].T.copy(), w[1], w[2].T.copy(), w[3], 0.3, *edge, relu_after=t + 1 < depth))
    return theirs, ours


def by_torch(graphs, convs) -> np.ndarray:
    x = torch.from_numpy(graphs.atom_rows[graphs.atom_codes])
    both = np.concatenate([graphs.ends, graphs.ends[:, ::-1]]).T
    index = torch.from_numpy(both.astype(np.int64))
    attributes = torch.from_numpy(graphs.bond_rows[np.tile(graphs.bond_codes, 2)])
    with torch.no_grad():
        for t, conv in enumerate(convs):
            x = conv(x, index, attributes) if isinstance(conv, GINEConv) else conv(x, index)
            if t + 1 < len(convs):
                x = torch.relu(x)
    rows = x.numpy()
    return np.array([rows[a:b].sum(axis=0) for a, b in zip(graphs.offsets, graphs.offsets[1:], strict=False)])


@pytest.mark.parametrize("edges", [True, False], ids=["GINE", "GIN"])
@pytest.mark.parametrize("depth", [1, 2, 4])
@given(data=st.data())
def test_equals_pytorch_geometric(edges, depth, data):
    graphs = data.draw(molecule_graphs())
    theirs, ours = networks(edges=edges, depth=depth)
    got = encode_gin(graphs, plan_gin(graphs, depth), ours, gemm("numpy"))
    want = by_torch(graphs, theirs)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize("edges", [True, False], ids=["GINE", "GIN"])
def test_what_a_batch_before_left_in_memory_does_not_show(edges, monkeypatch):
    _, ours = networks(edges=edges, depth=3)
    graphs, other = make_graphs([CHAIN, STAR, LONE]), make_graphs([CUBE, CUBE, CHAIN])
    plan = plan_gin(graphs, 3)
    states = gin_states(graphs, plan, ours, gemm("numpy"))
    kept = states.copy()
    space = Workspace(lasting=True)
    for name in ("inflow", "hidden", "state 0", "state 1"):
        space.matrix(name, 100, 16)[:] = np.nan
    monkeypatch.setattr(workspace_module._OF_THREAD, "space", space)
    found = encode_gin(graphs, plan, ours, gemm("numpy"))
    again = found.copy()
    encode_gin(other, plan_gin(other, 3), ours, gemm("torch"))
    assert np.array_equal(found, again), "what was returned is the caller's own"
    assert np.array_equal(states, kept)
    assert np.array_equal(found, molecule_sums(states, plan.levels[-1].ids, graphs.offsets))


@given(data=st.data())
def test_a_molecule_does_not_depend_on_its_company(data):
    graphs = data.draw(molecule_graphs())
    _, ours = networks(edges=True, depth=3)
    together = encode_gin(graphs, plan_gin(graphs, 3), ours, gemm("numpy"))
    alone = [encode_gin(g, plan_gin(g, 3), ours, gemm("numpy"))[0] for g in one_by_one(graphs)]
    np.testing.assert_allclose(together, np.array(alone).reshape(together.shape), rtol=1e-5, atol=1e-4)


def test_real_molecules_share_their_environments():
    from cinchona.datasets.binarycodes import codes_of_many
    from cinchona.datasets.molgraph import features
    from cinchona.models.engine.graphs import coded_graphs

    smiles = [f"CC(C)c1ccc(C(=O)N{'C' * k})cc1" for k in range(1, 30)] + ["C12C3C4C1C5C2C3C45", "C" * 250]
    graphs = coded_graphs(codes_of_many([Chem.MolFromSmiles(s) for s in smiles]), features)
    plan = plan_gin(graphs, 3)
    sizes = [len(level) for level in plan.levels]
    assert sizes == sorted(sizes)
    assert sizes[-1] < len(graphs.atom_codes) / 5
    cube = slice(graphs.offsets[-3], graphs.offsets[-2])
    assert len(set(plan.levels[-1].ids[cube].tolist())) == 1


def test_an_embedding_before_the_first_layer():
    graphs = make_graphs([([0, 1, 2], [(0, 1, 0), (1, 2, 1)])])
    _, ours = networks(edges=True, depth=2)
    doubled = encode_gin(graphs, plan_gin(graphs, 2), ours, gemm("numpy"), first=2 * graphs.atom_rows)
    assert not np.allclose(doubled, encode_gin(graphs, plan_gin(graphs, 2), ours, gemm("numpy")))
