"""Where runs are kept: a SQLite file with an artifact folder beside it, or the user's tracking server."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cinchona.experiments.client import open_client
from cinchona.masking import mask_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

DATABASE: Final = "mlflow.db"
ARTIFACTS: Final = "artifacts"
SQLITE: Final = "sqlite:///"
LOCK_SECONDS: Final = 60
"""How long a call waits for another process that writes to the same SQLite file; by default it would be five seconds."""
TRAINING_VIEW: Final = {"mlflow.experimentKind": "custom_model_development"}
"""Makes the browser show an experiment as model training; without it MLflow 3 opens its page for chat traces."""


@dataclass(frozen=True, slots=True)
class Store:
    """An address of runs. Making one touches neither disk nor network."""

    uri: str
    """``sqlite:///`` and an absolute path, or ``http(s)://`` of a tracking server."""
    artifact_root: str | None = None
    """Folder or address for the files of new experiments; None leaves it to the server."""

    @classmethod
    def in_folder(cls, folder: Path) -> Store:
        """The default store: ``folder/mlflow.db`` and ``folder/artifacts``."""
        root = folder.expanduser().absolute()
        return cls(uri=f"{SQLITE}{root / DATABASE}", artifact_root=(root / ARTIFACTS).as_uri())

    @classmethod
    def at(cls, uri: str, *, artifact_root: str | Path | None = None) -> Store:
        """The store at ``uri``; a SQLite file gets an artifact folder beside it unless one is given."""
        if uri.startswith(SQLITE):
            database = Path(uri.removeprefix(SQLITE)).expanduser().absolute()
            root = database.parent / ARTIFACTS if artifact_root is None else artifact_root
            return cls(uri=f"{SQLITE}{database}", artifact_root=_as_uri(root))
        return cls(uri=uri, artifact_root=None if artifact_root is None else _as_uri(artifact_root))

    @classmethod
    def resolve(cls, uri: str | None, folder: Path, environ: Mapping[str, str] | None = None) -> Store:
        """Pick the store: ``uri`` if given, else ``MLFLOW_TRACKING_URI``, else the default one in ``folder``."""
        chosen = uri or (os.environ if environ is None else environ).get("MLFLOW_TRACKING_URI")
        return cls.at(chosen) if chosen else cls.in_folder(folder)

    @property
    def database(self) -> Path | None:
        """Path of the SQLite file, or None for a server."""
        return Path(self.uri.removeprefix(SQLITE)) if self.uri.startswith(SQLITE) else None

    def shown(self) -> str:
        """The address without logins, for people and logs."""
        return str(mask_secrets(self.uri))

    def connect(self) -> MlflowClient:
        """Open the store and make it if it is a SQLite file that does not exist (about 3 s, once).

        Raises:
            Exception: what MLflow raises when the store cannot be reached.
        """
        if self.database is None:
            return open_client(self.uri)
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.database.with_suffix(".lock")):
            return open_client(f"{self.uri}?timeout={LOCK_SECONDS}")

    def experiment_id(self, client: MlflowClient, name: str) -> str:
        """Id of the experiment ``name``, made with our artifact folder and the training view if it is new."""
        found = client.get_experiment_by_name(name)
        if found is None:
            found = self._create(client, name)
        elif found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
            logger.warning("experiment %s was deleted in the store; it is restored for this run", name)
        if not TRAINING_VIEW.keys() <= found.tags.keys():
            self._mark(client, str(found.experiment_id))
        return str(found.experiment_id)

    def _mark(self, client: MlflowClient, experiment_id: str) -> None:
        """Choose the training view for an experiment that somebody else made."""
        for key, value in TRAINING_VIEW.items():
            try:
                client.set_experiment_tag(experiment_id, key, value)
            except Exception:
                # MLflow looks and then inserts: two processes at once make one of them fail, and nothing is missing.
                if key not in client.get_experiment(experiment_id).tags:
                    raise

    def _create(self, client: MlflowClient, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - MLflow's record
        location = f"{self.artifact_root.rstrip('/')}/{_slug(name)}" if self.artifact_root else None
        try:
            client.create_experiment(name, artifact_location=location, tags=dict(TRAINING_VIEW))
        except Exception:
            # Another process may have been quicker; if not, the second look finds nothing and the error stands.
            if client.get_experiment_by_name(name) is None:
                raise
        return client.get_experiment_by_name(name)


def _as_uri(place: str | Path) -> str:
    text = str(place)
    return text if "://" in text else Path(text).expanduser().absolute().as_uri()


def _slug(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in name).strip(".") or "experiment"


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold ``lock`` so that two processes do not make the same database at once; SQLite alone does not prevent it."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
