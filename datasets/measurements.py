"""Cells of a measured column to numbers: relations, units, class words. Nothing is guessed without being said."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

MISSING: Final = frozenset(
    {"", "na", "n/a", "nan", "none", "null", "nd", "n.d.", "-", "--", "?", "#n/a", ".", "missing"}
)
"""Cells (lower case) that mean "not measured"."""

POSITIVE: Final = frozenset(
    {"1", "1.0", "true", "t", "yes", "y", "active", "positive", "pos", "hit", "binder", "toxic"}
)
"""Cells (lower case) of the positive class."""

NEGATIVE: Final = frozenset(
    {
        "0",
        "0.0",
        "false",
        "f",
        "no",
        "n",
        "inactive",
        "negative",
        "neg",
        "non-hit",
        "nonbinder",
        "non-binder",
        "nontoxic",
    }
    | {"non-toxic", "not active"}
)
"""Cells (lower case) of the negative class."""

MOLAR: Final = MappingProxyType({"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "pm": 1e-12, "fm": 1e-15})
"""Molar units, lower case, in mol/L. ``mM`` and ``M`` differ by length, so case does not matter."""

P_UNIT: Final = "-log10(M)"
"""Unit of a value that was made from a molar concentration."""

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_CELL: Final = re.compile(
    r"(?P<relation><=|>=|<<|>>|=<|=>|[<>=~≤≥≈]|ca\.?|approx\.?)?\s*(?P<number>[^\s].*)", re.I | re.S
)
_UNIT_IN_NAME: Final = re.compile(r"^(?P<stem>.*?)[\s_]*[\(\[\{](?P<unit>[^)\]}]+)[\)\]\}]\s*$")
_UNIT_AS_SUFFIX: Final = re.compile(r"^(?P<stem>.+?)[\s_\-.]+(?P<unit>[munpfµμ]M|molar)$")
_POTENCY: Final = re.compile(
    r"(IC|EC|XC|AC|GI|CC|ED|LC)_?\d\d|K[idb]|potency|affinity|activity|(standard|published)?[_ ]?value", re.I
)
_UNIT_IN_PREFIX: Final = re.compile(
    r"^p(IC50|EC50|XC50|AC50|GI50|CC50|Ki|Kd|KB|A2|MIC|ED50|ActivityValue|chembl_value)\b", re.I
)


class Censor(IntEnum):
    """On which side of the stated value the true one lies."""

    BELOW = -1
    EXACT = 0
    ABOVE = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its relation."""

    value: float
    """In the unit of the column."""
    censor: Censor
    """``EXACT`` for plain and for approximate (``~``) values."""


def parse_measurement(cell: str, relation: str = "") -> Measurement | str | None:
    """Read one cell such as ``5.2``, ``<0.1``, ``>= 10000``, ``~3e-7``.

    Args:
        cell: Text of the cell; a relation may stand in front.
        relation: Text of a separate relation cell; it holds where the cell itself has none.

    Returns:
        The measurement, None where the cell means "not measured", or the reason why it cannot be read.
    """
    text = cell.strip().strip("'\"").strip()
    if text.lower() in MISSING:
        return None
    match = _CELL.fullmatch(text)
    number = match["number"].strip() if match else text
    if not _NUMBER.fullmatch(number):
        return _why_no_number(text, number)
    value = float(number)
    if not math.isfinite(value):
        return f"value {text[:40]!r} is too large"
    sign = (match["relation"] if match else None) or relation.strip().strip("'\"")
    censor = _censor(sign)
    return Measurement(value, censor) if censor is not None else f"relation {sign[:20]!r} is not <, = or >"


def parse_class(cell: str) -> float | str | None:
    """Read one class cell: 1.0 for positive, 0.0 for negative, None for missing, else the reason."""
    text = cell.strip().strip("'\"").lower()
    if text in MISSING:
        return None
    if text in POSITIVE:
        return 1.0
    if text in NEGATIVE:
        return 0.0
    return f"{cell.strip()[:40]!r} names no class; expected such as 0, 1, active, inactive"


def to_minus_log10(measured: Measurement, unit: str) -> Measurement | str:
    """Turn a molar concentration into -log10 of mol/L; ``<`` becomes ``>`` since the scale is turned round.

    >>> to_minus_log10(Measurement(10.0, Censor.ABOVE), "uM")
    Measurement(value=5.0, censor=<Censor.BELOW: -1>)
    """
    factor = molar_factor(unit)
    if factor is None:
        return f"unit {unit[:20]!r} is not a molar concentration"
    if measured.value <= 0:
        return f"a concentration of {measured.value:g} {unit} has no logarithm"
    # Rounding takes off the last bits, so that 10 uM and 10000 nM are equal.
    return Measurement(round(-math.log10(measured.value * factor), 12) + 0.0, Censor(-measured.censor))


def molar_factor(unit: str) -> float | None:
    """The unit in mol/L, or None if it is no molar unit.

    >>> molar_factor("µM") == molar_factor("umol/L") == 1e-6
    True
    """
    if unit.strip() == "m":  # metres or minutes as likely as a sloppy M
        return None
    text = unit.strip().lower().replace("µ", "u").replace("μ", "u").replace("molar", "m")
    text = re.sub(r"^(micro|nano|milli|pico|femto)", lambda found: {"micro": "u"}.get(found[1], found[1][0]), text)
    text = re.sub(r"mol(?:es)?(?:/l|\s*l-1|\.l-1|/liter|/litre)$", "m", text)
    return MOLAR.get(text.strip(" -_"))


def unit_of_name(name: str) -> tuple[str, str]:
    """Split a column's name into stem and unit: ``IC50 (nM)`` gives ``("IC50", "nM")``; the unit may be empty."""
    if _UNIT_IN_PREFIX.match(name):
        return name, P_UNIT
    match = _UNIT_IN_NAME.match(name) or _UNIT_AS_SUFFIX.match(name)
    return (match["stem"].strip(), match["unit"].strip()) if match and match["stem"].strip() else (name, "")


def is_potency(stem: str) -> bool:
    """Whether a column of this name, in a molar unit, is customarily put on the scale of pIC50."""
    return bool(_POTENCY.fullmatch(stem.strip()))


def p_name(stem: str) -> str:
    """Name of the converted column: ``pIC50`` for ``IC50``."""
    return f"p{stem}" if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", stem) else f"p({stem})"


def _censor(sign: str) -> Censor | None:
    text = sign.lower().rstrip(".")
    if text in {"", "=", "~", "≈", "ca", "approx", "=="}:
        return Censor.EXACT
    if text in {"<", "<=", "<<", "=<", "≤"}:
        return Censor.BELOW
    return Censor.ABOVE if text in {">", ">=", ">>", "=>", "≥"} else None


def _why_no_number(text: str, number: str) -> str:
    if re.fullmatch(r"[+-]?\d+,\d+", number):
        return f"{text[:40]!r} has a comma: decimal point or thousands?"
    if re.match(_NUMBER.pattern + r"\s*(?:±|\+/-|\+-)", number):
        return f"{text[:40]!r} holds a value and its error; expected one number"
    return f"{text[:40]!r} is not a number"


__all__ = [
    "MISSING",
    "MOLAR",
    "NEGATIVE",
    "POSITIVE",
    "P_UNIT",
    "Censor",
    "Measurement",
    "is_potency",
    "molar_factor",
    "p_name",
    "parse_class",
    "parse_measurement",
    "to_minus_log10",
    "unit_of_name",
]
