"""What a run over a space gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from cinchona.screening.folder import RunFolder
from cinchona.screening.synthons.outcome import SpaceTotals
from cinchona.screening.synthons.plan import SpacePlan


@dataclass(frozen=True, slots=True, repr=False)
class SpaceResult:
    """A finished run over a space. Always ``offered == scored + rejected``."""

    folder: Path
    """Folder with everything."""
    offered: int
    """Combinations of all listed reagents."""
    scored: int
    """Products with a score."""
    rejected: int
    """Combinations without; ``rejects.csv`` says why."""
    reached: int | None
    """Products that reach the threshold; None without one."""
    hits: pa.Table
    """The best products, see :func:`cinchona.screening.synthons.outcome.find_hits`."""
    audited: int
    """Random products that were built and scored the ordinary way."""
    largest_difference: float
    """Largest difference of their scores."""
    built: int
    """Products that had to be built, since parts did not tell."""
    products_per_second: float
    """Products scored in a second of one worker."""
    plan: str
    """Fingerprint of the plan."""
    run_id: str = ""
    """Id of the tracked run."""

    def record(self) -> dict[str, Any]:
        """Figures and the first hits as plain data."""
        names = ["rank", "compound_id", "parent_smiles", "score"]
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in {"hits", "folder"}}
        return {
            "folder": str(self.folder),
            **plain,
            "hits": self.hits.num_rows,
            "report": str(self.folder / "report.html"),
            "best": self.hits.slice(0, 10).select(names).to_pylist(),
        }

    @classmethod
    def of(cls, folder: RunFolder, plan: SpacePlan, totals: SpaceTotals, hits: pa.Table, run_id: str) -> Self:
        """Gather the result of a finished run."""
        return cls(
            folder=folder.root,
            offered=plan.offered,
            scored=totals.scored,
            rejected=totals.rejected,
            reached=None if plan.space.threshold is None else totals.reached,
            hits=hits,
            audited=totals.audit.products,
            largest_difference=totals.audit.largest,
            built=totals.built,
            products_per_second=totals.scored / totals.seconds if totals.seconds else 0.0,
            plan=plan.fingerprint,
            run_id=run_id,
        )


__all__ = ["SpaceResult"]
