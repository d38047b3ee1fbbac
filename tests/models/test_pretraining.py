"""Pretraining: targets against RDKit, the fast path of graphs against the plain one, encoder files that cannot be altered."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import Descriptors, rdFingerprintGenerator
from small_assays import SMILES

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.descriptors import descriptor_matrix, quick_descriptors
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.errors import ConfigError, ModelFileError, NoUsableRowsError
from cinchona.models.batching import GraphSet
from cinchona.models.config import GraphNetConfig
from cinchona.models.network import build_network, initialize
from cinchona.models.pretraining.blocks import Block, make_block
from cinchona.models.pretraining.encoder_file import is_encoder, open_encoder, save_encoder
from cinchona.models.pretraining.targets import CLIP, PretrainTargets, explained, names_of
from cinchona.models.train import graphs_of

NAMES = ("MolWt", "TPSA", "MolLogP", "NumHDonors", "fr_azide")
NETWORK = GraphNetConfig(hidden=16, head_hidden=16, depth=2)


@pytest.fixture(scope="module")
def block() -> Block:
    return make_block(SMILES, descriptors=NAMES, bits=128, standardize=StandardizeConfig())


def test_targets_are_those_of_rdkit(block):
    table, generator = dict(Descriptors.descList), rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=128)
    bits = np.unpackbits(block.bits, axis=1, bitorder="little")
    for row, text in enumerate(SMILES):
        mol = Chem.MolFromSmiles(text)
        np.testing.assert_allclose(block.descriptors[row], [table[name](mol) for name in NAMES], rtol=1e-5)
        assert np.flatnonzero(bits[row]).tolist() == list(generator.GetFingerprint(mol).GetOnBits())


def test_a_descriptor_that_fails_is_missing_and_an_unknown_one_refused(monkeypatch):
    mols = [Chem.MolFromSmiles("CCO"), Chem.MolFromSmiles("[Na+].[Cl-]")]

    def fails(mol):
        if mol.GetNumAtoms() == 2:
            raise RuntimeError("no")
        return 1e300

    monkeypatch.setattr("cinchona.datasets.descriptors._functions", lambda: {"odd": fails, "n": Chem.Mol.GetNumAtoms})
    found = descriptor_matrix(mols, ["n", "odd"])
    np.testing.assert_array_equal(found, [[3, np.nan], [2, np.nan]])
    with pytest.raises(ConfigError, match="'nope'"):
        descriptor_matrix(mols, ["nope"])


def test_quick_descriptors_are_many_and_known():
    names = quick_descriptors()
    assert len(names) > 150
    assert {"MolLogP", "TPSA", "Chi4v"} <= set(names)
    assert not {"qed", "Ipc"} & set(names)
    assert descriptor_matrix([Chem.MolFromSmiles("CCO")], names).shape == (1, len(names))


def test_unusable_structures_are_left_out():
    made = make_block(
        ["CCO", "C1CC", "", "c1ccccc1", "CCO"], descriptors=NAMES, bits=64, standardize=StandardizeConfig()
    )
    assert len(made) == 3
    np.testing.assert_array_equal(made.descriptors[0], made.descriptors[2])
    nothing = make_block(["C1CC"], descriptors=NAMES, bits=64, standardize=StandardizeConfig())
    assert len(nothing) == 0
    assert nothing.descriptors.shape == (0, len(NAMES))


def test_blocks_survive_the_disk(block, tmp_path):
    block.save(tmp_path / "block.safetensors")
    again = Block.load(tmp_path / "block.safetensors")
    np.testing.assert_array_equal(again.descriptors, block.descriptors)
    np.testing.assert_array_equal(again.bits, block.bits)
    np.testing.assert_array_equal(again.molecules.graph.atoms, block.molecules.graph.atoms)
    assert len(again) == len(SMILES)


def test_graphs_of_codes_are_the_same_graphs():
    network = build_network(GraphNetConfig(hidden=8, head_hidden=8), d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=2)
    initialize(network, torch.Generator().manual_seed(0))
    coded = GraphSet.of_codes(codes_of_many([Chem.MolFromSmiles(text) for text in SMILES]), depth=3)
    plain = GraphSet.of(graphs_of(SMILES), depth=3)
    rows = np.array([3, 39, 0, 17, 3])
    one, other = coded.batch(rows), plain.batch(rows)
    for name in ("atoms", "bonds", "edges", "molecule", "sizes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    with torch.no_grad():
        np.testing.assert_allclose(network(one), network(other), rtol=1e-5, atol=1e-6)


def test_targets_are_scaled_clipped_and_constant_ones_left_out(block):
    targets = PretrainTargets.fit(block)
    assert names_of(targets, NAMES) == ["MolWt", "TPSA", "MolLogP", "NumHDonors"]
    values = targets.labels(block).values.numpy()
    assert values.shape == (len(SMILES), len(targets)) == (40, 4 + 128)
    np.testing.assert_allclose(values[:, :3].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(values[:, :3].std(axis=0), 1, atol=1e-5)
    far = Block(block.molecules, block.descriptors * 1e6, block.bits)
    assert np.abs(targets.labels(far).values.numpy()).max() == CLIP
    flat = Block(block.molecules, np.ones_like(block.descriptors), block.bits)
    with pytest.raises(NoUsableRowsError, match="varies"):
        PretrainTargets.fit(flat)


def test_missing_descriptors_teach_nothing_and_the_groups_weigh_as_told(block):
    targets = PretrainTargets.fit(block)
    holes = block.descriptors.copy()
    holes[::2, 0] = np.nan
    labels = targets.labels(Block(block.molecules, holes, block.bits))
    assert int(torch.isnan(labels.values).sum()) == 20
    raw = torch.zeros(labels.values.shape)
    known = labels.values[:, :4][~torch.isnan(labels.values[:, :4])]
    expected = (float((known**2).mean()) + 3 * np.log(2)) / 4
    assert float(targets.loss(3.0)(raw, labels)) == pytest.approx(expected, rel=1e-5)


def test_explained_variance_of_the_mean_is_zero_and_of_the_truth_one():
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(50, 3))
    np.testing.assert_allclose(explained(labels, labels), 1)
    np.testing.assert_allclose(explained(np.broadcast_to(labels.mean(0), (50, 3)), labels), 0, atol=1e-12)
    assert explained(labels, np.ones((50, 3))).tolist() == [1, 1, 1], "a constant column has no variance to miss"


def _edit(folder, **changes):
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _link(folder):
    path = folder / "encoder.safetensors"
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")


class TestEncoderFolders:
    @pytest.fixture
    def folder(self, tmp_path):
        weights = {"W_h.weight": np.arange(4, dtype=np.float32).reshape(2, 2)}
        save_encoder(tmp_path, network=NETWORK, weights=weights, card={"sources": [{"name": "few"}]})
        return tmp_path

    def test_what_is_saved_is_opened(self, folder):
        encoder = open_encoder(folder)
        assert encoder.network == NETWORK
        assert encoder.name == "few"
        np.testing.assert_array_equal(encoder.weights["W_h.weight"], [[0, 1], [2, 3]])
        assert is_encoder(folder)
        assert not is_encoder(folder.parent)

    @pytest.mark.parametrize("change,words", [
        (lambda f: (f / "encoder.safetensors").write_bytes(b"x" * 200), "digest differs"),
        (lambda f: (f / "encoder.safetensors").unlink(), "no usable encoder.safetensors"),
        (lambda f: (f / "card.json").write_text("{}"), "not of form"),
        (lambda f: (f / "card.json").write_text("["), "no JSON"),
        (lambda f: _edit(f, feature_schema="other"), "features 'other'"),
        (lambda f: _edit(f, network={"hidden": -1}), "does not read"),
        (_link, "no usable encoder.safetensors"),
    ])  # fmt: skip
    def test_what_was_altered_is_refused(self, folder, change, words):
        change(folder)
        with pytest.raises(ModelFileError, match=words):
            open_encoder(folder)

    def test_a_folder_of_something_else_says_what_to_do(self, tmp_path):
        with pytest.raises(ModelFileError) as caught:
            open_encoder(tmp_path / "nowhere")
        assert "cinchona pretrain" in caught.value.remedy
