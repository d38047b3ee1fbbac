"""Rule sets: read from YAML, applied to signal tables, with the reason of every line."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import numpy as np
import polars as pl
import yaml
from pydantic import AfterValidator, Field, ValidationError

from cinchona import yamltext
from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.measures.catalogue import COLUMNS
from cinchona.pharmacovigilance.signals.naming import nearest_names
from cinchona.pharmacovigilance.signals.rules.expression import check_names, parse_condition
from cinchona.settings import Config

COUNT_COLUMNS: Final = frozenset({"n", "n_drug", "n_event", "n_total", "expected", "sparse"})
"""Columns of every signal table that rules may read beside those of measures."""


def _checked(text: str) -> str:
    condition = parse_condition(text)
    check_names(condition, COUNT_COLUMNS | COLUMNS.keys())
    if not condition.names():
        raise ConfigError(f"the condition {text!r} reads no column", expected="for example n >= 3")
    return text


class RuleSet(Config):
    """When a pair counts as a signal, and how signals are ranked."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Short name."""
    title: str = ""
    """Name for people."""
    when: Annotated[str, AfterValidator(_checked)]
    """Condition on columns; see :mod:`cinchona.pharmacovigilance.signals.rules.expression`."""
    rank_by: tuple[str, ...] = ("n",)
    """Columns that rank the signals, largest first."""
    source: str = ""
    """Where the thresholds come from."""
    note: str = ""
    """What to know before using it."""

    @property
    def columns(self) -> frozenset[str]:
        """Columns that the rule reads."""
        return parse_condition(self.when).names() | set(self.rank_by)

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures that must be computed for the rule."""
        return tuple(sorted({COLUMNS[c].name for c in self.columns if c in COLUMNS}))

    @property
    def needs_prior(self) -> bool:
        """True when the rule reads figures of the gamma-Poisson shrinker."""
        return any(COLUMNS[c].needs_prior for c in self.columns if c in COLUMNS)

    def mask(self, frame: pl.DataFrame) -> np.ndarray:
        """Mask of the rows that are signals, bool, shape (n,); a missing figure never makes a signal.

        Raises:
            UnknownNameError: if the table lacks a column of the rule.
        """
        condition = parse_condition(self.when)
        _need(frame, self.columns, self.name)
        found = condition.holds({name: frame[name].to_numpy() for name in condition.names()})
        return np.asarray(found)


def rank_signals(frame: pl.DataFrame, rule: RuleSet) -> pl.DataFrame:
    """Keep the signals of a table, ranked, with the reason of every line.

    Args:
        frame: Signal table with the columns that the rule reads.
        rule: The rule set.

    Returns:
        The rows that are signals with ``rank`` (from 1), ``rule`` and ``reason`` in front; ties are ordered by drug and
        event.

    Raises:
        UnknownNameError: if the table lacks a column of the rule.
    """
    condition = parse_condition(rule.when)
    signals = frame.filter(pl.Series(rule.mask(frame), dtype=pl.Boolean))
    ties = [name for name in ("drug", "event") if name in signals.columns]
    floats = [name for name in rule.rank_by if signals.schema[name].is_float()]
    keys = [pl.col(name).fill_nan(None) if name in floats else pl.col(name) for name in [*rule.rank_by, *ties]]
    signals = signals.sort(keys, descending=[True] * len(rule.rank_by) + [False] * len(ties), nulls_last=True)
    names = sorted(condition.names())
    reasons = [condition.reason(dict(zip(names, row, strict=True))) for row in signals.select(names).iter_rows()]
    return signals.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank"),
        pl.lit(rule.name).alias("rule"),
        pl.Series("reason", reasons, dtype=pl.String),
        pl.all(),
    )


def _need(frame: pl.DataFrame, columns: frozenset[str], rule: str) -> None:
    missing = sorted(columns - set(frame.columns))
    if missing:
        raise UnknownNameError(
            f"the table has no column {', '.join(missing)}, which the rule {rule!r} reads",
            expected="a table scored with the rule's measures",
            remedy=f"score with {', '.join(sorted({COLUMNS[c].name for c in missing if c in COLUMNS}))}",
        )


@functools.cache
def rule_sets() -> Mapping[str, RuleSet]:
    """Rule sets that come with Cinchona, by name."""
    text = resources.files("cinchona.pharmacovigilance.signals.rules").joinpath("rule_sets.yaml").read_text("utf-8")
    return MappingProxyType({rule.name: rule for rule in _parse(text, "rule_sets.yaml")})


def load_rules(path: Path) -> dict[str, RuleSet]:
    """Read rule sets of the user's own: a YAML list of records like those that come with Cinchona.

    Raises:
        ConfigError: if the file cannot be read or a record is not a rule set.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the rule file cannot be read: {error}", where=str(path)) from error
    return {rule.name: rule for rule in _parse(text, str(path))}


def rule_set(name: str, own: Mapping[str, RuleSet] | None = None) -> RuleSet:
    """Look a rule set up among the user's own and those that come with Cinchona.

    Raises:
        UnknownNameError: with the nearest names.
    """
    known = {**rule_sets(), **(own or {})}
    if name not in known:
        near = nearest_names(name, sorted(known))
        raise UnknownNameError(
            f"no rule set is called {name!r}", expected=", ".join(sorted(known)),
            remedy=f"did you mean {', '.join(near)}?" if near else "give a file of your own",
        )  # fmt: skip
    return known[name]


def _parse(text: str, where: str) -> list[RuleSet]:
    try:
        data, _ = yamltext.parse(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the rule file is not plain YAML: {error}", where=where) from error
    if not isinstance(data, list):
        raise ConfigError("the rule file holds no list", where=where, expected="a list of rule sets")
    found = []
    for place, record in enumerate(data, start=1):
        try:
            found.append(RuleSet.model_validate(record))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
            raise ConfigError(f"rule set {place} is not valid: {faults}", where=where) from error
    return found
