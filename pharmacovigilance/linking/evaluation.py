"""How well duplicates are found: real cases, second reports made under the stated corruption model, precision and recall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cinchona import seeds
from cinchona.pharmacovigilance.linking.config import DedupeConfig
from cinchona.pharmacovigilance.linking.records import DAY, MONTH, NO_DATE, UNKNOWN, YEAR, Records, TermLists
from cinchona.pharmacovigilance.linking.run import KINDS, find_links
from cinchona.pharmacovigilance.synthesis.batch import CaseBatch, Ragged, concatenate
from cinchona.pharmacovigilance.synthesis.corruption import CorruptionModel, corrupt
from cinchona.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999)


@dataclass(frozen=True, slots=True)
class Found:
    """What one way of linking found."""

    method: str
    """``exact``, ``manufacturer_number``, ``rules`` (both), ``hit_miss``, or ``all``."""
    threshold: float
    """Least posterior of the hit-miss links; NaN for the rules."""
    true_links: int
    """Pairs of an original and its copy that were linked."""
    false_links: int
    """Other pairs that were linked; among them may be real duplicates that nobody knows of."""
    copies: int
    """Copies that could have been found."""

    @property
    def precision(self) -> float:
        """Share of links that are true, in [0, 1]; 1 when nothing was linked."""
        return (
            self.true_links / max(1, self.true_links + self.false_links) if self.true_links or self.false_links else 1.0
        )

    @property
    def recall(self) -> float:
        """Share of copies that were found, in [0, 1]."""
        return self.true_links / max(1, self.copies)


def evaluate(
    records: Records, *, rate: float, corruption: CorruptionModel, seed: int, config: DedupeConfig | None = None,
    known: frozenset[tuple[int, int]] = frozenset(),
) -> list[Found]:  # fmt: skip
    """Make a second report of a share of ``records`` and see which links find it.

    Args:
        records: Real cases, each taken for one event.
        rate: Share of cases that are reported again.
        corruption: How the second report differs.
        seed: Seed.
        config: Settings of the links.
        known: Pairs of ``records`` (smaller first) that are duplicates already; links between them, or between their
            copies, count neither for nor against.
    """
    config = config or DedupeConfig()
    rng = seeds.rng(seed, "duplicates")
    originals = batch_of(records)
    chosen = np.flatnonzero(rng.random(len(records)) < rate)
    copies = corrupt(originals.take(chosen), corruption, rng)
    together = records_of(concatenate([originals, copies]), len(records.countries))
    with progress(None, "evaluating", unit="pairs") as bar:
        links, _, _ = find_links(together, config, bar=bar)
    pairs, n = links.scored.pairs, len(records)
    source = np.concatenate([np.arange(n), chosen])
    first, second = source[pairs.left], source[pairs.right]
    true = (pairs.left < n) & (pairs.right >= n) & (first == second)
    both = zip(np.minimum(first, second).tolist(), np.maximum(first, second).tolist(), strict=True)
    ignored = np.array([pair in known for pair in both], bool)
    counts = (links.kind, links.counts, links.scored.posterior, true, ignored)
    return _tally(pairs.left.astype(np.int64) << 32 | pairs.right, counts, len(chosen), config)


def _tally(codes: np.ndarray, counts: tuple[np.ndarray, ...], copies: int, config: DedupeConfig) -> list[Found]:
    kind, on, posterior, true, ignored = counts
    by_kind = {name: (kind == i) & ~ignored for i, name in enumerate(KINDS)}
    rules = by_kind["exact"] | by_kind["manufacturer_number"]
    chosen = {**{k: by_kind[k] for k in KINDS[:2]}, "rules": rules}
    out = [_found(name, float("nan"), codes[mask], true[mask], copies) for name, mask in chosen.items()]
    for threshold in THRESHOLDS:
        model = by_kind["hit_miss"] & (posterior >= threshold)
        out.append(_found("hit_miss", threshold, codes[model], true[model], copies))
    counted = on & ~ignored
    out.append(_found("all", config.model.posterior, codes[counted], true[counted], copies))
    return out


def _found(method: str, threshold: float, codes: np.ndarray, true: np.ndarray, copies: int) -> Found:
    distinct, first = np.unique(codes, return_index=True)
    hits = int(true[first].sum())
    return Found(method, threshold, hits, len(distinct) - hits, copies)


def pool(runs: Sequence[Sequence[Found]]) -> list[Found]:
    """Add up repeated evaluations of equal thresholds."""
    return [
        Found(
            same[0].method,
            same[0].threshold,
            sum(f.true_links for f in same),
            sum(f.false_links for f in same),
            sum(f.copies for f in same),
        )
        for same in zip(*runs, strict=True)
    ]


def batch_of(records: Records) -> CaseBatch:
    """The same cases in the form that :func:`corrupt` takes; ``event_no`` is the place in ``records``."""
    n = len(records)
    dates = np.datetime64("1970-01-01") + records.day.astype("timedelta64[D]")
    years = dates.astype("datetime64[Y]").astype(int) + 1970
    months = dates.astype("datetime64[M]").astype(int) % 12 + 1
    days = (dates - dates.astype("datetime64[M]")).astype(int) + 1
    full = years * 10_000 + np.where(records.precision <= MONTH, months, 0) * 100 + np.where(
        records.precision == DAY, days, 0
    )  # fmt: skip
    return CaseBatch(
        event_no=np.arange(n),
        sex=records.sex,
        age=np.where(records.age >= 0, records.age, np.nan).astype(np.float32),
        country=records.country.astype(np.int16),
        event_date=np.where(records.precision == NO_DATE, 0, full).astype(np.int32),
        received=records.received,
        sender_no=np.where(records.number >= 0, records.number.astype(np.int64) + 1, -np.arange(n, dtype=np.int64) - 1),
        drugs=Ragged(records.drugs.offsets, records.drugs.values),
        reactions=Ragged(records.reactions.offsets, records.reactions.values),
    )


def records_of(batch: CaseBatch, n_countries: int) -> Records:
    """Cases of a batch as records; frequencies are counted anew."""
    date = batch.event_date.astype(np.int64)
    precision = np.where(
        date == 0, NO_DATE, np.where(date % 100 > 0, DAY, np.where(date // 100 % 100 > 0, MONTH, YEAR))
    )
    years, months, days = date // 10_000, np.maximum(date // 100 % 100, 1), np.maximum(date % 100, 1)
    at_month = (np.where(date == 0, 1970, years) - 1970) * 12 + np.where(date == 0, 1, months) - 1
    first = at_month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    _, number = np.unique(batch.sender_no, return_inverse=True)
    return Records(
        report_key=np.arange(len(batch)),
        sex=batch.sex,
        age=np.where(np.isnan(batch.age), UNKNOWN, np.nan_to_num(batch.age)).astype(np.int16),
        country=batch.country.astype(np.int32),
        day=(first + np.where(date == 0, 0, days - 1)).astype(np.int32),
        precision=precision.astype(np.int8),
        number=np.where(batch.sender_no > 0, number, UNKNOWN).astype(np.int32),
        received=batch.received,
        drugs=_term_lists(batch.drugs),
        reactions=_term_lists(batch.reactions),
        countries=tuple(str(i) for i in range(n_countries)),
    )


def _term_lists(lists: Ragged) -> TermLists:
    n = len(lists.offsets) - 1
    pairs = np.unique(lists.owners << 32 | lists.values)
    owners, values = pairs >> 32, pairs & 0xFFFFFFFF
    counts = np.bincount(values) if len(values) else np.zeros(1, np.int64)
    order = np.argsort(counts, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    key = np.sort(owners << 32 | rank[values])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(key >> 32, minlength=n))]).astype(np.int64)
    return TermLists(offsets, (key & 0xFFFFFFFF).astype(np.int32), counts[order], order.astype(np.int32))
