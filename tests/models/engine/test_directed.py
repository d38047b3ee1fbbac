"""The engine equals a brute-force forward pass that knows nothing of groups."""

from __future__ import annotations

import numpy as np
import pytest
from coded_molecules import (
    CHAIN,
    CUBE,
    CYCLE_6,
    HIDDEN,
    LONE,
    STAR,
    TWO_CYCLES_3,
    make_graphs,
    make_weights,
    molecule,
)
from hypothesis import given
from hypothesis import strategies as st

from cinchona.models.engine.directed import CodedGraphs, DirectedWeights, encode, plan_messages
from cinchona.models.engine.gemm import DeviceProduct, gemm, measure_gemm
from cinchona.models.engine.grouping import group_atoms, group_bonds, group_codes, incidence
from cinchona.models.engine.on_device import encode_on_device


def brute_force(graphs: CodedGraphs, w: DirectedWeights, depth: int) -> np.ndarray:
    """One bond at a time, in float64, straight from the formula."""
    arcs = [(int(a), int(b), i) for i, (u, v) in enumerate(graphs.ends) for a, b in ((u, v), (v, u))]
    x = graphs.atom_rows[graphs.atom_codes].astype(np.float64)
    base = [x[a] @ w.w_atom + graphs.bond_rows[graphs.bond_codes[i]] @ w.w_bond + w.b_i for a, _, i in arcs]
    state = [np.maximum(b, 0) for b in base]
    for _ in range(1, depth):
        state = [
            np.maximum(base[k] + _inflow(arcs, state, a, leave_out=b) @ w.w_h + w.b_h, 0)
            for k, (a, b, _) in enumerate(arcs)
        ]
    out = [
        np.maximum(x[v] @ w.w_out_atom + _inflow(arcs, state, v, leave_out=-1) @ w.w_out_message + w.b_o, 0)
        for v in range(len(x))
    ]
    return np.array([sum(out[a:b], np.zeros(HIDDEN)) for a, b in zip(graphs.offsets, graphs.offsets[1:], strict=False)])


def _inflow(arcs: list[tuple[int, int, int]], state: list[np.ndarray], atom: int, *, leave_out: int) -> np.ndarray:
    incoming = (s for (a, b, _), s in zip(arcs, state, strict=True) if b == atom and a != leave_out)
    return sum(incoming, np.zeros(HIDDEN))


@given(st.lists(molecule(), min_size=1, max_size=6), st.integers(1, 4))
def test_equals_brute_force_on_random_graphs(molecules, depth):
    graphs, weights = make_graphs(molecules), make_weights()
    got = encode(graphs, plan_messages(graphs, depth), weights, gemm("numpy"))
    np.testing.assert_allclose(got, brute_force(graphs, weights, depth), atol=2e-4, rtol=2e-5)


@pytest.mark.parametrize("case", [CYCLE_6, TWO_CYCLES_3, CUBE, STAR, LONE], ids=["c6", "2c3", "cube", "star", "lone"])
def test_symmetric_graphs_equal_brute_force(case):
    graphs, weights = make_graphs([case, CHAIN, LONE]), make_weights(3)
    got = encode(graphs, plan_messages(graphs, 3), weights, gemm("torch"))
    np.testing.assert_allclose(got[:1], brute_force(make_graphs([case]), weights, 3), atol=1e-4)


def test_a_cube_has_one_environment_and_is_computed_once():
    plan = plan_messages(make_graphs([CUBE, CUBE]), 4)
    assert [len(level) for level in plan.levels] == [1, 1, 1, 1]
    assert len(plan.atoms) == 1


def test_environments_that_differ_far_away_are_told_apart_at_that_radius_only():
    straight = ([0, 0, 0, 0], [(0, 1, 0), (1, 2, 0), (2, 3, 0)])
    changed = ([0, 0, 0, 1], [(0, 1, 0), (1, 2, 0), (2, 3, 0)])
    plan = plan_messages(make_graphs([straight, changed]), 4)
    towards_start = (1, 7)  # bond 1 -> 0 in both molecules: it sees the changed atom from radius 2 on
    same = [level.ids[towards_start[0]] == level.ids[towards_start[1]] for level in plan.levels]
    assert same == [True, True, False, False]


def test_colliding_hashes_do_not_merge_groups(monkeypatch):
    from cinchona.models.engine import grouping

    monkeypatch.setattr(grouping, "_hash_row", lambda _row: np.uint64(0))
    keys = np.array([[1, 2], [1, 3], [1, 2], [2, 1]], np.uint32)
    ids, representatives = grouping._group.py_func(keys)
    assert ids.tolist() == [0, 1, 0, 2]
    assert representatives.tolist() == [0, 1, 3]


@given(st.lists(molecule(), min_size=2, max_size=5), st.randoms())
def test_order_and_company_do_not_change_a_molecule(molecules, rnd):
    weights = make_weights(5)
    order = list(range(len(molecules)))
    rnd.shuffle(order)
    graphs, shuffled = make_graphs(molecules), make_graphs([molecules[i] for i in order])
    whole = encode(graphs, plan_messages(graphs, 3), weights, gemm("numpy"))
    other = encode(shuffled, plan_messages(shuffled, 3), weights, gemm("numpy"))
    np.testing.assert_allclose(other, whole[order], atol=1e-5, rtol=1e-5)


def test_groups_are_equal_rows_and_nothing_else():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**40, 50)[rng.integers(0, 50, 4000)]
    groups = group_codes(codes)
    assert len(groups) == len(np.unique(codes))
    np.testing.assert_array_equal(codes[groups.representatives][groups.ids], codes)


def test_the_reverse_bond_never_flows_in():
    into = incidence(np.array([1, 0], np.int32), 2)
    source = np.array([0, 1], np.int32)
    own = np.array([0, 0], np.int32)
    assert len(group_bonds(own, np.array([0, 1], np.int32), source, into)) == 1
    assert len(group_atoms(own, np.array([0, 1], np.int32), into)) == 2


def test_both_products_agree_and_the_measured_one_is_known():
    left = np.random.default_rng(1).standard_normal((33, 20)).astype(np.float32)
    right = left[:20].copy()
    np.testing.assert_allclose(gemm("numpy")(left, right), gemm("torch")(left, right), rtol=1e-5, atol=1e-5)
    assert measure_gemm(32, rows=64, repeats=1) in ("numpy", "torch")


@given(st.lists(molecule(), min_size=1, max_size=6), st.integers(1, 4))
def test_on_a_device_it_equals_the_engine_on_random_graphs(molecules, depth):
    graphs, weights = make_graphs(molecules), make_weights()
    plan = plan_messages(graphs, depth)
    wanted = encode(graphs, plan, weights, gemm("numpy"))
    np.testing.assert_allclose(encode(graphs, plan, weights, DeviceProduct("cpu")), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_on_a_device_it_equals_the_engine_on_odd_graphs(depth):
    graphs, weights = make_graphs([LONE, CUBE, CHAIN, LONE, STAR, TWO_CYCLES_3]), make_weights(3)
    plan = plan_messages(graphs, depth)
    wanted = encode(graphs, plan, weights, gemm("numpy"))
    found = encode_on_device(graphs, plan, weights, "cpu")
    np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=1e-5)
    assert np.array_equal(found, encode_on_device(graphs, plan, weights, "cpu"))


def test_lone_atoms_alone_on_a_device():
    graphs, weights = make_graphs([LONE, LONE]), make_weights(1)
    plan = plan_messages(graphs, 3)
    wanted = encode(graphs, plan, weights, gemm("numpy"))
    np.testing.assert_allclose(encode_on_device(graphs, plan, weights, "cpu"), wanted, atol=1e-6)


def test_other_products_go_to_the_device_and_back():
    left, right = np.eye(3, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(3, 2)
    assert np.array_equal(DeviceProduct("cpu")(left, right), right)
