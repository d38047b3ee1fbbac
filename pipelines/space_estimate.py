"""What a run over a space will take: some cells of it are scored, nothing is written."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from cinchona.models.additive import additive_form
from cinchona.models.engine.gemm import chosen_gemm
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import scorer_source
from cinchona.pipelines.space_trial import SpaceTrial, try_space
from cinchona.protocols import Scorer
from cinchona.screening.executors.choose import n_workers
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.store import CACHE_BYTES
from cinchona.screening.synthons.units import plan_units

_TRIED: Final = 4
_BUILT: Final = 500


@dataclass(frozen=True, slots=True)
class SpaceEstimate:
    """What a run over a space is expected to take."""

    products: int
    """Combinations of all listed reagents."""
    without_product: int
    """Of these without a product, as far as the reagents tell."""
    reagents: int
    """Usable reagents; one that reacts in two places counts twice."""
    cells: int
    """Blocks of reagents that are put together in one way."""
    units: int
    """Units of work."""
    workers: int
    """Worker processes."""
    classes: int
    """Classes of reagents that the largest tables tell apart."""
    table_rows: int
    """Rows of all tables of the largest cell."""
    cpu_seconds: float
    """Processor time of all workers."""
    hours: float
    """Elapsed time on idle processors."""
    memory_per_worker: int
    """Peak memory of one worker, bytes."""
    products_per_second: float
    """Products that one worker scores in a second."""
    exact_parts: bool
    """Whether products are put together from parts; otherwise each is built."""

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def estimate_space(space: str | Path, *, model: str | Path | Scorer, settings: Settings | None = None) -> SpaceEstimate:
    """Try the reagents of a space, score samples of its largest cells, and predict what the whole takes.

    Raises:
        InputError: if the space cannot be used.
        ModelFileError: if the model cannot be used.
    """
    chosen = settings or Settings()
    begun = time.process_time()
    loaded = SynthonSpace.load(Path(space))
    loading = time.process_time() - begun
    scorer = scorer_source(model, chosen.screen.objective).open()
    trial = try_space(loaded, scorer, chosen_gemm(), top_k=chosen.screen.top_k, tried=_TRIED)
    seconds = (
        _built(loaded, scorer)
        if trial is None and len(loaded)
        else 0.0
        if trial is None
        else trial.expected_cpu_seconds
    )
    units = len(plan_units(loaded))
    workers = n_workers(chosen.executor)
    cpu = seconds + loading * (1 + min(workers, units))
    return SpaceEstimate(
        products=loaded.offered,
        without_product=loaded.offered - len(loaded) + sum(a.impossible for a in loaded.assays),
        reagents=sum(sum(a.sizes) for a in loaded.assays),
        cells=0 if trial is None else trial.cells,
        units=units,
        workers=workers,
        classes=0 if trial is None else trial.classes,
        table_rows=0 if trial is None else trial.table_rows,
        cpu_seconds=cpu,
        hours=cpu / max(1, min(workers, units)) / 3600,
        memory_per_worker=psutil.Process(os.getpid()).memory_info().rss + _held(trial),
        products_per_second=len(loaded) / seconds if seconds else 0.0,
        exact_parts=not isinstance(additive_form(scorer), str),
    )


def _held(trial: SpaceTrial | None) -> int:
    """Bytes of tables that a worker holds: those of many choices of reagents, as far as they are kept."""
    return 0 if trial is None else min(CACHE_BYTES, trial.table_bytes * max(1, trial.cells))


def _built(space: SynthonSpace, scorer: Scorer) -> float:
    """Processor seconds to build and score everything."""
    numbers = space.sample(_BUILT, seed=0).tolist()
    score_products(space, scorer, numbers[:8])
    begun = time.process_time()
    score_products(space, scorer, numbers)
    return (time.process_time() - begun) / len(numbers) * len(space)


__all__ = ["SpaceEstimate", "estimate_space"]
