"""Bounds and filters change neither hits nor counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors
from small_spaces import ACIDS, AMIDE, AMINES, CORES, QUINAZOLINE, brute_force, random_model, reaction_space, search_in

from cinchona.screening.config import SpaceConfig
from cinchona.screening.synthons.collect import merged_best
from cinchona.screening.synthons.kernels import bounded_scores, quick_scores
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.units import plan_units


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 20), st.booleans(), st.floats(0, 1))
def test_what_bounds_skip_stays_below_the_bar_and_the_rest_is_right(
    seed: int, n: int, m: int, logistic: bool, share: float
) -> None:
    rng = np.random.default_rng(seed)
    width, classes = 12, 2
    left, right = (rng.standard_normal((k, width)).astype(np.float32) for k in (n, classes * m))
    start = np.array([0, n // 2, n])
    factor = rng.standard_normal(2).astype(np.float32)
    head = (rng.standard_normal(width).astype(np.float32), np.array([0, 5, width]), rng.standard_normal(2).astype(np.float32),
            np.concatenate([factor, [0.25, float(logistic)]]).astype(np.float32))  # fmt: skip
    whole, bounded = np.empty((n, m), np.float32), np.empty((n, m), np.float32)
    quick_scores(left, right, start, head, whole)
    bar = float(np.quantile(whole, share))
    sign = np.sign(head[0] * np.repeat(factor, [5, width - 5])).astype(np.float32)
    skipped = bounded_scores(left, right, start, head, (sign, bar), bounded)
    scored = np.isfinite(bounded)
    assert skipped == (~scored).sum()
    assert bounded[scored] == pytest.approx(whole[scored], abs=1e-5)
    assert (whole[~scored] < bar + 1e-5).all()


@pytest.fixture(scope="module")
def space() -> SynthonSpace:
    return reaction_space(QUINAZOLINE, CORES[:4], AMINES[:10], ACIDS[:10])


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_the_best_are_the_same_with_bounds(space: SynthonSpace, kind: str) -> None:
    model = random_model(kind=kind, members=2)
    whole = search_in(space, model, top_k=5)
    quick = search_in(space, model, top_k=5, settings=SpaceConfig(best_only=True))
    best = []
    for search in (whole, quick):
        results = [search.run(unit) for unit in plan_units(space)]
        best.append(merged_best([c.ranked() for r in results for c in r.collected.values()], 5))
        assert sum(c.scored for r in results for c in r.collected.values()) == len(space)
    assert best[0][1].tolist() == best[1][1].tolist()
    assert sum(c.skipped for r in results for c in r.collected.values()) > 0


def test_filters_leave_out_what_rdkit_says_and_nothing_else() -> None:
    limits = {"mw": (0.0, 330.0), "tpsa": (20.0, 80.0), "logp": (-1.0, 3.0), "hbd": (0.0, 2.0), "hba": (0.0, 6.0),
              "rotatable_bonds": (0.0, 4.0), "heavy_atoms": (5.0, 24.0)}  # fmt: skip
    space = reaction_space(AMIDE, ACIDS, AMINES)
    model = random_model()
    search = search_in(space, model, top_k=30, audit=200, settings=SpaceConfig(filters=limits))
    results = [search.run(unit) for unit in plan_units(space)]
    known = brute_force(space, model)
    mols = [Chem.MolFromSmiles(s) for s in known.smiles]
    values = {"mw": Descriptors.MolWt, "tpsa": rdMolDescriptors.CalcTPSA, "logp": lambda m: rdMolDescriptors.CalcCrippenDescriptors(m)[0],
              "hbd": rdMolDescriptors.CalcNumHBD, "hba": rdMolDescriptors.CalcNumHBA,
              "rotatable_bonds": rdMolDescriptors.CalcNumRotatableBonds, "heavy_atoms": lambda m: m.GetNumHeavyAtoms()}  # fmt: skip
    inside = np.array([all(lo <= values[n](m) <= hi for n, (lo, hi) in limits.items()) for m in mols])
    assert 10 < inside.sum() < len(mols) - 10
    kept, filtered = (
        sum(getattr(c, name) for r in results for c in r.collected.values()) for name in ("scored", "filtered")
    )
    assert (kept, filtered) == (inside.sum(), (~inside).sum())
    assert sum(r.misjudged for r in results) == 0
    order = np.lexsort((known.numbers[inside], -known.scores.score[inside]))[:30]
    _, numbers = merged_best([c.ranked() for r in results for c in r.collected.values()], 30)
    assert set(numbers.tolist()) == set(known.numbers[inside][order].tolist())
