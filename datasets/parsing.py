"""SMILES to RDKit molecules, with RDKit's own words as the reason where it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from rdkit import Chem, rdBase

from cinchona.records import Reject, Stage

MAX_REASON: Final = 200
"""Longest reason in characters; RDKit repeats the whole SMILES in some messages."""

_STAMP: Final = re.compile(r"^\[\d\d:\d\d:\d\d\] ")
_DROPPED: Final = re.compile(r"Failed parsing SMILES|^\s*~*\^|check for mistakes around position")
_POSITION: Final = re.compile(r"check for mistakes around position (\d+)")
_ECHO: Final = re.compile(r"( while parsing| for input): .*$", re.S)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A structure that ends here, with the reason; becomes a :class:`~cinchona.records.Reject` beside its row id."""

    stage: Stage
    """Stage that could not go on."""
    reason: str
    """One line for a human."""

    def of_row(self, row_id: int) -> Reject:
        """The reject of row ``row_id``."""
        return Reject(row_id, self.stage, self.reason)


def parse_smiles(smiles: str, *, max_length: int | None = None) -> Chem.Mol | Rejected:
    """Parse one SMILES or CXSMILES.

    Text after the SMILES that is no CX extension (a title) is an error, never skipped. RDKit's log stays silent.

    Args:
        smiles: The SMILES.
        max_length: Longest text in characters; None for no limit.

    Returns:
        The sanitized molecule, or a rejection of stage PARSE that carries RDKit's reason.
    """
    text = smiles.strip()
    if not text:
        return Rejected(Stage.PARSE, "empty SMILES")
    if max_length is not None and len(text) > max_length:
        return Rejected(Stage.PARSE, f"SMILES of {len(text):,} characters, at most {max_length:,} are read")
    with rdBase.BlockLogs():
        try:
            mol = _read(text)
        except (RuntimeError, ValueError) as error:  # invalid CX extensions raise in some versions
            return Rejected(Stage.PARSE, one_line(str(error)))
    if mol is None:
        return Rejected(Stage.PARSE, _why(text))
    return mol if mol.GetNumAtoms() else Rejected(Stage.PARSE, "no atoms")


def parses(smiles: str) -> bool:
    """Whether ``smiles`` is a valid SMILES with at least one atom."""
    return not isinstance(parse_smiles(smiles, max_length=2_000), Rejected)


def why_refused(attempt: Callable[[], object]) -> str:
    """RDKit's error message during ``attempt``, as one line; empty if it gives none. Nothing else is logged."""
    capture = getattr(rdBase, "CaptureErrorLog", None)
    with rdBase.BlockLogs():
        if capture is None:  # RDKit before 2026.3
            return ""
        with capture() as log:
            attempt()
            try:
                return captured_reason(log.messages)
            except UnicodeDecodeError:  # RDKit quotes the input and may cut it within a character
                return ""


def captured_reason(messages: str) -> str:
    """RDKit's log text without time stamps, echo of the input and pointers, as one line."""
    lines = [_STAMP.sub("", line) for line in messages.splitlines()]
    position = _POSITION.search(messages)
    kept = [line for line in lines if line and not _DROPPED.search(line)]
    if not kept:
        return ""
    reason = _ECHO.sub("", kept[0]).removeprefix("SMILES Parse Error: ").rstrip(" .:")
    return one_line(reason + (f" near position {position[1]}" if position else ""))


def one_line(text: str) -> str:
    """``text`` on one line of at most :data:`MAX_REASON` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_REASON else flat[: MAX_REASON - 1] + "…"


def _read(text: str) -> Chem.Mol | None:
    return Chem.MolFromSmiles(text, _parameters())


@cache
def _parameters() -> Chem.SmilesParserParams:
    parameters = Chem.SmilesParserParams()
    # With names, "CCO anything" would parse.
    parameters.parseName = False  # type: ignore[assignment]  # the stubs take the property for its parent
    return parameters


def _why(text: str) -> str:
    # Only rows that failed are parsed again, with the log caught.
    head, _, rest = text.partition(" ")
    if rest and not isinstance(parse_smiles(head), Rejected):
        kind = "an invalid CX extension" if rest.startswith("|") else "text"
        return f"{kind} after the SMILES: {one_line(rest)[:40]!r}"
    return why_refused(lambda: _read(text)) or "SMILES not parsable"


__all__ = ["MAX_REASON", "Rejected", "captured_reason", "one_line", "parse_smiles", "parses", "why_refused"]
