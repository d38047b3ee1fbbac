"""What the tables of a space are like, and how fast products are scored from them: a sample of its largest cells is tried."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, product
from typing import Any, Final

import numpy as np

from cinchona.models.additive import AdditiveModel, QuickHead, additive_form, quick_head
from cinchona.models.engine.gemm import Gemm, GemmName, gemm
from cinchona.models.threads import product_thread
from cinchona.protocols import Scorer
from cinchona.screening.synthons.cells import Cell
from cinchona.screening.synthons.collect import BINS, Bins, Collected
from cinchona.screening.synthons.scan import CellScan
from cinchona.screening.synthons.space import Assay, SynthonSpace
from cinchona.screening.synthons.tables import CellTables
from cinchona.screening.synthons.units import fixed_roles

_CHOICES: Final = 3
_TRIED_BYTES: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class SpaceTrial:
    """Tables of a space, and the rate that is expected of them."""

    cells: int
    """Blocks of reagents that are put together in one way."""
    classes: int
    """Most classes of reagents that the tables of a cell tell apart."""
    table_rows: int
    """Most rows that the tables of a cell have, for one choice of fixed reagents."""
    table_bytes: int
    """Their size; what exceeds 0.9 GB is made in pieces."""
    expected_cpu_seconds: float
    """Processor time that all products are expected to take."""
    expected_products_per_second: float
    """Products that one worker is expected to score in a second."""

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.cells:,} cells; the largest tables tell {self.classes:,} classes of reagents apart in {self.table_rows:,} rows "
            f"({self.table_bytes / 1e6:,.1f} MB); about {self.expected_products_per_second:,.0f} products per CPU second are expected"
        )


def try_space(
    space: SynthonSpace, scorer: Scorer, product_name: GemmName, *, top_k: int = 1000, tried: int = 1
) -> SpaceTrial | None:
    """Make the tables of the largest cells, score a part of their products, and tell from that what the whole takes.

    Args:
        space: The space.
        scorer: The model.
        product_name: Matrix product to use.
        top_k: Hits that are kept.
        tried: Cells to try.

    Returns:
        None for a model that is no sum over atoms, or a space without cells: nothing is scored from tables there.
    """
    form = additive_form(scorer)
    cells = [(assay, block) for assay in space.assays for block in assay.blocks if isinstance(block, Cell)]
    if isinstance(form, str) or not cells:
        return None
    cells.sort(key=lambda one: -one[1].products)
    with product_thread(product_name):
        trial = _Trial(form, quick_head(form, scorer.objective), gemm(product_name), top_k)
        trial.warm_up(*cells[0])
        seconds = sum(trial.seconds(assay, cell) * share for assay, cell, share in _chosen(cells, tried))
        largest = CellTables(cells[0][1], fixed_roles(cells[0][1]), form, trial.multiply)
    rows = largest.table_rows
    return SpaceTrial(
        cells=len(cells),
        classes=largest.classes,
        table_rows=rows,
        table_bytes=rows * form.width * 4,
        expected_cpu_seconds=seconds,
        expected_products_per_second=len(space) / seconds if seconds else 0.0,
    )


def _chosen(cells: Sequence[tuple[Assay, Cell]], tried: int) -> Iterator[tuple[Assay, Cell, float]]:
    """Cells that stand for equal shares of all products, and how often each would make its share; cells largest first.

    The largest ones alone would promise too much: tables of small cells take more time for each of their products.
    """
    ends = np.cumsum([float(cell.products) for _, cell in cells])
    n = min(tried, len(cells))
    for share in range(n):
        assay, cell = cells[int(np.searchsorted(ends, ends[-1] * (share + 0.5) / n))]
        yield assay, cell, float(ends[-1]) / n / cell.products


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """How products are scored."""

    model: AdditiveModel
    head: QuickHead | None
    multiply: Gemm
    top_k: int

    def warm_up(self, assay: Assay, cell: Cell) -> None:
        """Have the loops compiled."""
        one = cell
        for role in range(len(cell.members)):
            one = one.only(role, np.arange(min(2, len(one.members[role]))))
        self.seconds(assay, one)

    def seconds(self, assay: Assay, cell: Cell) -> float:
        """Processor time of a cell. Scores a few choices of fixed reagents, in a piece whose tables fit; most tables are made for the first choice."""
        begun = time.process_time()
        piece, tables = self._piece(cell)
        scan = CellScan(tables, self.head, self.multiply)
        kept = Collected(self.top_k, assay.sizes, Bins(-10, -BINS // 2))
        times: list[float] = []
        choices = product(*(range(len(piece.members[r])) for r in tables.fixed))
        for at in islice(choices, _CHOICES):
            for block in scan.blocks(at):
                left = piece.members[tables.left][block.left]
                right = np.zeros(1, np.int64) if tables.right is None else piece.members[tables.right][block.right]
                kept.add(block.scores, (left, right), (tables.left, tables.right), (left, right), {})
            times.append(time.process_time() - begun - sum(times))
        others = sum(times[1:]) / max(1, len(times) - 1)
        seconds = times[0] + others * (math.prod(len(piece.members[r]) for r in tables.fixed) - 1)
        return seconds * cell.products / piece.products

    def _piece(self, cell: Cell) -> tuple[Cell, CellTables]:
        """The cell, or a part of it whose tables are made in seconds."""
        tables = CellTables(cell, fixed_roles(cell), self.model, self.multiply)
        while tables.table_rows * self.model.width * 4 > _TRIED_BYTES:
            role = tables.left if tables.right is None else tables.right
            if len(cell.members[role]) == 1:
                break
            cell = cell.only(role, np.arange(len(cell.members[role]) // 2))
            tables = CellTables(cell, tables.fixed, self.model, self.multiply)
        return cell, tables


__all__ = ["SpaceTrial", "try_space"]
