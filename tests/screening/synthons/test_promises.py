"""What happens where parts are not what they seem: the audit must notice, and the scores must still be right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_spaces import ACIDS, AMIDE, AMINES, brute_force, random_model, reaction_space, search_in

from cinchona.datasets.graphcodes import AtomField
from cinchona.screening.synthons import search as search_module
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.collect import merged_best
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.units import plan_units


def falsified(space: SynthonSpace) -> None:
    """Change the charge of an atom in all parts of the first role."""
    assay = space.assays[0]
    blocks = [_wrong(block) if isinstance(block, Cell) else block for block in assay.blocks]
    space.assays = (replace(assay, blocks=tuple(blocks)),)


def _wrong(cell: Cell) -> Cell:
    first = cell.parts[0]
    atoms = first.codes.graph.atoms.copy()
    atoms[:, AtomField.CHARGE] += 1
    wrong = replace(first, codes=replace(first.codes, graph=replace(first.codes.graph, atoms=atoms)))
    return Cell(cell.members, (wrong, *cell.parts[1:]), cell.joints)


@pytest.mark.parametrize("again_wrong", [False, True])
def test_products_of_wrong_parts_are_found_and_scored_again(monkeypatch, again_wrong: bool) -> None:
    space = reaction_space(AMIDE, ACIDS[:8], AMINES[:8])
    falsified(space)
    model = random_model()
    search = search_in(space, model, audit=400)
    if again_wrong:  # nothing is ever right, so everything has to be built
        monkeypatch.setattr(search_module, "agree", lambda table, _: np.zeros(len(table), bool))
    results = [search.run(unit) for unit in plan_units(space)]
    assert sum(r.divided for r in results) > 0
    assert (sum(r.built for r in results) == len(space)) == again_wrong
    known = brute_force(space, model)
    scores, numbers = merged_best([c.ranked() for r in results for c in r.collected.values()], 50)
    order = np.lexsort((known.numbers, -known.scores.score))[:50]
    assert scores == pytest.approx(known.scores.score[order], abs=1e-5)
    assert sum(c.scored for r in results for c in r.collected.values()) == len(space)
    assert len(numbers) == 50


def test_too_many_products_to_build_are_rejected_with_the_reason(monkeypatch) -> None:
    space = reaction_space(AMIDE, ACIDS[:8], AMINES[:8])
    monkeypatch.setattr(search_module, "agree", lambda table, _: np.zeros(len(table), bool))
    monkeypatch.setattr(search_module, "MOST_BUILT", 0)
    search = search_in(space, random_model(), audit=400)
    results = [search.run(unit) for unit in plan_units(space)]
    rejects = {reason: n for r in results for reason, n in r.rejects.items()}
    assert any("cannot be put together" in reason for reason in rejects)
    scored = sum(c.scored for r in results for c in r.collected.values())
    assert scored + sum(sum(r.rejects.values()) for r in results) == len(space)


def test_cells_with_large_tables_are_scored_in_pieces_with_the_same_result(monkeypatch) -> None:
    space = reaction_space(AMIDE, ACIDS, AMINES)
    search = search_in(space, random_model())
    whole = [search.run(unit) for unit in plan_units(space)]
    monkeypatch.setattr(search_module, "TABLE_BYTES", 4_000)
    pieces = [search.run(unit) for unit in plan_units(space)]
    for one, two in zip(whole, pieces, strict=True):
        assert one.collected[0].ranked()[0] == pytest.approx(two.collected[0].ranked()[0], abs=1e-6)
        assert one.collected[0].sums[1] == pytest.approx(two.collected[0].sums[1], abs=1e-4)
        assert sorted(one.audited) == sorted(two.audited)
