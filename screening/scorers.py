"""How a scorer reaches the workers: by the path of its folder, or as an object within one process tree."""

from __future__ import annotations

import atexit
import gc
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cinchona.errors import PlanMismatchError
from cinchona.protocols import Scorer

if TYPE_CHECKING:
    from cinchona.screening.cascade import FirstStage


class ScorerSource(Protocol):
    """Something small that can be sent to a worker and opened there."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint that the opened scorer has."""

    @property
    def path(self) -> str:
        """Folder of the model, or an empty string if there is none."""

    def open(self) -> Scorer:
        """The scorer; opened once in each process."""


@dataclass(frozen=True, slots=True)
class FolderScorer:
    """A model folder, opened by each worker for itself."""

    path: str
    """Absolute path of the folder."""
    fingerprint: str
    """Fingerprint that the model must have."""
    expression: str | None = None
    """Objective that ranks in place of the model's own."""
    product: str = ""
    """Matrix product that a graph network uses; empty for its own choice."""
    cascade: str = ""
    """Run folder that holds a first stage to put before the model; empty for none."""

    @classmethod
    def at(cls, folder: Path, expression: str | None = None) -> FolderScorer:
        """The model at ``folder``; its files are checked against their digests, nothing is computed.

        Raises:
            ModelFileError: if the folder holds no usable model.
        """
        from cinchona.models.folder import model_fingerprint

        return cls(str(folder.resolve()), model_fingerprint(folder), expression)

    def open(self) -> Scorer:
        """Open the model and check that it is the one that was planned.

        Raises:
            ModelFileError: if the folder holds no usable model.
            PlanMismatchError: if it holds another one.
            ConfigError: if the objective does not fit it.
            InputError: if the first stage is damaged.
        """
        scorer = _opened(self.path, self.fingerprint)
        if self.product and hasattr(scorer, "product"):
            scorer.product = self.product
        return _staged(ranked_by(scorer, self.expression), self.cascade)


@dataclass(frozen=True, slots=True)
class ObjectScorer:
    """A scorer that exists in memory only. It is pickled to this program's own workers and never to a file."""

    scorer: Scorer
    """The scorer; cloudpickle must be able to pickle it unless the executor is serial."""

    @property
    def fingerprint(self) -> str:
        """Its fingerprint."""
        return self.scorer.fingerprint

    @property
    def path(self) -> str:
        """Empty: no folder."""
        return ""

    def open(self) -> Scorer:
        """The scorer itself."""
        return self.scorer


def ranked_by(scorer: Scorer, expression: str | None) -> Scorer:
    """The scorer itself, or one that ranks by an objective.

    Raises:
        ConfigError: if the objective does not fit the scorer's endpoints.
    """
    if expression is None:
        return scorer
    from cinchona.models.objective import ObjectiveScorer

    return ObjectiveScorer.of(scorer, expression)


def _staged(scorer: Scorer, folder: str) -> Scorer:
    if not folder:
        return scorer
    from cinchona.screening.cascade import CascadeScorer

    return CascadeScorer(scorer, _first_stage(folder))


@lru_cache(maxsize=1)
def _first_stage(folder: str) -> FirstStage:
    from cinchona.screening.cascade import FirstStage

    return FirstStage.load(Path(folder))


@lru_cache(maxsize=1)
def _opened(path: str, fingerprint: str) -> Scorer:
    from cinchona.models.folder import open_scorer

    scorer = open_scorer(Path(path))
    if scorer.fingerprint != fingerprint:
        raise PlanMismatchError(
            f"the model folder holds model {scorer.fingerprint[:12]}",
            where=path,
            expected=f"model {fingerprint[:12]}",
            remedy="restore the model, or begin a new screen in another folder",
        )
    # What is loaded by now stays: the collector need not look through it again and again while rows are read.
    gc.collect()
    gc.freeze()
    atexit.register(_unfreeze)
    return scorer


def _unfreeze() -> None:
    """At exit, let the collector have what was frozen, where an extension module complains about what is left.

    It would look through a million objects that the system takes back anyway, for a second.
    """
    if "_duckdb" in sys.modules:
        gc.unfreeze()
