"""Structure pictures: drawn for what can be drawn, a reason for what cannot, and nothing from the input in them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest
from finished_screen import DRUGS
from hypothesis import given
from hypothesis import strategies as st

from cinchona.pipelines.depict import html_table, rebuild, structure_svg, with_structures

ALLOWED = {
    "svg": {"viewBox", "width", "height", "aria-hidden", "focusable"},
    "path": {"fill", "stroke", "stroke-width", "stroke-linejoin", "d"},
    "rect": {"width", "height", "fill"},
    "text": {"x", "y", "text-anchor", "font-size", "font-family", "fill", "opacity"},
}


def elements(svg):
    return [(e.tag.removeprefix("{http://www.w3.org/2000/svg}"), e) for e in ET.fromstring(svg).iter()]


@pytest.mark.parametrize(
    "smiles", [s for _, s in DRUGS] + ["[Na+].[Cl-]", "[CH3]", "C1CC1*", "[2H]C([2H])Cl", "F/C=C/F"]
)
def test_pictures_have_only_allowed_parts(smiles):
    svg = structure_svg(smiles)
    for tag, element in elements(svg):
        assert set(element.attrib) <= ALLOWED[tag]
    assert re.search(r'd="M[\d.\- Mmlqcz]+"', svg)
    assert len(svg) < 8_000


def test_heteroatoms_are_coloured_and_carbon_follows_the_page():
    svg = structure_svg("CCO")
    assert 'stroke="currentColor"' in svg
    assert re.search(r'fill="#D[0-9A-F]{5}"', svg), "oxygen is red"


@pytest.mark.parametrize(
    "smiles,reason",
    [("", "no structure"), ("xx", "no structure"), ("C" * 200, "200 heavy atoms"), ("</svg><script>", "no structure")],
)
def test_what_cannot_be_drawn_says_why(smiles, reason):
    _, (_, text) = elements(structure_svg(smiles))
    assert text.text == reason


def test_a_background_must_be_a_colour():
    assert '<rect width="220" height="150" fill="#ffffff"/>' in structure_svg("C", background="#ffffff")
    assert "rect" not in structure_svg("C", background='red"/><script>')


@pytest.mark.parametrize(
    "text", ["<!DOCTYPE svg><svg/>", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "<!-- c --><svg/>", "<svg"]
)
def test_declarations_and_broken_pictures_are_refused(text):
    with pytest.raises(ET.ParseError):
        rebuild(text)


def test_foreign_parts_do_not_survive():
    hostile = (
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="http://x/"/>'
        '<path d="M 0,0 L 1,1 url(http://x)" style="fill:url(http://x);stroke:#ff0000;stroke-width:9;width:1" onclick="x()"/>'
        "<foreignObject><p/></foreignObject></svg>"
    )
    assert (
        rebuild(hostile) == '<path fill="none" stroke="#ff0000" stroke-width="9" stroke-linejoin="round" d="M0 0l1 1"/>'
    )


@given(st.text(alphabet="CNOS()[]=#123+-@H/\\.%cnos<>&\"'", max_size=30))
def test_any_text_gives_a_well_formed_picture(smiles):
    assert elements(structure_svg(smiles))[0][0] == "svg"


def test_tables_get_pictures_in_front():
    table = with_structures(pa.table({"parent_smiles": ["CCO", None, "C"]}), limit=2)
    assert table.schema.names == ["structure", "parent_smiles"]
    assert [s[:4] for s in table["structure"].to_pylist()] == ["<svg", "<svg"]


def test_notebook_tables_escape_and_count():
    rows = [{"smiles": "CCO", "id": "<b>&", "pIC50": 6.54321}] * 2 + [
        {"smiles": None, "id": None, "pIC50": float("nan")}
    ]
    text = html_table(rows, limit=2)
    assert "<td>&lt;b&gt;&amp;</td><td>6.543</td>" in text
    assert "and 1 more" in text
    assert text.count("<svg") == 2
    assert "<tr><td></td><td></td><td></td></tr>" in html_table(rows[2:])
    assert "structure" not in html_table([{"id": 1}])
    assert html_table([]) == "<p>no rows</p>"


def test_paths_keep_their_places():
    path = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 1.04,2 L 3.5,2 Q 4,2 4,3.25 M 10,10 C 1,2 3,4 5,6 Z L 11,10"/></svg>'
    assert rebuild(path) == '<path fill="none" d="M1 2l2.5 0q.5 0 .5 1.2m6 6.8c-9-8-7-6-5-4zl1 0"/>'
    assert 'd="M1 1"' in rebuild(path.replace("M 1.04,2 L 3.5,2", "M 1,1 L 3"))
