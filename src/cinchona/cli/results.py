"""What commands say of finished work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cinchona.cli.output import emit, plain, show, show_record, show_table

if TYPE_CHECKING:
    from cinchona.cli.common import Common
    from cinchona.pipelines.demo import DemoResult
    from cinchona.pipelines.evaluate import Evaluated
    from cinchona.pipelines.explain import Explained
    from cinchona.pipelines.predict import Predicted
    from cinchona.pipelines.screen_result import ScreenResult
    from cinchona.pipelines.train import TrainResult

_SHOWN: Final = 10
_SHOWN_PREDICTIONS: Final = 50
_SHOWN_PIECES: Final = 4
_NOT_SHOWN: Final = frozenset({"row_id", "parent_smiles", "score"})
_COLUMNS: Final = ("rank", "compound_id", "parent_smiles", "score")


def show_screen(common: Common, result: ScreenResult) -> None:
    """Write counts and the first hits."""
    if common.as_json:
        show(common, screen_data(result))
        return
    data = screen_data(result)
    best = data.pop("best")
    show_record(data, title="Screen")
    show_table(best, title=f"Best {len(best)} of {data['hits']:,} hits")


def show_fit(common: Common, result: TrainResult | Evaluated) -> None:
    """Write what was trained or evaluated on, and the figures side by side."""
    if common.as_json:
        show(common, result)
        return
    data: dict[str, Any] = plain(result)
    figures, choices, checks = data.pop("figures"), data.pop("choices", ()), data.pop("calibration", ())
    leaks = data.pop("leakage", None)
    show_record(data if leaks is None else {**data, "in common with training": leaks["summary"]})
    if choices:
        show_table(choices, title="What was tried, and why it has its weight")
    show_figures(figures, of="held-out compounds" if "parts" in data else "compounds of this table")
    if checks:
        show_checks(checks, title="intervals on these compounds")


def show_checks(checks: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """Write how far intervals kept their promise, one row an endpoint."""
    shown = ("target", "level", "n", "coverage", "width", "ece")
    show_table([{key: row.get(key) for key in shown} for row in checks], title=title)


def show_predictions(common: Common, result: Predicted) -> None:
    """Write the predictions: all of them as JSON, or the first rows as a table and what they add up to."""
    rows = result.table if common.as_json else result.table.slice(0, _SHOWN_PREDICTIONS)
    data = {
        "rows": result.rows,
        "predicted": result.predicted,
        "rejected": result.rows - result.predicted,
        "folder": None if result.out is None else str(result.out),
        "predictions": rows.to_pylist(),
    }
    if common.as_json:
        show(common, data)
        return
    show_table([{k: v for k, v in row.items() if k not in _NOT_SHOWN} for row in data.pop("predictions")])
    show_record(data)


def show_explanations(common: Common, result: Explained) -> None:
    """Write the pieces that tell most of each compound, and the rejects: everything as JSON."""
    from cinchona.pipelines.prediction_worth import worth_words

    if common.as_json:
        show(common, result.to_json())
        return
    for one in result.explanations[:_SHOWN]:
        shares = one.shares
        rows = [
            {
                "piece": p.smiles,
                f"share [{shares.share_unit or 'no unit'}]": p.share,
                "unsure": "yes" if p.unsure else "",
            }
            for p in one.pieces[:_SHOWN_PIECES]
        ]
        value = f"{shares.endpoint} {shares.value:.3g} {shares.scale}".strip()
        emit(f"{one.compound_id} {shares.smiles}: {value}{worth_words(one.worth, shares.scale)}")
        show_table(rows)
        if result.keeps_compounds and not one.comparisons:
            emit("no training compound is similar")
        for near in one.comparisons:
            found = near.neighbour
            emit(
                f"similar ({found.similarity:.2f}) to {found.compound_id}, measured {found.measured:.3g}; has {near.words}"
            )
    if result.explanations and not result.keeps_compounds:
        emit("the model keeps no training compounds to compare with (explanation.keep_compounds)")
    if result.rejects:
        show_table([{"row": r.row_id, "reason": r.reason} for r in result.rejects[:_SHOWN]], title="Rejected rows")
    show_record({
        "explained": len(result.explanations),
        "rejected": len(result.rejects),
        "folder": None if result.out is None else str(result.out),
    })  # fmt: skip


def show_demo(common: Common, result: DemoResult, *, record: str) -> None:
    """Write both parts of the demonstration, and where to look on; ``record`` says where its runs are recorded."""
    if common.as_json:
        show(common, {"train": plain(result.train), "screen": screen_data(result.screen)})
        return
    show_fit(common, result.train)
    show_screen(common, result.screen)
    emit(f"Open the report in a browser: {result.screen.report}")
    emit(record[:1].upper() + record[1:])


def show_figures(figures: Sequence[dict[str, Any]], *, of: str = "held-out compounds") -> None:
    """Write metrics as one table a target: a row for each metric, a column for each model, 95 % intervals; ``of`` says over what."""
    for target in dict.fromkeys(row["target"] for row in figures):
        rows: dict[str, dict[str, Any]] = {}
        for row in figures:
            if row["target"] == target:
                rows.setdefault(row["metric"], {"metric": row["metric"]})[row["model"]] = _interval(row)
        compounds = max((row["n"] for row in figures if row["target"] == target), default=0)
        show_table(list(rows.values()), title=f"{target} on {compounds:,} {of} [95 % interval]")


def screen_data(result: ScreenResult) -> dict[str, Any]:
    """Counts, places and first hits of a screen, ready for JSON."""
    names = [name for name in _COLUMNS if name in result.hits.column_names]
    return {
        "folder": str(result.folder),
        "rows": result.rows,
        "scored": result.scored,
        "rejected": result.rejected,
        "duplicates": result.duplicates,
        **({} if result.cascade is None else result.cascade.figures()),
        "hits": result.hits.num_rows,
        "report": str(result.report),
        "scores_digest": result.scores_digest,
        "plan": result.plan,
        "run_id": result.run_id,
        "best": result.hits.slice(0, _SHOWN).select(names).to_pylist(),
    }


def _interval(row: dict[str, Any]) -> str:
    if row["estimate"] is None:
        return "–"
    if row["lower"] is None or row["upper"] is None:
        return f"{row['estimate']:.3g}"
    return f"{row['estimate']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}]"
