"""One open run in MLflow."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pyarrow as pa

from cinchona.experiments.client import load_mlflow
from cinchona.experiments.note import Note
from cinchona.experiments.outbox import Call, Outbox
from cinchona.experiments.store import Store
from cinchona.experiments.tables import write_table
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
MAX_COPY: Final = 20 * 2**20
"""Bytes of a file that is copied while the store is away."""
DIGEST_SHOWN: Final = 16
"""Hex digits of a digest that lists show (MLflow keeps 36 at most); the whole digest is in the profile."""
LOOK_AT: Final = (".html", ".svg", ".png")
_FORBIDDEN: Final = re.compile(r"[^\w\-. :/]", re.ASCII)


class MlflowRun:
    """Records into one run of an MLflow store; satisfies :class:`~cinchona.protocols.TrackedRun`.

    Everything goes through an :class:`~cinchona.experiments.outbox.Outbox`: while the store is away it is kept in
    memory and sent later, and no method raises because of the store.
    """

    def __init__(self, store: Store, experiment: str, *, note: Note, tags: Mapping[str, str], outbox: Outbox) -> None:
        self._store = store
        self._experiment = experiment
        self._note = note
        self._tags = dict(tags)
        self._outbox = outbox
        self._client: MlflowClient | None = None
        self._run_id = ""
        self._metrics: list[tuple[str, float, int, int]] = []
        self._flushed = time.monotonic()
        self._started = _now()
        self._copies: tempfile.TemporaryDirectory[str] | None = None

    @property
    def run_id(self) -> str:
        """Identifier in the store; empty while the store is away."""
        return self._run_id

    @property
    def client(self) -> MlflowClient:
        """The connection; only for calls that go through :meth:`send`."""
        assert self._client is not None, "the run is opened by the first call in the outbox"
        return self._client

    def open(self) -> None:
        """Make the run in the store, now or when the store is back."""
        self._outbox.send("the start of a run", self._open)

    def close(self, status: str) -> None:
        """Write the description and the end state (``FINISHED``, ``FAILED`` or ``KILLED``)."""
        ended = _now()
        self._flush_metrics()
        self.set_tags({"mlflow.note.content": self._note.markdown(self._tags)})
        self.send("the end of a run", lambda: self.client.set_terminated(self._run_id, status, end_time=ended))

    def discard(self) -> None:
        """Remove copies of files that wait for the store."""
        if self._copies is not None:
            self._copies.cleanup()

    def send(self, what: str, call: Call) -> bool:
        """Put ``call`` into the outbox; tell whether nothing waits."""
        return self._outbox.send(what, call)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record the configuration, flat names to values; long values become files under ``params/``."""
        texts = {_key(k): _text(v) for k, v in mask_secrets(dict(params)).items()}
        for name, text in texts.items():
            if len(text) > LONG_VALUE:
                path = f"params/{name.replace('/', '-').replace(':', '-')}.txt"
                self.send(f"parameter {name}", partial(self._send_text, text, path))
                texts[name] = f"{text[:100]}… ({len(text):,} characters: {path})"
        entities = load_mlflow("mlflow.entities")
        for chunk in _chunks([entities.Param(k, v) for k, v in texts.items()], ENTRIES_A_CALL):
            self.send("parameters", partial(self._send_batch, params=chunk))

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Record figures, at ``step`` for curves; they are sent together every two seconds."""
        stamp = _now()
        for name, value in metrics.items():
            self._note_metric(name, float(value), step)
            self._metrics.append((_key(name), float(value), stamp, step or 0))
        if time.monotonic() - self._flushed > FLUSH_SECONDS or len(self._metrics) >= METRICS_A_CALL:
            self._flush_metrics()

    def log_curve(self, name: str, values: Iterable[float]) -> None:
        """Record a whole curve at once, step 0 upwards."""
        stamp = _now()
        points = [(_key(name), float(v), stamp, step) for step, v in enumerate(values)]
        if points:
            self._note.curves[name] = (len(points), points[-1][1])
        self._metrics.extend(points)
        self._flush_metrics()

    def log_dataset(self, name: str, *, digest: str, source: str, context: str) -> None:
        """Record an input: ``digest`` is ours (hex), ``context`` its use (``train``, ``test``, ``library``)."""
        entities = load_mlflow("mlflow.entities")
        shown = str(mask_secrets(source))
        self._note.datasets.append((name, context, digest))
        dataset = entities.Dataset(
            name=str(mask_secrets(name))[:500],
            digest=digest[:DIGEST_SHOWN] or "unknown",
            source_type="local",
            source=json.dumps({"uri": shown}),
            profile=json.dumps({"sha256": digest}),
        )
        used = entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", context)])
        self.send(f"dataset {name}", lambda: self.client.log_inputs(self._run_id, datasets=[used]))

    def log_artifact(self, path: Path, *, folder: str = "") -> None:
        """Store a file, or a folder with all its files, under ``folder``.

        While the store is away a small file is copied, since the caller may remove it.
        """
        if path.suffix in LOOK_AT and path.is_file():
            self._note.files.append(f"{folder}/{path.name}" if folder else path.name)
        place = [path]
        sent = self.send(f"file {path.name}", lambda: self._send_file(place[0], folder or None))
        if not sent and path.is_file() and path.stat().st_size <= MAX_COPY:
            place[0] = self._copy(path)

    def log_table(self, name: str, table: pa.Table) -> None:
        """Store the first 200 rows as a table for the browser; a column ``structure`` may hold SVG or PNG."""
        self._note.files.append(f"{name}.json")
        self.send(f"table {name}", lambda: self._send_table(_key(name).replace("/", "-"), table))

    def log_model(self, folder: Path, *, name: str) -> None:
        """Store a model folder as a loadable model called ``name``."""
        from cinchona.experiments.flavour import send_model

        self._flush_metrics()
        figures = {_key(k): v for k, v in self._note.figures.items()}
        shown = _key(name).replace("/", "-").replace(":", "-")  # MLflow's rule for names of models
        self.send(f"model {name}", lambda: send_model(self.client, self._run_id, folder, name=shown, figures=figures))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Attach labels to search by; ``description`` also leads the run's page."""
        texts = {_key(k): str(v)[:MAX_TAG] for k, v in mask_secrets(dict(tags)).items()}
        self._note.lead = texts.get("description", self._note.lead)
        self._tags.update(texts)
        entities = load_mlflow("mlflow.entities")
        for chunk in _chunks([entities.RunTag(k, v) for k, v in texts.items()], ENTRIES_A_CALL):
            self.send("tags", partial(self._send_batch, tags=chunk))
        used = texts.get("model_fingerprint")
        if used and self._tags.get("kind") != "train":
            self.send("the link to the model", lambda: self._link(used))

    def _open(self) -> None:
        client = self._store.connect()
        experiment = self._store.experiment_id(client, self._experiment)
        run = client.create_run(experiment, start_time=self._started, tags=self._tags, run_name=self._note.title)
        self._client, self._run_id = client, run.info.run_id

    def _link(self, fingerprint: str) -> None:
        from cinchona.experiments.flavour import link_model

        link_model(self.client, self._run_id, fingerprint)

    def _copy(self, path: Path) -> Path:
        if self._copies is None:
            self._copies = tempfile.TemporaryDirectory(prefix="cinchona-outbox-")
        folder = Path(tempfile.mkdtemp(dir=self._copies.name))
        return Path(shutil.copy2(path, folder / path.name))

    def _send_batch(self, **entries: Any) -> None:  # noqa: ANN401 - MLflow's entities
        self.client.log_batch(self._run_id, **entries)

    def _send_text(self, text: str, path: str) -> None:
        self.client.log_text(self._run_id, text, path)

    def _send_file(self, path: Path, where: str | None) -> None:
        send = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        send(self._run_id, str(path), where)

    def _flush_metrics(self) -> None:
        self._flushed = time.monotonic()
        if not self._metrics:
            return
        entities = load_mlflow("mlflow.entities")
        waiting, self._metrics = self._metrics, []
        for chunk in _chunks([entities.Metric(*entry) for entry in waiting], METRICS_A_CALL):
            self.send("metrics", partial(self._send_batch, metrics=chunk))

    def _note_metric(self, name: str, value: float, step: int | None) -> None:
        if step is None:
            self._note.figures[name] = value
        else:
            self._note.curves[name] = (self._note.curves.get(name, (0, 0.0))[0] + 1, value)

    def _send_table(self, name: str, table: pa.Table) -> None:
        with tempfile.TemporaryDirectory(prefix="cinchona-table-") as folder:
            path = write_table(Path(folder), name, table)
            self.client.log_artifacts(self._run_id, folder)
        listed = json.loads(self.client.get_run(self._run_id).data.tags.get("mlflow.loggedArtifacts", "[]"))
        entry = {"path": path, "type": "table"}
        if entry not in listed:
            self.client.set_tag(self._run_id, "mlflow.loggedArtifacts", json.dumps([*listed, entry]))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _key(name: str) -> str:
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
