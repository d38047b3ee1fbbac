"""Results as tables and as JSON."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from cinchona.cli import output
from cinchona.cli.common import Common
from cinchona.cli.output import emit, plain, show


class Colour(enum.StrEnum):
    RED = "red"


@dataclass
class Inner:
    path: Path
    when: date


class Model(BaseModel):
    a: int = 1
    inner: dict[str, float] = {"x": float("nan")}


@pytest.mark.parametrize("value,expected", [
    (None, None), (True, True), (3, 3), ("a", "a"), (1.5, 1.5), (float("nan"), None), (float("inf"), None),
    (np.float32(0.5), 0.5), (np.int64(3), 3), (np.array([1.0, np.nan]), [1.0, None]), (Colour.RED, "red"),
    (Path("a/b"), "a/b"), (date(2026, 1, 2), "2026-01-02"), ({1: (2, 3)}, {"1": [2, 3]}), ({"x"}, ["x"]),
    (Inner(Path("p"), date(2026, 1, 2)), {"path": "p", "when": "2026-01-02"}), (Model(), {"a": 1, "inner": {"x": None}}),
    (b"raw", "b'raw'"), (Inner, str(Inner)),
])  # fmt: skip
def test_plain(value, expected):
    found = plain(value)
    assert found == expected
    json.dumps(found, allow_nan=False)


def test_json_is_one_document(capsys):
    show(Common(as_json=True), {"a": [1, float("nan")], "ü": "é"})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": [1, None], "ü": "é"}
    assert "é" in text


def test_a_record_is_a_table_of_names_and_figures(capsys):
    show(Common(), {
        "rows": 12345, "rmse": 0.123456, "done": True, "left": None, "empty": [], "deep": {"score_best": 7.5},
        "names": ["a", "b"], "found": ["one, two", "three"], "hits": [{"rank": 1, "id": "[red]x[/red]"}],
    }, title="Result")  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Result"
    text = "\n".join(lines)
    for words in ("12,345", "0.1235", "yes", "deep: score best  7.5", "a, b", "one, two; three", "[red]x[/red]"):
        assert words in text
    assert "left" not in text
    assert "empty" not in text
    assert "\x1b" not in text


def test_long_values_are_not_cut(capsys):
    show(Common(), {"smiles": "C" * 500})
    assert capsys.readouterr().out.replace("\n", "").replace(" ", "").count("C") == 500


def test_lists_are_tables(capsys):
    show(Common(), [{"name": "a", "rows": 1}, {"name": "b", "extra": "x"}], title="Sets")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Sets"
    assert lines[1].split() == ["name", "rows", "extra"]
    assert len(lines) == 4


@pytest.mark.parametrize("rows", [[], ["a", "b"]])
def test_odd_lists(capsys, rows):
    show(Common(), rows)
    assert capsys.readouterr().out.split() == (["none"] if not rows else ["value", "a", "b"])


def test_a_terminal_gets_its_own_width(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    show(Common(), {"text": "word " * 30})
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 60


def test_emit_ends_lines(capsys):
    emit("a")
    emit("b\n")
    assert capsys.readouterr().out == "a\nb\n"


def test_nothing_is_left_of_the_renderer(capsys):
    output.show_record({})
    assert capsys.readouterr().out.strip() == ""
