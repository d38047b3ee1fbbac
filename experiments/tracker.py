"""The tracker that records runs in MLflow."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cinchona
from cinchona.errors import RunInterrupted
from cinchona.experiments.journal import OUTBOX
from cinchona.experiments.note import Note
from cinchona.experiments.outbox import Outbox, brief
from cinchona.experiments.run import MlflowRun
from cinchona.experiments.store import Store
from cinchona.masking import mask_secrets
from cinchona.protocols import Tracker
from cinchona.tracking import NullTracker

if TYPE_CHECKING:
    from cinchona.pipelines.config import TrackingConfig

logger = logging.getLogger(__name__)

EXPERIMENT: Final = "cinchona"
_GIT_SECONDS: Final = 5


class MlflowTracker:
    """Keeps runs in an MLflow store; satisfies :class:`~cinchona.protocols.Tracker`.

    Nothing is opened before the first run. A store that is away never stops a run: it warns once, keeps the calls in
    memory and on disk and sends them when the store is back. Results never depend on it, since they are on disk first.

    Args:
        uri: ``sqlite:///path/to/mlflow.db`` or the address of a tracking server.
        artifact_root: Folder or address for the files of new experiments; by default ``artifacts`` beside the SQLite
            file, or what the server says.
        experiment: Name of the MLflow experiment that collects the runs.
        spool: Folder for records that the store has not taken by the end of a run; None keeps none.
        outbox: Makes the outbox of a run; for tests.
    """

    def __init__(
        self,
        uri: str,
        *,
        artifact_root: str | Path | None = None,
        experiment: str = EXPERIMENT,
        spool: Path | None = None,
        outbox: Callable[[], Outbox] = Outbox,
    ) -> None:
        self.store = Store.at(uri, artifact_root=artifact_root)
        self.experiment = experiment
        self._spool = spool
        self._outbox = outbox

    @contextmanager
    def run(
        self, name: str, *, kind: str, tags: Mapping[str, str] | None = None, parent: str | None = None
    ) -> Iterator[MlflowRun]:
        """Open a run of ``kind``; an exception marks it FAILED, an interruption KILLED, and passes on."""
        title = str(mask_secrets(name))
        run = MlflowRun(
            self.store,
            self.experiment,
            note=Note(title=title, kind=kind),
            tags=_run_tags(kind, parent),
            spool=self._spool,
            outbox=self._outbox(),
        )
        run.open()
        run.set_tags(tags or {})
        status = "FINISHED"
        try:
            yield run
        except (KeyboardInterrupt, RunInterrupted, SystemExit, GeneratorExit):
            status = "KILLED"
            raise
        except BaseException as error:
            status = "FAILED"
            run.set_tags({"error": f"{type(error).__name__}: {brief(error)}" if isinstance(error, Exception) else ""})
            raise
        finally:
            run.close(status)
            _report_loss(run, self.store)

    def describe(self) -> str:
        """One line for people: where the runs are and how to look at them."""
        if self.store.database is None:
            return f"runs are recorded in experiment {self.experiment!r} at {self.store.shown()}"
        return f"runs are recorded in {self.store.database}; look at them with: cinchona serve-ui --uri {self.store.shown()}"


def open_tracker(config: TrackingConfig, environ: Mapping[str, str] | None = None) -> Tracker:
    """The tracker that the settings ask for.

    The store is ``config.uri``, else ``MLFLOW_TRACKING_URI``, else SQLite in ``config.folder``. Without MLflow, or
    with tracking switched off, it is the tracker that keeps nothing.

    Args:
        config: The part ``tracking`` of the settings.
        environ: Environment to read instead of the process's own.
    """
    if not config.enabled:
        return NullTracker()
    if importlib.util.find_spec("mlflow") is None:
        logger.warning("mlflow is not installed: runs are not tracked (install cinchona[all] to keep them)")
        return NullTracker()
    store = Store.resolve(config.uri, config.folder, environ)
    return MlflowTracker(
        store.uri,
        artifact_root=store.artifact_root,
        experiment=config.experiment,
        spool=config.folder.absolute() / OUTBOX,
    )


def _run_tags(kind: str, parent: str | None) -> dict[str, str]:
    tags = {
        "kind": kind,
        "cinchona_version": cinchona.__version__,
        "mlflow.source.name": f"cinchona {kind}",
        "mlflow.source.type": "LOCAL",
    }
    if commit := git_commit():
        tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
    return tags | ({"mlflow.parentRunId": parent} if parent else {})


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """Commit of the checkout that the package runs from, with ``-dirty`` if its files differ; None outside git."""
    here = Path(cinchona.__file__).parent
    try:
        commit = _git("rev-parse", "HEAD", here=here)
        dirty = _git("status", "--porcelain", "--untracked-files=no", here=here)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if dirty else commit


def _git(*arguments: str, here: Path) -> str:
    command = ["git", "-C", str(here), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS)
    return done.stdout.strip()


def _report_loss(run: MlflowRun, store: Store) -> None:
    missing, on_disk = run.settle()
    if missing and on_disk:
        logger.warning(
            "%d records of this run did not reach %s; they wait on disk, send them with: cinchona sync",
            missing,
            store.shown(),
        )
    elif missing:
        logger.warning("%d records of this run did not reach %s", missing, store.shown())
