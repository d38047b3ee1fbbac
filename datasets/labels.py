"""Columns of cells to columns of numbers: what kind of target it is, its unit and scale, and each cell's value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from cinchona.datasets.class_words import bare_word, class_words
from cinchona.datasets.config import TargetConfig
from cinchona.datasets.measurements import (
    MISSING,
    NEGATIVE,
    P_UNIT,
    POSITIVE,
    Censor,
    Measurement,
    is_potency,
    molar_factor,
    p_name,
    parse_class,
    parse_measurement,
    to_minus_log10,
    unit_of_name,
)
from cinchona.errors import ColumnError

_SHOWN: Final = 3

Columns = Mapping[str, Sequence[str]]
"""Text columns of one table by name, all of one length; a missing cell is an empty text."""


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """What one column of labels is."""

    name: str
    """Name of the endpoint; a converted column is renamed (``IC50 (nM)`` becomes ``pIC50``)."""
    unit: str
    """Unit of the values; empty for none."""
    kind: Literal["regression", "classification"]
    """``classification`` values are 0 or 1."""
    source: str = ""
    """Column of the file."""


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """One target as read, before replicates are joined."""

    target: TargetColumn
    """What the column is."""
    values: np.ndarray
    """float64, shape (n,); NaN where missing."""
    censor: np.ndarray
    """:class:`~cinchona.datasets.measurements.Censor` codes, int8, shape (n,)."""
    problems: Mapping[int, str]
    """Reason by position, for cells that hold something but give no value."""
    decisions: tuple[str, ...] = field(default=())
    """What was found out rather than told, one sentence each."""


def read_labels(columns: Columns, name: str, config: TargetConfig) -> LabelColumn:
    """Read the target column ``name``.

    Args:
        columns: The table.
        name: Its target column.
        config: What is known of it.

    Raises:
        ColumnError: if the column, its unit column or its relation column is missing, or if no cell can be read.
    """
    cells = column(columns, name)
    words = class_words(cells, config.positive) if config.kind != "regression" else None
    if config.positive is not None and words is not None and 1.0 not in words.values():
        raise ColumnError(
            f"no cell of column {name!r} says {config.positive!r}",
            where=f"curation.targets.{name}.positive",
            expected=f"a word of the column, such as {', '.join(map(repr, list(words)[:_SHOWN]))}",
        )
    found = "classification" if words else kind_of(cells)
    kind = config.kind if config.kind != "auto" else found
    said = [] if config.kind != "auto" else [f"{name}: read as {kind}"]
    if kind == "classification":
        target = TargetColumn(name, "", "classification", name)
        labels = _collect(target, _classes(cells, words, said), said)
    else:
        labels = _regression(columns, name, config, said)
    _check_some(labels, cells)
    return labels


def _classes(cells: Sequence[str], words: Mapping[str, float] | None, said: list[str]) -> list[float | str | None]:
    if words is None:
        return [parse_class(cell) for cell in cells]
    said.append(f"classes: {', '.join(f'{word!r} is {value:.0f}' for word, value in words.items())}")
    return [words.get(bare_word(cell)) for cell in cells]


def kind_of(cells: Sequence[str]) -> Literal["regression", "classification"]:
    """Classification if most cells are class words, 0 or 1 and none is another number; else regression."""
    counts = Counter(cell.strip().strip("'\"").lower() for cell in cells)
    others = set(counts) - POSITIVE - NEGATIVE - MISSING
    n_words = sum(counts[word] for word in POSITIVE | NEGATIVE)
    if n_words == 0 or n_words < sum(counts[word] for word in others):
        return "regression"
    has_number = any(isinstance(parse_measurement(text), Measurement) for text in others)
    return "regression" if has_number else "classification"


def column(columns: Columns, name: str) -> Sequence[str]:
    """The column ``name``.

    Raises:
        ColumnError: if there is none, naming those that are.
    """
    try:
        return columns[name]
    except KeyError:
        raise ColumnError(
            f"there is no column {name!r}", where="the table", expected=f"one of {', '.join(map(repr, columns))}"
        ) from None


def _regression(columns: Columns, name: str, config: TargetConfig, said: list[str]) -> LabelColumn:
    cells = columns[name]
    stem, unit_in_name = unit_of_name(name)
    units = _units(columns, stem, unit_in_name, config, said)
    relations = _relations(columns, name, stem, config, said)
    measured = [parse_measurement(cell, relation) for cell, relation in zip(cells, relations, strict=True)]
    if not _converts(name, stem, units, config, said):
        stated = Counter(u for u, m in zip(units, measured, strict=True) if u and isinstance(m, Measurement))
        unit = stated.most_common(1)[0][0] if stated else ""
        return _collect(TargetColumn(name, unit, "regression", name), _same_unit(measured, units, unit), said)
    converted = [
        to_minus_log10(m, u) if isinstance(m, Measurement) else m for m, u in zip(measured, units, strict=True)
    ]
    target = TargetColumn(p_name(stem), P_UNIT, "regression", name)
    said.append(f"{name}: converted from {', '.join(sorted(set(units) - {''}))} to {target.name} in {P_UNIT}")
    return _collect(target, converted, said)


def _units(columns: Columns, stem: str, in_name: str, config: TargetConfig, said: list[str]) -> Sequence[str]:
    n = len(next(iter(columns.values())))
    if config.unit_column is not None:
        return column(columns, config.unit_column)
    if config.unit is not None:
        return [config.unit] * n
    if in_name:
        said.append(f"{stem}: unit {in_name} taken from the column's name")
        return [in_name] * n
    found = _companion(columns, stem, ("units", "unit"))
    if found is None:
        return [""] * n
    said.append(f"{stem}: units taken from column {found!r}")
    return columns[found]


def _relations(columns: Columns, name: str, stem: str, config: TargetConfig, said: list[str]) -> Sequence[str]:
    if config.relation_column is not None:
        return column(columns, config.relation_column)
    found = _companion(columns, stem, ("relation", "qualifier", "operator", "modifier"))
    if found is None:
        return [""] * len(columns[name])
    said.append(f"{name}: relations (<, =, >) taken from column {found!r}")
    return columns[found]


def _companion(columns: Columns, stem: str, words: Sequence[str]) -> str | None:
    """Column that belongs to the target by its name: ``IC50_units``, ``standard_units`` for ``standard_value``."""
    bases = [stem.lower(), stem.lower().removesuffix("value").rstrip("_ ")]
    wanted = {f"{base}{gap}{word}" for base in bases if base for word in words for gap in ("_", " ", "")}
    wanted |= set(words) if stem.lower() == "value" else set()
    return next((name for name in columns if name.lower() in wanted), None)


def _converts(name: str, stem: str, units: Sequence[str], config: TargetConfig, said: list[str]) -> bool:
    if config.scale != "auto":
        return config.scale == "minus_log10_molar"
    molar = any(molar_factor(unit) is not None for unit in set(units))
    if not molar and is_potency(stem) and not any(units):
        said.append(f"{name}: no unit found, values taken as they are")
    if molar and not is_potency(stem):
        said.append(f"{name}: molar unit, but not named as a potency; values taken as they are")
    return molar and is_potency(stem)


def _same_unit(
    measured: Sequence[Measurement | str | None], units: Sequence[str], unit: str
) -> list[Measurement | str | None]:
    wrong = f"another unit than {unit!r}, in which most of the column is"
    return [
        wrong if isinstance(m, Measurement) and u and u != unit else m for m, u in zip(measured, units, strict=True)
    ]


def _collect(
    target: TargetColumn, cells: Sequence[Measurement | float | str | None], decisions: Sequence[str]
) -> LabelColumn:
    values = np.full(len(cells), np.nan)
    censor = np.zeros(len(cells), np.int8)
    problems: dict[int, str] = {}
    for k, cell in enumerate(cells):
        if isinstance(cell, str):
            problems[k] = f"{target.source}: {cell}"
        elif isinstance(cell, Measurement):
            values[k], censor[k] = cell.value, cell.censor
        elif cell is not None:
            values[k] = cell
    return LabelColumn(target, values, censor, problems, tuple(decisions))


def _check_some(labels: LabelColumn, cells: Sequence[str]) -> None:
    if np.isfinite(labels.values).any():
        return
    shown = list(dict.fromkeys(cells[k].strip()[:30] for k in labels.problems))[:_SHOWN]
    raise ColumnError(
        f"no value of column {labels.target.source!r} can be read"
        + (f", for example {', '.join(map(repr, shown))}" if shown else ": all cells are empty"),
        expected="numbers such as 6.3 or >10000, or classes such as 0, 1, active, inactive",
        remedy="name the column that holds the measurements with --target, or the word of the positive class with "
        f"--set 'curation.targets.{labels.target.source}.positive=WORD'",
    )


def exact_only(labels: LabelColumn) -> LabelColumn:
    """The column with censored values as missing; each leaves its reason."""
    bounds = np.flatnonzero(labels.censor != Censor.EXACT)
    values = labels.values.copy()
    values[bounds] = np.nan
    reasons = {int(k): f"{labels.target.source}: a bound, and only exact values are wanted" for k in bounds}
    return LabelColumn(
        labels.target, values, np.zeros_like(labels.censor), {**labels.problems, **reasons}, labels.decisions
    )


__all__ = ["Columns", "LabelColumn", "TargetColumn", "column", "exact_only", "kind_of", "read_labels"]
