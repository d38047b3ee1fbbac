"""The seams with behaviour: what a scorer, an executor and a tracker promise.

Each Protocol has a class of contract tests under ``tests/contracts``; an implementation inherits them and supplies a
fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from cinchona.records import CompoundBatch, Endpoint, Scores

Item = TypeVar("Item")
"""What an executor hands to the work."""
Result = TypeVar("Result")
"""What the work gives back."""


class Requirement(StrEnum):
    """What a scorer wants to find in a batch beside the base columns."""

    SMILES = "smiles"
    """The SMILES column, which every batch has."""
    GRAPH_CODES = "graph_codes"
    """Compact molecular graphs, binary, of the scorer's schema version."""
    MOL = "mol"
    """RDKit binary molecules."""
    CONFORMER = "conformer"
    """RDKit binary molecules with at least one 3-D conformer."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that turns compounds into scores: a graph network, a forest, a similarity query, a docking engine.

    A scorer never drops, doubles or reorders rows, never raises for a bad row (that row becomes a reject), gives the
    same scores however the rows are cut into batches (to 1e-5), and survives pickling by cloudpickle.
    """

    @property
    def name(self) -> str:
        """Short name for reports."""

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes whenever any score could change."""

    @property
    def requires(self) -> frozenset[Requirement]:
        """Columns that a batch must carry."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is predicted, in the order of the columns of :class:`~cinchona.records.Scores`."""

    @property
    def objective(self) -> str:
        """How ``Scores.score`` is made from the endpoints, in words or as an expression."""

    def score(self, batch: CompoundBatch) -> Scores:
        """Score every row of ``batch`` or reject it with a reason."""


@dataclass(frozen=True, slots=True)
class Done(Generic[Item, Result]):
    """An item whose work returned."""

    item: Item
    result: Result


@dataclass(frozen=True, slots=True)
class Failed(Generic[Item]):
    """An item whose work raised, or whose worker died."""

    item: Item
    error: Exception


@runtime_checkable
class Executor(Protocol):
    """Runs the same work on many items, somewhere.

    Every item comes back exactly once, as :class:`Done` or :class:`Failed`, in any order. Items are drawn lazily: at
    most ``max_in_flight`` have been drawn and not yet come back. An exception in the work never stops the others.
    """

    @property
    def n_workers(self) -> int:
        """Processes that work at the same time."""

    @property
    def max_in_flight(self) -> int:
        """Upper bound of items drawn and not yet returned."""

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result] | Failed[Item]]:
        """Apply ``work`` to each item. Closing the iterator cancels what has not begun."""

    def close(self) -> None:
        """Stop the workers; further calls of :meth:`map` raise. Closing twice is allowed."""


class TrackedRun(Protocol):
    """One open run of a :class:`Tracker`. Methods never raise because the store is out of reach."""

    @property
    def run_id(self) -> str:
        """Identifier in the store; empty for the null tracker."""

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record the configuration, flat names to values."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Record figures, at ``step`` for curves."""

    def log_curve(self, name: str, values: Iterable[float]) -> None:
        """Record a whole curve at once, step 0 upwards."""

    def log_dataset(self, name: str, *, digest: str, source: str, context: str) -> None:
        """Record an input: ``digest`` is ours (hex), ``context`` its use (``train``, ``test``, ``library``)."""

    def log_artifact(self, path: Path, *, folder: str = "") -> None:
        """Store a file, or a folder with all its files, under ``folder``."""

    def log_table(self, name: str, table: pa.Table) -> None:
        """Store a table that people look at in the browser; a column ``structure`` may hold SVG or PNG."""

    def log_model(self, folder: Path, *, name: str) -> None:
        """Store a model folder as a loadable model called ``name``."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Attach labels to search by."""


@runtime_checkable
class Tracker(Protocol):
    """Keeps a record of runs: MLflow's lives in ``cinchona.experiments``."""

    def run(
        self, name: str, *, kind: str, tags: Mapping[str, str] | None = None, parent: str | None = None
    ) -> AbstractContextManager[TrackedRun]:
        """Open a run of ``kind`` (``train``, ``screen``, …); leaving by an exception marks it failed."""

    def describe(self) -> str:
        """One line for people: where the runs are and how to look at them."""


__all__ = [
    "Done",
    "Executor",
    "Failed",
    "Item",
    "Requirement",
    "Result",
    "Scorer",
    "TrackedRun",
    "Tracker",
]
