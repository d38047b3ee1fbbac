"""Conditions on columns, parsed and evaluated by us: no code of the user is ever run.

Grammar::

    condition  = any
    any        = all { "or" all }
    all        = unit { "and" unit }
    unit       = "not" unit | "(" any ")" | comparison | column
    comparison = operand (">=" | "<=" | ">" | "<" | "==" | "!=") operand
    operand    = column | number
    column     = letter or underscore, then letters, digits, underscores
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.naming import nearest_names

MAX_LENGTH: Final = 2_000
"""Longest condition, in characters."""
MAX_DEPTH: Final = 50
"""Deepest nesting of parentheses and negations."""

Columns = Mapping[str, np.ndarray]

_OPERATORS: Final[Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq, "!=": operator.ne}
)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>>=|<=|==|!=|>|<|\(|\)))"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left operator right``; false where a figure is missing."""

    left: str | float
    sign: str
    right: str | float

    def holds(self, columns: Columns) -> np.ndarray:
        """Mask of the rows where it holds, bool, shape (n,)."""
        left, right = _operand(self.left, columns), _operand(self.right, columns)
        with np.errstate(invalid="ignore"):
            found = _OPERATORS[self.sign](left, right)
        return np.asarray(found & ~np.isnan(left) & ~np.isnan(right))

    def names(self) -> frozenset[str]:
        """Columns that are read."""
        return frozenset(x for x in (self.left, self.right) if isinstance(x, str))

    def reason(self, row: Mapping[str, float]) -> str:
        """The comparison with the row's figures, for people: ``prr 80.3 >= 2``."""
        return f"{_spell(self.left, row)} {self.sign} {_spell(self.right, row)}"


@dataclass(frozen=True, slots=True)
class Flag:
    """A column of truth values."""

    column: str

    def holds(self, columns: Columns) -> np.ndarray:
        """Mask of the rows where it holds, bool, shape (n,)."""
        return np.asarray(columns[self.column], bool)

    def names(self) -> frozenset[str]:
        """Columns that are read."""
        return frozenset({self.column})

    def reason(self, row: Mapping[str, float]) -> str:
        """The name of the column."""
        return self.column


@dataclass(frozen=True, slots=True)
class Negation:
    """True where the inner condition is not."""

    inner: Condition

    def holds(self, columns: Columns) -> np.ndarray:
        """Mask of the rows where it holds, bool, shape (n,)."""
        return np.asarray(~self.inner.holds(columns))

    def names(self) -> frozenset[str]:
        """Columns that are read."""
        return self.inner.names()

    def reason(self, row: Mapping[str, float]) -> str:
        """The inner condition, negated."""
        return f"not ({self.inner.reason(row)})"


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where every part is."""

    parts: tuple[Condition, ...]

    def holds(self, columns: Columns) -> np.ndarray:
        """Mask of the rows where it holds, bool, shape (n,)."""
        return np.asarray(np.logical_and.reduce([part.holds(columns) for part in self.parts]))

    def names(self) -> frozenset[str]:
        """Columns that are read."""
        return frozenset().union(*(part.names() for part in self.parts))

    def reason(self, row: Mapping[str, float]) -> str:
        """The reasons of all parts."""
        return "; ".join(part.reason(row) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where at least one part is."""

    parts: tuple[Condition, ...]

    def holds(self, columns: Columns) -> np.ndarray:
        """Mask of the rows where it holds, bool, shape (n,)."""
        return np.asarray(np.logical_or.reduce([part.holds(columns) for part in self.parts]))

    def names(self) -> frozenset[str]:
        """Columns that are read."""
        return frozenset().union(*(part.names() for part in self.parts))

    def reason(self, row: Mapping[str, float]) -> str:
        """The reasons of the parts that hold."""
        one_row = {name: np.array([row[name]]) for name in self.names()}
        return " or ".join(part.reason(row) for part in self.parts if part.holds(one_row)[0])


Condition = Comparison | Flag | Negation | AllOf | AnyOf


def parse_condition(text: str) -> Condition:
    """Parse a condition such as ``n >= 3 and (prr025 > 1 or eb05 >= 2)``.

    Raises:
        ConfigError: if the text is not a condition; the message shows where.
    """
    if len(text) > MAX_LENGTH:
        raise ConfigError("the condition is too long", expected=f"at most {MAX_LENGTH} characters")
    parser = _Parser(text)
    condition = parser.any(0)
    parser.end()
    return condition


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def any(self, depth: int) -> Condition:
        parts = [self.all(depth)]
        while self._take("or"):
            parts.append(self.all(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def all(self, depth: int) -> Condition:
        parts = [self.unit(depth)]
        while self._take("and"):
            parts.append(self.unit(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def unit(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise self._error("is nested too deeply")
        if self._take("not"):
            return Negation(self.unit(depth + 1))
        if self._take("("):
            inner = self.any(depth + 1)
            if not self._take(")"):
                raise self._error("lacks a closing parenthesis")
            return inner
        left = self._operand()
        sign = self._peek()
        if sign not in _OPERATORS:
            if isinstance(left, str):
                return Flag(left)
            raise self._error("lacks a comparison sign")
        self._at += 1
        return Comparison(left, sign, self._operand())

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise self._error("goes on where it should end")

    def _operand(self) -> str | float:
        token = self._peek()
        if token in {"", "and", "or", "not", "(", ")"} or token in _OPERATORS:
            raise self._error("lacks a column or number")
        self._at += 1
        return token if re.match(r"[A-Za-z_]", token) else float(token)

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, token: str) -> bool:
        hit = self._peek() == token
        self._at += hit
        return hit

    def _error(self, what: str) -> ConfigError:
        place = self._tokens[self._at][1] if self._at < len(self._tokens) else len(self._text)
        return ConfigError(
            f"the condition {what}", where=f"{self._text!r}, character {place + 1}",
            expected="for example: n >= 3 and (prr025 > 1 or eb05 >= 2) and not sparse",
        )  # fmt: skip


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    place = 0
    while text[place:].strip():
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConfigError(
                f"the condition holds {text[place:].strip()[:1]!r}", where=f"{text!r}, character {place + 1}",
                expected="columns, numbers, comparisons, and, or, not, parentheses",
            )  # fmt: skip
        yield found.group().strip(), found.start() + len(found.group()) - len(found.group().lstrip())
        place = found.end()


def check_names(condition: Condition, known: Mapping[str, object] | frozenset[str]) -> None:
    """Refuse columns that do not exist.

    Raises:
        UnknownNameError: with the nearest names.
    """
    for name in sorted(condition.names()):
        if name not in known:
            near = nearest_names(name, sorted(known))
            raise UnknownNameError(
                f"the condition reads the column {name!r}, which does not exist", expected=", ".join(sorted(known)),
                remedy=f"did you mean {', '.join(near)}?" if near else "",
            )  # fmt: skip


def _operand(operand: str | float, columns: Columns) -> np.ndarray:
    return np.asarray(columns[operand] if isinstance(operand, str) else operand, np.float64)


def _spell(operand: str | float, row: Mapping[str, float]) -> str:
    return f"{operand} {row[operand]:.4g}" if isinstance(operand, str) else f"{operand:g}"
