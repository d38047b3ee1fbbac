"""Structure pictures that are safe to show and small: no script, no link, no foreign markup.

SMILES come from other people's files. A picture is drawn by RDKit from the parsed molecule and then rebuilt from the
numbers of its paths, so nothing else can reach the page.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
from rdkit import Chem, rdBase
from rdkit.Chem.Draw import rdMolDraw2D

SIZE: Final = (220, 150)
"""Width and height of a structure, in CSS pixels."""
SQUARE: Final = (190, 190)
"""Size of a structure where a table gives each picture a square, as MLflow does."""
MAX_ATOMS_DRAWN: Final = 150
"""Heavy atoms beyond which a picture tells nothing and takes long."""
PALETTE: Final = {
    6: (0.0, 0.0, 0.0), 7: (0.18, 0.44, 0.86), 8: (0.87, 0.18, 0.18), 9: (0.13, 0.58, 0.38), 15: (0.82, 0.42, 0.07),
    16: (0.68, 0.50, 0.0), 17: (0.13, 0.58, 0.22), 35: (0.66, 0.33, 0.15), 53: (0.55, 0.24, 0.68),
}  # fmt: skip
"""Colours of the elements, red, green and blue in [0, 1]; at least 3:1 contrast on white and on near-black."""
_SVG: Final = "{http://www.w3.org/2000/svg}"
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{6}\Z")
_POINTS: Final = {"M": 1, "L": 1, "Q": 2, "C": 3, "Z": 0}
"""Points that each command of a path takes."""
_COMMAND: Final = re.compile(r"[MLQCZ]|-?\d+(?:\.\d+)?")
_INK: Final = "currentColor"

Stroke = tuple[str, str, str]
"""Fill, stroke and stroke width of a path."""


@lru_cache(maxsize=4096)
def structure_svg(smiles: str, *, size: tuple[int, int] = SIZE, background: str = "") -> str:
    """Draw a molecule as one ``<svg>`` element of about 2 kB.

    Args:
        smiles: The molecule.
        size: Width and height in CSS pixels; the picture scales by its ``viewBox``.
        background: Colour behind the molecule such as ``#ffffff``; empty for a picture that follows the text colour
            of its page, light or dark.

    Returns:
        The element; a placeholder that says why where there is nothing to draw.
    """
    with rdBase.BlockLogs():
        mol = parsed(smiles)
        if mol is None or mol.GetNumAtoms() == 0:
            return element(_words("no structure", size), size, background)
        if mol.GetNumHeavyAtoms() > MAX_ATOMS_DRAWN:
            return element(_words(f"{mol.GetNumHeavyAtoms()} heavy atoms", size), size, background)
        try:
            return element(rebuild(drawn(mol, size)[0]), size, background)
        except (RuntimeError, ValueError, ET.ParseError):
            return element(_words("cannot be drawn", size), size, background)


def with_structures(table: pa.Table, *, smiles: str = "parent_smiles", limit: int = 200) -> pa.Table:
    """The first ``limit`` rows of ``table`` with a column ``structure`` of SVG pictures in front.

    Args:
        table: Rows of compounds.
        smiles: Column to draw.
        limit: Rows to keep.
    """
    shown = table.slice(0, limit)
    pictures = [structure_svg(s or "", size=SQUARE, background="#ffffff") for s in shown.column(smiles).to_pylist()]
    return shown.add_column(0, "structure", pa.array(pictures, pa.string()))


def html_table(rows: Sequence[Mapping[str, object]], *, smiles: str = "smiles", limit: int = 10) -> str:
    """Rows as a small HTML table for notebooks, with pictures; every text is escaped.

    Args:
        rows: Records with equal keys.
        smiles: Key of the structure; it is drawn instead of shown. Rows without it get no picture.
        limit: Rows to show; what is left is counted below.
    """
    if not rows:
        return "<p>no rows</p>"
    keys = [key for key in rows[0] if key != smiles]
    drawn = smiles in rows[0]
    head = "".join(f"<th>{html.escape(str(key))}</th>" for key in [*(["structure"] if drawn else []), *keys])
    body = "".join(_html_row(row, keys, smiles if drawn else "") for row in rows[:limit])
    more = f"<p>and {len(rows) - limit:,} more</p>" if len(rows) > limit else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _html_row(row: Mapping[str, object], keys: Sequence[str], smiles: str) -> str:
    structure = row.get(smiles)
    picture = f"<td>{structure_svg(str(structure), size=(160, 110)) if structure else ''}</td>" if smiles else ""
    cells = "".join(f"<td>{html.escape(_text(row.get(key)))}</td>" for key in keys)
    return f"<tr>{picture}{cells}</tr>"


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def rebuild(text: str) -> str:
    """Content of an SVG drawn by RDKit, rebuilt from the commands and numbers of its paths, and no more.

    Paths of one colour and width become one path; black becomes ``currentColor``.

    Raises:
        xml.etree.ElementTree.ParseError: if ``text`` is not XML or declares entities.
    """
    if "<!" in text.replace("<!-- END OF HEADER -->", ""):
        raise ET.ParseError("declarations and comments are refused")
    paths: dict[Stroke, list[str]] = {}
    for element in ET.fromstring(text).iter():  # noqa: S314 - declarations of entities are refused above
        style = dict(_style(element))
        if element.tag == f"{_SVG}path":
            key = (_colour(style.get("fill", "none")), _colour(style.get("stroke", "none")), _width(style))
            paths.setdefault(key, []).append(_commands(element.get("d", "")))
    return "".join(_path(key, parts) for key, parts in paths.items())


def parsed(smiles: str) -> Chem.Mol | None:
    """The molecule, or None; RDKit's log is the caller's affair."""
    # RDKit's stubs leave the None out.
    return Chem.MolFromSmiles(smiles)


def drawn(mol: Chem.Mol, size: tuple[int, int]) -> tuple[str, np.ndarray]:
    """RDKit's SVG of a molecule, and where its n atoms are in it, float64, shape (n, 2)."""
    drawer = rdMolDraw2D.MolDraw2DSVG(*size)
    options: Any = drawer.drawOptions()  # RDKit's stubs take its attributes for methods
    options.clearBackground = False
    options.padding = 0.04
    options.bondLineWidth = 1.3
    options.scaleBondWidth = False
    options.fixedBondLength = 24.0
    options.minFontSize = 9
    options.singleColourWedgeBonds = True
    options.updateAtomPalette(PALETTE)
    drawer.DrawMolecule(rdMolDraw2D.PrepareMolForDrawing(mol))
    points = [drawer.GetDrawCoords(k) for k in range(mol.GetNumAtoms())]
    drawer.FinishDrawing()
    return str(drawer.GetDrawingText()), np.array([(point.x, point.y) for point in points])


def _style(element: ET.Element) -> Iterator[tuple[str, str]]:
    if "fill" in element.attrib:
        yield "fill", element.attrib["fill"]
    for part in element.get("style", "").split(";"):
        key, colon, value = part.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _colour(value: str) -> str:
    if value.upper() in {"#000000", "BLACK"}:
        return _INK
    return value if _COLOUR.match(value) else "none"


def _width(style: dict[str, str]) -> str:
    value = style.get("stroke-width", "").removesuffix("px")
    return value if re.fullmatch(r"\d+(\.\d+)?", value) else ""


def _commands(path: str) -> str:
    """The commands of a path, absolute in, relative out, which takes half the room. Anything else ends it."""
    out, here, start = "", (0, 0), (0, 0)
    words = _COMMAND.findall(path)
    while words and words[0] in _POINTS:
        letter = words.pop(0)
        count = 2 * _POINTS[letter]
        if len(words) < count or any(w.isalpha() for w in words[:count]):
            break
        tenths = [round(10 * float(w)) for w in words[:count]]
        del words[:count]
        points = list(zip(tenths[::2], tenths[1::2], strict=True))
        out += letter.lower() + _join([v for x, y in points for v in (x - here[0], y - here[1])])
        here = points[-1] if points else start
        start = here if letter == "M" else start
    return out.replace("m", "M", 1)  # so that the path may follow another one


def _join(tenths: Sequence[int]) -> str:
    """Numbers in tenths, separated by as little as SVG needs."""
    text = ""
    for value in tenths:
        word = f"{value / 10:g}".replace("0.", ".", 1) if 0 < abs(value) < 10 else f"{value / 10:g}"
        text += word if not text or word.startswith("-") else f" {word}"
    return text


def _path(key: Stroke, parts: list[str]) -> str:
    fill, stroke, width = key
    line = "" if stroke == "none" else f' stroke="{stroke}" stroke-width="{width or 1}" stroke-linejoin="round"'
    return f'<path fill="{fill}"{line} d="{"".join(parts)}"/>'


def element(content: str, size: tuple[int, int], background: str = "") -> str:
    """``content`` as one ``<svg>`` element that follows the text colour of its page, on ``background`` if that is a colour."""
    width, height = size
    behind = f'<rect width="{width}" height="{height}" fill="{background}"/>' if _COLOUR.match(background) else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'aria-hidden="true" focusable="false">{behind}{content}</svg>'
    )


def _words(text: str, size: tuple[int, int]) -> str:
    return (
        f'<text x="{size[0] // 2}" y="{size[1] // 2}" text-anchor="middle" font-size="12" font-family="sans-serif" '
        f'fill="{_INK}" opacity="0.65">{html.escape(text)}</text>'
    )
