"""What a run over a space gives back."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa

from cinchona.pipelines.depict import structure_svg
from cinchona.screening.folder import RunFolder
from cinchona.screening.synthons.outcome import SpaceTotals
from cinchona.screening.synthons.plan import SpacePlan

_SHOWN: Final = 8


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
    """Products scored in a second of processor time, the audit included."""
    plan: str
    """Fingerprint of the plan."""
    tables: Mapping[str, Any] = field(default_factory=dict)
    """What the compile step found, see :class:`cinchona.pipelines.space_trial.SpaceTrial`; empty without tables."""
    run_id: str = ""
    """Id of the tracked run."""

    def record(self) -> dict[str, Any]:
        """Figures and the first hits as plain data."""
        names = ["rank", "compound_id", "parent_smiles", "score"]
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in {"hits", "folder", "tables"}}
        return {
            "folder": str(self.folder),
            **plain,
            **self.tables,
            "hits": self.hits.num_rows,
            "report": str(self.folder / "report.html"),
            "best": self.hits.slice(0, 10).select(names).to_pylist(),
        }

    def __repr__(self) -> str:
        return (
            f"<SpaceResult: {self.offered:,} combinations, {self.scored:,} scored, {self.rejected:,} rejected, "
            f"{self.hits.num_rows:,} hits in {str(self.folder)!r}>"
        )

    def _repr_html_(self) -> str:
        """Counts and the first hits with pictures, for notebooks; every text is escaped."""
        cells = "".join(
            f"<tr><td>{row['rank']}</td><td>{structure_svg(row['parent_smiles'])}</td>"
            f"<td>{html.escape(row['compound_id'])}</td><td>{row['score']:.4g}</td></tr>"
            for row in self.hits.slice(0, _SHOWN).to_pylist()
        )
        head = "<tr><th>rank</th><th>structure</th><th>id</th><th>score</th></tr>"
        return f"<p>{html.escape(repr(self))}</p><table>{head}{cells}</table>"

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
            tables=plan.notes.get("tables", {}),
            run_id=run_id,
        )


__all__ = ["SpaceResult"]
