"""Sending what waited on disk while the store was away."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from cinchona.errors import InputError
from cinchona.experiments.journal import Waiting, claimed, read_journal, waiting_in
from cinchona.experiments.outbox import brief, is_refusal
from cinchona.experiments.sender import Record, Sender
from cinchona.experiments.store import Store


@dataclass(frozen=True, slots=True)
class Synced:
    """What became of one journal."""

    run: str
    """Title of the run."""
    records: int
    """Records that waited."""
    outcome: str
    """``sent``, ``away`` (the store is), ``busy`` (its process still runs), ``elsewhere`` (another store) or ``damaged``."""
    run_id: str = ""
    refused: int = 0
    """Records that the store did not want; they are gone."""
    note: str = ""


def sync(spool: Path, store: Store) -> list[Synced]:
    """Send every journal in ``spool`` that belongs to ``store``; a journal is removed once all of it has been answered.

    Records that had got through before do no harm: the same values are written again, and runs and models are looked
    for first. A run whose process died without an end is marked ``KILLED``.
    """
    return [_sync_one(folder, store) for folder in waiting_in(spool)]


def _sync_one(folder: Path, store: Store) -> Synced:
    with claimed(folder) as free:
        if not free:
            return Synced(folder.name, 0, "busy", note="its process is still at work")
        try:
            waiting = read_journal(folder)
        except InputError as error:
            return Synced(folder.name, 0, "damaged", note=error.what)
        title = str(waiting.head.get("title", folder.name))
        if waiting.head.get("store") != store.shown():
            note = f"for {waiting.head.get('store')}: name that store with --set tracking.uri=…"
            return Synced(title, len(waiting.records), "elsewhere", note=note)
        return _send(waiting, store, title)


def _send(waiting: Waiting, store: Store, title: str) -> Synced:
    placed = Store.at(store.uri, artifact_root=waiting.head.get("artifact_root") or store.artifact_root)
    sender = Sender(placed, str(waiting.head.get("experiment", "cinchona")), run_id=waiting.run_id, careful=True)
    records = list(waiting.records)
    if not any(record.op == "end" for record in records):
        at = time.time_ns() // 1_000_000
        records.append(Record("the end of a run", "end", {"status": "KILLED", "at": at}))
    refused, note = 0, ""
    for record in records:
        try:
            sender.apply(record)
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            note = f"{record.what}: {brief(error)}"
            if not is_refusal(error):
                return Synced(title, len(waiting.records), "away", sender.run_id, refused, note)
            refused += 1
    shutil.rmtree(waiting.folder)
    return Synced(title, len(waiting.records), "sent", sender.run_id, refused, note if refused else "")


__all__ = ["Synced", "sync"]
