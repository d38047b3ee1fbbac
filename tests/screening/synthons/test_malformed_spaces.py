"""Space files, synthon texts and reagent files that are broken in every way: a space, or a refusal in our own words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from broken_files import broken

from cinchona.errors import CinchonaError, InputError
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.spacefile import is_space

YAML = b"""reactions:
  - name: amide
    smarts: "[C:3](=[O:4])[OH].[N;!H0:1]>>[C:3](=[O:4])[N:1]"
    reagents: [acids.smi, amines.smi]
synthons: [synthons.txt]
several_sites: each
"""
SYNTHONS = b"""SMILES synton_id synton# reaction_id
C[1*] a1 1 r1
CC[1*] a2 1 r1
O=C([1*])N[2*] b1 2 r1
[2*]c1ccccc1 c1 3 r1
"""
FILES = {
    "space.yaml": YAML,
    "synthons.txt": SYNTHONS,
    "acids.smi": b"CC(=O)O a\nOC(=O)CC(=O)O b\n",
    "amines.smi": b"CN c\nNCCN d\n",
}


def write(folder: Path, name: str, data: bytes) -> Path:
    for file, text in (FILES | {name: data}).items():
        (folder / file).write_bytes(text)
    return folder / "space.yaml"


def test_the_sound_space_is_read(tmp_path: Path) -> None:
    """So that a refusal of a broken one means something."""
    path = write(tmp_path, "space.yaml", YAML)
    assert is_space(path)
    assert SynthonSpace.load(path).offered == 6


@pytest.mark.parametrize("name", FILES)
def test_broken_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    came: dict[str, int] = {"read": 0, "refused": 0}
    for seed in range(20):
        path = write(tmp_path, name, broken(FILES[name], random.Random(f"{seed}{name}")))
        try:
            space = SynthonSpace.load(path)
        except CinchonaError as error:
            came["refused"] += 1
            assert str(error)
        else:
            came["read"] += 1
            without = space.offered - len(space) + sum(assay.impossible for assay in space.assays)
            assert sum(row[-1] for row in space.rejects()) == without
    assert min(came.values()) > 0


@pytest.mark.parametrize(
    "text",
    [
        "reactions: " + "[" * 3000,
        "reactions: &a [*a]",
        "a: &a [x, x]\nb: &b [*a, *a, *a]\nreactions: [*b, *b]",
        "reactions: [{name: a, smarts: '[C:1]>>[C:1]', reagents: ['../../../etc/passwd']}]",
        "reactions: [{name: a, smarts: '[C:1]>>[C:1]', reagents: ['/dev/zero']}]",
        "reactions: [{name: a, smarts: '[C:1]>>[C:1]', reagents: [\"\\0\"]}]",
        "reactions: [{name: a, smarts: '>>', reagents: [acids.smi]}]",
        "reactions: [{name: a, smarts: 'C.C>>C', reagents: [acids.smi]}]",
        "reactions: [{name: a, smarts: '[C:1]>>[C:1].[N:2]', reagents: [acids.smi]}]",
        "reactions: !!python/object/apply:os.system ['true']",
        "reactions: 7",
        "reactions: []",
        "- reactions",
        "",
    ],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        SynthonSpace.load(write(tmp_path, "space.yaml", text.encode()))
