"""A duplicate run: link, group, ask when too much would go, and write the run beside the store's tables.

Nothing in the store is changed or deleted. A run writes ``links.parquet`` (every link and suspicion with its evidence)
and ``members.parquet`` (which cases form a group and which of them counts); analyses read the newest run.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.errors import TooManyRejectsError
from cinchona.pharmacovigilance.linking.config import DedupeConfig
from cinchona.pharmacovigilance.linking.groups import Groups, group_cases
from cinchona.pharmacovigilance.linking.kernels import FIELDS
from cinchona.pharmacovigilance.linking.model import Scored, link, score_pairs
from cinchona.pharmacovigilance.linking.records import Records, load_records
from cinchona.pharmacovigilance.linking.rules import Pairs, exact_pairs, number_pairs
from cinchona.pharmacovigilance.receipts import writing
from cinchona.pharmacovigilance.runs import Run, latest_run, new_run
from cinchona.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cinchona.pharmacovigilance.linking.weights import Weights
    from cinchona.pharmacovigilance.store import ReportStore

log = logging.getLogger(__name__)

KINDS: Final = ("exact", "manufacturer_number", "hit_miss")
_PERSONAL: Final = 4
"""The first four fields are those of the person: sex, age, country, date."""


@dataclass(frozen=True, slots=True)
class Links:
    """All links of a run, one row per pair and kind."""

    scored: Scored
    kind: np.ndarray
    """Place in :data:`KINDS`, int8 (n,)."""
    counts: np.ndarray
    """True where the link counts, False where it is a suspicion or its kind is switched off, bool (n,)."""


@dataclass(frozen=True, slots=True)
class DedupeResult:
    """What a run found."""

    run: Run
    """The run on disk."""
    cases: int
    """Current cases before."""
    left_out: int
    """Cases that no longer count because another one stands for them."""

    @property
    def share(self) -> float:
        """Share of the current cases that no longer count."""
        return self.left_out / max(1, self.cases)


def dedupe(
    store: ReportStore,
    config: DedupeConfig | None = None,
    *,
    accept_share: float | None = None,
    ask: Callable[[str], bool] | None = None,
) -> DedupeResult:
    """Link the current cases of ``store`` that describe one event.

    Args:
        store: The store; run the coding first, so that spellings of one drug compare equal.
        config: Settings.
        accept_share: Share of cases that the user accepts to leave out; default ``config.max_share``.
        ask: Asked with a sentence when more would be left out; True goes on. None means no.

    Raises:
        TooManyRejectsError: if more than that share would be left out; nothing is written then.
        LockedError: if another process is writing to the store.
    """
    config = config or DedupeConfig()
    view = store.analysis_view(duplicates="keep")
    with progress(None, "linking", unit="pairs") as bar:
        records = load_records(view)
        links, weights, skipped = find_links(records, config, bar=bar)
        counted = links.scored.pairs.where(links.counts)
        groups = group_cases(records, counted, max_group=config.max_group)
    left_out = int((~groups.keep).sum())
    _hold_back(records, groups, left_out, limit=accept_share if accept_share is not None else config.max_share, ask=ask)
    header = _header(links, groups, weights, cases=len(records))
    header |= {"content": store.content_id, "config": config.model_dump(mode="json")}
    header["cases_with_filler_numbers"] = skipped
    header["coding"] = view.accounting["coding"]
    with writing(store.root), new_run(store.root, "duplicates") as (folder, written):
        _write(folder, records, links, groups)
        written.update(header)
    run = latest_run(store.root, "duplicates")
    assert run is not None
    for name, count in header["links"].items():
        log.info("duplicates: %d links by %s", count, name)
    return DedupeResult(run, len(records), left_out)


def find_links(records: Records, config: DedupeConfig, *, bar: Any) -> tuple[Links, Weights, int]:  # noqa: ANN401 - Progress
    """All links of the records, the weights they were judged by, and cases with numbers that too many share."""
    exact = exact_pairs(records, min_known=config.min_known)
    numbers, skipped = number_pairs(records, cap=config.number_cap)
    modelled, weights = link(records, numbers, config=config.model, bar=bar)
    parts = [
        score_pairs(records, weights, exact, config=config.model),
        score_pairs(records, weights, numbers, config=config.model),
        modelled,
    ]
    kind = np.repeat(np.arange(3, dtype=np.int8), [len(p.pairs) for p in parts])
    bare = ~np.any(modelled.fields[:, :_PERSONAL] != 0, axis=1)
    enough = np.where(bare, config.model.bare_posterior, config.model.posterior)
    sure = np.concatenate([np.ones(len(exact) + len(numbers), bool), modelled.posterior >= enough])
    on = np.array([k in config.kinds for k in KINDS])
    scored = Scored(
        Pairs(np.concatenate([p.pairs.left for p in parts]), np.concatenate([p.pairs.right for p in parts])),
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("fields", "guard", "score", "posterior")),
    )
    return Links(scored, kind, sure & on[kind]), weights, skipped


def _hold_back(
    records: Records, groups: Groups, left_out: int, *, limit: float, ask: Callable[[str], bool] | None
) -> None:
    share = left_out / max(1, len(records))
    if share <= limit:
        return
    what = f"{left_out:,} of {len(records):,} cases ({share:.1%}) would be left out as duplicates"
    largest = f"at most {limit:.1%}; the largest group has {int(groups.size.max(initial=0))} cases"
    if ask is not None and ask(f"{what}, expected {largest}. Go on?"):
        return
    raise TooManyRejectsError(
        what,
        expected=largest,
        remedy=f"look at the links, narrow the rules, or accept it with --accept-share {np.ceil(share * 100) / 100:.2f}; "
        "nothing was changed",
    )


def _header(links: Links, groups: Groups, weights: Weights, *, cases: int) -> dict[str, Any]:
    return {
        "kind": "duplicates",
        "rates": weights.rates.as_dict(),
        "cases": cases,
        "left_out": int((~groups.keep).sum()),
        "groups": len(np.unique(groups.group)),
        "groups_too_large": groups.too_large,
        "links": {name: int((links.counts & (links.kind == i)).sum()) for i, name in enumerate(KINDS)},
        "suspicions": int((~links.counts).sum()),
    }


def _write(folder: Path, records: Records, links: Links, groups: Groups) -> None:
    scored = links.scored
    table = {
        "report_key_a": records.report_key[scored.pairs.left],
        "report_key_b": records.report_key[scored.pairs.right],
        "kind": pa.DictionaryArray.from_arrays(pa.array(links.kind.astype(np.int32)), pa.array(KINDS)),
        "counts": links.counts,
        "posterior": scored.posterior,
        "score": scored.score,
        **{f"bits_{name}": scored.fields[:, i] for i, name in enumerate(FIELDS)},
        "bits_guard": -scored.guard,
    }
    pq.write_table(pa.table(table), folder / "links.parquet", compression="zstd")
    members = {
        "report_key": records.report_key[groups.members],
        "group_key": records.report_key[groups.group],
        "size": groups.size,
        "keep": groups.keep,
    }
    pq.write_table(pa.table(members), folder / "members.parquet", compression="zstd")
