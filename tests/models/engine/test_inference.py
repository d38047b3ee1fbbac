"""The engine gives the outputs of the torch networks, for every readout, head and batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem, RDConfig

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, features, featurize
from cinchona.models.batching import GraphSet
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine import inference
from cinchona.models.engine.gemm import gemm
from cinchona.models.engine.inference import EngineNetwork, engine_outputs
from cinchona.models.network import GraphNet, build_network, initialize

ODD = ("C", "[Na+].[Cl-]", "c1ccccc1.c1ccccc1", "C" * 250, "[2H]C([2H])F", "C12C3C4C1C5C2C3C45", "C[C@H](F)Cl")


@pytest.fixture(scope="module")
def mols() -> list[Chem.Mol]:
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()[:300]
    parsed = (Chem.MolFromSmiles(s) for s in (*ODD, *(line.split()[0] for line in lines if line.strip())))
    return [mol for mol in parsed if mol is not None and mol.GetNumAtoms()]


def drawn(config: GraphNetConfig, n_targets: int, seed: int) -> GraphNet:
    network = build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=n_targets)
    initialize(network, torch.Generator().manual_seed(seed))
    return network.eval()


def by_torch(networks: list[GraphNet], mols: list[Chem.Mol], depth: int) -> np.ndarray:
    graphs = [featurize(mol) for mol in mols]
    batch = GraphSet.of(graphs, depth=depth).batch(np.arange(len(graphs)))
    with torch.inference_mode():
        return np.stack([network(batch).numpy() for network in networks])


@pytest.mark.parametrize(
    "config",
    [
        GraphNetConfig(hidden=32),
        GraphNetConfig(hidden=20, depth=1, readout="sum", head_layers=0),
        GraphNetConfig(hidden=24, depth=5, readout="norm", norm=50, head_layers=3, head_hidden=16),
    ],
    ids=["mean", "sum-linear", "norm-deep"],
)
def test_equals_the_torch_networks(mols, config):
    networks = [drawn(config, 3, seed) for seed in (1, 2)]
    got = engine_outputs(
        [EngineNetwork.of(n) for n in networks], codes_of_many(mols), config=config, rows_of=features,
        multiply=gemm("numpy"),
    )  # fmt: skip
    want = by_torch(networks, mols, config.depth)
    np.testing.assert_allclose(got, want, atol=1e-5 * max(1.0, float(np.abs(want).max())))


def test_passes_of_any_size_agree(mols, monkeypatch):
    config = GraphNetConfig(hidden=16)
    network = [EngineNetwork.of(drawn(config, 1, 3))]
    coded = codes_of_many(mols)

    def outputs() -> np.ndarray:
        return engine_outputs(network, coded, config=config, rows_of=features, multiply=gemm("torch"))

    whole = outputs()
    for states in (1, 300, 5_000):
        monkeypatch.setattr(inference, "MAX_STATES", states)
        np.testing.assert_allclose(outputs(), whole, atol=1e-5)


def test_narrow_passes_where_little_is_shared_agree(mols, monkeypatch):
    config = GraphNetConfig(hidden=24)
    network = [EngineNetwork.of(drawn(config, 2, 5))]
    made = []
    plan = inference.plan_messages
    monkeypatch.setattr(inference, "plan_messages", lambda graphs, depth: made.append(1) or plan(graphs, depth))

    def outputs():
        made.clear()
        return engine_outputs(network, codes_of_many(mols), config=config, rows_of=features, multiply=gemm("numpy"))

    wide, passes = outputs(), len(made)
    monkeypatch.setattr(inference, "_MUCH_DISTINCT", -1.0)
    monkeypatch.setattr(inference, "NARROW_STATES", 200)
    narrow = outputs()
    assert len(made) > passes + 10
    np.testing.assert_allclose(narrow, wide, rtol=1e-5, atol=1e-5)


def test_no_molecules_give_no_outputs():
    config = GraphNetConfig(hidden=8)
    empty = engine_outputs(
        [EngineNetwork.of(drawn(config, 2, 0))], codes_of_many([]), config=config, rows_of=features,
        multiply=gemm("numpy"),
    )  # fmt: skip
    assert empty.shape == (1, 0, 2)
