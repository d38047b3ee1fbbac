"""Files that define a space: YAML with reactions and reagent files, or RDKit's text format of synthons."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import Field, ValidationError
from rdkit import Chem, rdBase

from cinchona import yamltext
from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.parsing import Rejected, parse_smiles, why_refused
from cinchona.datasets.sources import open_library
from cinchona.digests import digest_file, digest_json
from cinchona.errors import InputError
from cinchona.screening.synthons.reactions import ReactionRoute
from cinchona.screening.synthons.routes import Reagent, Route
from cinchona.screening.synthons.survey import SeveralSites
from cinchona.screening.synthons.zipping import SynthonRoute
from cinchona.settings import Config

MAX_ROLES: Final = 4
"""Reagents that a product is made of at most."""
_HEADER: Final = re.compile(r"^\s*SMILES[\s,]+synto[n]?_?id", re.IGNORECASE)
_COMMENTS: Final = re.compile(r"\A(?:\s*#.*\n)+")
_CONNECTOR: Final = re.compile(r"\[(\d)\*(?::\d+)?\]|\[\*:(\d)\]|\[(U|Np|Pu|Am)\]")
_HEAVY: Final = {"U": 1, "Np": 2, "Pu": 3, "Am": 4}


class ReactionSpec(Config):
    """One reaction of a space."""

    name: str = Field(min_length=1, max_length=200)
    """Name, part of each product's id."""
    smarts: str | None = Field(None, max_length=10_000)
    """Reaction SMARTS with one reactant template for each reagent file and one product."""
    reagents: tuple[Path, ...] = Field((), max_length=MAX_ROLES)
    """Reagent files (SMILES, CSV, SDF, Parquet, gzip), in the order of the reactant templates."""


class SpaceSpec(Config):
    """A space of products."""

    reactions: tuple[ReactionSpec, ...] = ()
    """Reactions with their reagents."""
    synthons: tuple[Path, ...] = ()
    """Files in RDKit's synthon text format."""
    several_sites: SeveralSites = "each"
    """A reagent that can react in several places: ``each`` counts every place as a reagent of its own, ``first`` takes
    RDKit's first match, ``reject`` rejects the reagent."""


@dataclass(frozen=True, slots=True, eq=False)
class SpaceFile:
    """A space as its files define it."""

    routes: tuple[Route, ...]
    """Ways to make products, with all readable reagents."""
    several_sites: SeveralSites
    """What happens to reagents with several places to react."""
    unreadable: tuple[tuple[tuple[str, str, str], ...], ...]
    """For each role of each route, in order, the reagents that do not read: id, SMILES, reason."""
    digest: str
    """Digest of everything that was read, hex."""


def is_space(path: Path) -> bool:
    """Whether a file defines a space: YAML that lists reactions or synthons, or RDKit's synthon text."""
    try:
        with path.open("rb") as file:
            head = file.read(4096).decode("utf-8", "replace")
    except OSError:
        return False
    if path.suffix.lower() in {".yaml", ".yml"}:
        return re.search(r"^(reactions|synthons)\s*:", head, re.MULTILINE) is not None
    return path.suffix.lower() in {".txt", ".tsv", ".csv"} and _HEADER.match(_COMMENTS.sub("", head)) is not None


def read_space(path: Path) -> SpaceFile:
    """Read a space and all files that it names.

    Raises:
        InputError: if a file is missing or does not read, saying which and why.
    """
    if path.suffix.lower() not in {".yaml", ".yml"}:
        return _gathered([], [path], "each", [digest_file(path)])
    spec = _spec(path)
    files = [path.parent / file for reaction in spec.reactions for file in reaction.reagents]
    texts = [path.parent / file for file in spec.synthons]
    for file in (*files, *texts):
        if not file.is_file():
            raise InputError(f"the file {file.name} is missing", where=str(path), expected=str(file),
                             remedy="paths count from the folder of the space file")  # fmt: skip
    found = [_reaction(path.parent, reaction) for reaction in spec.reactions]
    digests = [digest_file(path), *(digest_file(file) for file in (*files, *texts))]
    return _gathered(found, texts, spec.several_sites, digests)


Unreadable = list[tuple[str, str, str]]


def _gathered(
    found: list[tuple[Route, list[Unreadable]]], texts: Sequence[Path], several: SeveralSites, digests: list[str]
) -> SpaceFile:
    for text in texts:
        found = found + _synthon_routes(text)
    unreadable = tuple(tuple(rows) for _, roles in found for rows in roles)
    return SpaceFile(tuple(route for route, _ in found), several, unreadable, digest_json(digests))


def _spec(path: Path) -> SpaceSpec:
    try:
        spec = SpaceSpec.model_validate(yamltext.parse(path.read_text("utf-8"))[0])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"the space does not read: {where}: {first['msg']}", where=str(path), expected=(
            "reactions with name, smarts and reagents, or synthons with files")) from error  # fmt: skip
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"the space does not read: {error}", where=str(path), expected="YAML") from error
    names = [reaction.name for reaction in spec.reactions]
    if len(set(names)) != len(names):
        raise InputError("two reactions have the same name", where=str(path), expected="a name for each reaction")
    if not spec.reactions and not spec.synthons:
        raise InputError("the space has neither reactions nor synthons", where=str(path), expected="at least one")
    return spec


def _reaction(folder: Path, spec: ReactionSpec) -> tuple[Route, list[Unreadable]]:
    if spec.smarts is None or not spec.reagents:
        raise InputError(
            f"the reaction {spec.name!r} lacks {'smarts' if spec.smarts is None else 'reagents'}", where=spec.name,
            expected="reaction SMARTS, and one reagent file for each reactant",
        )  # fmt: skip
    roles = [_reagents(folder / file) for file in spec.reagents]
    return ReactionRoute(spec.name, spec.smarts, [good for good, _ in roles]), [bad for _, bad in roles]


def _reagents(path: Path) -> tuple[list[Reagent], Unreadable]:
    good: list[Reagent] = []
    bad: Unreadable = []
    with tempfile.TemporaryDirectory(prefix="cinchona-space-") as scratch:
        library = open_library([str(path)], staging=Path(scratch), reader=ReaderConfig())
        for batch, rejects in library.batches():
            bad += [(f"row {r.row_id + 1}", "", r.reason) for r in rejects]
            for name, smiles, row in zip(batch.compound_ids, batch.smiles, batch.row_ids.tolist(), strict=True):
                mol = parse_smiles(smiles)
                title = name or f"{path.stem}-{row + 1}"
                if isinstance(mol, Rejected):
                    bad.append((title, smiles, mol.reason))
                else:
                    good.append(Reagent(title, smiles, mol))
    return good, bad


def _synthon_routes(path: Path) -> list[tuple[Route, list[Unreadable]]]:
    """Routes of a synthon text: columns SMILES, synton_id, synton#, reaction_id and possibly release."""
    table: dict[str, dict[str, tuple[list[Reagent], Unreadable]]] = {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        columns = line.replace(",", " ").split()
        if not columns or columns[0].startswith("#") or (not table and _HEADER.match(line)):
            continue
        if len(columns) < 4:
            raise InputError(f"line {number} has {len(columns)} columns", where=str(path),
                             expected="SMILES, synton_id, synton#, reaction_id")  # fmt: skip
        smiles, name, role, reaction = columns[:4]
        good, bad = table.setdefault(reaction, {}).setdefault(role, ([], []))
        mol = _synthon(smiles)
        if isinstance(mol, str):
            bad.append((name, smiles, mol))
        else:
            good.append(Reagent(name, smiles, mol))
    if not table:
        raise InputError("there are no synthons in the file", where=str(path), expected="one synthon a line")
    routes: list[tuple[Route, list[Unreadable]]] = []
    for reaction, roles in table.items():
        if len(roles) > MAX_ROLES:
            raise InputError(f"reaction {reaction!r} has {len(roles)} sets of synthons", where=str(path),
                             expected=f"at most {MAX_ROLES}")  # fmt: skip
        ordered = [roles[key] for key in sorted(roles)]
        routes.append((SynthonRoute(reaction, [good for good, _ in ordered]), [bad for _, bad in ordered]))
    return routes


def _synthon(smiles: str) -> Chem.Mol | str:
    """A synthon whose connectors are dummies with map numbers, or why it is none."""
    text = _CONNECTOR.sub(lambda m: f"[*:{m[1] or m[2] or _HEAVY[m[3]]}]", smiles)
    with rdBase.BlockLogs():
        mol: Chem.Mol | None = Chem.MolFromSmiles(text)
    if mol is None:
        return why_refused(lambda: Chem.MolFromSmiles(text)) or "SMILES not parsable"
    dummies = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 0]
    if not dummies or any(atom.GetDegree() != 1 for atom in dummies):
        return "a synthon needs connectors [1*] to [4*], each bonded to one atom"
    return mol


__all__ = ["MAX_ROLES", "ReactionSpec", "SpaceFile", "SpaceSpec", "is_space", "read_space"]
