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
from cinchona.screening.synthons.tables import CellTables
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
        seconds, rows, memory = _built(loaded, scorer), 0, psutil.Process(os.getpid()).memory_info().rss
    else:
        with product_thread(chosen_gemm()):
            seconds, rows, memory = _scored(cells, form, quick_head(form, scorer.objective), gemm(chosen_gemm()))
    units = len(plan_units(loaded))
    workers = n_workers(chosen.executor)
    cpu = seconds + loading * min(workers, max(1, units))
    return SpaceEstimate(
        products=loaded.offered,
        without_product=loaded.offered - len(loaded) + sum(a.impossible for a in loaded.assays),
        reagents=sum(sum(a.sizes) for a in loaded.assays),
        cells=len(cells),
        units=units,
        workers=workers,
        table_rows=rows,
        cpu_seconds=cpu,
        hours=cpu / max(1, min(workers, units)) / 3600,
        memory_per_worker=memory,
        products_per_second=len(loaded) / seconds if seconds else 0.0,
        exact_parts=not isinstance(form, str),
    )


def _built(space: SynthonSpace, scorer: Scorer) -> float:
    """Processor seconds to build and score everything."""
    numbers = space.sample(_BUILT, seed=0).tolist()
    score_products(space, scorer, numbers[:8])
    begun = time.process_time()
    score_products(space, scorer, numbers)
    return (time.process_time() - begun) / len(numbers) * len(space)


def _scored(cells: list[Cell], model: AdditiveModel, head: QuickHead | None, multiply: Gemm) -> tuple[float, int, int]:
    """Processor seconds of all cells, rows of the largest tables, and memory, from the largest cells."""
    largest = sorted(cells, key=lambda cell: -cell.products)[:_CELLS]
    seconds, seen, rows = 0.0, 0, 0
    for number, cell in enumerate(largest):
        fixed = fixed_roles(cell)
        if number == 0:  # loops compile
            _timed(cell.only(max(range(len(cell.members)), key=lambda r: len(cell.members[r])), np.arange(1)), fixed, model, head, multiply)  # fmt: skip
        taken, products, table = _timed(cell, fixed, model, head, multiply)
        seconds, seen, rows = seconds + taken, seen + products, max(rows, table)
    total = sum(cell.products for cell in cells)
    resident = psutil.Process(os.getpid()).memory_info().rss
    return (seconds / seen * total if seen else 0.0), rows, int(resident + rows * model.width * 4)


def _timed(
    cell: Cell, fixed: tuple[int, ...], model: AdditiveModel, head: QuickHead | None, multiply: Gemm
) -> tuple[float, int, int]:
    """Processor seconds, products and table rows of a few choices of fixed reagents, in a piece whose tables fit."""
    begun = time.process_time()
    tables = CellTables(cell, fixed, model, multiply)
    while tables.table_rows * model.width * 4 > TABLE_BYTES // 4 and len(cell.members[tables.right or 0]) > 1:
        role = tables.left if tables.right is None else tables.right
        cell = cell.only(role, np.arange(len(cell.members[role]) // 2))
        tables = CellTables(cell, fixed, model, multiply)
    scan = CellScan(tables, head, multiply)
    products = 0
    for at, _ in zip(product(*(range(len(cell.members[r])) for r in fixed)), range(_CHOICES), strict=False):
        products += sum(block.scores.size for block in scan.blocks(at))
    return time.process_time() - begun, products, tables.table_rows


__all__ = ["SpaceEstimate", "estimate_space"]
