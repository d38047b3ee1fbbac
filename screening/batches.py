"""How many compounds a scorer gets at once: measured for a scorer when a large screen is planned, then fixed by the plan."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
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
_ROUNDS: Final = 2
_WARM_UP: Final = 256


def batch_rows_for(scorer: Scorer, library_rows: int, rules: StandardizeConfig) -> int:
    """Compounds that ``scorer`` is to get at once in a screen of ``library_rows`` rows.

    They are measured on compounds of the National Cancer Institute that come with RDKit, not on the library: a compound
    there may crash or hang a scorer, and this is no watched process. A scorer that fails on them gets the usual number.
    """
    if library_rows < WORTH_MEASURING:
        return USUAL_ROWS
    batch = _compounds(scorer, rules)
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
    """The first of ``candidates``, or another one that takes less than five sixths of its CPU time, so that noise does not decide."""
    seconds: dict[int, list[float]] = {rows: [] for rows in candidates}
    with one_thread():
        scorer.score(batch.slice(0, min(_WARM_UP, len(batch))))
        for _ in range(_ROUNDS):
            for rows, taken in seconds.items():
                begun = clock()
                for part in sliced(batch, rows):
                    scorer.score(part)
                taken.append(clock() - begun)
    usual, other = candidates[0], min(candidates, key=lambda rows: min(seconds[rows]))
    return other if min(seconds[other]) * _CLEARLY < min(seconds[usual]) else usual


def _compounds(scorer: Scorer, rules: StandardizeConfig) -> CompoundBatch:
    with Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").open() as lines:
        smiles = [line.split()[0] for line in islice(lines, USUAL_ROWS)]
    return distinct_of(standardize_batch(CompoundBatch.of(smiles), rules, codes=uses_codes(scorer), keep_texts=True))


__all__ = ["USUAL_ROWS", "WORTH_MEASURING", "batch_rows_for", "quickest"]
