"""Shares of atoms and bonds: closed forms, axioms, oracles, planted atoms, and what must change when weights are shuffled."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from additive_scorer import AdditiveScorer
from explained_models import MOLECULES, ensemble_of
from foreign_models import random_weights, write_checkpoint
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.chemprop_features import chemprop_features
from cinchona.datasets.graphcodes import AtomField
from cinchona.datasets.molgraph import featurize
from cinchona.datasets.parsing import Rejected
from cinchona.errors import ConfigError
from cinchona.models.config import ArchitectureName, GraphNetConfig
from cinchona.models.explanation.attribution import attribute, default_method, methods_of, predictions
from cinchona.models.explanation.checks import agreement, with_random_weights
from cinchona.models.explanation.gradients import GAP, integrated_gradients
from cinchona.models.explanation.graphs import open_batch
from cinchona.models.explanation.plain import PlainNetwork
from cinchona.models.explanation.planted import TASKS, crippen_shares, planted_auc
from cinchona.models.imported.importing import read_foreign
from cinchona.models.objective import ObjectiveScorer
from cinchona.records import CompoundBatch


def nitrogens(smiles: str) -> np.ndarray:
    return np.array([atom.GetAtomicNum() == 7 for atom in Chem.MolFromSmiles(smiles).GetAtoms()])


def counted(smiles: str) -> np.ndarray:
    return np.array([atom.GetAtomicNum() in (7, 8) for atom in Chem.MolFromSmiles(smiles).GetAtoms()])


class TestClosedForm:
    @pytest.mark.parametrize("method", ["gradients", "masking"])
    def test_a_sum_over_atoms_gives_each_atom_its_summand(self, nitrogen_counter, method):
        for one in attribute(nitrogen_counter, MOLECULES, method=method):
            np.testing.assert_allclose(one.atoms, 3.0 * nitrogens(one.smiles), atol=1e-5)
            np.testing.assert_allclose(one.bonds, 0.0, atol=1e-6)
            assert one.value == pytest.approx(2.0 + 3.0 * nitrogens(one.smiles).sum(), abs=1e-5)
            assert not one.unsure_atoms.any()

    def test_the_reference_is_the_answer_without_features(self, nitrogen_counter):
        (one,) = attribute(nitrogen_counter, ["CCN"], method="gradients")
        assert one.reference == pytest.approx(2.0)
        assert one.gap == pytest.approx(0.0, abs=1e-5)

    def test_removal_sees_the_same_in_any_scorer(self, nitrogen_counter):
        (one,) = attribute(nitrogen_counter, ["CCCN"], method="removal")
        assert one.atoms.argmax() == 3
        assert one.atoms[3] > 0
        assert one.atoms[0] == pytest.approx(one.atoms[1])


class TestIntegratedGradients:
    @pytest.mark.parametrize("architecture", get_args(ArchitectureName))
    def test_shares_are_complete_for_every_architecture(self, architecture):
        scorer = ensemble_of(GraphNetConfig(architecture=architecture, hidden=8, head_hidden=8, depth=2, heads=2))
        for one in attribute(scorer, MOLECULES[:2], method="gradients"):
            assert abs(one.gap) <= GAP * max(abs(one.value - one.reference), np.abs(one.by_atom).sum()) + 1e-4
            assert np.abs(one.by_atom).sum() > 0
            assert one.by_atom.sum() == pytest.approx(one.atoms.sum() + one.bonds.sum())

    @pytest.mark.parametrize(
        "config",
        [
            GraphNetConfig(hidden=8, head_hidden=8, depth=1, readout="sum", head_layers=0),
            GraphNetConfig(hidden=8, head_hidden=6, depth=2, readout="mean", head_layers=1),
            GraphNetConfig(hidden=8, head_hidden=8, depth=4, readout="norm", norm=7.0, head_layers=2),
        ],
        ids=lambda config: config.readout,
    )
    def test_what_grows_with_the_features_is_computed_once_with_the_same_outcome(self, config):
        def biased(net):
            net.encoder.W_o.bias.normal_(generator=torch.Generator().manual_seed(5))

        scorer = ensemble_of(config, edit=biased)
        graphs = [featurize(text) for text in (*MOLECULES, "C", "[Na+].[Cl-]")]
        plain = PlainNetwork.of(config, scorer.weights[0])
        batch = open_batch(graphs, depth=config.depth)
        np.testing.assert_allclose(plain(batch), scorer.members[0](batch).detach(), atol=1e-6)
        whole, parts = (
            integrated_gradients(net, graphs, target=0, depth=config.depth) for net in (scorer.members[0], plain)
        )
        assert max(np.abs(atoms).max() for _, _, atoms, _ in whole) > 0.01
        for one, other in zip(whole, parts, strict=True):
            for mine, theirs in zip(one, other, strict=True):
                np.testing.assert_allclose(mine, theirs, atol=2e-6)

    def test_agree_with_a_plain_sum_of_many_points(self):
        config = GraphNetConfig(hidden=8, head_hidden=8, depth=3)
        scorer = ensemble_of(config)
        graph = featurize(MOLECULES[0])
        network = scorer.members[0]
        batch = open_batch([graph], depth=3)
        total = torch.zeros(len(batch.atom_rows))
        for alpha in (np.arange(150) + 0.5) / 150:
            atoms = (float(alpha) * batch.atom_rows).requires_grad_()
            out = network(replace(batch, atom_rows=atoms, bond_rows=float(alpha) * batch.bond_rows)).sum()
            total += (torch.autograd.grad(out, atoms)[0] * batch.atom_rows).sum(dim=1) / 150
        ((_, _, shares, _),) = integrated_gradients(network, [graph], target=0, depth=3)
        np.testing.assert_allclose(shares, total.numpy(), atol=0.01 * np.abs(total.numpy()).max())

    def test_agree_with_captum(self):
        captum = pytest.importorskip("captum.attr", reason="captum is an optional oracle (extra: explain)")
        config = GraphNetConfig(hidden=8, head_hidden=8, depth=2)
        network, graph = ensemble_of(config).members[0], featurize(MOLECULES[1])
        batch = open_batch([graph], depth=2)

        def forward(atoms, bonds):
            return torch.stack(
                [network(replace(batch, atom_rows=a, bond_rows=b))[0, 0] for a, b in zip(atoms, bonds, strict=True)]
            )

        rows = (batch.atom_rows[None], batch.bond_rows[None])
        theirs = captum.IntegratedGradients(forward).attribute(rows, n_steps=64, internal_batch_size=1)
        ((_, _, atoms, _),) = integrated_gradients(network, [graph], target=0, depth=2)
        np.testing.assert_allclose(atoms, theirs[0][0].sum(dim=1).detach().numpy(), atol=1e-2)

    def test_do_not_depend_on_the_company(self):
        scorer = ensemble_of(GraphNetConfig(hidden=8, head_hidden=8, depth=2), members=2)
        together = attribute(scorer, MOLECULES, method="gradients")
        for text, one in zip(MOLECULES, together, strict=True):
            (alone,) = attribute(scorer, [text], method="gradients")
            np.testing.assert_allclose(alone.atoms, one.atoms, atol=1e-5)
            np.testing.assert_allclose(alone.atom_spread, one.atom_spread, atol=1e-5)

    def test_a_class_is_explained_in_log_odds(self):
        scorer = ensemble_of(GraphNetConfig(hidden=8, head_hidden=8, depth=2), kind="classification")
        (one,) = attribute(scorer, ["CCO"])
        assert one.scale == "log-odds"
        probability = predictions(scorer, ["CCO"], column=0)
        assert one.value == pytest.approx(probability[0], abs=1e-3)


class TestMasking:
    def test_is_the_fall_when_features_are_zero(self):
        config = GraphNetConfig(hidden=8, head_hidden=8, depth=2)
        scorer, graph = ensemble_of(config), featurize(MOLECULES[0])
        batch = open_batch([graph], depth=2)
        atoms, bonds = batch.atom_rows.clone(), batch.bond_rows.clone()
        atoms[3] = 0
        bonds[(batch.edges == 3).any(dim=0)] = 0
        fall = scorer.members[0](batch) - scorer.members[0](replace(batch, atom_rows=atoms, bond_rows=bonds))
        (one,) = attribute(scorer, [MOLECULES[0]], method="masking")
        assert one.atoms[3] == pytest.approx(3.0 * float(fall.detach()), abs=1e-4)
        bonds = batch.bond_rows.clone()
        bonds[4:6] = 0
        fall = scorer.members[0](batch) - scorer.members[0](replace(batch, bond_rows=bonds))
        assert one.bonds[2] == pytest.approx(3.0 * float(fall.detach()), abs=1e-4)


class TestImported:
    """Networks of other packages are masked on codes, through the engine."""

    @pytest.fixture
    def scorer(self, tmp_path):
        weights = random_weights(3, layers=2, targets=2, bias=True, batch_norm=True)
        return read_foreign(write_checkpoint(tmp_path / "best.pt", weights, columns=("a", "b")))[0]

    def test_shares_are_the_fall_when_features_are_zero(self, scorer):
        assert methods_of(scorer) == ("masking", "removal")
        (one,) = attribute(scorer, ["CC=O"], endpoint="b")
        whole = scorer.score(CompoundBatch.of(["CC=O"])).value[0, 1]
        assert one.value == pytest.approx(float(whole), abs=1e-4)

        def without_the_oxygen(graph):
            atoms, bonds = chemprop_features(graph)
            oxygen = graph.atoms[:, AtomField.ELEMENT] == 8
            atoms[oxygen] = 0
            bonds[oxygen[graph.ends].any(axis=1)] = 0
            return atoms, bonds

        # All atoms and bonds of acetaldehyde have codes of their own, so what is hidden by code is hidden once.
        hidden = scorer.member_outputs(codes_of_many([Chem.MolFromSmiles("CC=O")]), "b", without_the_oxygen).mean()
        assert one.atoms[2] == pytest.approx(float(whole) - hidden, abs=1e-4)

    def test_every_bond_and_atom_has_a_share(self, scorer):
        for one in attribute(scorer, MOLECULES):
            assert np.abs(one.atoms).min() > 0
            assert one.bonds.shape == (len(one.ends),)


class TestSanity:
    """Planted causes are found, and nothing is left of an explanation when the weights mean nothing."""

    @pytest.mark.parametrize("method", ["gradients", "masking", "removal"])
    def test_a_trained_network_shows_the_atoms_that_count(self, learnt, method):
        scorer, smiles = learnt
        found = attribute(scorer, smiles, method=method)
        auc = np.nanmean([planted_auc(one.by_atom, counted(one.smiles)) for one in found])
        assert auc >= 0.9

    def test_random_weights_give_another_explanation(self, learnt):
        scorer, smiles = learnt
        trained = attribute(scorer, smiles)
        assert agreement(trained, trained) == pytest.approx(1.0)
        shuffled = with_random_weights(scorer, seed=0)
        assert shuffled.fingerprint != scorer.fingerprint
        other = attribute(shuffled, smiles)
        assert agreement(trained, other) < 0.6
        assert np.nanmean([planted_auc(one.by_atom, counted(one.smiles)) for one in other]) < 0.9

    def test_crippens_contributions_add_up(self):
        from rdkit.Chem import Crippen

        for text in MOLECULES:
            mol = Chem.MolFromSmiles(text)
            assert crippen_shares(mol).sum() == pytest.approx(Crippen.MolLogP(mol), abs=1e-6)

    def test_each_task_marks_the_atoms_that_make_its_label(self):
        mols = [Chem.MolFromSmiles(text) for text in (*MOLECULES, "CC(=O)Nc1ccncc1", "Clc1cccc(-c2ccncc2)c1", "CCCC")]
        for name in ("amide count", "pharmacophore pair"):
            labels = [TASKS[name].label(mol) for mol in mols]
            assert [bool(label) for label in labels] == [bool(TASKS[name].truth(mol).any()) for mol in mols]
            assert len(set(labels)) > 1

    def test_auc_of_planted_atoms(self):
        truth = np.array([True, False, False])
        assert planted_auc(np.zeros(3), truth) == 0.5
        assert planted_auc(np.array([0.0, 1.0, 2.0]), truth) == 0.0
        assert np.isnan(planted_auc(np.zeros(3), np.zeros(3, bool)))


class TestAnyScorer:
    def test_removal_explains_an_object_that_is_no_network(self):
        scorer = AdditiveScorer(seconds=0.0)
        assert default_method(scorer) == "removal"
        (one,) = attribute(scorer, ["CCCCO"])
        assert one.method == "removal"
        assert one.endpoint == "pX"
        assert one.atoms.argmax() == 4
        assert one.atom_spread is None

    def test_every_row_is_explained_or_rejected(self):
        found = attribute(AdditiveScorer(seconds=0.0), ["CCO", "nonsense(", "CCBr", ""])
        assert [isinstance(one, Rejected) for one in found] == [False, True, True, True]
        assert all(one.reason for one in found if isinstance(one, Rejected))

    def test_a_wrapped_scorer_is_explained_by_what_it_wraps(self, nitrogen_counter):
        wrapped = ObjectiveScorer.of(nitrogen_counter, "-y")
        assert default_method(wrapped) == "gradients"
        (one,) = attribute(wrapped, ["CCN"])
        assert one.atoms[2] == pytest.approx(3.0, abs=1e-5)

    def test_another_endpoint(self):
        (one,) = attribute(AdditiveScorer(seconds=0.0), ["CCO"], endpoint="pY")
        assert not one.atoms.any()

    def test_mistakes_are_told(self, nitrogen_counter):
        with pytest.raises(ConfigError, match="no endpoint 'nope'"):
            attribute(nitrogen_counter, ["C"], endpoint="nope")
        with pytest.raises(ConfigError, match="cannot be explained by gradients"):
            attribute(AdditiveScorer(), ["C"], method="gradients")

    def test_nothing_and_single_atoms(self, nitrogen_counter):
        assert attribute(nitrogen_counter, []) == []
        for method in ("gradients", "masking", "removal"):
            (one,) = attribute(nitrogen_counter, ["N"], method=method)
            assert one.atoms.shape == (1,)
            assert one.bonds.shape == (0,)
            assert one.to_json()["bond_ends"] == []

    def test_members_that_disagree_are_unsure(self):
        scorer = ensemble_of(GraphNetConfig(hidden=8, head_hidden=8, depth=2), members=3)
        (one,) = attribute(scorer, [MOLECULES[2]])
        assert one.unsure_atoms.any()
        np.testing.assert_array_equal(one.unsure_atoms, np.abs(one.atoms) < one.atom_spread)
