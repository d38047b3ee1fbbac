"""Generated report collections whose truth is known: duplicates, versions, deletions and injected signals.

The files have the layout of the agency's quarterly ASCII files, so everything downstream takes the same road as real
reports. Drugs and reactions are drawn independently with Zipf margins (tilted by sex), except where a signal acts;
ages fall off towards both ends. The truth lies beside the files as Parquet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from cinchona import seeds
from cinchona.files import write_json, write_text
from cinchona.pharmacovigilance.synthesis.batch import CaseBatch, Ragged, concatenate
from cinchona.pharmacovigilance.synthesis.corruption import CorruptionModel, corrupt
from cinchona.pharmacovigilance.synthesis.faers_files import Identity, Vocabulary, write_deletions, write_quarter
from cinchona.pharmacovigilance.synthesis.margins import (
    Margins,
    Signals,
    draw_from,
    draw_margins,
    draw_signals,
    invent_names,
)
from cinchona.progress import progress
from cinchona.settings import Config

if TYPE_CHECKING:
    from collections.abc import Sequence

_COUNTRIES: Final = ("US", "GB", "JP", "DE", "FR", "CA", "IT", "BR", "ES", "AU", "CN", "NL", "CH", "SE", "IN", "CO")
_SENDERS: Final = 40
_FIRST_CASE: Final = 10_000_000


class GeneratorConfig(Config):
    """What is generated."""

    quarters: int = Field(40, ge=1, le=200)
    """Number of quarters."""
    first_year: int = Field(2014, ge=1900, le=2100)
    """Year of the first quarter."""
    n_drugs: int = Field(4000, ge=4, le=200_000)
    """Distinct ingredients."""
    n_reactions: int = Field(12_000, ge=4, le=200_000)
    """Distinct reaction terms."""
    drugs_per_case: float = Field(4.0, ge=1)
    """Mean number of drug rows of a case; at least one."""
    reactions_per_case: float = Field(3.0, ge=1)
    """Mean number of background reaction rows of a case; at least one."""
    exponent: float = Field(1.0, ge=0, le=2)
    """Zipf exponent of the margins."""
    sex_tilt: float = Field(0.5, ge=0, le=3)
    """Standard deviation of the log ratio of a drug's or reaction's share between the sexes."""
    n_signals: int = Field(1000, ge=0)
    """Injected signals."""
    duplicate_rate: float = Field(0.04, ge=0, le=1)
    """Share of cases that are reported a second time under another case id."""
    follow_up_rate: float = Field(0.12, ge=0, le=1)
    """Share of cases with a second version, in the same or one of the next three quarters."""
    deletion_rate: float = Field(0.002, ge=0, le=1)
    """Share of cases on a deletion list of their quarter."""
    corruption: CorruptionModel = CorruptionModel()
    """How duplicates differ from their originals."""


@dataclass
class _State:
    """What one quarter hands to the next."""

    next_case: int = _FIRST_CASE
    next_event: int = 0
    pending: dict[int, list[tuple[CaseBatch, Identity]]] = field(default_factory=dict)
    truth: dict[str, list[pa.Table]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, columns: dict[str, np.ndarray | list[str]]) -> None:
        self.truth.setdefault(name, []).append(pa.table(columns))


def generate(
    out: str | Path,
    n_cases: int,
    seed: int = 0,
    *,
    config: GeneratorConfig | None = None,
    drug_names: Sequence[str] | None = None,
    reaction_names: Sequence[str] | None = None,
) -> dict[str, int]:
    """Write a collection of about ``n_cases`` true events (exactly, before duplicates and versions) to ``out``.

    Files: ``faers_ascii_<quarter>/ascii/*.txt`` with deletion lists under ``deleted/``, and under ``truth/``:
    ``signals.parquet`` (drug, reaction, relative rate, probability, first quarter), ``duplicates.parquet``
    (case_id, duplicate_of), ``versions.parquet`` (case_id, version, quarter), ``deletions.parquet``,
    ``dictionary.csv`` (the drug names, for coding) and ``counts.json``. One quarter is in memory at a time.

    Args:
        out: Folder; made if missing.
        n_cases: Number of true events.
        seed: Seed; equal seeds and settings give equal files.
        config: Sizes and rates.
        drug_names: Names to use in place of invented ones, most common first.
        reaction_names: The same for reactions.

    Returns:
        Rows by FAERS table, and counts of events, duplicates, follow-ups and deletions.
    """
    config = _fit_to_names(config or GeneratorConfig(), drug_names, reaction_names)
    target = Path(out)
    margins = draw_margins(
        config.n_drugs, config.n_reactions, exponent=config.exponent, sex_tilt=config.sex_tilt, seed=seed
    )
    signals = draw_signals(
        margins, config.n_signals, per_case=config.reactions_per_case, quarters=config.quarters, seed=seed
    )
    words = Vocabulary(
        drug_names or invent_names(config.n_drugs, "drug", seed=seed),
        reaction_names or invent_names(config.n_reactions, "reaction", seed=seed),
        _COUNTRIES,
        [f"{name} PHARMA" for name in invent_names(_SENDERS, "drug", seed=seed + 1)],
    )
    state = _State()
    shares = np.full(config.quarters, n_cases // config.quarters)
    shares[: n_cases % config.quarters] += 1
    with progress(n_cases, "generating", unit="cases") as bar:
        for index, size in enumerate(shares):
            _quarter(target, index, int(size), state=state, world=(config, margins, signals, words, seed))
            bar.advance(int(size))
    return _finish(target, state, signals, words, config)


def _fit_to_names(
    config: GeneratorConfig, drugs: Sequence[str] | None, reactions: Sequence[str] | None
) -> GeneratorConfig:
    sizes = {"n_drugs": drugs, "n_reactions": reactions}
    return config.model_copy(update={k: len(v) for k, v in sizes.items() if v is not None})


def quarter_name(config: GeneratorConfig, index: int) -> str:
    """Name of the quarter with this index, for example ``2014Q1``."""
    return f"{config.first_year + index // 4}Q{index % 4 + 1}"


_World = tuple[GeneratorConfig, Margins, Signals, Vocabulary, int]


def _quarter(target: Path, index: int, size: int, *, state: _State, world: _World) -> None:
    config, _, _, words, seed = world
    rng = seeds.rng(seed, "quarter", index)
    fresh = _draw_cases(size, index, state.next_event, world=world, rng=rng)
    state.next_event += size
    chosen = np.flatnonzero(rng.random(size) < config.duplicate_rate)
    copies = corrupt(fresh.take(chosen), config.corruption, rng)
    copies = copies.with_(received=_day_in(config, index, len(chosen), rng).astype(np.int32))
    batch = concatenate([fresh, copies])
    ids = _first_versions(batch, state)
    name = quarter_name(config, index)
    state.note("duplicates", {"case_id": ids.case_id[size:], "duplicate_of": ids.case_id[chosen]})
    later = _follow_ups(batch, ids, index, config=config, state=state, rng=rng)
    parts = [(batch, ids), *state.pending.pop(index, []), *later]
    whole = concatenate([b for b, _ in parts])
    all_ids = Identity(
        np.concatenate([i.case_id for _, i in parts]),
        np.concatenate([i.version for _, i in parts]),
        np.concatenate([i.first_received for _, i in parts]),
    )
    state.note("versions", {"case_id": all_ids.case_id, "version": all_ids.version, "quarter": [name] * len(whole)})
    folder = target / f"faers_ascii_{name}"
    rows = write_quarter(folder / "ascii", name, whole, all_ids, words=words, rng=rng)
    gone = ids.case_id[rng.random(len(batch)) < config.deletion_rate]
    state.note("deletions", {"case_id": gone})
    write_deletions(folder, name, gone)
    for table, count in rows.items():
        state.rows[table] = state.rows.get(table, 0) + count


def _first_versions(batch: CaseBatch, state: _State) -> Identity:
    case_id = np.arange(state.next_case, state.next_case + len(batch), dtype=np.int64)
    state.next_case += len(batch)
    return Identity(case_id, np.ones(len(batch), np.int32), batch.received)


def _follow_ups(
    batch: CaseBatch, ids: Identity, index: int, *, config: GeneratorConfig, state: _State, rng: np.random.Generator
) -> list[tuple[CaseBatch, Identity]]:
    """Second versions: those of this quarter are returned, later ones wait in ``state``."""
    chosen = np.flatnonzero(rng.random(len(batch)) < config.follow_up_rate)
    delay = rng.integers(0, 4, len(chosen))
    now: list[tuple[CaseBatch, Identity]] = []
    for wait in range(4):
        rows = chosen[delay == wait]
        if not len(rows) or index + wait >= config.quarters:
            continue
        part = batch.take(rows)
        received = _day_in(config, index + wait, len(rows), rng)
        part = part.with_(received=np.maximum(part.received, received).astype(np.int32))
        pair = (part, Identity(ids.case_id[rows], np.full(len(rows), 2, np.int32), ids.first_received[rows]))
        now.append(pair) if wait == 0 else state.pending.setdefault(index + wait, []).append(pair)
    return now


def _day_in(config: GeneratorConfig, index: int, n: int, rng: np.random.Generator) -> np.ndarray:
    year, month = config.first_year + index // 4, index % 4 * 3 + rng.integers(1, 4, n)
    return np.asarray(year * 10_000 + month * 100 + rng.integers(1, 29, n))


def _draw_cases(size: int, index: int, first_event: int, *, world: _World, rng: np.random.Generator) -> CaseBatch:
    config, margins, signals, _, _ = world
    true_sex = (rng.random(size) < 0.4).astype(np.int8)
    drugs = _draw_lists(margins.drug_tables, true_sex, config.drugs_per_case, rng)
    reactions = _draw_lists(margins.reaction_tables, true_sex, config.reactions_per_case, rng)
    reactions = reactions.append(*_signal_rows(drugs, signals, index, rng))
    received = _day_in(config, index, size, rng)
    return CaseBatch(
        event_no=np.arange(first_event, first_event + size, dtype=np.int64),
        sex=np.where(rng.random(size) < 0.1, -1, true_sex).astype(np.int8),
        age=np.where(rng.random(size) < 0.3, np.nan, np.floor(rng.beta(3, 2.2, size) * 100)).astype(np.float32),
        country=np.where(rng.random(size) < 0.02, -1, (rng.random(size) ** 3 * 16).astype(np.int16)).astype(np.int16),
        event_date=_event_dates(received, rng),
        received=received.astype(np.int32),
        sender_no=np.arange(first_event + 1, first_event + size + 1, dtype=np.int64),
        drugs=drugs,
        reactions=reactions,
    )


def _draw_lists(tables: np.ndarray, sex: np.ndarray, mean: float, rng: np.random.Generator) -> Ragged:
    counts = rng.geometric(1 / mean, len(sex)).clip(max=60)
    by_sex = np.repeat(sex, counts)
    values = np.empty(len(by_sex), np.int32)
    for code in (0, 1):
        mine = by_sex == code
        values[mine] = draw_from(tables[code], int(mine.sum()), rng)
    return Ragged.of(counts, values)


def _signal_rows(
    drugs: Ragged, signals: Signals, index: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cases and reactions that the signals add; a drug named twice in a case acts once."""
    first = np.searchsorted(signals.drug, drugs.values, side="left")
    counts = np.searchsorted(signals.drug, drugs.values, side="right") - first
    listed = Ragged.of(counts, np.zeros(counts.sum()))
    which = np.arange(counts.sum()) - np.repeat(listed.offsets[:-1], counts) + np.repeat(first, counts)
    owners = np.repeat(drugs.owners, counts)
    key = np.unique(owners * max(1, len(signals.drug)) + which)
    owners, which = key // max(1, len(signals.drug)), key % max(1, len(signals.drug))
    acts = (rng.random(len(which)) < signals.probability[which]) & (signals.begin[which] <= index)
    return owners[acts], signals.reaction[which[acts]]


def _event_dates(received: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n = len(received)
    year = received // 10_000 - (rng.random(n) ** 3 * 4).astype(np.int64)
    month, day = rng.integers(1, 13, n), rng.integers(1, 29, n)
    full = np.where(year == received // 10_000, received - rng.integers(0, 28, n).clip(max=received % 100 - 1), 0)
    date = np.where(full > 0, full, year * 10_000 + month * 100 + day)
    kind = rng.random(n)
    date = np.where(kind < 0.15, date // 100 * 100, date)
    return np.where(kind > 0.6, 0, date).astype(np.int32)


def _finish(
    target: Path, state: _State, signals: Signals, words: Vocabulary, config: GeneratorConfig
) -> dict[str, int]:
    truth = target / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    tables = {name: pa.concat_tables(parts) for name, parts in state.truth.items()}
    tables["signals"] = pa.table(
        {
            "drug": [words.drugs[i] for i in signals.drug],
            "reaction": [words.reactions[i] for i in signals.reaction],
            "relative_rate": signals.relative,
            "probability": signals.probability,
            "first_quarter": [quarter_name(config, int(i)) for i in signals.begin],
        }
    )
    for name, table in tables.items():
        pq.write_table(table, truth / f"{name}.parquet")
    lines = "".join(f"{name},{name}\n" for name in words.drugs)
    write_text(truth / "dictionary.csv", "name,ingredient\n" + lines)
    counts = {
        **state.rows,
        "events": state.next_event,
        "duplicates": tables["duplicates"].num_rows,
        "follow_ups": tables["versions"].num_rows - state.next_event - tables["duplicates"].num_rows,
        "deletions": tables["deletions"].num_rows,
        "signals": tables["signals"].num_rows,
    }
    write_json(truth / "counts.json", counts)
    return counts
