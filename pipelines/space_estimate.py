"""What a run over a space will take: some cells of it are scored, nothing is written."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from cinchona.models.additive import AdditiveModel, QuickHead, additive_form, quick_head
from cinchona.models.engine.gemm import Gemm, chosen_gemm, gemm
from cinchona.models.threads import product_thread
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import scorer_source
from cinchona.protocols import Scorer
from cinchona.screening.executors.choose import n_workers
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.scan import CellScan
from cinchona.screening.synthons.search import TABLE_BYTES
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.tables import CellTables, by_size
from cinchona.screening.synthons.units import fixed_roles, plan_units

_CELLS: Final = 4
_CHOICES: Final = 3
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
    form = additive_form(scorer)
    cells = [b for a in loaded.assays for b in a.blocks if isinstance(b, Cell)]
    if isinstance(form, str):
        trial, width = _Trial(_built(loaded, scorer), 0, 0), 0
    else:
        with product_thread(chosen_gemm()):
            trial = _scored(cells, form, quick_head(form, scorer.objective), gemm(chosen_gemm()))
        width = form.width
    units = len(plan_units(loaded))
    workers = n_workers(chosen.executor)
    cpu = trial.seconds + loading * min(workers, max(1, units))
    return SpaceEstimate(
        products=loaded.offered,
        without_product=loaded.offered - len(loaded) + sum(a.impossible for a in loaded.assays),
        reagents=sum(sum(a.sizes) for a in loaded.assays),
        cells=len(cells),
        units=units,
        workers=workers,
        classes=trial.classes,
        table_rows=trial.rows,
        cpu_seconds=cpu,
        hours=cpu / max(1, min(workers, units)) / 3600,
        memory_per_worker=psutil.Process(os.getpid()).memory_info().rss + trial.rows * width * 4,
        products_per_second=len(loaded) / trial.seconds if trial.seconds else 0.0,
        exact_parts=not isinstance(form, str),
    )


def _built(space: SynthonSpace, scorer: Scorer) -> float:
    """Processor seconds to build and score everything."""
    numbers = space.sample(_BUILT, seed=0).tolist()
    score_products(space, scorer, numbers[:8])
    begun = time.process_time()
    score_products(space, scorer, numbers)
    return (time.process_time() - begun) / len(numbers) * len(space)


@dataclass(frozen=True, slots=True)
class _Trial:
    """What scoring a few products of a cell took."""

    seconds: float
    """Processor seconds that the whole cell is expected to take."""
    rows: int
    """Rows of its tables."""
    classes: int
    """Classes of reagents that they tell apart."""


def _scored(cells: list[Cell], model: AdditiveModel, head: QuickHead | None, multiply: Gemm) -> _Trial:
    """Processor seconds of all cells, and the largest tables, from the largest cells."""
    largest = sorted(cells, key=lambda cell: -cell.products)[:_CELLS]
    if not largest:
        return _Trial(0.0, 0, 0)
    first = largest[0]
    _timed(first.only(by_size(first)[0], np.arange(1)), fixed_roles(first), model, head, multiply)  # loops compile
    trials = [_timed(cell, fixed_roles(cell), model, head, multiply) for cell in largest]
    share = sum(cell.products for cell in cells) / sum(cell.products for cell in largest)
    seconds = sum(trial.seconds for trial in trials) * share
    return _Trial(seconds, max(t.rows for t in trials), max(t.classes for t in trials))


def _timed(cell: Cell, fixed: tuple[int, ...], model: AdditiveModel, head: QuickHead | None, multiply: Gemm) -> _Trial:
    """Score a few choices of fixed reagents, in a piece whose tables fit; most tables are made for the first choice."""
    whole = cell.products
    times: list[float] = []
    products: list[int] = []
    begun = time.process_time()
    tables = CellTables(cell, fixed, model, multiply)
    while tables.table_rows * model.width * 4 > TABLE_BYTES // 4 and len(cell.members[tables.right or 0]) > 1:
        role = tables.left if tables.right is None else tables.right
        cell = cell.only(role, np.arange(len(cell.members[role]) // 2))
        tables = CellTables(cell, fixed, model, multiply)
    scan = CellScan(tables, head, multiply)
    for at, _ in zip(product(*(range(len(cell.members[r])) for r in fixed)), range(_CHOICES), strict=False):
        products.append(sum(block.scores.size for block in scan.blocks(at)))
        times.append(time.process_time() - begun - sum(times))
    later = sum(times[1:]) / sum(products[1:]) if len(times) > 1 else times[0] / products[0]
    seconds = times[0] + later * (cell.products - products[0])
    return _Trial(seconds * whole / cell.products, tables.table_rows, tables.classes)


__all__ = ["SpaceEstimate", "estimate_space"]
