"""Tables over pairs of classes that are made from one part for each side: when that is right, and that it is right then."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from small_spaces import (
    ACIDS,
    ALDEHYDES,
    AMIDE,
    AMINES,
    CORES,
    ISONITRILES,
    QUINAZOLINE,
    UGI,
    random_model,
    reaction_space,
)

from cinchona.models.additive import AdditiveModel, additive_form
from cinchona.models.engine.gemm import numpy_gemm
from cinchona.screening.synthons import gates
from cinchona.screening.synthons import tables as tables_module
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.gates import comes_apart
from cinchona.screening.synthons.groups import atom_groups
from cinchona.screening.synthons.routes import TEMPLATE
from cinchona.screening.synthons.scan import CellScan
from cinchona.screening.synthons.store import TableStore, digest_of
from cinchona.screening.synthons.tables import CellTables
from cinchona.screening.synthons.units import fixed_roles

SPACES = {
    "amides": (AMIDE, ACIDS[:10], AMINES),
    "ugi": (UGI, ALDEHYDES[:1], AMINES[:7], ACIDS[:6], ISONITRILES[:1]),
    "quinazolines": (QUINAZOLINE, CORES[:2], AMINES[:6], ACIDS[:6]),
    "small rings at the port": (
        AMIDE,
        ["CC(=O)O", "OC(=O)c1ccccc1", "CCC(=O)O", "OC(=O)C#C"],
        ["C1CN1", "C1CNC1", "CC1CN1", "CNC", "C1CCNC1"],
    ),
}


def model_of(depth: int) -> AdditiveModel:
    form = additive_form(random_model(depth=depth, members=2))
    assert not isinstance(form, str)
    return form


def cells_of(name: str) -> list[Cell]:
    space = reaction_space(*SPACES[name])
    return [block for block in space.assays[0].blocks if isinstance(block, Cell)]


def scores_of(cell: Cell, model: AdditiveModel, store: TableStore | None = None) -> tuple[np.ndarray, bool]:
    """Scores of all products in order, and whether any table came apart."""
    fixed = fixed_roles(cell)
    tables = CellTables(cell, fixed, model, numpy_gemm, store)
    scan, found = CellScan(tables, None, numpy_gemm), []
    for at in product(*(range(len(cell.members[role])) for role in fixed)):
        out = np.full([len(cell.members[r]) for r in (tables.left, tables.right) if r is not None], np.nan)
        for block in scan.blocks(at):
            out[np.ix_(block.left, block.right)] = block.scores
        found.append(out)
    return np.array(found), any(plan.parted for plan in tables._plans)


@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("name", SPACES)
def test_pairs_from_two_parts_are_those_of_whole_graphs(monkeypatch, name: str, depth: int) -> None:
    model, cells = model_of(depth), cells_of(name)
    apart = [scores_of(cell, model) for cell in cells]
    assert any(parted for _, parted in apart) or depth != 3
    monkeypatch.setattr(tables_module, "comes_apart", lambda *_: False)
    for cell, (scores, _) in zip(cells, apart, strict=True):
        whole, parted = scores_of(cell, model)
        assert not parted
        assert np.isfinite(whole).all()
        assert scores == pytest.approx(whole, abs=1e-5)


def test_a_message_that_runs_around_a_small_ring_keeps_the_parts_together(monkeypatch) -> None:
    """Depth 4 reaches once around an aziridine and back to the new bond, so two parts would be wrong."""
    model = model_of(4)
    wrong = [scores_of(cell, model)[0] for cell in cells_of("small rings at the port")]
    monkeypatch.setattr(gates, "_in_rings", lambda *_: False)
    forced = [scores_of(cell, model)[0] for cell in cells_of("small rings at the port")]
    assert max(float(np.abs(a - b).max()) for a, b in zip(wrong, forced, strict=True)) > 1e-3


@pytest.mark.parametrize(("reach", "apart"), [(3, 2), (5, 2), (6, 0)])
def test_atoms_of_a_new_ring_come_apart_only_if_no_message_has_run_around_it(reach: int, apart: int) -> None:
    """Amine and acid of a quinazoline are bonded to neighbours in a ring of six."""
    for block in reaction_space(*SPACES["quinazolines"]).assays[0].blocks:
        assert isinstance(block, Cell)
        groups = [g for g in atom_groups(block, reach) if g.owner == TEMPLATE and min(g.sees[1], g.sees[2]) >= 0]
        assert sum(comes_apart(block, group, (1, 2), reach) for group in groups) == apart


def test_kept_tables_are_used_again_and_make_room_in_order() -> None:
    made: list[str] = []

    def make(name: str) -> np.ndarray:
        made.append(name)
        return np.zeros(25, np.float32)

    store = TableStore(250)
    for name in ("a", "b", "a", "c", "a", "b"):  # 100 bytes each: b has to go when c comes
        store.table((name, 0), 100, lambda name=name: make(name))
    assert made == ["a", "b", "c", "b"]
    assert store.table(("huge", 1), 10**9, lambda: np.ones(1)).tolist() == [1.0]


def test_cells_share_tables_that_are_made_of_the_same_parts() -> None:
    model, store = model_of(3), TableStore()
    cell = cells_of("amides")[0]
    whole, _ = scores_of(cell, model, store)
    held = len(store._tables)
    again, _ = scores_of(cell, model, store)
    assert len(store._tables) == held
    assert np.array_equal(whole, again)
    one, two = np.arange(4), np.arange(4, dtype=np.int32)
    assert len({digest_of([one]), digest_of([two]), digest_of([one.reshape(2, 2)]), digest_of([one], 1)}) == 4
