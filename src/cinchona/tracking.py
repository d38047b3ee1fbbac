"""The tracker that records nothing, for when nobody asked for a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa

from cinchona.protocols import TrackedRun, Tracker


class NullRun:
    """A run that forgets everything; satisfies :class:`~cinchona.protocols.TrackedRun`."""

    run_id = ""

    def log_params(self, params: Mapping[str, object]) -> None:
        """Forget ``params``."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Forget ``metrics``."""

    def log_curve(self, name: str, values: Iterable[float]) -> None:
        """Forget the curve."""

    def log_dataset(self, name: str, *, digest: str, source: str, context: str) -> None:
        """Forget the dataset."""

    def log_artifact(self, path: Path, *, folder: str = "") -> None:
        """Forget the file."""

    def log_table(self, name: str, table: pa.Table) -> None:
        """Forget the table."""

    def log_model(self, folder: Path, *, name: str) -> None:
        """Forget the model."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Forget ``tags``."""


class NullTracker:
    """A tracker without a store; satisfies :class:`~cinchona.protocols.Tracker`."""

    @contextmanager
    def run(
        self, name: str, *, kind: str, tags: Mapping[str, str] | None = None, parent: str | None = None
    ) -> Iterator[TrackedRun]:
        """Open a run that records nothing."""
        yield NullRun()

    def describe(self) -> str:
        """Say that nothing is kept."""
        return "runs are not tracked"


class ChildTracker:
    """A tracker whose runs are children of one run, so that workflows of one piece of work stand together.

    Args:
        tracker: What keeps the runs.
        parent: Id of the run above; empty, as a store that is away gives it, makes runs that stand for themselves.
    """

    def __init__(self, tracker: Tracker, parent: str) -> None:
        self._tracker = tracker
        self._parent = parent

    def run(
        self, name: str, *, kind: str, tags: Mapping[str, str] | None = None, parent: str | None = None
    ) -> AbstractContextManager[TrackedRun]:
        """Open a run below the parent, or below another one if ``parent`` is given."""
        return self._tracker.run(name, kind=kind, tags=tags, parent=parent or self._parent or None)

    def describe(self) -> str:
        """Where the runs are kept."""
        return self._tracker.describe()
