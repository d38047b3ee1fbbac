"""Reading, counting and naming products."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from small_spaces import (
    ACIDS,
    AMIDE,
    AMINES,
    CORES,
    QUINAZOLINE,
    brute_force,
    random_model,
    reaction_space,
    reagents,
    search_in,
    write_space,
)

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.parsing import Rejected
from cinchona.errors import InputError
from cinchona.screening.synthons.assembly import assemble
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.reactions import ReactionRoute
from cinchona.screening.synthons.routes import Built, Pick, no_product
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.spacefile import SpaceFile, is_space, read_space
from cinchona.screening.synthons.units import plan_units

SYNTHONS = """SMILES\tsynton_id\tsynton#\treaction_id
OCC([1*])=NN=[2*]\t1-1\t0\ttriazole-1
CC(C)OCC([1*])=NN=[2*]\t1-2\t0\ttriazole-1
C1CCCC1N([3*])[1*]\t2-1\t1\ttriazole-1
c1ccccc1N([3*])[1*]\t2-2\t1\ttriazole-1
CC1CCN(C1)C(=[2*])[3*]\t3-1\t2\ttriazole-1
FC(F)(F)C1CCN(C1)C(=[2*])[3*]\t3-2\t2\ttriazole-1
"""
DATA = os.environ.get("CINCHONA_DATA", "")


def test_a_space_is_counted_and_numbered(tmp_path: Path) -> None:
    space = SynthonSpace.load(write_space(tmp_path))
    assert space.offered >= len(space) > len(ACIDS) * len(AMINES)  # some react in two places
    names = [space.name(n) for n in range(len(space))]
    assert len(set(names)) == len(names)
    assert names[0] == "amide:acids-1+amines-1"
    assert space.smiles(0) == "CNC(C)=O"
    with pytest.raises(IndexError):
        space.picks(len(space))


def test_every_combination_is_in_exactly_one_block() -> None:
    space = reaction_space(QUINAZOLINE, CORES, AMINES, ACIDS)
    assay = space.assays[0]
    seen = np.zeros(len(space), int)
    for block in assay.blocks:
        grid = np.meshgrid(*(m * s for m, s in zip(block.members, assay.strides, strict=True)), indexing="ij")
        seen[np.sum(grid, axis=0).ravel()] += 1
    assert (seen == 1).all()
    assert sum(unit.products for unit in plan_units(space)) + assay.impossible == len(space)


def test_products_put_together_from_parts_are_the_molecules_that_rdkit_builds() -> None:
    space = reaction_space(QUINAZOLINE, CORES, AMINES, ACIDS)
    assay, rng = space.assays[0], np.random.default_rng(0)
    checked = 0
    for cell in (b for b in assay.blocks if isinstance(b, Cell)):
        rows = np.array([[rng.integers(len(m)) for m in cell.members] for _ in range(3)])
        made = assemble(cell.parts, rows, cell.joints)
        for k, row in enumerate(rows.tolist()):
            built = assay.route.build([r.picks[m[j]] for r, m, j in zip(assay.roles, cell.members, row, strict=True)])
            assert not isinstance(built, Rejected)
            assert _spelled(made.codes.molecule(k)) == _spelled(codes_of_many([built.mol]).molecule(0))
            checked += 1
    assert checked > 20


def _spelled(graph) -> tuple[list[tuple[int, ...]], list[tuple[object, ...]]]:
    atoms = [tuple(row) for row in graph.atoms.tolist()]
    bonds = [
        (*sorted((atoms[u], atoms[v])), *code)
        for (u, v), code in zip(graph.ends.tolist(), graph.bonds.tolist(), strict=True)
    ]
    return sorted(atoms), sorted(bonds)


def test_reagents_that_cannot_be_used_are_counted_with_a_reason(tmp_path: Path) -> None:
    path = write_space(
        tmp_path, acids=["CC(=O)O", "C1CC(", "CCO", "OC(C)=O", "CCC(=O)O"], amines=["CN", "CCN", "C1CC1"]
    )
    space = SynthonSpace.load(path)
    reasons = {name: (reason, n) for _, name, _, reason, n in space.rejects()}
    assert set(reasons) == {"acids-2", "acids-3", "acids-4", "amines-3"}
    assert reasons["acids-3"][0] == "no place to react as reagent 1"
    assert reasons["acids-4"][0] == "the same structure as acids-1"
    assert space.offered == 15
    assert len(space) + sum(n for _, n in reasons.values()) == space.offered


@pytest.mark.parametrize(
    ("several", "usable", "names"), [("each", 2, {"b1@1", "b1@3"}), ("first", 1, {"b1"}), ("reject", 0, set())]
)
def test_a_reagent_with_two_places_to_react(several: str, usable: int, names: set[str]) -> None:
    space = reaction_space(AMIDE, ["CC(=O)O"], ["NCC(C)N", "CN"], several=several)
    found = {space.name(n).split("+")[1] for n in range(len(space))}
    assert found == {*names, "b2"} or (several == "each" and len(found) == usable + 1)
    assert len(space) == usable + 1


def test_a_symmetric_reagent_has_one_place_to_react() -> None:
    assert len(reaction_space(AMIDE, ["CC(=O)O"], ["NCCN", "N1CCNCC1"])) == 2


class PickyRoute:
    """Amides, but two reagents with fluorine give no product, wherever it sits."""

    def __init__(self, acids: list[str], amines: list[str]) -> None:
        self._inner = ReactionRoute("picky", AMIDE, [reagents(acids, "a"), reagents(amines, "b")])
        self.name, self.slots = self._inner.name, self._inner.slots

    def outcomes(self, reagents: Sequence[int]) -> list[Built] | Rejected:
        return no_product("two fluorines") if self._fluorines(reagents) else self._inner.outcomes(reagents)

    def build(self, picks: Sequence[Pick]) -> Built | Rejected:
        both = self._fluorines([pick.reagent for pick in picks])
        return no_product("two fluorines") if both else self._inner.build(picks)

    def _fluorines(self, reagents: Sequence[int]) -> bool:
        return all("F" in slot[k].smiles for slot, k in zip(self.slots, reagents, strict=True))


@pytest.mark.parametrize("acid", ["OC(=O)CF", "OC(=O)CCCCCCF"])
@pytest.mark.parametrize("amine", ["NCF", "NCCCCCCCF"])
def test_combinations_without_a_product_are_rejected_one_for_one(acid: str, amine: str) -> None:
    route = PickyRoute(["OC(=O)CC", acid, "OC(=O)CCCCCCC", "OC(=O)CCl"], ["NCC", amine, "NCCCCCCCC", "NCCl"])
    space = SynthonSpace(SpaceFile((route,), "each", ((), ()), "0" * 64))
    assert len(space) == 16
    known = brute_force(space, random_model())
    assert len(known.rejects) == 1
    search = search_in(space, random_model(), audit=40)
    results = [search.run(unit) for unit in plan_units(space)]
    rejected = sum(sum(r.rejects.values()) for r in results) + space.assays[0].impossible
    assert rejected == 1
    assert sum(c.scored for r in results for c in r.collected.values()) == 15


def test_a_reagent_that_gives_no_valid_product_is_rejected() -> None:
    space = reaction_space("[*:1][OH].[*:2][Br]>>[*:1]=[*:2]", ["CCO", "CC(C)(C)O"], ["BrCC", "BrC(C)(C)C"])
    assert (space.offered, len(space)) == (4, 1)
    assert sum(n for *_, n in space.rejects()) == 3


def test_synthons_are_joined_at_their_connectors(tmp_path: Path) -> None:
    path = tmp_path / "triazole.txt"
    path.write_text(SYNTHONS)
    assert is_space(path)
    space = SynthonSpace.load(path)
    assert len(space) == 8
    assert Chem.CanonSmiles("CC1CCN(C2=NN=C(CO)N2C2CCCC2)C1") in {space.smiles(n) for n in range(8)}
    search = search_in(space, random_model())
    results = [search.run(unit) for unit in plan_units(space)]
    assert sum(len(r.audited) for r in results) == 8
    assert max(np.abs(r.table_scores - r.built_scores).max() for r in results) < 1e-5


def test_comments_in_a_synthon_text_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "space.csv"
    path.write_text(
        "#\n#  A licence, in words\n\nSMILES\tsynton_id\tsynton#\treaction_id\n# another\nC[1*]\ta\t1\tr\nO[1*]\tb\t2\tr\n"
    )
    assert is_space(path)
    assert SynthonSpace.load(path).smiles(0) == "CO"


@pytest.mark.skipif(not DATA, reason="CINCHONA_DATA is not set: RDKit's toy spaces with their answers are not at hand")
@pytest.mark.parametrize(
    "name", ["amide_space", "triazole_space", "urea_space", "doebner_miller_space", "idorsia_toy_space_a"]
)
def test_the_toy_spaces_hold_exactly_their_enumerated_products(name: str) -> None:
    folder = Path(DATA, "vs/synthon_space")
    space = SynthonSpace.load(folder / f"{name}.txt")
    answers = folder / f"{name.removesuffix('_a')}_enum.smi"
    text = answers.read_text() if answers.exists() else gzip.decompress(Path(f"{answers}.gz").read_bytes()).decode()
    wanted = [Chem.CanonSmiles(line.split()[0]) for line in text.splitlines() if line.strip()]
    wanted = [smiles for smiles in wanted if "*" not in smiles]  # one toy reaction lacks a set of synthons
    rng = np.random.default_rng(0)
    assert len(space) - sum(a.impossible for a in space.assays) == len(wanted)
    some = range(len(space)) if len(space) < 100 else rng.integers(0, len(space), 400).tolist()
    found = {space.smiles(n) for n in some}
    assert {f for f in found if isinstance(f, str)} <= set(wanted)
    search = search_in(space, random_model(), audit=300)
    results = [search.run(unit) for unit in plan_units(space)]
    assert sum(c.scored for r in results for c in r.collected.values()) == len(wanted)
    assert max(np.abs(r.table_scores - r.built_scores).max() for r in results if len(r.audited)) < 1e-5
    assert sum(r.divided for r in results) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reactions:\n  - name: x\n    smarts: 'CC'\n    reagents: [acids.smi]\n", "does not read"),
        ("reactions:\n  - name: x\n    reagents: [acids.smi]\n", "lacks smarts"),
        ("reactions:\n  - name: x\n    smarts: '[C:1]>>[C:1]'\n    reagents: [gone.smi]\n", "missing"),
        ("reactions:\n  - name: x\n    smarts: '[C:1].[N:2]>>[C:1][N:2]'\n    reagents: [acids.smi]\n", "2 reactants"),
        ("reactions: []\n", "neither"),
        ("reactions: 7\n", "does not read"),
        ("reactions: &a [*a]\n", "does not read"),
        ("reactions:\n  - {name: x, smarts: '[Fe:1]>>[Fe:1]', reagents: [acids.smi]}\n", "no combination"),
    ],
)  # fmt: skip
def test_a_bad_space_file_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    write_space(tmp_path)
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        SynthonSpace.load(path)


def test_only_space_files_are_taken_for_spaces(tmp_path: Path) -> None:
    space = write_space(tmp_path)
    other = tmp_path / "library.csv"
    other.write_text("smiles,id\nCCO,1\n")
    assert is_space(space)
    assert not is_space(other)
    assert not is_space(tmp_path / "none.yaml")
    assert len(read_space(space).digest) == 64
