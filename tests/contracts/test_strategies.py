"""The strategies keep their own word, or every test that relies on them is hollow."""

from __future__ import annotations

import csv
import io
from typing import Literal

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from cinchona.settings import Config, load_settings

Chem = pytest.importorskip("rdkit.Chem", reason="needs RDKit: pip install 'cinchona[screening]'")


@pytest.fixture(autouse=True)
def _quiet():
    from rdkit import rdBase

    with rdBase.BlockLogs():
        yield


@pytest.mark.parametrize("link", strategies.LINKS)
def test_each_link_is_valid_alone_and_chained(link):
    outer = link.replace("%R1", "%11").replace("%R2", "%12")
    inner = link.replace("%R1", "%13").replace("%R2", "%14")
    for text in ("C" + outer.format("C"), "C" + outer.format(inner.format("O"))):
        assert Chem.MolFromSmiles(text) is not None, text


@pytest.mark.parametrize("end", strategies.ENDS)
def test_each_end_is_valid(end):
    assert Chem.MolFromSmiles("C" + end.replace("%R1", "%11")) is not None


@given(strategies.smiles())
def test_smiles_are_valid(text):
    assert Chem.MolFromSmiles(text) is not None, text


@given(strategies.invalid_smiles())
def test_invalid_smiles_are_refused(text):
    # RDKit takes what follows a blank or NUL as a name, so a reader must look at the whole text.
    assert Chem.MolFromSmiles(text, sanitize=True) is None or set(text) & set(" \x00\u200b")


@pytest.mark.parametrize("text", strategies.INVALID)
def test_each_invalid_example_is_invalid(text):
    assert Chem.MolFromSmiles(text) is None or "\x00" in text


@settings(max_examples=50)
@given(strategies.rewritten_smiles())
def test_rewritten_smiles_name_one_molecule(pair):
    assert Chem.CanonSmiles(pair[0]) == Chem.CanonSmiles(pair[1])


def test_built_smiles_reach_rings_charges_isotopes_stereo_and_salts():
    seen = set()
    wanted = {
        "ring": "%",
        "charge": "+]",
        "isotope": "[13C",
        "stereo": "@",
        "salt": ".",
        "bond stereo": "/",
        "fused": "[nH]cc(",
    }

    @settings(max_examples=300, database=None)
    @given(strategies.built_smiles())
    def look(text):
        seen.update(name for name, sign in wanted.items() if sign in text)

    look()
    assert seen == set(wanted)


def test_shipped_smiles_are_many():
    assert len(strategies.shipped_smiles()) > 350


@settings(max_examples=60)
@given(strategies.messy_tables(blank_lines=False))
def test_tables_hold_what_they_say(table):
    text = table.data.decode(table.encoding)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=table.delimiter))
    assert tuple(rows[0]) == table.header
    assert [tuple(r) for r in rows[1:]] == [r if r != ("",) or table.quote_all else ("",) for r in table.rows]


def test_tables_reach_every_mess():
    seen = set()

    @settings(max_examples=300, database=None)
    @given(strategies.messy_tables())
    def look(table):
        seen.update({table.encoding, table.line_end, table.delimiter})
        ids = [row[0] for row in table.rows]
        seen.update(name for name, holds in {
            "ragged": any(len(r) < 4 for r in table.rows), "duplicate": len(set(ids)) < len(ids),
            "blank line": bool(table.blank_lines), "no final end": not table.final_line_end,
            "bom": table.data.startswith(b"\xef\xbb\xbf"), "empty": not table.rows, "line in cell": "two\nlines" in ids,
        }.items() if holds)  # fmt: skip

    look()
    assert {"utf-8", "utf-16", "latin-1", "\r\n", "\n", ",", ";", "\t", "|", "ragged", "duplicate", "blank line",
            "no final end", "bom", "empty", "line in cell"} <= seen  # fmt: skip


@settings(max_examples=40)
@given(strategies.assay_rows())
def test_assay_rows_have_their_columns(rows):
    assert rows
    assert all(set(row) == {"compound_id", "smiles", "pIC50"} for row in rows)


class _Inner(Config):
    size: int = Field(3, ge=1, le=9)
    kind: Literal["a", "b"] = "a"


class _Outer(Config):
    inner: _Inner = Field(default_factory=_Inner)
    rate: float = Field(0.1, gt=0, lt=1)
    name: str | None = None
    needed: bool


@settings(max_examples=60)
@given(strategies.settings_dicts(_Outer))
def test_settings_dicts_are_accepted(values):
    assert "needed" in values
    _Outer.model_validate(values)


@given(st.data())
def test_settings_dicts_fill_sections(data):
    assert load_settings(_Outer, overrides=["needed=true"], environ={}).inner.size == 3
    values = data.draw(strategies.settings_dicts(_Inner))
    assert set(values) <= {"size", "kind"}
