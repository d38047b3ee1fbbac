"""Scoring a whole space: units of work, each scored from tables and checked on products that are built."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

import numpy as np

from cinchona.datasets.parsing import Rejected
from cinchona.models.additive import AdditiveModel, QuickHead
from cinchona.models.engine.gemm import Gemm
from cinchona.protocols import Scorer
from cinchona.screening.config import SpaceConfig
from cinchona.screening.synthons.cells import Cell, CellBuilder, Leftover
from cinchona.screening.synthons.collect import Bins, Collected
from cinchona.screening.synthons.listener import Heard, Listener
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.properties import SLACK, CellProperties, Filters, cell_properties, drop_outside
from cinchona.screening.synthons.scan import CellScan, ScoredBlock
from cinchona.screening.synthons.space import Assay, SynthonSpace
from cinchona.screening.synthons.store import TableStore
from cinchona.screening.synthons.tables import CellTables
from cinchona.screening.synthons.units import Unit, fixed_roles, piece_of

logger = logging.getLogger(__name__)

TOLERANCE: Final = 1e-5
"""Largest difference of an audited product, relative to scores above 1."""
MOST_BUILT: Final = 200_000
"""Products of one block that are built one by one at most; those of larger blocks are rejected with the reason."""
_BUILT_AT_ONCE: Final = 4_096
TABLE_BYTES: Final = 900_000_000
"""Tables of one cell at once, bytes; larger cells are scored in pieces."""


@dataclass(slots=True, eq=False)
class UnitResult:
    """What came of a unit."""

    collected: dict[int, Collected]
    """Sums for each route."""
    audited: np.ndarray
    """Products that were built to compare, int64, shape (a,)."""
    table_scores: np.ndarray
    """Their scores from the tables, float32, shape (a,)."""
    built_scores: np.ndarray
    """Their scores by the ordinary path, float32, shape (a,); NaN where a product cannot be built."""
    rejects: dict[str, int] = field(default_factory=dict)
    """Combinations without a score by reason."""
    built: int = 0
    """Products that were scored one by one."""
    misjudged: int = 0
    """Audited products that the filters judged otherwise than RDKit does."""
    divided: int = 0
    """Cells that did not keep their promise and were divided."""


@dataclass(frozen=True, slots=True, eq=False)
class SpaceSearch:
    """Everything that scoring a unit needs."""

    space: SynthonSpace
    """The space."""
    scorer: Scorer
    """The model, for the ordinary path."""
    model: AdditiveModel | None
    """The model as sums over atoms; None for one that is none, of which all products are built."""
    head: QuickHead | None
    """Its compiled form, where there is one."""
    multiply: Gemm
    """Matrix product."""
    bins: Bins
    """Histogram bins."""
    top_k: int
    """Best products to keep."""
    audited: np.ndarray
    """Numbers of the products to audit, sorted, int64."""
    settings: SpaceConfig = field(default_factory=SpaceConfig)
    """Threshold, filters, and whether only the best are wanted."""
    store: TableStore = field(default_factory=TableStore)
    """Tables of the model that several units need."""

    def run(self, unit: Unit) -> UnitResult:
        """Score the products of a unit."""
        none = np.empty(0, np.float32)
        result = UnitResult({}, np.empty(0, np.int64), none, none)
        for piece in unit.pieces:
            assay = self.space.assays[piece.assay]
            block = assay.blocks[piece.block]
            collected = result.collected.setdefault(
                piece.assay, Collected(self.top_k, assay.sizes, self.bins, self.settings.threshold)
            )
            if isinstance(block, Leftover):
                self._one_by_one(assay, block, collected, result)
            elif self.model is None:
                members = piece_of(block, piece).members
                self._one_by_one(assay, Leftover(members, ""), collected, result)
            else:
                self._piece(assay, piece_of(block, piece), fixed_roles(block), result, collected)
        return result

    def _piece(self, assay: Assay, cell: Cell, fixed: Sequence[int], result: UnitResult, into: Collected) -> None:
        """Score a piece of a cell; where an audited product differs, the piece is divided and scored again."""
        if self._kept_promise(assay, cell, fixed, result, into):
            return
        logger.warning("%s products of %s are divided: built ones differ", f"{cell.products:,}", assay.route.name)
        result.divided += 1
        members = tuple(np.sort(m) for m in cell.members)
        for block in CellBuilder(assay.route, assay.roles).divided(members):
            if isinstance(block, Leftover):
                self._one_by_one(assay, block, into, result)
            elif not self._kept_promise(assay, block, fixed_roles(block), result, into):
                self._one_by_one(assay, Leftover(block.members, ""), into, result)

    def _kept_promise(
        self, assay: Assay, cell: Cell, fixed: Sequence[int], result: UnitResult, into: Collected
    ) -> bool:
        """Score a cell; what was counted is kept only if all audited products agree."""
        trial = Collected(self.top_k, assay.sizes, self.bins, self.settings.threshold)
        heard = list(self._scan(assay, cell, fixed, trial, into))
        if heard and not self._audit(
            np.concatenate([n for n, _ in heard]), np.concatenate([s for _, s in heard]), result
        ):
            return False
        into.merge(trial)
        return True

    def _scan(
        self, assay: Assay, cell: Cell, fixed: Sequence[int], into: Collected, known: Collected
    ) -> Iterator[Heard]:
        """Score a cell, in halves if its tables are too large; gives the audited products in it with their scores."""
        assert self.model is not None, "models without tables are scored one by one"
        tables = CellTables(cell, fixed, self.model, self.multiply, self.store)
        role = tables.left if tables.right is None else tables.right
        size = len(cell.members[role])
        if tables.table_rows * self.model.width * 4 > TABLE_BYTES and size > 1:
            for places in (np.arange(size // 2), np.arange(size // 2, size)):
                yield from self._scan(assay, cell.only(role, places), fixed, into, known)
            return
        scan = CellScan(tables, self.head, self.multiply)
        shares = cell_properties(assay, cell, self._filters) if self._filters.names else None
        for at in product(*(range(len(cell.members[r])) for r in fixed)):
            yield from self._choice(assay, (scan, shares), dict(zip(fixed, at, strict=True)), (into, known))

    def _choice(
        self, assay: Assay, made: tuple[CellScan, CellProperties | None], fixed: dict[int, int],
        into: tuple[Collected, Collected],
    ) -> Iterator[Heard]:  # fmt: skip
        """Score the products with these fixed reagents; gives the audited products of each block with their scores."""
        scan, shares = made
        tables, cell, strides = scan.tables, scan.tables.cell, assay.strides
        bar = (lambda: max(into[0].bar, into[1].bar)) if self.settings.best_only else None
        reagents = {role: int(cell.members[role][k]) for role, k in fixed.items()}
        base = assay.first + sum(strides[role] * k for role, k in reagents.items())
        listener = Listener.of(self.audited, assay, tables, reagents)
        for block in scan.blocks(list(fixed.values()), bar):
            left = cell.members[tables.left][block.left]
            right = np.zeros(1, np.int64) if tables.right is None else cell.members[tables.right][block.right]
            ids = (
                base + left * strides[tables.left],
                right * (strides[tables.right] if tables.right is not None else 0),
            )
            filtered = 0 if shares is None else self._drop(block, tables, shares, fixed)
            left_out = (filtered, block.skipped)
            into[0].add(block.scores, ids, (tables.left, tables.right), (left, right), reagents, left_out)
            yield from listener.heard(block)

    @property
    def _filters(self) -> Filters:
        return Filters.of(self.settings.filters)

    def _drop(self, block: ScoredBlock, tables: CellTables, shares: CellProperties, fixed: dict[int, int]) -> int:
        """Make the scores of products outside the filters NaN; returns how many that were scored."""
        constant = sum((shares.shares[role][k] for role, k in fixed.items()), np.zeros(len(self._filters.names)))
        right = np.zeros((1, len(self._filters.names)))
        if tables.right is not None:
            right = shares.shares[tables.right][block.right]
        left = shares.shares[tables.left][block.left] + constant
        return int(drop_outside(block.scores, left, right, self._filters.low - SLACK, self._filters.high + SLACK))

    def _audit(self, numbers: np.ndarray, scores: np.ndarray, result: UnitResult) -> bool:
        """Compare with built products; True if all agree. The comparison is kept."""
        self._try_filters(numbers, scores, result)
        scored = np.isfinite(scores)
        numbers, scores = numbers[scored], scores[scored]
        if not len(numbers):
            return True
        found = score_products(self.space, self.scorer, numbers.tolist())
        built = np.full(len(numbers), np.nan, np.float32)
        if found.scores is not None:
            place = {int(n): k for k, n in enumerate(numbers.tolist())}
            built[[place[int(n)] for n in found.numbers]] = found.scores.score
        result.audited = np.concatenate([result.audited, numbers])
        result.table_scores = np.concatenate([result.table_scores, scores])
        result.built_scores = np.concatenate([result.built_scores, built])
        return bool(agree(scores, built).all())

    def _try_filters(self, numbers: np.ndarray, scores: np.ndarray, result: UnitResult) -> None:
        """Count audited products that the filters judged otherwise than RDKit does."""
        if self._filters.names:
            wanted = self._pass(numbers)
            left_out = ~wanted & np.isfinite(scores)
            kept = wanted & ~np.isfinite(scores)
            result.misjudged += int(left_out.sum()) + (0 if self.settings.best_only else int(kept.sum()))

    def _pass(self, numbers: np.ndarray) -> np.ndarray:
        """Whether products are within the filters, by RDKit on the built molecules, bool."""
        built = [self.space.build(int(n)) for n in numbers]
        values = [np.nan if isinstance(b, Rejected) else self._filters.values(b.mol) for b in built]
        rows = [np.broadcast_to(v, (len(self._filters.names),)) for v in values]
        return self._filters.passes(np.array(rows).reshape(len(rows), len(self._filters.names)))

    def _one_by_one(self, assay: Assay, block: Leftover, into: Collected, result: UnitResult) -> None:
        """Build and score the products of a block."""
        if self.model is not None and block.products > MOST_BUILT:
            reason = f"products that cannot be put together from parts; more than {MOST_BUILT:,} to build in one block"
            result.rejects[reason] = result.rejects.get(reason, 0) + block.products
            return
        for numbers in _numbers(assay, block.members):
            found = score_products(self.space, self.scorer, numbers.tolist())
            for reason in found.rejects.values():
                result.rejects[reason] = result.rejects.get(reason, 0) + 1
            result.built += len(found.numbers)
            if found.scores is not None:
                scores = found.scores.score.copy()
                if self._filters.names:
                    scores[~self._pass(found.numbers)] = np.nan
                _count_each(assay, found.numbers, scores, into, filtered=bool(self._filters.names))


def agree(table: np.ndarray, built: np.ndarray) -> np.ndarray:
    """Whether scores from tables are those of built products, bool, shape (n,)."""
    close = np.abs(table.astype(np.float64) - built) <= TOLERANCE * np.maximum(1.0, np.abs(built))
    return np.asarray(close | (np.isnan(table) & np.isnan(built)))


def _numbers(assay: Assay, members: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Numbers of all combinations of ``members``, a few thousand at a time."""
    sizes = [len(m) for m in members]
    for begin in range(0, int(np.prod(sizes)), _BUILT_AT_ONCE):
        flat = np.arange(begin, min(begin + _BUILT_AT_ONCE, int(np.prod(sizes))))
        at = np.unravel_index(flat, sizes)
        yield assay.first + sum(
            (m[k] * s for m, k, s in zip(members, at, assay.strides, strict=True)), np.zeros_like(flat)
        )


def _count_each(assay: Assay, numbers: np.ndarray, scores: np.ndarray, into: Collected, *, filtered: bool) -> None:
    """Count products one by one."""
    nothing = np.zeros(1, np.int64)
    for number, score in zip(numbers.tolist(), scores, strict=True):
        rest, at = number - assay.first, []
        for stride in assay.strides:
            at.append(rest // stride)
            rest %= stride
        ids, members = (np.array([number]), nothing), (np.array(at[:1]), nothing)
        left_out = (int(filtered and np.isnan(score)), 0)
        into.add(np.array([[score]], np.float32), ids, (0, None), members, dict(enumerate(at[1:], 1)), left_out)


__all__ = ["TOLERANCE", "SpaceSearch", "UnitResult", "agree"]
