"""Distances among the vectors of networks: those of plain algebra, the same alone and together, kept in the model folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM
from cinchona.models.config import GraphNetConfig
from cinchona.models.domain import embedding
from cinchona.models.domain.embedding import EmbeddingSpace
from cinchona.models.domain.fitting import fit_domain
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.measure import DomainMeasure
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.folder import open_scorer, save_model
from cinchona.models.network import build_network, initialize
from cinchona.models.scaling import TargetScaling
from cinchona.models.trusting import Trust
from cinchona.records import CompoundBatch, Endpoint


def ensemble(**changes: object) -> GraphEnsemble:
    """Two networks with random weights."""
    config = GraphNetConfig.model_validate({"hidden": 8, "head_hidden": 8, "depth": 2, **changes})
    members = [build_network(config, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=1).eval() for _ in range(2)]
    for seed, member in enumerate(members):
        initialize(member, torch.Generator().manual_seed(seed))
        member.requires_grad_(requires_grad=False)
    scaling = TargetScaling(np.zeros(1), np.ones(1), np.zeros(1, bool))
    return GraphEnsemble(members, network=config, endpoints=[Endpoint("y")], scaling=scaling)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 12))
def test_distances_are_those_of_plain_algebra(seed: int, n: int, h: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = rng.normal(size=(n, h)).astype(np.float32), rng.normal(size=(7, h)).astype(np.float32)
    space = EmbeddingSpace.fit(vectors, seed=1)
    if min(n, h) >= h:  # all components are kept, so lengths are those of the vectors themselves
        expected = np.sqrt(((queries[:, None] - vectors[None]) ** 2).sum(axis=2).min(axis=1))
        np.testing.assert_allclose(space.distances(queries), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(space.distances(vectors), 0, atol=1e-4)
    alone = np.concatenate([space.distances(queries[k : k + 1]) for k in range(7)])
    np.testing.assert_array_equal(alone, space.distances(queries))


def test_the_limit_holds_its_share_and_large_sets_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "POINTS", 50)
    vectors = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    space = EmbeddingSpace.fit(vectors, seed=1, quantile=0.9)
    assert space.points.shape == (4, 50)
    own = embedding._nearest(space.points, np.ascontiguousarray(space.points.T), np.arange(50))
    assert 0.9 <= (own <= space.limit).mean() <= 0.94
    turned = EmbeddingSpace.fit(vectors, seed=1, quantile=0.9)
    np.testing.assert_array_equal(space.points, turned.points)


@pytest.mark.parametrize("changes", [{}, {"architecture": "gin"}, {"architecture": "gatv2", "heads": 2}])
def test_vectors_are_those_of_the_first_network(changes: dict[str, object], small_molecules: list[str]) -> None:
    from cinchona.models.batching import GraphSet
    from cinchona.models.train import graphs_of

    model = ensemble(**changes)
    with torch.inference_mode():
        graphs = GraphSet.of(graphs_of(small_molecules), depth=model.network.program_depth)
        expected = model.members[0].embed(graphs.batch(np.arange(60))).numpy()
    np.testing.assert_allclose(model.molecule_vectors(small_molecules), expected, rtol=1e-4, atol=1e-5)


def test_a_domain_with_an_embedding_is_narrower_and_survives_the_folder(
    small_molecules: list[str], tmp_path: Path
) -> None:
    model = ensemble()
    batch = CompoundBatch.of([*small_molecules[:5], "nonsense", "FC(F)(F)C(F)(F)C(F)(F)F", "CCCCCCCCCCCCCCCCCCCC"])
    plain = fit_domain(small_molecules, endpoints=model.endpoints, folding=Folding.of("e"), seed=1)
    wide = replace(plain, thresholds=(replace(plain.thresholds[0], distance=1.0),))
    model.trust = Trust(domain=wide)
    value = model.score(batch)
    assert value.in_domain is not None
    assert value.in_domain.all()
    model.trust = Trust(
        domain=replace(wide, embedding=EmbeddingSpace.fit(model.molecule_vectors(small_molecules), seed=1))
    )
    found = model.score(batch).check_accounts_for(batch)
    assert found.in_domain is not None
    assert found.in_domain[:5].all()
    assert not found.in_domain[5:].any()
    np.testing.assert_array_equal(found.value, value.value)
    save_model(model, tmp_path / "model")
    opened = open_scorer(tmp_path / "model")
    assert isinstance(opened.trust.domain, DomainMeasure)
    again = opened.score(batch).in_domain
    assert again is not None
    np.testing.assert_array_equal(again, found.in_domain)


def test_parts_that_do_not_fit_are_refused() -> None:
    space = EmbeddingSpace.fit(np.eye(5, dtype=np.float32), seed=0)
    for name, array in (("mean", space.mean[:-1]), ("points", space.points[:-1]), ("basis", space.basis.astype(float))):
        with pytest.raises(ValueError, match="embedding of shapes"):
            EmbeddingSpace.restore(space.spec(), space.arrays() | {f"embedding_{name}": array})
