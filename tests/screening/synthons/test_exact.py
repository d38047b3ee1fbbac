"""Scores from tables against products that are built and scored one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_spaces import (
    ACIDS,
    ALDEHYDES,
    AMIDE,
    AMINES,
    CORES,
    ISONITRILES,
    QUINAZOLINE,
    UGI,
    brute_force,
    random_model,
    reaction_space,
    search_in,
)

from cinchona.errors import InputError
from cinchona.models.objective import ObjectiveScorer
from cinchona.screening.synthons.collect import merged_best
from cinchona.screening.synthons.search import SpaceSearch
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.units import plan_units

SPACES = {
    "amides": (AMIDE, ACIDS, AMINES),
    "quinazolines": (QUINAZOLINE, CORES[:5], AMINES[:12], ACIDS[:12]),
    "ugi": (UGI, ALDEHYDES[:3], AMINES[:7], ACIDS[:5], ISONITRILES[:2]),
    "one component": ("[C:1](=O)[OH]>>[C:1](=O)OC", ACIDS),
}
MODELS = {
    "sum": {"readout": "sum"},
    "mean": {"readout": "mean"},
    "norm, three members": {"members": 3},
    "mean, two members, no hidden layer": {"readout": "mean", "members": 2, "head_layers": 0},
    "deep head": {"head_layers": 3},
    "linear head": {"head_layers": 0},
    "depth 1": {"depth": 1},
    "depth 5": {"depth": 5},
    "class, four members": {"kind": "classification", "members": 4},
    "two targets": {"targets": 2, "members": 2},
    "gin": {"architecture": "gin", "members": 2},
    "gine, mean": {"architecture": "gine", "readout": "mean", "depth": 2},
}

NO_QUICK = {"mean, two members, no hidden layer", "deep head", "linear head"}
"""Models without a compiled loop of their own: asking for it changes nothing."""


def compare(space: SynthonSpace, search: SpaceSearch) -> None:
    """Check the best, the sums and the counts of a search against brute force."""
    results = [search.run(unit) for unit in plan_units(space)]
    known = brute_force(space, search.scorer)
    assert known.scores is not None
    wanted = known.scores.score
    order = np.lexsort((known.numbers, -wanted))[: search.top_k]
    scores, numbers = merged_best([c.ranked() for r in results for c in r.collected.values()], search.top_k)
    assert scores == pytest.approx(wanted[order], abs=1e-5, rel=1e-5)
    by_number = dict(zip(known.numbers.tolist(), wanted.tolist(), strict=True))
    assert scores == pytest.approx([by_number[n] for n in numbers.tolist()], abs=1e-5, rel=1e-5)
    impossible = sum(assay.impossible for assay in space.assays) + sum(sum(r.rejects.values()) for r in results)
    assert impossible == len(known.rejects)
    assert sum(c.scored for r in results for c in r.collected.values()) == len(wanted)
    total = sum(c.sums[0].sum() for r in results for c in r.collected.values())
    assert total == pytest.approx(wanted.astype(float).sum(), rel=1e-5, abs=1e-3)


@pytest.fixture(scope="module")
def small_space() -> SynthonSpace:
    """Quinazolines of several cells, with stereocentres, charges, an isotope and reagents that react twice."""
    return reaction_space(QUINAZOLINE, CORES[:3], AMINES[:8], ACIDS[:8])


@pytest.mark.parametrize("name", SPACES)
def test_spaces_of_one_to_four_components_are_scored_as_their_molecules(name: str) -> None:
    space = reaction_space(*SPACES[name])
    compare(space, search_in(space, random_model(members=2)))


@pytest.mark.parametrize(
    ("name", "quick"),
    [(name, quick) for name in MODELS for quick in (True, False) if not quick or name not in NO_QUICK],
)
def test_every_kind_of_model_gives_the_scores_of_the_ordinary_path(
    small_space: SynthonSpace, name: str, quick: bool
) -> None:
    compare(small_space, search_in(small_space, random_model(seed=3, **MODELS[name]), quick=quick))


def test_an_objective_over_two_endpoints_ranks_products_too() -> None:
    space = reaction_space(AMIDE, ACIDS[:8], AMINES[:8])
    scorer = ObjectiveScorer.of(random_model(targets=2, members=2), "mean(high(t0, -1, 1), low(t1, 0, 2))")
    compare(space, search_in(space, scorer))


@settings(max_examples=15)
@given(st.data())
def test_random_spaces_agree_with_brute_force(data: st.DataObject) -> None:
    def some(pool: tuple[str, ...]) -> list[str]:
        return data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=5, unique=True))

    kind = data.draw(st.sampled_from(["amide", "quinazoline", "ugi"]))
    if kind == "amide":
        roles = (AMIDE, some(ACIDS), some(AMINES))
    elif kind == "quinazoline":
        roles = (QUINAZOLINE, some(CORES), some(AMINES), some(ACIDS))
    else:
        roles = (UGI, some(ALDEHYDES), some(AMINES), some(ACIDS), some(ISONITRILES))
    try:
        space = reaction_space(*roles)
    except InputError:  # nothing reacts
        return
    model = random_model(data.draw(st.integers(0, 50)), depth=data.draw(st.integers(1, 4)), readout=data.draw(
        st.sampled_from(["sum", "norm", "mean"])))  # fmt: skip
    compare(space, search_in(space, model, audit=5))
