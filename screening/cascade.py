"""A cheap first stage in front of a scorer: rows that it finds hopeless never reach the scorer.

The cutoff is an order statistic. Of a random sample of the library that the first stage was not trained on, the m rows
that the scorer ranks best are taken, and the cutoff is the j-th smallest of what the first stage says of them. A further
row of that class stands above it with probability 1 - j / (m + 1), whatever the distributions (Wilks 1941,
doi:10.1214/aoms/1177731788), so j = floor((m + 1) / 100) keeps 99 % of them in expectation.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from cinchona.digests import digest_json
from cinchona.errors import InputError
from cinchona.files import write_bytes
from cinchona.models.coded_input import molecules_of
from cinchona.models.scorers import pack_arrays
from cinchona.models.surrogate import SIZE, Surrogate
from cinchona.protocols import Requirement, Scorer
from cinchona.records import DOMAIN_UNKNOWN, CompoundBatch, Endpoint, EndpointStatus, Scores
from cinchona.screening.layout import probe_scores

RECALL: Final = 0.99
"""Share of the best compounds that the first stage lets through, in expectation."""
FEWEST_BEST: Final = 99
"""Best rows of the sample from which a cutoff for that recall can be read at all: 1 / (1 - RECALL) - 1."""
AUDIT_SHARE: Final = 0.02
"""Share of the rows below the cutoff that are scored all the same, to measure what is missed."""
FIRST_STAGE: Final = "first_stage"
"""Endpoint with the estimate of the first stage."""

_WEIGHTS: Final = "cascade.safetensors"
_OUT_OF: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Where the first stage draws the line, and how it was found."""

    value: float
    """Rows whose estimate is at least this are scored."""
    best: int
    """Rows m of the sample that were taken for the best."""
    sampled: int
    """Rows of the calibration sample."""
    promised: float
    """Expected share of such rows above the cutoff, 1 - j / (m + 1)."""
    passes: float
    """Share of the calibration sample above the cutoff."""


def find_cutoff(estimate: np.ndarray, score: np.ndarray, *, share: float, recall: float = RECALL) -> Cutoff | None:
    """The highest cutoff that keeps ``recall`` of the best rows in expectation.

    Args:
        estimate: What the first stage says of a random sample that it was not trained on, float, shape (n,).
        score: What the scorer says of it, finite, float, shape (n,).
        share: Share of the library that is to be found; at least 99 rows of the sample count as best, however few that
            would be. Then the promise is for that larger class, and holds for the smaller if better rows are not
            easier to miss.
        recall: Expected share above the cutoff, in (0, 1).

    Returns:
        The cutoff; None if the sample has no 99 rows (for a recall of 99 %).
    """
    n = len(score)
    best = max(round(1 / (1 - recall)) - 1, int(np.ceil(share * n)))
    if best > n:
        return None
    rank = int((best + 1) * (1 - recall) + 1e-9)
    chosen = estimate[np.argsort(-score, kind="stable")[:best]]
    value = float(np.sort(chosen)[rank - 1])
    return Cutoff(value, best, n, 1 - rank / (best + 1), float(np.mean(estimate >= np.float32(value))))


@dataclass(frozen=True, slots=True, eq=False)
class FirstStage:
    """Everything of a first stage but the scorer behind it; stored in the run folder."""

    surrogate: Surrogate
    """What estimates scores."""
    cutoff: float
    """Rows whose estimate is at least this are scored."""
    audit: float = AUDIT_SHARE
    """Share of the other rows that is scored all the same."""
    seed: int = 0
    """Decides which."""

    def save(self, folder: Path) -> None:
        """Write the stage as safetensors.

        Raises:
            RetryableError: if the disk is full, read-only or failing.
        """
        plain = np.array([self.surrogate.intercept, self.cutoff, self.audit, self.seed], np.float64)
        write_bytes(folder / _WEIGHTS, pack_arrays({"weights": self.surrogate.weights, "plain": plain}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: if the file is missing or damaged.
        """
        path = folder / _WEIGHTS
        try:
            arrays = load(path.read_bytes())
            intercept, cutoff, audit, seed = arrays["plain"].tolist()
            weights = arrays["weights"].reshape(SIZE).astype(np.float32)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(
                f"the first stage of the cascade does not read: {error}",
                where=str(path),
                expected="the file as it was written when the run was planned",
                remedy="restore it from a copy, or begin a new screen in another folder",
            ) from error
        return cls(Surrogate(weights, intercept), cutoff, audit, int(seed))


@dataclass(frozen=True, eq=False)
class CascadeScorer:
    """Scores the rows that its first stage lets through, and a random few of the others.

    A row that is passed over keeps its place: its values and its score are NaN, which never become hits, its status is
    ``SKIPPED`` and the endpoint ``first_stage`` holds the estimate. Which rows are audited depends on their SMILES alone.
    """

    second: Scorer
    """The scorer."""
    first: FirstStage
    """What stands before it."""

    @property
    def inner(self) -> Scorer:
        """The model itself, behind any objective."""
        return getattr(self.second, "inner", self.second)

    @property
    def name(self) -> str:
        """Short name for reports."""
        return f"{self.second.name} behind a first stage"

    @cached_property
    def fingerprint(self) -> str:
        """Digest of scorer and first stage, hex."""
        first = self.first
        return digest_json(
            [self.second.fingerprint, first.surrogate.fingerprint, first.cutoff, first.audit, first.seed]
        )

    @property
    def requires(self) -> frozenset[Requirement]:
        """What the scorer wants."""
        return self.second.requires

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The scorer's, and the estimate of the first stage."""
        return (*self.second.endpoints, Endpoint(FIRST_STAGE, kind="score"))

    @property
    def objective(self) -> str:
        """The scorer's."""
        return self.second.objective

    def score(self, batch: CompoundBatch) -> Scores:
        """Score, pass over or reject every row of ``batch``."""
        molecules, readable, _ = molecules_of(batch)
        estimate = np.full(len(batch), np.nan, np.float32)
        estimate[readable] = self.first.surrogate.predict(molecules)
        goes = ~readable | (estimate >= np.float32(self.first.cutoff)) | self._audited(batch)
        chosen = np.flatnonzero(goes)
        given = self.second.score(batch.take(chosen)) if len(chosen) else None
        if given is not None:
            given.check_accounts_for(batch.take(chosen))
        scored = np.zeros(len(batch), bool) if given is None else np.isin(batch.row_ids, given.row_ids)
        kept = np.flatnonzero(scored | ~goes)
        places = _Places(scored[kept], len(self.second.endpoints))
        return Scores(
            row_ids=batch.row_ids[kept],
            endpoints=self.endpoints,
            score=places.row("score", given, np.full(len(kept), np.nan, np.float32)),
            value=places.column("value", given, _VALUE, last=estimate[kept]),
            rejects=() if given is None else given.rejects,
            **self._optional(places, given),
        )

    def _optional(self, places: _Places, given: Scores | None) -> dict[str, Any]:
        """The optional columns that the scorer has, and the status."""
        form = self._form
        columns: dict[str, Any] = {
            name: places.column(name, given, blank)
            for name, blank in _BLANKS.items()
            if getattr(form, name) is not None
        }
        if form.nearest_train_ids is not None:
            none = np.full(len(places.scored), "", object)
            columns["nearest_train_ids"] = tuple(places.row("nearest_train_ids", given, none))
        status = places.column("status", given, _STATUS, last=EndpointStatus.OK)
        if given is None or given.status is None:
            status[places.scored] = EndpointStatus.OK
        return columns | {"status": status}

    def _audited(self, batch: CompoundBatch) -> np.ndarray:
        limit = round(self.first.audit * _OUT_OF)
        drawn = [zlib.crc32(f"{self.first.seed} {smiles}".encode()) % _OUT_OF < limit for smiles in batch.smiles]
        return np.array(drawn, bool)

    @cached_property
    def _form(self) -> Scores:
        """Scores of the scorer for a small molecule: which optional columns it has."""
        return probe_scores(self.second)


class _Blank(NamedTuple):
    """What a row that was passed over has in a column."""

    fill: float
    kind: type


_VALUE: Final = _Blank(np.nan, np.float32)
_STATUS: Final = _Blank(EndpointStatus.SKIPPED, np.int8)
_BLANKS: Final = {
    "uncertainty": _VALUE,
    "lower": _VALUE,
    "upper": _VALUE,
    "in_domain": _Blank(DOMAIN_UNKNOWN, np.int8),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Where the scorer's rows stand among those that were passed over."""

    scored: np.ndarray
    """Which of the n rows the scorer answered for, bool, shape (n,)."""
    t: int
    """Endpoints of the scorer."""

    def column(
        self, name: str, given: Scores | None, blank: _Blank, last: np.ndarray | float | None = None
    ) -> np.ndarray:
        """A column of all rows, shape (n, t + 1); the last one is that of the first stage's estimate."""
        values: np.ndarray = np.full((len(self.scored), self.t + 1), blank.fill, blank.kind)
        found = None if given is None else getattr(given, name)
        if found is not None:
            values[self.scored, : self.t] = found
        if last is not None:
            values[:, self.t] = last
        return values

    def row(self, name: str, given: Scores | None, values: np.ndarray) -> np.ndarray:
        """``values``, shape (n,), with what the scorer gave in its places."""
        if given is not None and getattr(given, name) is not None:
            values[self.scored] = getattr(given, name)
        return values


__all__ = [
    "AUDIT_SHARE",
    "FEWEST_BEST",
    "FIRST_STAGE",
    "RECALL",
    "CascadeScorer",
    "Cutoff",
    "FirstStage",
    "find_cutoff",
]
