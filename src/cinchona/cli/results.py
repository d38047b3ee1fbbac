"""What commands say of a finished screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cinchona.cli.output import show, show_table

if TYPE_CHECKING:
    from cinchona.cli.common import Common
    from cinchona.pipelines.screen_result import ScreenResult

_SHOWN: Final = 10
_COLUMNS: Final = ("rank", "compound_id", "parent_smiles", "score")


def summary(result: ScreenResult) -> dict[str, Any]:
    """Counts and places of a screen, ready for JSON."""
    return {
        "folder": str(result.folder),
        "rows": result.rows,
        "scored": result.scored,
        "rejected": result.rejected,
        "duplicates": result.duplicates,
        "hits": result.hits.num_rows,
        "report": str(result.report),
        "scores_digest": result.scores_digest,
        "plan": result.plan,
        "run_id": result.run_id,
    }


def best(result: ScreenResult, n: int = _SHOWN) -> list[dict[str, Any]]:
    """The first ``n`` hits."""
    names = [name for name in _COLUMNS if name in result.hits.column_names]
    rows: list[dict[str, Any]] = result.hits.slice(0, n).select(names).to_pylist()
    return rows


def show_screen(common: Common, result: ScreenResult) -> None:
    """Write counts and the first hits."""
    if common.as_json:
        show(common, {**summary(result), "best": best(result)})
        return
    show(common, summary(result), title="Screen")
    show_table(best(result), title=f"Best {min(_SHOWN, result.hits.num_rows)} of {result.hits.num_rows:,} hits")
