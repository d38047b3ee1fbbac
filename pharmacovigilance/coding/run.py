"""A coding run: every distinct drug name of a store coded once, reactions grouped, what matched nothing made loud.

A run writes ``drug_names.parquet`` (name and substance as stored, ingredient, how, score, matched), ``uncoded.parquet``
(names without an ingredient, by mentions, with the nearest known names) and ``reaction_groups.parquet``. Its header
holds name and version of each dictionary, so a store always knows what coded it.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from cinchona.pharmacovigilance.coding.coder import NOT_CODED, Coded, Coder, How
from cinchona.pharmacovigilance.coding.dictionary import DrugDictionary, describe
from cinchona.pharmacovigilance.coding.spelling import tidy, without_noise
from cinchona.pharmacovigilance.receipts import writing
from cinchona.pharmacovigilance.runs import Run, latest_run, new_run
from cinchona.progress import progress
from cinchona.settings import Config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cinchona.pharmacovigilance.coding.reactions import Grouping
    from cinchona.pharmacovigilance.store import ReportStore

log = logging.getLogger(__name__)

CODER_VERSION: Final = 2
"""Raised when the rules of :mod:`.coder`, :mod:`.spelling` or :mod:`.fuzzy` change what a name is coded to."""
DRUG_NAMES: Final = "drug_names.parquet"
UNCODED: Final = "uncoded.parquet"
REACTION_GROUPS: Final = "reaction_groups.parquet"
_NAMES: Final = """
SELECT coalesce(name, '') AS name, coalesce(substance, '') AS substance, count(*) AS mentions
FROM drugs GROUP BY ALL ORDER BY mentions DESC, name, substance
"""
_DRUG_SCHEMA: Final = pa.schema(
    [
        ("name", pa.string()), ("substance", pa.string()), ("ingredient", pa.string()), ("how", pa.string()),
        ("score", pa.float32()), ("matched", pa.string()), ("coded_from", pa.string()), ("mentions", pa.int64()),
    ]
)  # fmt: skip
_BATCH: Final = 200_000


class CodingConfig(Config):
    """How drug names are coded."""

    fuzzy: bool = True
    """Whether misspellings are coded to the nearest known name."""
    keep_salts: bool = False
    """Whether salts and esters stay apart."""
    prefer_substance: bool = True
    """Whether the source's own substance (FAERS prod_ai) goes before the reported name where it can be coded."""
    suggestions: int = Field(1000, ge=0)
    """For so many of the most mentioned uncoded names the nearest known names are looked for."""


@dataclass(frozen=True, slots=True)
class CodingResult:
    """What a run did."""

    run: Run
    """The run on disk."""
    counts: dict[str, Any]
    """Mentions and distinct names: all, coded, and by the way they were coded."""


def code(
    store: ReportStore,
    dictionaries: Sequence[DrugDictionary] = (),
    *,
    grouping: Grouping | None = None,
    config: CodingConfig | None = None,
) -> CodingResult:
    """Code the drug names of ``store`` and group its reactions; what is left out is carried over from the last run.

    Args:
        store: The store.
        dictionaries: In the order of their say; none keeps the drug names of the last run.
        grouping: Of reactions; None keeps that of the last run.
        config: Settings.

    Raises:
        LockedError: if another process is writing to the store.
    """
    config = config or CodingConfig()
    before = latest_run(store.root, "coding")
    header: dict[str, Any] = {"kind": "coding", "content": store.content_id, "coder": CODER_VERSION}
    with writing(store.root), new_run(store.root, "coding") as (folder, written):
        if dictionaries:
            header |= {"dictionaries": describe(dictionaries), "config": config.model_dump(mode="json")}
            header["drugs"] = _code_drugs(store, Coder(dictionaries, fuzzy=config.fuzzy, keep_salts=config.keep_salts),
                                          config, folder)  # fmt: skip
        else:
            header |= _carry_over(before, folder, (DRUG_NAMES, UNCODED), ("dictionaries", "config", "drugs", "coder"))
        if grouping is not None:
            header["reactions"] = grouping.write(store, folder / REACTION_GROUPS)
        else:
            header |= _carry_over(before, folder, (REACTION_GROUPS,), ("reactions",))
        _complete(folder)
        written.update(header)
    run = latest_run(store.root, "coding")
    assert run is not None
    _report(run)
    return CodingResult(run, run.header.get("drugs", {}))


def _carry_over(before: Run | None, folder: Path, files: tuple[str, ...], keys: tuple[str, ...]) -> dict[str, Any]:
    if before is None:
        return {}
    for name in files:
        if (before.folder / name).exists():
            shutil.copyfile(before.folder / name, folder / name)
    return {key: before.header[key] for key in keys if key in before.header}


def _complete(folder: Path) -> None:
    empty = {
        DRUG_NAMES: _DRUG_SCHEMA,
        UNCODED: pa.schema([("name", pa.string()), ("mentions", pa.int64()), ("did_you_mean", pa.list_(pa.string()))]),
        REACTION_GROUPS: pa.schema([("term", pa.string()), ("reaction_group", pa.string())]),
    }
    for name, columns in empty.items():
        if not (folder / name).exists():
            pq.write_table(columns.empty_table(), folder / name)


def _code_drugs(store: ReportStore, coder: Coder, config: CodingConfig, folder: Path) -> dict[str, Any]:
    counts: dict[str, Any] = {"mentions": 0, "names": 0, "mentions_coded": 0, "names_coded": 0, "by": {}}
    uncoded: dict[str, int] = {}
    with progress(None, "coding", unit="names") as bar, pq.ParquetWriter(folder / DRUG_NAMES, _DRUG_SCHEMA) as writer:
        for batch in store.sql(_NAMES).batches(_BATCH):
            rows = batch.to_pylist()
            answers = _answers(rows, coder, prefer_substance=config.prefer_substance)
            writer.write_table(pa.Table.from_pylist(_lines(rows, answers), _DRUG_SCHEMA))
            for row, (coded, _) in zip(rows, answers, strict=True):
                _tally(counts, coded, row["mentions"])
                if coded.how is How.NONE:
                    shown = row["name"] or row["substance"]
                    uncoded[shown] = uncoded.get(shown, 0) + row["mentions"]
            bar.advance(len(rows))
    _write_uncoded(uncoded, coder, config, folder / UNCODED)
    return counts


def _answers(rows: list[dict[str, Any]], coder: Coder, *, prefer_substance: bool) -> list[tuple[Coded, str]]:
    """Code each row from its substance or its name, whichever goes first and can be coded."""
    substances = coder.code(r["substance"] for r in rows if r["substance"])
    names = coder.code(r["name"] for r in rows if r["name"])
    out = []
    for row in rows:
        both = [(substances.get(row["substance"], NOT_CODED), "substance"), (names.get(row["name"], NOT_CODED), "name")]
        if not prefer_substance:
            both.reverse()
        out.append(next((pair for pair in both if pair[0].how is not How.NONE), (NOT_CODED, "")))
    return out


def _lines(rows: list[dict[str, Any]], answers: list[tuple[Coded, str]]) -> list[dict[str, Any]]:
    return [
        {
            **row,
            "ingredient": ingredient,
            "how": str(coded.how),
            "score": coded.score,
            "matched": coded.matched,
            "coded_from": source,
        }
        for row, (coded, source) in zip(rows, answers, strict=True)
        for ingredient in coded.ingredients or (None,)
    ]


def _tally(counts: dict[str, Any], coded: Coded, mentions: int) -> None:
    counts["mentions"] += mentions
    counts["names"] += 1
    by = counts["by"].setdefault(str(coded.how), {"names": 0, "mentions": 0})
    by["names"] += 1
    by["mentions"] += mentions
    if coded.how is not How.NONE:
        counts["mentions_coded"] += mentions
        counts["names_coded"] += 1


def _write_uncoded(uncoded: dict[str, int], coder: Coder, config: CodingConfig, path: Path) -> None:
    ranked = sorted(uncoded.items(), key=lambda item: (-item[1], item[0]))
    asked = {name: without_noise(tidy(name)) for name, _ in ranked[: config.suggestions]}
    near = coder.suggest([text for text in asked.values() if text])
    table = {
        "name": [name for name, _ in ranked],
        "mentions": [count for _, count in ranked],
        "did_you_mean": pa.array([near.get(asked.get(name, ""), []) for name, _ in ranked], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(table), path)


def _report(run: Run) -> None:
    drugs = run.header.get("drugs")
    if not drugs:
        return
    missing = drugs["mentions"] - drugs["mentions_coded"]
    if missing:
        top = pq.read_table(run.folder / UNCODED).slice(0, 5).to_pylist()
        shown = "; ".join(_hint(row) for row in top)
        log.warning(
            "%d of %d drug mentions (%d of %d names) match no ingredient and count under their own name: %s",
            missing, drugs["mentions"], drugs["names"] - drugs["names_coded"], drugs["names"], shown,
        )  # fmt: skip


def _hint(row: dict[str, Any]) -> str:
    near = f", did you mean {row['did_you_mean'][0]}?" if row["did_you_mean"] else ""
    return f"{row['name']} ({row['mentions']}{near})"
