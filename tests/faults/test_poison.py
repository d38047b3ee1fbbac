"""Molecules that crash, hang or take all memory in native code cost their own row, whatever executor does the work."""

from __future__ import annotations

from pathlib import Path

import pytest
from poison import ABORT, ENDLESS, HUGE, SEGFAULT, PoisonedScorer, poisoned_library
from small_screens import score_table, small_settings

from cinchona.pipelines.screen import resume, screen
from cinchona.screening.folder import RunFolder
from cinchona.screening.totals import digest_scores

ROWS = 1_000
AT = {105: SEGFAULT, 333: ABORT, 700: ENDLESS, 701: HUGE}
WATCH = {"watchdog": True, "molecule_seconds": 1.0, "molecule_memory": "512MiB"}


def rows_of(folder: Path, *, but: set[int]):
    """The score table without the rows at fault."""
    return [row for row in score_table(folder).to_pylist() if row["row_id"] not in but]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return poisoned_library(tmp_path_factory.mktemp("library") / "library.smi", ROWS, AT)


@pytest.fixture(scope="module")
def harmless(tmp_path_factory, library):
    """The same library with a scorer that rejects the four as any scorer may."""
    out = tmp_path_factory.mktemp("harmless") / "run"
    result = screen(library, model=PoisonedScorer(rejects_poison=True), out=out, settings=settings("serial"))
    assert result.rejected == len(AT)
    return out


def settings(kind: str):
    return small_settings(kind, watch=WATCH, partition_rows=250, batch_rows=100)


@pytest.mark.parametrize("kind", ["serial", "processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_exactly_the_rows_at_fault_are_flagged(kind, library, harmless, tmp_path):
    result = screen(library, model=PoisonedScorer(), out=tmp_path / "run", settings=settings(kind))
    assert (result.rows, result.scored, result.rejected) == (ROWS, ROWS - len(AT), len(AT))
    table = score_table(tmp_path / "run").to_pylist()
    reasons = {r["row_id"]: (r["stage"], r["reason"]) for r in table if r["status"] == "rejected"}
    assert reasons == {
        105: ("score", "this row crashed its process (Segmentation fault)"),
        333: ("score", "this row crashed its process (Aborted)"),
        700: ("score", "this row took longer than 1 s"),
        701: ("score", "this row crashed its process (Segmentation fault)"),
    }
    assert rows_of(tmp_path / "run", but=set(AT)) == rows_of(harmless, but=set(AT))


def test_the_table_does_not_depend_on_chance(library, tmp_path):
    """Two runs, one of them resumed after half of it was lost, flag the same rows for the same reasons."""
    crashes = {row: atom for row, atom in AT.items() if atom in {SEGFAULT, ABORT}}
    library = poisoned_library(tmp_path / "library.smi", ROWS, crashes)
    first = screen(library, model=PoisonedScorer(), out=tmp_path / "run", settings=settings("serial"))
    for receipt in list(RunFolder(tmp_path / "run").receipt_files())[::2]:
        receipt.unlink()
    again = resume(tmp_path / "run", model=PoisonedScorer())
    assert again.scores_digest == first.scores_digest == digest_scores(RunFolder(tmp_path / "run"))
