"""Reading FAERS and legacy AERS quarters: cases first, then the tables that hang on them, then deletion lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from cinchona.errors import ColumnError, InputError, NoUsableRowsError
from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake import faers_layout as layout
from cinchona.pharmacovigilance.intake import kernels, values
from cinchona.pharmacovigilance.intake.columns import NumberKeys, TextCoder, category
from cinchona.pharmacovigilance.intake.textfile import REASONS, Block, DelimitedFile
from cinchona.pharmacovigilance.intake.writer import GROUP_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.writer import Account, SetWriter
    from cinchona.progress import Progress

VERSION: Final = "faers-1"
_UNREPORTED: Final = frozenset({"", "caseid", "case"})
_FLAGS: Final = {"Y": 1, "N": 0}
_MAX_DURATION: Final = 120 * 365.25


def read_quarter(files: dict[str, list[Member]], quarter: str, writer: SetWriter, *, bar: Progress) -> None:
    """Read one quarter; ``files`` are its members by kind (``DEMO`` ... ``RPSR``, ``DELETE``).

    Raises:
        ColumnError: if a file lacks its id or another column without which its rows say nothing.
        InputError: if a file is damaged or not text.
        NoUsableRowsError: if no case could be stored.
    """
    keys = writer.keys
    assert isinstance(keys, NumberKeys), "FAERS ids are numbers"
    last_year = int(quarter[:4]) + 1 if quarter[:4].isdigit() else 2100
    for prefix, kind in layout.LAYOUTS.items():
        for member in files.get(prefix, []):
            _read_file(member, kind, writer, last_year=last_year, bar=bar)
            failpoints.reach("ingest.between-files")
        if prefix == "DEMO" and files.get("DEMO") and keys.used == 0:
            raise NoUsableRowsError(
                "no case of the quarter could be stored", where=files["DEMO"][0].name,
                expected="rows with a primaryid or ISR", remedy="see that the file is complete and of this kind",
            )  # fmt: skip
    for member in files.get("DELETE", []):
        read_deletions(member, writer)


def _read_file(
    member: Member, kind: layout.FileLayout, writer: SetWriter, *, last_year: int, bar: Progress
) -> None:
    account = writer.account(member.name, kind.table)
    with member.open() as stream:
        file = DelimitedFile(stream, member.name, delimiter=layout.DELIMITER)
        table = _TableReader(file.header.names, kind, writer, account, last_year=last_year)
        for block in file.blocks():
            table.take(block)
            bar.advance(len(block))
            failpoints.reach("ingest.mid-file")
        table.flush()
        account.records = account.rows_in = file.records
        account.notes += file.header.notes


class _TableReader:
    """Turns blocks of one file into rows of one table."""

    def __init__(
        self, names: list[str], kind: layout.FileLayout, writer: SetWriter, account: Account, *, last_year: int
    ) -> None:
        self._kind, self._writer, self._account, self._last_year = kind, writer, account, last_year
        self._id_column = _find(names, layout.ID_NAMES)
        if self._id_column is None:
            raise ColumnError(
                "the file has no id column", where=account.name, expected=" or ".join(layout.ID_NAMES),
                remedy=f"its header names {', '.join(n for n in names if n)}",
            )  # fmt: skip
        self._places = self._resolve(names)
        self._filters = {
            s.target: writer.cleaner(kind.table, s.target) for s in kind.columns if not s.target.startswith("_")
        }
        self._coders = {s.target: TextCoder(self._filters.get(s.target)) for s in kind.columns}
        self._pieces: dict[str, list[Any]] = {}
        self._rows: list[np.ndarray] = []
        self._waiting = 0

    def _resolve(self, names: list[str]) -> dict[str, int]:
        places, missing = {}, []
        for source in self._kind.columns:
            place = _find(names, source.names)
            if place is not None:
                places[source.target] = place
            elif source.required:
                raise ColumnError(
                    f"the file has no column {source.names[0]!r}", where=self._account.name,
                    expected=" or ".join(source.names), remedy=f"its header names {', '.join(n for n in names if n)}",
                )  # fmt: skip
            else:
                missing.append(source.names[0])
        used = {*places.values(), self._id_column}
        unknown = [n for i, n in enumerate(names) if i not in used and n not in _UNREPORTED]
        if missing:
            self._account.notes.append(f"columns not in this file: {', '.join(missing)}")
        if unknown:
            self._account.notes.append(f"columns that the store does not keep: {', '.join(unknown)}")
        return places

    def take(self, block: Block) -> None:
        """Read a block: broken rows and rows without a report aside, the rest into columns."""
        self._set_broken_aside(block)
        self._account.repaired += block.repaired
        assert self._id_column is not None
        ids, state = block.integers(self._id_column)
        if self._kind.table == "cases":
            usable = state == kernels.OK
            first = self._writer.keys.used
            good = self._writer.keys.add(ids, usable)
            places = first + np.arange(good.sum())
            reasons = {"no_id": state == kernels.EMPTY, "bad_id": state == kernels.BAD, "repeated_id": usable & ~good}
        else:
            found = np.where(state == kernels.OK, self._writer.keys.find(ids), -1)
            good, places = found >= 0, found[found >= 0]
            reasons = {
                "no_id": state == kernels.EMPTY,
                "bad_id": state == kernels.BAD,
                "orphan": (state == kernels.OK) & ~good,
            }
        for reason, where in reasons.items():
            self._aside(block, reason, where)
        self._add(block, good, places)

    def _set_broken_aside(self, block: Block) -> None:
        _, _, codes, rows = block.broken
        if len(rows):
            contents = np.array(block.raw_broken(), dtype=object)
            for code, reason in REASONS.items():
                where = codes == code
                self._writer.set_aside_rows(self._account, reason, rows[where], contents[where].tolist())

    def _aside(self, block: Block, reason: str, where: np.ndarray) -> None:
        chosen = np.flatnonzero(where)
        if len(chosen):
            self._writer.set_aside_rows(self._account, reason, block.rows[chosen], block.raw(chosen))

    def _add(self, block: Block, good: np.ndarray, places: np.ndarray) -> None:
        needed = layout.NEEDED_TEXT.get(self._kind.table)
        columns = {}
        for source in self._kind.columns:
            if source.target in self._places:
                columns.update(self._read(block, source, good))
        if needed:
            says = np.any([columns[n] >= 0 for n in needed if n in columns], axis=0)
            self._aside(block, "no_content", good & ~says)
            places, good = places[says[good]], good & says
        if self._kind.table == "cases":
            columns["report_id"] = block.text(self._id_column or 0)
        keep = None if good.all() else good
        for name, piece in columns.items():
            self._pieces.setdefault(name, []).append(piece if keep is None else _filtered(piece, keep))
        self._pieces.setdefault("report_key", []).append(places)
        self._rows.append(block.rows if keep is None else block.rows[keep])
        self._waiting += len(places)
        if self._waiting >= GROUP_ROWS:
            self.flush()

    def _read(self, block: Block, source: layout.Source, good: np.ndarray) -> dict[str, Any]:
        place, target = self._places[source.target], source.target
        if source.kind == "category":
            return {target: self._coders[target].codes(block, place)}
        if source.kind == "text":
            return {target: block.text(place)}
        if source.kind == "integer":
            numbers, state = block.integers(place)
            self._values_aside(block, place, "unparsable_number", (state == kernels.BAD) & good)
            return {target: pa.array(numbers, mask=state != kernels.OK)}
        if source.kind == "date":
            return self._read_date(block, place, target, good)
        if source.kind == "decimal":
            return {target: block.decimals(place)}
        return {target: self._read_code(block, source, good)}

    def _read_date(self, block: Block, place: int, target: str, good: np.ndarray) -> dict[str, Any]:
        numbers, state = block.integers(place)
        not_digits = state == kernels.BAD
        days, precision = kernels.dates_from_numbers(numbers, state, values.FIRST_YEAR, self._last_year)
        self._values_aside(block, place, "unparsable_date", not_digits & good)
        self._values_aside(block, place, "impossible_date", (state == kernels.BAD) & ~not_digits & good)
        missing = state != kernels.OK
        out: dict[str, Any] = {target: pa.array(days, pa.int32(), mask=missing).cast(pa.date32())}
        shown = {"event_date": "event_date_precision", "start_date": "start_precision", "end_date": "end_precision"}
        if target in shown:
            out[shown[target]] = np.where(missing, -1, precision.astype(np.int32))
        return out

    def _read_code(self, block: Block, source: layout.Source, good: np.ndarray) -> Any:  # noqa: ANN401 - codes or bools
        table = {"sex": values.SEX_CODES, "role": values.ROLE_CODES, "flag": _FLAGS}[source.kind]
        coder, place = self._coders[source.target], self._places[source.target]
        raw = coder.codes(block, place)
        meaning = coder.translate(lambda text: table.get(text.upper(), -2))[raw]
        self._values_aside(block, place, "unknown_code", (meaning == -2) & good)  # noqa: PLR2004 - not in the table
        if source.kind == "flag":
            return pa.array(meaning == 1, mask=meaning < 0)
        return np.where(meaning < 0, -1, meaning)

    def _values_aside(self, block: Block, place: int, reason: str, where: np.ndarray) -> None:
        chosen = np.flatnonzero(where)
        if len(chosen):
            column = self._kind_name(place)
            self._writer.set_aside_values(self._account, column, reason, block.rows[chosen], block.text(place, chosen))

    def _kind_name(self, place: int) -> str:
        source = next(s for s in self._kind.columns if self._places.get(s.target) == place)
        return source.names[0]

    def flush(self) -> None:
        """Hand the waiting rows to the writer."""
        if not self._rows:
            return
        rows = np.concatenate(self._rows)
        pieces, self._pieces, self._rows, self._waiting = self._pieces, {}, [], 0
        columns: dict[str, pa.Array] = {}
        for name, parts in pieces.items():
            if name == "report_key":
                columns[name] = self._writer.report_keys(np.concatenate(parts))
            elif not name.startswith("_"):
                columns[name] = self._join(name, parts)
        columns.update(self._measured(pieces, rows))
        if self._kind.table == "cases":
            columns["case_id"] = pa.compute.coalesce(columns["case_id"], columns["report_id"]) \
                if "case_id" in columns else columns["report_id"]
        self._writer.append(self._account, columns, rows)

    def _join(self, name: str, parts: list[Any]) -> pa.Array:
        if isinstance(parts[0], pa.Array):
            whole = pa.concat_arrays(parts)
            clean = self._filters.get(name)
            return clean(whole) if clean else whole
        codes = np.concatenate(parts)
        fixed = {"sex": values.SEXES, "role": values.ROLES}
        if name.endswith("precision"):
            return category(codes, values.PRECISIONS)
        return category(codes, fixed[name]) if name in fixed else self._coders[name].array(codes)

    def _measured(self, pieces: dict[str, list[Any]], rows: np.ndarray) -> dict[str, pa.Array]:
        """Columns that need a unit beside the number."""
        jobs = {
            "_age": ("age_years", values.AGE_UNITS, 0.0, values.MAX_AGE),
            "_weight": ("weight_kg", values.WEIGHT_UNITS, values.MIN_WEIGHT, values.MAX_WEIGHT),
            "_duration": ("duration_days", values.DURATION_UNITS, 0.0, _MAX_DURATION),
        }
        out = {}
        for name, (target, units, low, high) in jobs.items():
            if name not in pieces:
                continue
            numbers = np.concatenate([p[0] for p in pieces[name]])
            state = np.concatenate([p[1] for p in pieces[name]])
            factors, spelled = self._unit_factors(pieces, f"{name}_unit", units, len(rows))
            size, problem = values.scaled(numbers, state, factors, low=low, high=high)
            for code, reason in values.SCALED_REASONS.items():
                where = np.flatnonzero(problem == code)
                shown = pa.array([f"{numbers[i]:g} {spelled(i)}".strip() for i in where], pa.string())
                self._writer.set_aside_values(self._account, name[1:], reason.format(name[1:]), rows[where], shown)
            out[target] = pa.array(size, mask=np.isnan(size))
        return out

    def _unit_factors(
        self, pieces: dict[str, list[Any]], name: str, units: dict[str, float], n: int
    ) -> tuple[np.ndarray, Callable[[int], str]]:
        if name not in pieces:
            return np.full(n, units.get("", np.nan)), lambda _: ""
        codes = np.concatenate(pieces[name])
        texts = self._coders[name].texts().to_pylist()
        factors = np.array([*(units.get(t.upper(), np.nan) for t in texts), units.get("", np.nan)])
        return factors[codes], lambda i: texts[codes[i]] if codes[i] >= 0 else ""


def _find(names: list[str], wanted: tuple[str, ...]) -> int | None:
    for name in wanted:
        if name in names:
            return names.index(name)
    return None


def _filtered(piece: Any, keep: np.ndarray) -> Any:  # noqa: ANN401 - Arrow array, numpy array or a pair of them
    if isinstance(piece, tuple):
        return tuple(part[keep] for part in piece)
    return piece.filter(pa.array(keep)) if isinstance(piece, pa.Array) else piece[keep]


def read_deletions(member: Member, writer: SetWriter) -> None:
    """Read a deletion list: one case id a line, perhaps below a blank line or a heading."""
    account = writer.account(member.name, "deletions")
    with member.open() as stream:
        lines = stream.read(256 << 20).decode("latin-1").splitlines()
    if any("\x00" in line for line in lines[:100]):
        raise InputError("the deletion list is not text", where=member.name, expected="one case id a line")
    texts = [line.split("$")[0].strip() for line in lines]
    filled = [t for t in texts if t]
    if filled and not filled[0].isdigit():
        account.notes.append(f"heading: {filled.pop(0)[:80]}")
    rows = np.arange(1, len(filled) + 1)
    good = np.array([t.isdigit() for t in filled], bool)
    account.records = account.rows_in = len(filled)
    bad = [t for t in filled if not t.isdigit()]
    writer.set_aside_rows(account, "bad_id", rows[~good], bad)
    if good.any():
        ids = [t for t in filled if t.isdigit()]
        writer.append(account, {"case_id": pa.array(ids, pa.string())}, rows[good])
