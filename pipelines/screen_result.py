"""What a screen gives back."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pyarrow as pa

from cinchona.pipelines.depict import structure_svg
from cinchona.screening.cascade_audit import CascadeAudit, audit_run
from cinchona.screening.finish import Finished
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.plan import Plan

_SHOWN: Final = 8
"""Hits that a notebook shows."""


@dataclass(frozen=True, slots=True, repr=False)
class ScreenResult:
    """A finished screen. Always ``rows == scored + rejected``."""

    folder: Path
    """Folder with everything: scores, hits, rejects, report."""
    rows: int
    """Rows of the library."""
    scored: int
    """Rows with a score."""
    rejected: int
    """Rows without; ``rejects.csv`` says why."""
    duplicates: int
    """Rows that took the score of an equal compound of their partition."""
    hits: pa.Table
    """Distinct compounds, best first; columns as in :func:`cinchona.screening.hits.find_hits`."""
    histogram: ScoreHistogram
    """Histogram of all scores."""
    scores_digest: str
    """Content digest of the score table; equal for equal scores."""
    plan: str
    """Fingerprint of the plan."""
    cascade: CascadeAudit | None = None
    """What a first stage missed, measured; None if there was none."""
    run_id: str = ""
    """Id of the tracked run; empty without a tracker or if there was nothing to do."""

    @classmethod
    def of(cls, folder: RunFolder, plan: Plan, finished: Finished, *, run_id: str) -> Self:
        """Gather the result of a finished run."""
        totals = finished.totals
        return cls(
            folder=folder.root,
            rows=totals.rows,
            scored=totals.scored,
            rejected=totals.rejected,
            duplicates=totals.duplicates,
            hits=finished.hits,
            histogram=totals.histogram,
            scores_digest=totals.scores_digest,
            plan=plan.fingerprint,
            cascade=audit_run(folder, plan, finished.hits),
            run_id=run_id,
        )

    @property
    def report(self) -> Path:
        """The report for people, one HTML file."""
        return RunFolder(self.folder).report

    @property
    def rejects(self) -> Path:
        """Table of rejects, Parquet."""
        return RunFolder(self.folder).rejects

    def __repr__(self) -> str:
        return (
            f"<ScreenResult: {self.rows:,} rows, {self.scored:,} scored, {self.rejected:,} rejected, "
            f"{self.hits.num_rows:,} hits in {str(self.folder)!r}>"
        )

    def _repr_html_(self) -> str:
        """Counts and the first hits with pictures, for notebooks; every text is escaped."""
        shown = self.hits.slice(0, _SHOWN).select(["rank", "compound_id", "parent_smiles", "score"]).to_pylist()
        cells = "".join(
            f"<tr><td>{row['rank']}</td><td>{structure_svg(row['parent_smiles'])}</td>"
            f"<td>{html.escape(row['compound_id'] or '')}</td><td>{row['score']:.4g}</td></tr>"
            for row in shown
        )
        head = "<tr><th>rank</th><th>structure</th><th>id</th><th>score</th></tr>"
        return f"<p>{html.escape(repr(self))}</p><table>{head}{cells}</table>"
