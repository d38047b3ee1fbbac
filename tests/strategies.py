"""Hypothesis strategies for every room: molecules good and bad, messy tables, settings.

``smiles()`` builds molecules by construction, so that every draw is valid and shrinks to a small one.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

# --------------------------------------------------------------------------------------------------- molecules

LINKS: Final = (
    "C{}", "CC{}", "N{}", "O{}", "S{}", "C(C){}", "C(C)(C){}", "C(=O){}", "C(=O)N{}", "C(=O)O{}", "S(=O)(=O){}",
    "C#C{}", "C=C{}", "/C=C/C{}", "/C=C\\C{}", "N(C){}", "N=N{}", "C(F)(F){}", "[Si](C)(C){}", "P(=O)(O){}",
    "[C@H](C){}", "[C@@H](N){}", "[C@](C)(O){}", "[13CH2]{}", "[N+](C)(C){}", "C([2H]){}", "[Se]{}",
    "c%R1ccc({})cc%R1", "c%R1cc({})ccc%R1", "c%R1ccc({})nc%R1", "c%R1cc({})cs%R1", "c%R1nc({})c[nH]%R1",
    "C%R1CCC({})CC%R1", "N%R1CCN({})CC%R1", "C%R1CC%R1{}", "C%R1CN({})C%R1", "c%R1ccc%R2[nH]cc({})c%R2c%R1",
    "C%R1CC%R2CC%R1CC%R2{}",
)  # fmt: skip
"""Pieces with room for one more; ``%R1`` and ``%R2`` are ring numbers of their own."""
ENDS: Final = (
    "C", "N", "O", "S", "F", "Cl", "Br", "I", "C#N", "C(=O)O", "C(=O)[O-]", "[NH3+]", "[N+](=O)[O-]", "C(F)(F)F",
    "S(=O)(=O)N", "B(O)O", "[2H]", "[13CH3]", "OC", "N(C)C", "c%R1ccccc%R1", "c%R1ccncc%R1", "N%R1CCOCC%R1",
    "[C@H]%R1CCCO%R1", "C(=N)N", "N=[N+]=[N-]", "SC#N", "[Si](C)(C)C",
)  # fmt: skip
"""Pieces that end a chain."""
COMPANIONS: Final = ("Cl", "[Na+]", "[Cl-]", "O", "OC(=O)C(O)=O", "CS(=O)(=O)O", "[K+]", "O=C(O)C(F)(F)F", "CCO", "Br")
"""Salts, acids and solvents that come with a compound."""
SMALLEST: Final = ("C", "[H][H]", "[He]", "[Na+]", "O", "[2H]O[2H]", "[C-]#[O+]", "[C]", "[CH3]")
"""Valid SMILES of next to nothing: no bond, no carbon, no heavy atom, radicals."""
INVALID: Final = (
    "C1CC", "C(C", "CC)", "c1cccc1", "C(C)(C)(C)(C)C", "[Xx]", "N#N#N", "CC%", "C==C", "[C", "C]", "1CC1", "()",
    "Cc1ccc", "O=C=O=C", "[13]", "C[N](C)(C)(C)(C)C", "not a molecule", "nan", "#N/A", "C%1CC", "F(C)C",
    "c1ccc2ccccc12c", "smiles", "*C(", "\N{BLACK SQUARE}", "C\x00C", "CC\u200bO",
)  # fmt: skip
"""Texts that are no molecule: syntax, valence, aromaticity, words, invisible characters."""


def _close_rings(template: str, number: Iterator[int]) -> str:
    for mark in ("%R1", "%R2"):
        template = template.replace(mark, f"%{next(number) % 80 + 20}")
    return template


@st.composite
def built_smiles(draw: st.DrawFn, *, max_links: int = 5, companions: bool = True) -> str:
    """Valid SMILES of one compound made of pieces, perhaps with a salt or solvent."""
    number = itertools.count()
    links = draw(st.lists(st.sampled_from(LINKS), max_size=max_links))
    end = draw(st.sampled_from(ENDS))
    text = _close_rings(end, number)
    for link in reversed(links):
        text = _close_rings(link, number).format(text)
    text = f"C{text}"
    if companions and draw(st.integers(0, 4)) == 4:
        text = ".".join([text, draw(st.sampled_from(COMPANIONS))])
    return text


@cache
def shipped_smiles() -> tuple[str, ...]:
    """Real compounds that come with RDKit: 100 of its SA score test, and NCI compounds that parse."""
    from rdkit import Chem, RDConfig, rdBase

    zinc = Path(RDConfig.RDContribDir, "SA_Score", "data", "zim.100.txt").read_text().splitlines()[1:]
    nci = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()[:300]
    with rdBase.BlockLogs():
        found = [line.split()[0] for line in (*zinc, *nci) if line.split()]
        return tuple(smiles for smiles in found if Chem.MolFromSmiles(smiles) is not None)


def smiles(*, max_links: int = 5, companions: bool = True) -> st.SearchStrategy[str]:
    """Valid SMILES: built ones, real ones, and now and then one of next to nothing."""
    built = built_smiles(max_links=max_links, companions=companions)
    real = st.deferred(lambda: st.sampled_from(shipped_smiles()))
    return st.one_of(built, built, real, st.sampled_from(SMALLEST) if companions else built)


def invalid_smiles() -> st.SearchStrategy[str]:
    """Texts that RDKit refuses, among them valid SMILES cut in a ring or a branch."""
    cut = built_smiles().map(lambda text: f"{text}(")
    return st.one_of(st.sampled_from(INVALID), cut)


def any_smiles() -> st.SearchStrategy[str]:
    """Mostly valid SMILES, some invalid, some empty: what a library file holds."""
    return st.one_of(smiles(), smiles(), smiles(), invalid_smiles(), st.sampled_from(["", " "]))


@st.composite
def rewritten_smiles(draw: st.DrawFn, source: st.SearchStrategy[str] | None = None) -> tuple[str, str]:
    """Two spellings of one molecule: as drawn, and with its atoms in another order."""
    from rdkit import Chem

    text = draw(built_smiles() if source is None else source)
    mol = Chem.MolFromSmiles(text)
    order = draw(st.permutations(range(mol.GetNumAtoms())))
    return text, Chem.MolToSmiles(Chem.RenumberAtoms(mol, list(order)), canonical=False)


# --------------------------------------------------------------------------------------------------- tables

NUMBER_TEXTS: Final = (
    "6.5", "7", "-1.25", "1e-3", ">10", "< 4.2", "~5", "", "NA", "nan", "n/a", "inf", "6,5", "1.000,5", "abc", " 8.1 ",
    "5 uM", "+3", "0", "-0.0", "1e400", "६", "--", "=1+1",
)  # fmt: skip
"""What stands in the activity column of tables from real laboratories."""
ID_TEXTS: Final = (
    "CHEMBL1",
    "CHEMBL1",
    "cpd 2",
    "7",
    "007",
    "",
    "Ä-3",
    'with "quotes"',
    "a,b",
    "two\nlines",
    "=cmd()",
    "id;8",
)
"""Identifiers: repeated, empty, with delimiters, quotes, line ends and formulas."""


@dataclass(frozen=True)
class MessyTable:
    """A delimited text file as bytes, and what a perfect reader would find in it."""

    data: bytes
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Cells as text, row by row; ragged rows as they are written."""
    delimiter: str
    encoding: str
    line_end: str
    final_line_end: bool
    quote_all: bool
    blank_lines: tuple[int, ...]
    """Rows before which a blank line stands."""


@st.composite
def messy_tables(
    draw: st.DrawFn,
    *,
    cells: st.SearchStrategy[str] | None = None,
    ragged: bool = True,
    blank_lines: bool = True,
    encodings: tuple[str, ...] = ("utf-8", "utf-8-sig", "utf-16", "latin-1"),
    max_rows: int = 12,
) -> MessyTable:
    """Tables with the columns id, smiles, pIC50 and a remark, in every state that spreadsheets leave them in."""
    numbers = st.one_of(st.sampled_from(NUMBER_TEXTS), st.floats(3, 11).map(lambda x: f"{x:.2f}"))
    row = st.tuples(
        st.sampled_from(ID_TEXTS),
        any_smiles() if cells is None else cells,
        numbers,
        st.sampled_from(["", "ok", "a\tb", "é; ok"]),
    )
    rows = draw(st.lists(row, max_size=max_rows))
    if ragged:
        rows = [r[: draw(st.sampled_from([len(r)] * 9 + [2, 1]))] for r in rows]
    encoding = draw(st.sampled_from(encodings))
    if encoding == "latin-1":
        rows = [tuple(cell.encode("latin-1", "ignore").decode("latin-1") for cell in r) for r in rows]
    delimiter, line_end = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.sampled_from(["\n", "\r\n"]))
    header = draw(
        st.sampled_from([("id", "smiles", "pIC50", "remark"), ("Compound ID", "SMILES", "pIC50 ", " Remark")])
    )
    blanks = draw(st.lists(st.integers(0, len(rows)), max_size=2)) if blank_lines else []
    final, quote_all = draw(st.booleans()), draw(st.booleans())
    form = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    text = _write_rows([header, *rows], delimiter=delimiter, line_end=line_end, blanks=blanks, form=form)
    data = (text if final else text.removesuffix(line_end)).encode(encoding)
    return MessyTable(data, header, tuple(rows), delimiter, encoding, line_end, final, quote_all, tuple(sorted(blanks)))


def _write_rows(rows: list[tuple[str, ...]], *, delimiter: str, line_end: str, blanks: list[int], form: int) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=form)  # type: ignore[arg-type]
    for position, row in enumerate(rows):
        if position - 1 in blanks:
            out.write(line_end)
        writer.writerow(row)
    return out.getvalue()


@st.composite
def assay_rows(draw: st.DrawFn, *, min_size: int = 1, max_size: int = 20) -> list[dict[str, Any]]:
    """Rows with ``compound_id``, ``smiles`` and ``pIC50``; replicates, missing values and invalid structures among them."""
    value = st.one_of(st.none(), st.floats(3, 11).map(lambda x: round(x, 2)))
    pool = draw(st.lists(any_smiles(), min_size=1, max_size=max_size))
    n = draw(st.integers(min_size, max_size))
    return [{"compound_id": f"c{i}", "smiles": draw(st.sampled_from(pool)), "pIC50": draw(value)} for i in range(n)]


def score_columns(*, max_size: int = 30) -> st.SearchStrategy[np.ndarray]:
    """Scores with ties, infinities and NaN, float32, shape (n,)."""
    level = st.one_of(
        st.integers(0, 3).map(float), st.floats(-5, 5, width=32), st.sampled_from([np.nan, np.inf, -np.inf])
    )
    return st.lists(level, max_size=max_size).map(lambda values: np.array(values, np.float32))


# --------------------------------------------------------------------------------------------------- settings

YAML_TEXTS: Final = (
    "", " ", "no", "on", "null", "~", "true", "1e-4", "007", "0x1F", "12:30", "2026-01-01", "1_000", "- a", "a: b", "#c",
    "!x", "&a", "*a", "@", "%", "|", ">", "'", '"', "<<", "é", "a\nb", "\x85", "\u2028", "=", "?", "{", "[", "CC(=O)O",
)  # fmt: skip
"""Texts that YAML likes to misread."""


def scalars() -> st.SearchStrategy[Any]:
    """Plain values of settings files."""
    text = st.one_of(
        st.sampled_from(YAML_TEXTS), st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
    )
    return st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), text)


def plain_data(*, max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Nested mappings and lists of scalars, as YAML and JSON hold them."""
    keys = st.one_of(st.sampled_from(YAML_TEXTS), st.text("abcz_", min_size=1, max_size=6))
    return st.recursive(
        scalars(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=max_leaves,
    )


_PATHS: Final = st.text("abc/", min_size=1, max_size=6).map(Path)


@st.composite
def settings_dicts(draw: st.DrawFn, model: type[BaseModel]) -> dict[str, Any]:
    """Partial settings that ``model`` accepts, as plain data: any subset of its keys with valid values."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if not info.is_required() and not draw(st.booleans()):
            continue
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            value = draw(settings_dicts(info.annotation))
        else:
            annotation: Any = info.annotation
            for limit in info.metadata:
                annotation = Annotated[annotation, limit]
            value = draw(_PATHS if info.annotation is Path else st.from_type(annotation))
        if _accepts(model, {**found, name: value}, name):
            found[name] = value
    return model.model_validate(found).model_dump(mode="json", include=_included(found), exclude_unset=True)


def _accepts(model: type[BaseModel], candidate: dict[str, Any], name: str) -> bool:
    try:
        model.model_validate(candidate)
    except ValidationError as error:
        return all(fault["type"] == "missing" and fault["loc"][:1] != (name,) for fault in error.errors())
    return True


def _included(found: dict[str, Any]) -> set[str]:
    return set(found)


def permutations_of(n: int) -> st.SearchStrategy[np.ndarray]:
    """Orders of ``n`` rows, int64, shape (n,)."""
    return st.permutations(range(n)).map(lambda order: np.array(order, np.int64))


Draw = Callable[[st.SearchStrategy[Any]], Any]
"""What ``@st.composite`` hands to its function."""
