"""Reading the columns of one file block by block, and joining the pieces to Arrow columns of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from cinchona.pharmacovigilance.intake import kernels, values
from cinchona.pharmacovigilance.intake.columns import TextCoder, category
from cinchona.pharmacovigilance.intake.layout import UNITS, FileLayout, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from cinchona.pharmacovigilance.intake.textfile import Block
    from cinchona.pharmacovigilance.intake.writer import Account, SetWriter

_FLAGS: Final = {"Y": 1, "N": 0, "YES": 1, "NO": 0, "TRUE": 1, "FALSE": 0, "1": 1, "0": 0, "2": 0}
"""E2B and FAERS spellings of yes and no."""
_CODES: Final = {"sex": values.SEX_CODES, "role": values.ROLE_CODES, "flag": _FLAGS}
_NOT_KNOWN: Final = -2
_PRECISION_OF: Final = {
    "event_date": "event_date_precision",
    "start_date": "start_precision",
    "end_date": "end_precision",
}
_FIXED: Final = {"sex": values.SEXES, "role": values.ROLES, **dict.fromkeys(_PRECISION_OF.values(), values.PRECISIONS)}
_MEASURES: Final = {
    "_age": ("age_years", values.AGE_UNITS, 0.0, values.MAX_AGE),
    "_weight": ("weight_kg", values.WEIGHT_UNITS, values.MIN_WEIGHT, values.MAX_WEIGHT),
    "_duration": ("duration_days", values.DURATION_UNITS, 0.0, values.MAX_DURATION),
}

Pieces = dict[str, Any]
"""Column name to codes (int32), an Arrow array, or numbers with their states."""


class Fields:
    """The columns of one file.

    Args:
        kind: Layout of the file.
        places: Place of each of its columns in the records.
        writer: Takes the values that are put aside.
        account: Account of the file.
        last_year: Latest year that a date may have.
    """

    def __init__(
        self, kind: FileLayout, places: dict[str, int], writer: SetWriter, account: Account, *, last_year: int
    ) -> None:
        self._sources = [s for s in kind.columns if s.target in places]
        self._places, self._writer, self._account, self._last_year = places, writer, account, last_year
        self._order = ("ymd", "mdy", "dmy").index(kind.date_order)
        named = [s.target for s in self._sources if not s.target.startswith("_")]
        self._filters = {name: writer.cleaner(kind.table, name) for name in named}
        self._coders = {s.target: TextCoder(self._filters.get(s.target)) for s in self._sources}

    def present(self, block: Block, names: tuple[str, ...]) -> tuple[np.ndarray, Pieces]:
        """Say which records have a text in any of the category columns ``names``; return their codes too."""
        codes = {n: self._coders[n].codes(block, self._places[n]) for n in names if n in self._places}
        return np.any([c >= 0 for c in codes.values()], axis=0), codes

    def read(self, block: Block, good: np.ndarray, done: Pieces) -> Pieces:
        """Read the columns of ``block`` that are not ``done``; bad values of ``good`` records go aside."""
        pieces = dict(done)
        for source in self._sources:
            if source.target not in done:
                pieces.update(self._read(block, source, good))
        return {name: _filtered(piece, good) for name, piece in pieces.items()} if not good.all() else pieces

    def _read(self, block: Block, source: Source, good: np.ndarray) -> Pieces:
        place, target = self._places[source.target], source.target
        if source.kind == "category":
            return {target: self._coders[target].codes(block, place)}
        if source.kind == "text":
            return {target: block.text(place)}
        if source.kind == "date":
            return self._read_date(block, source, good)
        if source.kind == "decimal":
            return {target: block.decimals(place)}
        if source.kind == "integer":
            numbers, state = block.integers(place)
            self._aside(block, source, "unparsable_number", (state == kernels.BAD) & good)
            return {target: pa.array(numbers, mask=state != kernels.OK)}
        return {target: self._read_code(block, source, good)}

    def _read_date(self, block: Block, source: Source, good: np.ndarray) -> Pieces:
        numbers, state = block.date_numbers(self._places[source.target], self._order)
        not_read = state == kernels.BAD
        days, precision = kernels.dates_from_numbers(numbers, state, values.FIRST_YEAR, self._last_year)
        self._aside(block, source, "unparsable_date", not_read & good)
        self._aside(block, source, "impossible_date", (state == kernels.BAD) & ~not_read & good)
        missing = state != kernels.OK
        pieces: Pieces = {source.target: pa.array(days, pa.int32(), mask=missing).cast(pa.date32())}
        if source.target in _PRECISION_OF:
            pieces[_PRECISION_OF[source.target]] = np.where(missing, -1, precision.astype(np.int32))
        return pieces

    def _read_code(self, block: Block, source: Source, good: np.ndarray) -> np.ndarray | pa.Array:
        table, coder = _CODES[source.kind], self._coders[source.target]
        raw = coder.codes(block, self._places[source.target])
        meaning = coder.translate(lambda text: table.get(text.upper(), _NOT_KNOWN))[raw]
        self._aside(block, source, "unknown_code", (meaning == _NOT_KNOWN) & good)
        if source.kind == "flag":
            return pa.array(meaning == 1, mask=meaning < 0)
        return np.where(meaning < 0, -1, meaning)

    def _aside(self, block: Block, source: Source, reason: str, where: np.ndarray) -> None:
        chosen = np.flatnonzero(where)
        if len(chosen):
            texts = block.text(self._places[source.target], chosen)
            name = block.names[self._places[source.target]]
            self._writer.set_aside_values(self._account, name, reason, block.rows[chosen], texts)

    def join(self, pieces: dict[str, list[Any]], rows: np.ndarray) -> dict[str, pa.Array]:
        """Join the pieces of each column; ``rows`` are the numbers of the records in the file."""
        columns = {name: self._join(name, parts) for name, parts in pieces.items() if not name.startswith("_")}
        for name in _MEASURES.keys() & pieces.keys():
            columns[_MEASURES[name][0]] = self._measure(name, pieces, rows)
        return columns

    def _join(self, name: str, parts: list[Any]) -> pa.Array:
        if isinstance(parts[0], pa.Array):
            whole, clean = pa.concat_arrays(parts), self._filters.get(name)
            return clean(whole) if clean and pa.types.is_string(whole.type) else whole
        codes = np.concatenate(parts)
        return category(codes, _FIXED[name]) if name in _FIXED else self._coders[name].array(codes)

    def _measure(self, name: str, pieces: dict[str, list[Any]], rows: np.ndarray) -> pa.Array:
        """Numbers in the store's unit; those that cannot be are put aside."""
        _, units, low, high = _MEASURES[name]
        numbers = np.concatenate([p[0] for p in pieces[name]])
        state = np.concatenate([p[1] for p in pieces[name]])
        factors, spelled = self._units(pieces, UNITS[name], units, len(rows))
        size, problem = values.scaled(numbers, state, factors, low=low, high=high)
        for code, reason in values.SCALED_REASONS.items():
            where = np.flatnonzero(problem == code)
            shown = pa.array([f"{numbers[i]:g} {spelled(i)}".strip() for i in where.tolist()], pa.string())
            self._writer.set_aside_values(self._account, name[1:], reason.format(name[1:]), rows[where], shown)
        return pa.array(size, mask=np.isnan(size))

    def _units(
        self, pieces: dict[str, list[Any]], name: str, units: dict[str, float], n: int
    ) -> tuple[np.ndarray, Callable[[int], str]]:
        default = units.get("", np.nan)
        if name not in pieces:
            return np.full(n, default), lambda _: ""
        codes, texts = np.concatenate(pieces[name]), self._coders[name].texts().to_pylist()
        factors = np.array([*(units.get(t.upper(), np.nan) for t in texts), default])
        return factors[codes], lambda i: texts[codes[i]] if codes[i] >= 0 else ""


def _filtered(piece: Any, keep: np.ndarray) -> Any:  # noqa: ANN401 - one of the kinds of Pieces
    if isinstance(piece, tuple):
        return tuple(part[keep] for part in piece)
    return piece.filter(pa.array(keep)) if isinstance(piece, pa.Array) else piece[keep]
