"""Drug dictionaries: names and the ingredients that they stand for, from whatever the user has.

A :class:`Dictionary` is a list of :class:`Entry` with a name and a version; :func:`load` reads the formats below.
Several dictionaries are used together in the order given: the first one that knows a name decides.

======================  ===================================================================================
spelling                file
======================  ===================================================================================
``unii:PATH``           UNII names as Parquet or CSV: name, type (of, bn, cn, cd), unii, display_name
``synonyms:PATH``       two columns separated by tabs, name and ingredient, ``.gz`` allowed
``fda:PATH``            Drugs@FDA products: DrugName, ActiveIngredient (``;`` between ingredients)
``rxnorm:PATH``         RXNCONSO.RRF, with RXNREL.RRF beside it for brand names; the user's own licence
``csv:PATH``            CSV with columns name and ingredient (or drug_name, substance), ``;`` between ingredients:
                        WHODrug exports and own lists
======================  ===================================================================================
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from cinchona.digests import digest_file, digest_json
from cinchona.errors import ColumnError, InputError
from cinchona.pharmacovigilance.coding.spelling import tidy
from cinchona.pharmacovigilance.intake.encoding import to_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


Kind = Literal["substance", "brand", "other"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a dictionary."""

    name: str
    """Name as the dictionary spells it."""
    ingredients: tuple[str, ...]
    """What is in it."""
    kind: Kind = "brand"
    """``substance`` names of medicines and ``brand`` names may be compared with misspellings; ``other`` are chemicals,
    foods and codes. Of a brand a later dictionary may know more ingredients."""


class DrugDictionary(Protocol):
    """What the coder needs; write your own to code against anything else."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def version(self) -> str:
        """Digest or release, written to every coding run."""

    def entries(self) -> Iterable[Entry]:
        """Yield all names, preferred ones first."""


@dataclass(frozen=True)
class Dictionary:
    """A dictionary in memory."""

    name: str
    """Short name, for example ``unii``."""
    version: str
    """First 16 digits of the SHA-256 of its files."""
    rows: tuple[Entry, ...] = field(repr=False)
    """All entries."""

    def entries(self) -> Iterator[Entry]:
        """Yield all names."""
        yield from self.rows


def load(spelling: str) -> Dictionary:
    """Load the dictionary that ``spelling`` names, for example ``unii:names.parquet``.

    Raises:
        InputError: if the kind is unknown or the file is missing or damaged.
        ColumnError: if columns are missing.
    """
    kind, mark, path = spelling.partition(":")
    if not mark or kind not in _READERS:
        raise InputError(
            f"unknown dictionary {spelling!r}", expected=f"KIND:PATH with KIND one of {', '.join(_READERS)}"
        )
    file = Path(path)
    if not file.exists():
        raise InputError("there is no such dictionary file", where=path)
    try:
        rows = tuple(_READERS[kind](file))
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error) as error:
        raise InputError(
            f"the dictionary cannot be read: {error}", where=file.name, expected=_EXPECTED[kind]
        ) from error
    if not rows:
        raise InputError("the dictionary holds no names", where=file.name, expected=_EXPECTED[kind])
    return Dictionary(kind, digest_json([digest_file(file), _READER_VERSION])[:16], rows)


_READER_VERSION: Final = 2
_EXPECTED: Final = {
    "unii": "Parquet or CSV with the columns name, type, unii and display_name",
    "synonyms": "text with two columns, a tab between",
    "fda": "Parquet or CSV with the columns DrugName and ActiveIngredient",
    "rxnorm": "RXNCONSO.RRF of an RxNorm release",
    "csv": "CSV or Parquet with the columns name and ingredient",
}


def _open_text(path: Path) -> io.TextIOBase:
    if path.name.endswith(".gz"):
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace", newline="")


def _columns(path: Path, *wanted: tuple[str, ...]) -> list[list[Any]]:
    """Columns of a CSV or Parquet file by any of their names, as lists of texts."""
    if path.name.lower().endswith(".parquet"):
        table = pq.read_table(path)
    else:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            text = to_utf8(stream.read())
        mark = max(b",;\t|", key=lambda m: text.split(b"\n", 1)[0].count(bytes([m])))
        table = pacsv.read_csv(
            io.BytesIO(text),
            parse_options=pacsv.ParseOptions(delimiter=chr(mark), newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(strings_can_be_null=True),
        )
    names = {n.lower(): n for n in table.column_names}
    out = []
    for alternatives in wanted:
        found = next((names[a] for a in alternatives if a in names), None)
        if found is None:
            raise ColumnError(
                f"the dictionary has no column {alternatives[0]!r}", where=path.name, expected=" or ".join(alternatives)
            )
        out.append(table.column(found).cast(pa.string()).to_pylist())
    return out


def _unii(path: Path) -> Iterator[Entry]:
    """Official names first; of substances that have an official or brand name the common names may be misspelled too."""
    names, types, codes, shown = _columns(path, ("name",), ("type",), ("unii",), ("display_name",))
    medicines = {c for c, t in zip(codes, types, strict=True) if t in {"bn", "of"}}
    rank = {"of": 0, "cn": 1, "bn": 2, "cd": 3}
    rows = sorted(
        (
            (rank.get(t or "", 4), n, d, c in medicines)
            for n, t, c, d in zip(names, types, codes, shown, strict=True)
            if n and d
        ),
        key=lambda row: row[0],
    )
    for order, name, display, medicine in rows:
        yield Entry(name, (display,), _unii_kind(order, name, display, medicine=medicine))


def _unii_kind(order: int, name: str, display: str, *, medicine: bool) -> Kind:
    if order >= _CODE or not medicine:
        return "other"
    return "substance" if order == 0 or name == display else "brand"


_CODE: Final = 3
"""Rank of codes such as NSC-91485 among the types of UNII names."""


def _synonyms(path: Path) -> Iterator[Entry]:
    with _open_text(path) as text:
        for line in text:
            name, mark, ingredient = line.rstrip("\r\n").partition("\t")
            if mark and len(name) > 2 and ingredient:
                yield Entry(name, (ingredient,))


def _fda(path: Path) -> Iterator[Entry]:
    names, ingredients = _columns(path, ("drugname",), ("activeingredient",))
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for name, contents in zip(names, ingredients, strict=True):
        if name and contents:
            seen[name][contents] += 1
    parts: dict[str, None] = {}
    for name, contents in seen.items():
        chosen = _split(contents.most_common(1)[0][0])
        parts.update(dict.fromkeys(chosen))
        yield Entry(name, chosen)
    for part in parts:
        yield Entry(part, (part,), "substance")


def _split(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p for part in text.split(";") if (p := part.strip())))


def _csv(path: Path) -> Iterator[Entry]:
    names, ingredients = _columns(
        path,
        ("name", "drug_name", "drugname", "trade_name", "drug name", "medicinal_product"),
        ("ingredient", "ingredients", "substance", "substances", "substance_name", "active_ingredient", "generic_name"),
    )
    grouped: dict[str, list[str]] = {}
    for name, contents in zip(names, ingredients, strict=True):
        if name and contents:
            grouped.setdefault(name, []).extend(_split(contents))
    for name, parts in grouped.items():
        yield Entry(name, tuple(dict.fromkeys(parts)))


_RXN_ID, _RXN_LANGUAGE, _RXN_SOURCE, _RXN_TYPE, _RXN_TEXT, _RXN_SUPPRESS = 0, 1, 11, 12, 14, 16


def _rxnorm(path: Path) -> Iterator[Entry]:
    """RxNorm concepts: ingredients under all their names, brands and products through ``tradename_of`` and ``has_ingredient``."""
    preferred: dict[str, str] = {}
    texts: list[tuple[str, str, str]] = []
    with _open_text(path) as file:
        for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE):
            if len(row) <= _RXN_SUPPRESS:
                raise InputError("the RxNorm file has too few columns", where=path.name, expected="RXNCONSO.RRF")
            if row[_RXN_LANGUAGE] != "ENG" or row[_RXN_SUPPRESS] in {"O", "E"}:
                continue
            texts.append((row[_RXN_ID], row[_RXN_TYPE], row[_RXN_TEXT]))
            if row[_RXN_SOURCE] == "RXNORM" and row[_RXN_TYPE] == "IN":
                preferred[row[_RXN_ID]] = row[_RXN_TEXT]
    contents = _rxnorm_contents(path.parent / "RXNREL.RRF", preferred)
    for concept, _, text in texts:
        ingredients = contents.get(concept) or ((preferred[concept],) if concept in preferred else ())
        if ingredients:
            yield Entry(text, ingredients, "substance" if concept in preferred else "brand")


_REL_FIRST, _REL_SECOND, _REL_KIND = 0, 4, 7
_REL_WANTED: Final = frozenset({"has_ingredient", "tradename_of", "form_of", "part_of", "has_ingredients"})


def _rxnorm_contents(path: Path, preferred: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Ingredients of every concept that leads to one within three steps; RXNREL says: second RELA first."""
    steps: dict[str, set[str]] = defaultdict(set)
    if path.exists():
        with _open_text(path) as file:
            for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE):
                if len(row) > _REL_KIND and row[_REL_KIND] in _REL_WANTED and row[_REL_FIRST] and row[_REL_SECOND]:
                    steps[row[_REL_SECOND]].add(row[_REL_FIRST])
    found: dict[str, tuple[str, ...]] = {}
    for concept in steps:
        reached, front = set(), {concept}
        for _ in range(3):
            front = {n for c in front for n in steps.get(c, ())}
            reached |= {preferred[c] for c in front if c in preferred}
        if reached:
            found[concept] = tuple(sorted(reached))
    return found


_READERS: Final[dict[str, Callable[[Path], Iterator[Entry]]]] = {
    "unii": _unii,
    "synonyms": _synonyms,
    "fda": _fda,
    "rxnorm": _rxnorm,
    "csv": _csv,
}


def describe(dictionaries: Sequence[DrugDictionary]) -> list[dict[str, str]]:
    """Name and version of each, for the header of a run."""
    return [{"name": d.name, "version": d.version} for d in dictionaries]


def is_word(text: str) -> bool:
    """Tell whether a tidy name could be typed by a person: letters prevail, at least five characters."""
    letters = sum(c.isalpha() for c in text)
    return len(text) >= 5 and letters >= 0.8 * len(text.replace(" ", "")) and tidy(text) == text
