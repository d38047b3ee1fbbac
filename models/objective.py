"""One score from many endpoints: arithmetic and desirabilities in a small language that is parsed and never executed.

::

    gmean(high(pIC50, 6, 8), low(hERG, 0.2, 0.7), between(logD, 1, 3))
    pIC50 - 2 * max(AMES, `NR-AR`)

A desirability is 0 for what is useless and 1 for what is as good as it gets, linear in between (Derringer and Suich 1980,
doi:10.1080/00224065.1980.11980968). Names that are no identifiers stand between backticks.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import numpy as np

from cinchona.errors import ConfigError
from cinchona.protocols import Requirement, Scorer
from cinchona.records import CompoundBatch, Endpoint, Scores

MAX_LENGTH: Final = 2_000
"""Characters of an expression."""
_MAX_DEPTH: Final = 40
_QUOTED: Final = re.compile(r"`([^`]*)`")
_SMALL: Final = 1e-12


def _high(x: np.ndarray, worst: np.ndarray, best: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((x - worst) / (best - worst), 0.0, 1.0))


def _low(x: np.ndarray, best: np.ndarray, worst: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((worst - x) / (worst - best), 0.0, 1.0))


def _between(x: np.ndarray, low: np.ndarray, high: np.ndarray, margin: np.ndarray | None = None) -> np.ndarray:
    width = (high - low) / 2 if margin is None else margin
    return np.asarray(np.minimum(_high(x, low - width, low), _low(x, high, high + width)))


def _gmean(*values: np.ndarray) -> np.ndarray:
    stacked = np.stack(np.broadcast_arrays(*values))
    logs = np.log(np.maximum(stacked, _SMALL)).mean(axis=0)
    return np.where((stacked <= 0).any(axis=0), 0.0, np.exp(logs))


def _mean(*values: np.ndarray) -> np.ndarray:
    return np.asarray(np.stack(np.broadcast_arrays(*values)).mean(axis=0))


def _least(*values: np.ndarray) -> np.ndarray:
    return np.asarray(np.stack(np.broadcast_arrays(*values)).min(axis=0))


def _most(*values: np.ndarray) -> np.ndarray:
    return np.asarray(np.stack(np.broadcast_arrays(*values)).max(axis=0))


_FUNCTIONS: Final[dict[str, tuple[Callable[..., np.ndarray], int, int]]] = {
    "high": (_high, 3, 3), "low": (_low, 3, 3), "between": (_between, 3, 4), "gmean": (_gmean, 1, 64),
    "mean": (_mean, 1, 64), "min": (_least, 1, 64), "max": (_most, 1, 64), "log10": (np.log10, 1, 1), "exp": (np.exp, 1, 1),
    "abs": (np.abs, 1, 1),
}  # fmt: skip
"""Functions with their least and greatest number of arguments."""
_OPERATORS: Final[dict[type[ast.operator], Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """A parsed expression."""

    text: str
    """As it was given."""
    endpoints: tuple[Endpoint, ...]
    """Endpoints that it may name."""
    tree: ast.expr
    """Checked syntax: numbers, endpoints, functions and arithmetic only."""
    names: tuple[str, ...]
    """Endpoint of each placeholder in the tree."""

    def score(self, value: np.ndarray) -> np.ndarray:
        """Value of the expression, higher is better.

        Args:
            value: Endpoints in their units, float, shape (n, t).

        Returns:
            float32, shape (n,); NaN where it is not defined, as for a logarithm of a negative number.
        """
        position = {e.name: k for k, e in enumerate(self.endpoints)}
        columns = {f"_{k}": value[:, position[name]].astype(np.float64) for k, name in enumerate(self.names)}
        with np.errstate(all="ignore"):
            found = np.broadcast_to(_value(self.tree, columns), (len(value),)).astype(np.float32)
        return np.ascontiguousarray(np.where(np.isfinite(found), found, np.float32(np.nan)))


def parse_objective(text: str, endpoints: Sequence[Endpoint]) -> Objective:
    """Parse an expression over ``endpoints``. Nothing in it is executed.

    Raises:
        ConfigError: if it is no expression of the language or names an unknown endpoint, with the nearest known one.
    """
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"the objective has {len(text):,} characters", expected=f"at most {MAX_LENGTH:,}")
    names: list[str] = []

    def placeholder(name: str) -> str:
        if name not in names:
            names.append(name)
        return f"_{names.index(name)}"

    source = _QUOTED.sub(lambda found: placeholder(found[1]), text.strip())
    quoted = tuple(names)
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        _refuse(text, f"it does not read: {getattr(error, 'msg', error)}")
    known = {e.name for e in endpoints}
    tree = _Names(quoted, known, placeholder, text).visit(tree)
    _check(tree, text, 0)
    for name in names:
        if name not in known:
            _unknown(name, known, text)
    if not names:
        _refuse(text, "it names no endpoint")
    return Objective(text.strip(), tuple(endpoints), tree, tuple(names))


class _Names(ast.NodeTransformer):
    """Puts placeholders in the place of plain endpoint names."""

    def __init__(self, quoted: Sequence[str], known: set[str], placeholder: Callable[[str], str], text: str) -> None:
        self._quoted = {f"_{k}" for k in range(len(quoted))}
        self._known, self._placeholder, self._text = known, placeholder, text

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """An endpoint."""
        if node.id in self._quoted:
            return node
        if node.id not in self._known:
            _unknown(node.id, self._known, self._text)
        return ast.Name(self._placeholder(node.id), ast.Load())

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """The function's name is no endpoint."""
        node.args = [self.visit(argument) for argument in node.args]
        return node


def _check(node: ast.AST, text: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        _refuse(text, "it is nested too deeply")
    for inner in _parts_of(node, text):
        _check(inner, text, depth + 1)


def _parts_of(node: ast.AST, text: str) -> list[ast.expr]:
    """What an allowed node is made of; anything else is refused."""
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return []
        case ast.Name():
            return []
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
            return [inner]
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            return [left, right]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            _, least, most = _FUNCTIONS[name]
            if not least <= len(arguments) <= most:
                wanted = str(least) if least == most else f"{least} to {most}"
                _refuse(text, f"{name} takes {wanted} values, not {len(arguments)}")
            return list(arguments)
    return _refuse(text, f"{type(node).__name__.lower()} is not allowed")


def _value(node: ast.expr, columns: dict[str, np.ndarray]) -> np.ndarray:
    match node:
        case ast.Constant(value=number):
            return np.asarray(float(number))  # type: ignore[arg-type] # _check let numbers pass only
        case ast.Name(id=name):
            return columns[name]
        case ast.UnaryOp(op=operator, operand=inner):
            found = _value(inner, columns)
            return -found if isinstance(operator, ast.USub) else found
        case ast.BinOp(left=left, op=operator, right=right):
            return _OPERATORS[type(operator)](_value(left, columns), _value(right, columns))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name][0](*(_value(argument, columns) for argument in arguments))
    raise AssertionError(node)


def _unknown(name: str, known: set[str], text: str) -> NoReturn:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    shown = ", ".join(sorted(known)[:8]) + (", …" if len(known) > 8 else "")
    raise ConfigError(
        f"the model has no endpoint {name!r}", where=f"objective {text!r}", expected=f"one of {shown}",
        remedy=f"did you mean {near[0]}?" if near else "see them with: cinchona models show MODEL",
    )  # fmt: skip


def _refuse(text: str, what: str) -> NoReturn:
    raise ConfigError(
        f"the objective cannot be used: {what}", where=f"objective {text[:200]!r}",
        expected=f"numbers, endpoints, + - * / **, and {', '.join(_FUNCTIONS)}",
        remedy="names with other characters than letters, digits and _ stand between backticks",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class ObjectiveScorer:
    """A scorer whose rank comes from an objective instead of its own."""

    inner: Scorer
    """What predicts."""
    chosen: Objective
    """What ranks."""

    @classmethod
    def of(cls, inner: Scorer, text: str) -> ObjectiveScorer:
        """Rank what ``inner`` predicts by ``text``.

        Raises:
            ConfigError: if the text is no objective over its endpoints.
        """
        return cls(inner, parse_objective(text, inner.endpoints))

    @property
    def name(self) -> str:
        """Name of the scorer inside."""
        return self.inner.name

    @property
    def fingerprint(self) -> str:
        """That of the scorer inside, which is the model; the objective is a setting of the screen and counts there."""
        return self.inner.fingerprint

    @property
    def requires(self) -> frozenset[Requirement]:
        """What the scorer inside requires."""
        return self.inner.requires

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All endpoints of the scorer inside."""
        return self.inner.endpoints

    @property
    def objective(self) -> str:
        """The expression."""
        return self.chosen.text

    def score(self, batch: CompoundBatch) -> Scores:
        """Predict with the scorer inside and rank by the objective."""
        found = self.inner.score(batch)
        return replace(found, score=self.chosen.score(found.value))


__all__ = ["MAX_LENGTH", "Objective", "ObjectiveScorer", "parse_objective"]
