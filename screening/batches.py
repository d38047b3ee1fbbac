"""How many compounds a scorer gets at once: measured for a scorer when a large screen is planned, then fixed by the plan."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from rdkit import RDConfig

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import RetryableError
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch
from cinchona.screening.scoring import sliced
from cinchona.screening.threads import one_thread
from cinchona.screening.work import distinct_of, uses_codes

logger = logging.getLogger(__name__)

USUAL_ROWS: Final = 4_096
"""Compounds at once unless others are clearly better: wider batches share more atom environments."""
WORTH_MEASURING: Final = 1_000_000
"""Rows of a library from which measuring costs less than a fortieth of the screen, whatever the scorer."""
_CANDIDATES: Final = (USUAL_ROWS, 1_024, 256)
_CLEARLY: Final = 1.2
_PERHAPS: Final = 1.1
_LOOK: Final = 1_024
"""Compounds on which other numbers are looked at, before those that may be quicker are measured on all."""
_ROUNDS: Final = 2
_AS_GIVEN: Final = StandardizeConfig(method="none")
"""To standardize them would take longer than to score them."""
_WARM_UP: Final = 256


def batch_rows_for(scorer: Scorer, library_rows: int) -> int:
    """Compounds that ``scorer`` is to get at once in a screen of ``library_rows`` rows.

    They are measured on compounds of the National Cancer Institute that come with RDKit, not on the library: a compound
    there may crash or hang a scorer, and this is no watched process. A scorer that fails on them gets the usual number.
    """
    if library_rows < WORTH_MEASURING:
        return USUAL_ROWS
    batch = _compounds(scorer)
    try:
        best = quickest(scorer, batch)
    except RetryableError:
        raise
    except Exception:
        logger.debug("no batch size was measured", exc_info=True)
        return USUAL_ROWS
    logger.info("the scorer gets %d compounds at once", best)
    return best


def quickest(
    scorer: Scorer,
    batch: CompoundBatch,
    candidates: Sequence[int] = _CANDIDATES,
    clock: Callable[[], float] = time.process_time,
) -> int:
    """The first of ``candidates``, or another one that takes less than five sixths of its CPU time, so that noise does not decide.

    Args:
        scorer: What is measured.
        batch: Compounds, in an order in which the first are like the rest.
        candidates: Compounds at once, the usual number first.
        clock: CPU time in seconds.
    """

    def seconds(rows: int, compounds: int) -> float:
        """Of one compound."""
        begun = clock()
        for part in sliced(batch.slice(0, compounds), rows):
            scorer.score(part)
        return (clock() - begun) / max(1, compounds)

    everyone, usual = len(batch), candidates[0]
    with one_thread():
        scorer.score(batch.slice(0, min(_WARM_UP, everyone)))
        taken = {usual: [seconds(usual, everyone)]}
        looks = {rows: seconds(rows, min(_LOOK, everyone)) for rows in candidates[1:]}
        promising = _promising(looks, taken[usual])
        if promising:  # the first time of all may have paid for memory
            taken[usual].append(seconds(usual, everyone))
            promising = _promising(looks, taken[usual])
        for _ in range(_ROUNDS if promising else 0):
            for rows in (usual, *promising):
                taken.setdefault(rows, []).append(seconds(rows, everyone))
    best = min(taken, key=lambda rows: min(taken[rows]))
    return best if min(taken[best]) * _CLEARLY < min(taken[usual]) else usual


def _promising(looks: Mapping[int, float], usual: Sequence[float]) -> list[int]:
    return [rows for rows, taken in looks.items() if taken * _PERHAPS < min(usual)]


def _compounds(scorer: Scorer) -> CompoundBatch:
    with Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").open() as lines:
        listed = [line.split()[0] for line in islice(lines, USUAL_ROWS)]
    pieces = USUAL_ROWS // _LOOK
    smiles = [text for first in range(pieces) for text in listed[first::pieces]]  # neighbours in the file are alike
    return distinct_of(standardize_batch(CompoundBatch.of(smiles), _AS_GIVEN, codes=uses_codes(scorer)))


__all__ = ["USUAL_ROWS", "WORTH_MEASURING", "batch_rows_for", "quickest"]
