"""The calls to MLflow: one plain record in, one call out, so that a record can wait on disk and be sent by another process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.experiments.client import load_mlflow
from cinchona.experiments.store import Store
from cinchona.experiments.tables import write_table

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECORD_TAG: Final = "mlflow.cinchonaRecord"
"""Tag with an id of our own, by which a run is found again whose making was not answered; pages do not show it."""


@dataclass(slots=True)
class Record:
    """One thing to say to the store."""

    what: str
    """For people: what it is."""
    op: str
    """Which call: ``open``, ``batch``, ``text``, ``file``, ``table``, ``dataset``, ``model``, ``link`` or ``end``."""
    data: dict[str, Any] = field(default_factory=dict)
    """Its content: JSON data, except for a table in memory; ``path`` is a file or folder on disk."""


class Sender:
    """Makes the calls of one run.

    Args:
        store: Where to.
        experiment: Name of the MLflow experiment.
        run_id: The run, if it exists.
        careful: Look first whether an earlier attempt has got through, where a second call would double something.
    """

    def __init__(self, store: Store, experiment: str, *, run_id: str = "", careful: bool = False) -> None:
        self._store = store
        self._experiment = experiment
        self._client: MlflowClient | None = None
        self.run_id = run_id
        self.careful = careful
        self._calls: dict[str, Callable[[dict[str, Any]], None]] = {
            "open": self._open, "batch": self._batch, "text": self._text, "file": self._file, "table": self._table,
            "dataset": self._dataset, "model": self._model, "link": self._link, "end": self._end,
        }  # fmt: skip

    @property
    def client(self) -> MlflowClient:
        """The connection; made by the first call."""
        if self._client is None:
            self._client = self._store.connect()
        return self._client

    def apply(self, record: Record) -> None:
        """Make the call of ``record``; raises what MLflow raises."""
        try:
            self._calls[record.op](record.data)
        except BaseException:
            self.careful = True
            raise

    def _open(self, data: dict[str, Any]) -> None:
        if self.run_id:
            return
        experiment = self._store.experiment_id(self.client, self._experiment)
        known = data["tags"].get(RECORD_TAG, "")
        if self.careful and known:
            wanted = f"tags.`{RECORD_TAG}` = '{known}'"
            for run in self.client.search_runs([experiment], filter_string=wanted, max_results=1):
                self.run_id = run.info.run_id
                return
        run = self.client.create_run(experiment, start_time=data["start"], tags=data["tags"], run_name=data["title"])
        self.run_id = run.info.run_id

    def _batch(self, data: dict[str, Any]) -> None:
        entities = load_mlflow("mlflow.entities")
        self.client.log_batch(
            self.run_id,
            metrics=[entities.Metric(*entry) for entry in data.get("metrics", ())],
            params=[entities.Param(*entry) for entry in data.get("params", ())],
            tags=[entities.RunTag(*entry) for entry in data.get("tags", ())],
        )

    def _text(self, data: dict[str, Any]) -> None:
        self.client.log_text(self.run_id, data["text"], data["to"])

    def _file(self, data: dict[str, Any]) -> None:
        path = Path(data["path"])
        send = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        send(self.run_id, str(path), data["folder"] or None)

    def _table(self, data: dict[str, Any]) -> None:
        if "path" in data:
            self.client.log_artifacts(self.run_id, data["path"])
        else:
            with tempfile.TemporaryDirectory(prefix="cinchona-table-") as folder:
                write_table(Path(folder), data["name"], data["table"])
                self.client.log_artifacts(self.run_id, folder)
        listed = json.loads(self.client.get_run(self.run_id).data.tags.get("mlflow.loggedArtifacts", "[]"))
        entry = {"path": f"{data['name']}.json", "type": "table"}
        if entry not in listed:
            self.client.set_tag(self.run_id, "mlflow.loggedArtifacts", json.dumps([*listed, entry]))

    def _dataset(self, data: dict[str, Any]) -> None:
        entities = load_mlflow("mlflow.entities")
        tags = [entities.InputTag("mlflow.data.context", data["context"])]
        used = entities.DatasetInput(entities.Dataset(**data["dataset"]), tags)
        self.client.log_inputs(self.run_id, datasets=[used])

    def _model(self, data: dict[str, Any]) -> None:
        from cinchona.experiments.flavour import made_model, send_model

        folder = Path(data["path"])
        if not (self.careful and made_model(self.client, self.run_id, folder)):
            send_model(self.client, self.run_id, folder, name=data["name"], figures=data["figures"])

    def _link(self, data: dict[str, Any]) -> None:
        from cinchona.experiments.flavour import link_model

        link_model(self.client, self.run_id, data["fingerprint"])

    def _end(self, data: dict[str, Any]) -> None:
        self.client.set_terminated(self.run_id, data["status"], end_time=data["at"])


__all__ = ["RECORD_TAG", "Record", "Sender"]
