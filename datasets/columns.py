"""Which column holds the structures and which the identifiers: by name, then by the share of cells that parse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from cinchona.datasets.parsing import parses
from cinchona.errors import ColumnError

SMILES_NAMES: Final = (
    frozenset({"smiles"}),
    frozenset({"canonicalsmiles", "isomericsmiles", "cansmiles", "isosmiles", "standardizedsmiles", "stdsmiles",
               "parentsmiles", "cleanedsmiles", "curatedsmiles", "cxsmiles", "smi", "smilesstring", "compoundsmiles",
               "ligandsmiles", "moleculesmiles", "openeyecansmiles", "rdkitsmiles", "smile", "smilesstructure"}),
    frozenset({"structure", "molecule", "mol", "drug", "compound", "ligand"}),
)  # fmt: skip
"""Names of structure columns without case and punctuation, from the surest to the vaguest."""

ID_NAMES: Final = (
    frozenset({"compoundid", "cmpdid", "molid", "moleculeid", "ligandid", "id", "identifier", "uid"}),
    frozenset({"chemblid", "moleculechemblid", "zincid", "catalogid", "cataloguenumber", "idnumber", "pubchemcid",
               "cid", "drugbankid", "casno", "cas", "vendorid", "substanceid", "sid", "enamineid", "internalid",
               "pubchemcompoundcid", "nsc", "casrn", "externalid", "registrynumber", "drugid"}),
    frozenset({"name", "title", "compoundname", "molname", "moleculename", "prefname", "drugname", "compound",
               "molecule", "ligand"}),
)  # fmt: skip
"""Names of identifier columns without case and punctuation, from the surest to the vaguest."""

_ENOUGH: Final = 0.5
"""Share of cells that must parse for a column to be taken for structures."""

_LONG_ENOUGH: Final = 4.0
"""Mean length of cells; shorter texts such as ``C``, ``I`` or ``NO`` parse by accident."""

_LARGEST_SAMPLE: Final = 100

Sample = Mapping[str, Sequence[str]]
"""First cells of each column by name."""


def find_smiles_column(sample: Sample, wanted: str | None, *, where: str) -> tuple[str, str]:
    """Find the column of the structures.

    A column called ``smiles`` wins; then other customary names, surest first; then the only column of which at least
    half of the sampled cells parse.

    Args:
        sample: First cells of each column.
        wanted: Name given by the user.
        where: File, for messages.

    Returns:
        The column's name and how it was found, one sentence (empty if the user said it).

    Raises:
        ColumnError: if there is none, or several could be meant.
    """
    if wanted is not None:
        return named(sample, wanted, where=where, setting="reader.smiles_column"), ""
    for names in SMILES_NAMES:
        fitting = [name for name in sample if plain(name) in names]
        fitting = (
            fitting if plain(next(iter(fitting), "")) == "smiles" else [n for n in fitting if _rate(sample[n]) > 0]
        )
        if fitting:
            return _only(
                fitting, where, "structures", "reader.smiles_column"
            ), f"structures: column {fitting[0]!r}, by its name"
    fitting = [
        name for name, cells in sample.items() if _rate(cells) >= _ENOUGH and _mean_length(cells) >= _LONG_ENOUGH
    ]
    if not fitting:
        raise ColumnError(
            "no column holds SMILES",
            where=f"{where}, columns {_list(sample)}",
            expected="a column called smiles, or one of which at least half of the cells parse",
            remedy="name it with --set reader.smiles_column=NAME",
        )
    name = _only(fitting, where, "structures", "reader.smiles_column")
    return name, f"structures: column {name!r}, as {_rate(sample[name]):.0%} of its first cells parse"


def find_id_column(sample: Sample, wanted: str | None, *, smiles: str, where: str) -> tuple[str | None, str]:
    """Find the column of the identifiers, by name only.

    Returns:
        The column's name, or None if there is none (rows are then numbered), and how it was found.

    Raises:
        ColumnError: if the wanted column is missing, or several could be meant.
    """
    if wanted is not None:
        return named(sample, wanted, where=where, setting="reader.id_column"), ""
    for names in ID_NAMES:
        fitting = [name for name in sample if plain(name) in names and name != smiles]
        if fitting:
            name = _only(fitting, where, "identifiers", "reader.id_column")
            return name, f"identifiers: column {name!r}, by its name"
    return None, "identifiers: no column found, rows are numbered from 0"


def named(sample: Sample, wanted: str, *, where: str, setting: str) -> str:
    """The column ``wanted``; case matters only if two columns differ by nothing else.

    Raises:
        ColumnError: if there is no such column, naming the nearest.
    """
    if wanted in sample:
        return wanted
    alike = [name for name in sample if name.strip().lower() == wanted.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    near = get_close_matches(wanted, list(sample), n=1, cutoff=0.5)
    raise ColumnError(
        f"there is no column {wanted!r}",
        where=where,
        expected=f"one of {_list(sample)}",
        remedy=(f"did you mean {near[0]!r}? " if near else "") + f"set {setting} to a column of the file",
    )


def plain(name: str) -> str:
    """A column's name in lower case with letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_known_name(name: str) -> bool:
    """Whether a text is a customary name of a structure or identifier column, hence a header and no data."""
    return any(plain(name) in names for names in (*SMILES_NAMES, *ID_NAMES))


def parse_rate(cells: Sequence[str]) -> float:
    """Share of the non-empty cells that are valid SMILES, in [0, 1]; 0 if all are empty."""
    return _rate(cells)


def _rate(cells: Sequence[str]) -> float:
    texts = [cell for cell in cells[:_LARGEST_SAMPLE] if cell.strip()]
    return sum(map(parses, texts)) / len(texts) if texts else 0.0


def _mean_length(cells: Sequence[str]) -> float:
    texts = [cell.strip() for cell in cells if cell.strip()]
    return sum(map(len, texts)) / len(texts) if texts else 0.0


def _only(names: Sequence[str], where: str, what: str, setting: str) -> str:
    if len(names) == 1:
        return names[0]
    raise ColumnError(
        f"{len(names)} columns could hold the {what}: {', '.join(map(repr, names))}",
        where=where,
        expected="one column",
        remedy=f"name it with --set {setting}={names[0]}",
    )


def _list(sample: Sample) -> str:
    names = [repr(name) for name in sample]
    shown = 30
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


__all__ = [
    "ID_NAMES",
    "SMILES_NAMES",
    "Sample",
    "find_id_column",
    "find_smiles_column",
    "is_known_name",
    "named",
    "parse_rate",
    "plain",
]
