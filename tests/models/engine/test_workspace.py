"""Memory that is used again: nothing shows through, nothing that was returned changes, and what is kept is bounded."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from coded_molecules import CHAIN, CUBE, LONE, STAR, make_graphs, make_weights
from hypothesis import given
from hypothesis import strategies as st

from cinchona.models.engine import workspace as module
from cinchona.models.engine.directed import CodedGraphs, MessagePlan, atom_states, encode, plan_messages
from cinchona.models.engine.gemm import DeviceProduct, gemm
from cinchona.models.engine.kernels import molecule_sums
from cinchona.models.engine.workspace import Workspace, workspace


@pytest.fixture(autouse=True)
def full_of_rubbish(monkeypatch):
    """A workspace whose memory holds the worst that a batch before could have left."""
    space = Workspace()
    for name in ("flow", "bonds", "atoms", "sums"):
        space.matrix(name, 1_000, 16)[:] = np.nan
    monkeypatch.setattr(module._OF_THREAD, "space", space)
    return space


def sums_of_states(graphs: CodedGraphs, plan: MessagePlan, product: str) -> np.ndarray:
    states = atom_states(graphs, plan, make_weights(2), gemm(product))
    return molecule_sums(states, plan.atoms.ids, graphs.offsets)


@pytest.mark.parametrize("product", ["numpy", "torch"])
@pytest.mark.parametrize("case", [[CUBE, CUBE, LONE], [CHAIN, STAR, LONE, CHAIN], [LONE]], ids=["few", "many", "none"])
@pytest.mark.parametrize("depth", [1, 3])
def test_one_pass_over_the_atoms_equals_states_first_and_sums_then(case, depth, product):
    graphs = make_graphs(case)
    plan = plan_messages(graphs, depth)
    found = encode(graphs, plan, make_weights(2), gemm(product))
    np.testing.assert_allclose(found, sums_of_states(graphs, plan, product), rtol=1e-6, atol=1e-6)
    assert np.isfinite(found).all()


def test_what_was_returned_does_not_change_and_a_batch_gives_the_same_bits_whatever_came_before():
    first, second, weights = make_graphs([CHAIN, STAR]), make_graphs([CUBE, LONE, STAR]), make_weights()
    plans = [plan_messages(graphs, 3) for graphs in (first, second)]
    found = encode(first, plans[0], weights, gemm("numpy"))
    kept = found.copy()
    encode(second, plans[1], weights, gemm("numpy"))
    assert np.array_equal(found, kept)
    assert np.array_equal(encode(first, plans[0], weights, gemm("numpy")), kept)


def test_states_of_chosen_atoms_are_the_callers_own():
    graphs, weights = make_graphs([CHAIN, STAR]), make_weights()
    plan = plan_messages(graphs, 2)
    states = atom_states(graphs, plan, weights, gemm("numpy"))
    kept = states.copy()
    encode(graphs, plan, make_weights(9), gemm("numpy"))
    assert np.array_equal(states, kept)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 9)), max_size=20))
def test_matrices_have_the_shape_asked_for_and_do_not_overlap(asked):
    space, latest = Workspace(), {}
    for name, rows, width in asked:
        latest[name] = space.matrix(name, rows, width)
        assert latest[name].shape == (rows, width)
        assert latest[name].flags.c_contiguous
    if len(latest) > 1:
        assert not np.shares_memory(latest["a"], latest["b"])


def test_memory_is_used_again_unless_it_is_much(monkeypatch):
    space = Workspace()
    assert np.shares_memory(space.matrix("a", 100, 8), space.matrix("a", 20, 4))
    monkeypatch.setattr(module, "_KEPT", 1_000)
    large = space.matrix("a", 1_000, 8)
    assert not np.shares_memory(large, space.matrix("a", 1_000, 8))
    assert np.shares_memory(space.matrix("a", 10, 8), space.matrix("a", 10, 8))


def test_room_for_later_batches_is_taken_at_once_and_within_what_is_kept(monkeypatch):
    space = Workspace(lasting=True)
    first = space.matrix("a", 100, 8, expected=300)
    assert np.shares_memory(first, space.matrix("a", 300, 8))
    assert not np.shares_memory(first, space.matrix("a", 400, 8)), "more than was expected"
    assert np.shares_memory(space.matrix("b", 100, 8), space.matrix("b", 120, 8)), "a little more is always there"
    passing = Workspace()
    assert not np.shares_memory(passing.matrix("a", 100, 8, expected=300), passing.matrix("a", 101, 8))
    monkeypatch.setattr(module, "_KEPT", 150 * 8 * 4)
    kept = space.matrix("c", 100, 8, expected=10_000)
    assert np.shares_memory(kept, space.matrix("c", 150, 8))
    assert not np.shares_memory(kept, space.matrix("c", 151, 8))


def test_each_thread_has_its_own():
    found = []
    thread = threading.Thread(target=lambda: found.append(workspace()))
    thread.start()
    thread.join()
    assert found[0] is not workspace()


@pytest.mark.parametrize("product", [gemm("numpy"), gemm("torch"), DeviceProduct("cpu")])
def test_a_product_lands_where_it_should(product):
    left, right = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(8, dtype=np.float32).reshape(2, 4)
    place = np.full((3, 4), np.nan, np.float32)
    assert np.shares_memory(product(left, right, place), place)
    assert np.array_equal(place, left @ right)
