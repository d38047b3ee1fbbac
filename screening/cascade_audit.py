"""What a cascade missed: measured on rows below the cutoff that were scored all the same, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cinchona.screening.cascade import FIRST_STAGE, FirstStage
from cinchona.screening.cascade_record import CascadeRecord
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import Plan
from cinchona.screening.totals import committed

LEVEL: Final = 0.95
"""Level of the interval, one-sided for what was missed."""


@dataclass(frozen=True, slots=True)
class CascadeAudit:
    """Recall of the hit list, measured."""

    skipped: int
    """Rows that only the first stage saw."""
    audited: int
    """Rows below the cutoff that were scored."""
    as_good: int
    """Of those, rows that score at least as well as the last hit."""
    found: int
    """Rows of the run, audited ones included, that score at least as well as the last hit."""

    @property
    def recall(self) -> float:
        """Estimated share of rows as good as the last hit that were scored; 1 where there is no hit."""
        return self._recall(self.as_good / self.audited if self.audited else 0.0)

    @property
    def lower(self) -> float:
        """Lower end of the recall with confidence 95 %, from the exact interval of Clopper and Pearson (1934)."""
        from scipy.stats import beta  # takes longer to import than all else of a screen

        n, k = self.audited, self.as_good
        return self._recall(1.0 if n == k else float(beta.ppf(LEVEL, k + 1, n - k)))

    def figures(self) -> dict[str, float]:
        """What to record, by name."""
        return {"left_to_first_stage": self.skipped, "recall": self.recall, "recall_at_least": self.lower}

    def _recall(self, rate: float) -> float:
        missed = rate * self.skipped
        return self.found / (self.found + missed) if self.found else 1.0

    def __str__(self) -> str:
        return (
            f"{self.skipped:,} rows were left to the first stage. Of {self.audited:,} rows below its cutoff that were "
            f"scored at random, {self.as_good:,} are as good as the last hit: recall {self.recall:.1%}, at least "
            f"{self.lower:.1%} with confidence 95 %."
        )


def audit(folder: RunFolder, plan: Plan, first: FirstStage, *, bar: float) -> CascadeAudit:
    """Measure the recall of a complete run.

    Args:
        folder: The run.
        plan: Its header.
        first: Its first stage.
        bar: Score of the last hit.
    """
    column = next(e.column for e in reversed(plan.layout.endpoints) if e.name == FIRST_STAGE)
    skipped = audited = as_good = found = 0
    for _, receipt in committed(folder, plan):
        part = pq.read_table(folder.root / receipt.file, columns=["score", "duplicate_of", column])
        distinct = part.filter(pc.and_(pc.less(part["duplicate_of"], 0), part["score"].is_valid()))
        score, estimate = distinct["score"].to_numpy(), distinct[column].to_numpy()
        below = estimate < np.float32(first.cutoff)
        good = score >= np.float32(bar)
        skipped += int((below & np.isnan(score)).sum())
        audited += int((below & ~np.isnan(score)).sum())
        as_good += int((below & good).sum())
        found += int(good.sum())
    return CascadeAudit(skipped, audited, as_good, found)


def audit_run(folder: RunFolder, plan: Plan, hits: pa.Table) -> CascadeAudit | None:
    """The audit of a complete run against its last hit; None for a run without a first stage."""
    if not plan.screen.cascade or not CascadeRecord.read(folder.cascade).used:
        return None
    bar = float(hits["score"][-1].as_py()) if hits.num_rows else np.inf
    return audit(folder, plan, FirstStage.load(folder.root), bar=bar)


__all__ = ["LEVEL", "CascadeAudit", "audit", "audit_run"]
