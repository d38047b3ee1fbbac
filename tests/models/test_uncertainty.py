"""Kinds of uncertainty: losses against closed forms, served by the engine as PyTorch computes them, saved and found again."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import gammaln
from small_assays import SMILES, heavy_atoms, split_of, table_of
from small_spaces import random_model

from cinchona.datasets.molgraph import featurize_batch
from cinchona.errors import ConfigError
from cinchona.models.additive import additive_form
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.engine.gemm import numpy_gemm
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.losses import Labels, MaskedLoss
from cinchona.models.scaling import TargetScaling
from cinchona.models.train import fit_ensemble
from cinchona.models.uncertainty import evidential, gaussian, mc_dropout
from cinchona.models.uncertainty.kinds import likelihood_of, own_variance
from cinchona.records import CompoundBatch

KINDS = {"mean-variance": {}, "evidential": {}, "mc-dropout": {"dropout": 0.2, "samples": 7}}


def tensors(*rows):
    return [torch.tensor(row, dtype=torch.float64) for row in rows]


def softplus(x):
    return np.logaddexp(0, x)


def test_the_gaussian_likelihood_is_that_of_scipy():
    raw, target, censor = tensors([[0.3, 1.0, -0.5, 2.0]], [[1.1, -0.4]], [[0.0, 0.0]])
    found = gaussian.element(raw, target, censor, beta=0.0).numpy()
    sigma = np.sqrt(softplus(np.array([-0.5, 2.0])) + gaussian.LEAST)
    expected = -stats.norm.logpdf([1.1, -0.4], [0.3, 1.0], sigma) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(found[0], expected)
    np.testing.assert_allclose(gaussian.variance(raw.numpy(), 2)[0], sigma**2)


def test_bounds_take_the_normal_distribution_function():
    raw, target, censor = tensors([[0.3, 0.3, 1.0, 1.0]], [[1.0, 1.0]], [[-1.0, 1.0]])
    sigma = np.sqrt(softplus(1.0) + gaussian.LEAST)
    below, above = gaussian.element(raw, target, censor, beta=0.0).numpy()[0]
    assert below == pytest.approx(-stats.norm.logcdf((1.0 - 0.3) / sigma))
    assert above == pytest.approx(-stats.norm.logsf((1.0 - 0.3) / sigma))


def test_beta_scales_the_gradient_and_beta_one_gives_that_of_the_squared_error():
    raw = torch.tensor([[0.3, -2.0]], dtype=torch.float64, requires_grad=True)
    (target, censor) = tensors([[1.1]], [[0.0]])
    gaussian.element(raw, target, censor, beta=1.0).sum().backward()
    assert raw.grad is not None
    assert raw.grad[0, 0].item() == pytest.approx(0.3 - 1.1)


def test_the_evidential_likelihood_is_student_s():
    raw, target, censor = tensors([[0.3, 0.7, 0.2, -0.4]], [[1.1]], [[0.0]])
    nu, alpha, beta = (softplus(x) + evidential.LEAST for x in (0.7, 0.2, -0.4))
    alpha += 1
    scale = np.sqrt(beta * (1 + nu) / (nu * alpha))
    found = evidential.element(raw, target, censor, penalty=0.0).item()
    assert found == pytest.approx(-stats.t.logpdf(1.1, 2 * alpha, 0.3, scale))
    penalized = evidential.element(raw, target, censor, penalty=0.5).item()
    assert penalized - found == pytest.approx(0.5 * 0.8 * (2 * nu + alpha))
    assert evidential.variance(raw.numpy(), 1).item() == pytest.approx(beta / (alpha - 1) * (1 + 1 / nu))
    assert gammaln(alpha) < np.inf


@pytest.mark.parametrize("kind", ["mean-variance", "evidential"])
def test_missing_labels_kept_bounds_and_classes_cost_what_they_should(kind):
    network, training = GraphNetConfig(uncertainty=kind), TrainingConfig()
    loss = MaskedLoss(torch.tensor([False, True]), likelihood=likelihood_of(network, training))
    raw = torch.randn(4, 8 if kind == "evidential" else 4, requires_grad=True)
    values = torch.tensor([[0.1, 1.0], [torch.nan, 0.0], [-9.0, torch.nan], [torch.nan, torch.nan]])
    found = loss(raw, Labels(values, torch.tensor([[0, 0], [0, 0], [1, 0], [0, 0]], dtype=torch.int8)))
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad[3] == 0).all()
    assert (raw.grad[:, 3::2] == 0).all(), "classes have no variance to learn"


def test_samples_of_dropout_have_the_variance_of_the_formula():
    rng = np.random.default_rng(0)
    weights = {"head.0.weight": rng.normal(size=(64, 8)), "head.0.bias": np.zeros(64),
               "head.3.weight": rng.normal(size=(2, 64)), "head.3.bias": np.array([1.0, -1.0])}  # fmt: skip
    wide = mc_dropout.expanded(weights, share=0.25, samples=4000)
    hidden = np.abs(rng.normal(size=(1, 3, 64)))
    raw = hidden @ wide["head.3.weight"].T + wide["head.3.bias"]
    plain = hidden @ weights["head.3.weight"].T + weights["head.3.bias"]
    np.testing.assert_allclose(raw[..., :2], plain, rtol=1e-6)
    scaling = TargetScaling(np.zeros(2), np.array([1.0, 2.0]), np.zeros(2, bool))
    found = mc_dropout.variance(raw, 2, scaling)
    contributions = hidden[..., None, :] * weights["head.3.weight"]
    expected = (contributions**2).sum(-1) * 0.25 / 0.75 * np.array([1.0, 4.0])
    np.testing.assert_allclose(found, expected, rtol=0.12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["dmpnn", "gin"])
def test_the_engine_serves_what_pytorch_computes(kind, architecture):
    model = random_model(1, members=2, targets=2, architecture=architecture, uncertainty=kind, **KINDS[kind])
    one = model.score(CompoundBatch.of(SMILES))
    assert (one.uncertainty > 0).all()
    graphs = featurize_batch(SMILES)
    raw = model.raw_outputs(graphs)
    np.testing.assert_allclose(model.variances(raw)[0], one.value, rtol=1e-4, atol=1e-4)
    if kind != "mc-dropout":
        between = model.scaling.to_natural(raw[..., :2]).std(axis=0)
        own = own_variance(model.network, raw, model.scaling).mean(axis=0)
        np.testing.assert_allclose(one.uncertainty, np.sqrt(between**2 + own), rtol=1e-3)
    alone = model.score(CompoundBatch.of(SMILES[5:6]))
    np.testing.assert_allclose(alone.uncertainty, one.uncertainty[5:6], rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_sums_over_atoms_give_the_values_alone(kind):
    model = random_model(2, members=2, uncertainty=kind, **KINDS[kind])
    form = additive_form(model)
    assert not isinstance(form, str)
    assert [m.layers[-1][0].shape[1] for m in form.blocks[0].members] == [1, 1]
    assert form.bias.shape == (form.width,)
    assert numpy_gemm is not None


@pytest.mark.parametrize("kind", KINDS)
def test_training_saving_and_opening(kind, tmp_path, caplog):
    values = np.column_stack([heavy_atoms(), (heavy_atoms() > 6).astype(float)])
    table, split = table_of(values, kinds=("regression", "classification")), split_of(40)
    training = TrainingConfig(ensemble_size=4, epochs=2, batch_size=20, pretrained="none")
    network = GraphNetConfig(hidden=16, head_hidden=8, uncertainty=kind, **KINDS[kind])
    with caplog.at_level(logging.WARNING, logger="cinchona"):
        model = fit_ensemble(table, split, network=network, training=training, seed=0)
    assert caplog.text.count("unreliable") == (kind == "evidential"), "said once, and of this kind alone"
    held = model.held_out
    assert held is not None
    left_out = held.folds >= 0
    assert (held.spread[left_out, 0] > 0).all()
    assert np.isfinite(held.value[left_out]).all()
    save_model(model, tmp_path / "model")
    twin = open_scorer(tmp_path / "model")
    one, other = (each.score(CompoundBatch.of(SMILES)) for each in (model, twin))
    np.testing.assert_array_equal(one.uncertainty, other.uncertainty)
    assert twin.fingerprint == model.fingerprint


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dropout above 0"):
        GraphNetConfig(uncertainty="mc-dropout")
    with pytest.raises(ConfigError, match="likelihood of their own"):
        likelihood_of(GraphNetConfig(uncertainty="mean-variance"), TrainingConfig(loss="mae"))
    assert likelihood_of(GraphNetConfig(), TrainingConfig(loss="mae")) is None


def test_old_models_keep_their_specification():
    assert "uncertainty" not in GraphNetConfig().as_spec()
    assert GraphNetConfig(uncertainty="evidential").as_spec()["uncertainty"] == "evidential"
