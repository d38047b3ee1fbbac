"""One open run in MLflow."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pyarrow as pa

from cinchona.experiments.journal import Journal
from cinchona.experiments.note import Note
from cinchona.experiments.outbox import Outbox
from cinchona.experiments.sampler import Sampler
from cinchona.experiments.sender import RECORD_TAG, Record, Sender
from cinchona.experiments.store import Store
from cinchona.masking import mask_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

LONG_VALUE: Final = 500
"""Characters of a parameter that stay in the table; MLflow itself cuts at 6,000 without a word."""
MAX_TAG: Final = 8_000
FLUSH_SECONDS: Final = 2.0
"""Metrics wait at most this long, so that a progress view is live and a call is not paid for each figure."""
METRICS_A_CALL: Final = 1_000
ENTRIES_A_CALL: Final = 100
_SLOWEST_SHARE: Final = 50.0
_MOST_PATIENCE: Final = 300.0
DIGEST_SHOWN: Final = 16
"""Hex digits of a digest that lists show (MLflow keeps 36 at most); the whole digest is in the profile."""
LOOK_AT: Final = (".html", ".svg", ".png")
_FORBIDDEN: Final = re.compile(r"[^\w\-. :/]", re.ASCII)


class MlflowRun:
    """Records into one run of an MLflow store; satisfies :class:`~cinchona.protocols.TrackedRun`.

    Everything goes through an :class:`~cinchona.experiments.outbox.Outbox`: while the store is away it is kept in
    memory and in a journal on disk, and sent later; no method raises because of the store.
    """

    def __init__(
        self, store: Store, experiment: str, *, note: Note, tags: Mapping[str, str], spool: Path | None, outbox: Outbox
    ) -> None:
        record_id = uuid.uuid4().hex
        self._note = note
        self._tags = {**tags, RECORD_TAG: record_id}
        self._outbox = outbox
        self._sender = Sender(store, experiment)
        self._journal = _journal(spool, record_id, store, experiment, note.title)
        self._metrics: list[tuple[str, float, int, int]] = []
        self._flushed, self._patience = time.monotonic(), FLUSH_SECONDS
        self._started = _now()
        self._sampler = Sampler()

    @property
    def run_id(self) -> str:
        """Identifier in the store; empty while the store is away."""
        return self._sender.run_id

    @property
    def client(self) -> MlflowClient:
        """The connection, for tests."""
        return self._sender.client

    def open(self) -> None:
        """Make the run in the store, now or when the store is back."""
        data = {"start": self._started, "tags": self._tags, "title": self._note.title}
        self.send(Record("the start of a run", "open", data))
        self._sampler.start()

    def close(self, status: str) -> None:
        """Write the description and the end state (``FINISHED``, ``FAILED`` or ``KILLED``)."""
        ended = _now()
        self._sampler.stop()
        self._flush_metrics()
        self.set_tags({"mlflow.note.content": self._note.markdown(self._tags)})
        self.send(Record("the end of a run", "end", {"status": status, "at": ended}))

    def settle(self) -> tuple[int, bool]:
        """Try once more to send what waits; return how many records the store has not taken, and whether they are on disk.

        What is left stays in the journal for ``cinchona sync``.
        """
        done = self._outbox.flush() and not self._outbox.crowded
        missing = len(self._outbox) + self._outbox.lost
        return missing, self._journal.close(self.run_id, sent=done) and not done

    def send(self, record: Record) -> bool:
        """Put ``record`` into the outbox, and on disk if it has to wait; tell whether nothing waits."""
        sent = self._outbox.send(record.what, partial(self._sender.apply, record))
        if not sent:
            self._journal.keep(record, self.run_id)
        return sent

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record the configuration, flat names to values; long values become files under ``params/``."""
        texts = {metric_key(k): _text(v) for k, v in mask_secrets(dict(params)).items()}
        for name, text in texts.items():
            if len(text) > LONG_VALUE:
                path = f"params/{name.replace('/', '-').replace(':', '-')}.txt"
                self.send(Record(f"parameter {name}", "text", {"text": text, "to": path}))
                texts[name] = f"{text[:100]}… ({len(text):,} characters: {path})"
        for chunk in _chunks(list(texts.items()), ENTRIES_A_CALL):
            self.send(Record("parameters", "batch", {"params": chunk}))

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Record figures, at ``step`` for curves; they are sent together every two seconds."""
        stamp = _now()
        for name, value in metrics.items():
            self._note_metric(name, float(value), step)
            self._metrics.append((metric_key(name), float(value), stamp, step or 0))
        if time.monotonic() - self._flushed > self._patience or len(self._metrics) >= METRICS_A_CALL:
            self._flush_metrics()

    def log_curve(self, name: str, values: Iterable[float]) -> None:
        """Record a whole curve at once, step 0 upwards."""
        stamp = _now()
        points = [(metric_key(name), float(v), stamp, step) for step, v in enumerate(values)]
        if points:
            self._note.curves[name] = (len(points), points[-1][1])
        self._metrics.extend(points)
        self._flush_metrics()

    def log_dataset(self, name: str, *, digest: str, source: str, context: str) -> None:
        """Record an input: ``digest`` is ours (hex), ``context`` its use (``train``, ``test``, ``library``)."""
        shown = str(mask_secrets(source))
        self._note.datasets.append((name, context, digest))
        dataset = {
            "name": str(mask_secrets(name))[:500],
            "digest": digest[:DIGEST_SHOWN] or "unknown",
            "source_type": "local",
            "source": json.dumps({"uri": shown}),
            "profile": json.dumps({"sha256": digest}),
        }
        self.send(Record(f"dataset {name}", "dataset", {"dataset": dataset, "context": context}))

    def log_artifact(self, path: Path, *, folder: str = "") -> None:
        """Store a file, or a folder with all its files, under ``folder``.

        While the store is away a small file is copied, since the caller may remove it.
        """
        if path.suffix in LOOK_AT and path.is_file():
            self._note.files.append(f"{folder}/{path.name}" if folder else path.name)
        self.send(Record(f"file {path.name}", "file", {"path": str(path), "folder": folder}))

    def log_table(self, name: str, table: pa.Table) -> None:
        """Store the first 200 rows as a table for the browser; a column ``structure`` may hold SVG or PNG."""
        self._note.files.append(f"{name}.json")
        self.send(Record(f"table {name}", "table", {"name": metric_key(name).replace("/", "-"), "table": table}))

    def log_model(self, folder: Path, *, name: str) -> None:
        """Store a model folder as a loadable model called ``name``."""
        self._flush_metrics()
        figures = {metric_key(k): v for k, v in self._note.figures.items()}
        shown = metric_key(name).replace("/", "-").replace(":", "-")  # MLflow's rule for names of models
        self.send(Record(f"model {name}", "model", {"path": str(folder), "name": shown, "figures": figures}))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Attach labels to search by; ``description`` also leads the run's page."""
        texts = {metric_key(k): str(v)[:MAX_TAG] for k, v in mask_secrets(dict(tags)).items()}
        self._note.lead = texts.get("description", self._note.lead)
        self._tags.update(texts)
        for chunk in _chunks(list(texts.items()), ENTRIES_A_CALL):
            self.send(Record("tags", "batch", {"tags": chunk}))
        used = texts.get("model_fingerprint")
        if used and self._tags.get("kind") not in {"train", "register"}:
            self.send(Record("the link to the model", "link", {"fingerprint": used}))

    def _flush_metrics(self) -> None:
        """Send what is collected. A store that is slow is asked less often, so that it takes 2 % of the time at most."""
        begun = time.monotonic()
        waiting, self._metrics = [*self._metrics, *self._sampler.drain()], []
        for chunk in _chunks(waiting, METRICS_A_CALL):
            self.send(Record("metrics", "batch", {"metrics": chunk}))
        self._flushed = time.monotonic()
        self._patience = max(FLUSH_SECONDS, min(_MOST_PATIENCE, _SLOWEST_SHARE * (self._flushed - begun)))

    def _note_metric(self, name: str, value: float, step: int | None) -> None:
        if step is None:
            self._note.figures[name] = value
        else:
            self._note.curves[name] = (self._note.curves.get(name, (0, 0.0))[0] + 1, value)


def _journal(spool: Path | None, record_id: str, store: Store, experiment: str, title: str) -> Journal:
    head = {"store": store.shown(), "experiment": experiment, "title": title}
    if store.artifact_root is not None:
        head["artifact_root"] = str(mask_secrets(store.artifact_root))
    place = spool if spool is not None else Path(tempfile.gettempdir(), "cinchona-outbox")
    return Journal(place / f"{record_id}-{os.getpid()}", head, lasting=spool is not None)


def _now() -> int:
    return time.time_ns() // 1_000_000


def metric_key(name: str) -> str:
    """A name that MLflow accepts: 250 characters of letters, digits and ``_-. :/``, no path tricks."""
    parts = [p for p in _FORBIDDEN.sub("_", name).split("/") if p not in {"", ".", ".."}]
    return "/".join(parts)[:250] or "unnamed"


def _text(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
