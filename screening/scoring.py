"""Scoring a batch so that a bad row costs nobody else anything."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cinchona.errors import RetryableError
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Reject, Scores, Stage, concatenate
from cinchona.screening.watch.notes import Note, Phase, unnoted

logger = logging.getLogger(__name__)

_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of the rows of a batch."""

    scores: Scores | None
    """Scores of those rows that the scorer answered for, in order; None if there is no such row."""
    rejects: tuple[Reject, ...]
    """The scorer's rejects, and rows on which it raised."""


def score_in_batches(scorer: Scorer, batch: CompoundBatch, *, rows: int, note: Note = unnoted) -> Scored:
    """Score ``batch`` in slices of ``rows``; every row comes back as a score or a reject.

    If the scorer raises or breaks its contract on a slice, the slice is halved until the rows at fault stand alone;
    only those become rejects.
    """
    slices = []
    for number, part in enumerate(sliced(batch, rows)):
        note(Phase.SCORE, number, len(part))
        slices.append(score_slice(scorer, part))
    return joined(slices)


def sliced(batch: CompoundBatch, rows: int) -> Iterator[CompoundBatch]:
    """The slices that a scorer gets at once."""
    return (batch.slice(start, min(rows, len(batch) - start)) for start in range(0, len(batch), rows))


def score_slice(scorer: Scorer, batch: CompoundBatch) -> Scored:
    """Score one slice; see :func:`score_in_batches`."""
    parts: list[Scores] = []
    rejects: list[Reject] = []
    for part in _bisect(scorer, batch):
        if isinstance(part, Reject):
            rejects.append(part)
        else:
            parts.append(part)
            rejects += part.rejects
    return Scored(concatenate(parts) if parts else None, tuple(rejects))


def joined(slices: Iterable[Scored]) -> Scored:
    """What became of consecutive slices, as one."""
    parts = list(slices)
    scores = [part.scores for part in parts if part.scores is not None]
    return Scored(concatenate(scores) if scores else None, tuple(r for part in parts for r in part.rejects))


def _bisect(scorer: Scorer, batch: CompoundBatch) -> Iterator[Scores | Reject]:
    try:
        yield scorer.score(batch).check_accounts_for(batch)
    except RetryableError:
        raise
    except Exception as error:
        if len(batch) == 1:
            yield Reject(int(batch.row_ids[0]), Stage.SCORE, _reason(error))
            return
        logger.debug("the scorer failed on %d rows, looking for the one at fault", len(batch), exc_info=True)
        half = len(batch) // 2
        yield from _bisect(scorer, batch.slice(0, half))
        yield from _bisect(scorer, batch.slice(half, len(batch) - half))


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"the scorer failed: {type(error).__name__}: {text}"[:_REASON_LENGTH]
