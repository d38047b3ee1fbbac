"""``cinchona signals count|score|rank|report|evaluate STORE``: thin commands over the signal room."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinchona.errors import UsageError
from cinchona.pharmacovigilance.terminal import say

if TYPE_CHECKING:
    import polars as pl

    from cinchona.pharmacovigilance.signals.counting.pairs import Definition
    from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet
    from cinchona.pharmacovigilance.signals.view import PairView

Store = Annotated[
    Path,
    typer.Argument(metavar="STORE", help="Report store, as `cinchona signals ingest` makes it, or a table of counts."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the table there: .parquet or .csv, formula-safe.")
]
Drugs = Annotated[list[str] | None, typer.Option("--drug", metavar="NAME", help="Only this drug; repeatable.")]
Events = Annotated[list[str] | None, typer.Option("--event", metavar="NAME", help="Only this event; repeatable.")]
By = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="FACT", help="Each stratum on its own: age, sex, year, quarter, country, reporter."),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Signal settings, YAML.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="a.b=c", help="One signal setting, for example count.roles='[PS]'.")
]
Rule = Annotated[str, typer.Option("--rule", metavar="NAME", help="Rule set that picks and ranks the signals.")]
RuleFile = Annotated[Path | None, typer.Option("--rules", metavar="FILE", help="Rule sets of your own, YAML.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the rows as JSON lines to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Warnings and errors only, no progress.")]
Rows = Annotated[int, typer.Option("--rows", metavar="N", min=0, help="Rows to show when no file is written.")]

app = typer.Typer(
    help="Signals of a report store: count, score, rank, report, evaluate.", rich_markup_mode=None,
    pretty_exceptions_enable=False, add_completion=False,
)  # fmt: skip


@app.command()
def count(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    drug: Drugs = None,
    event: Events = None,
    by: By = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: AsJson = False,
    rows: Rows = 20,
    quiet: Quiet = False,
) -> None:
    """Count reports by drug and event, with margins and expected counts."""
    view = _view(store, config, [*(overrides or ()), "measures=[rrr]"], quiet=quiet)
    frame = _most_reported(view.signals(drug, event, by), by, as_file=out is not None or as_json)
    _show(frame.drop("rrr", "sparse"), out, as_json=as_json, rows=rows)
    _say_how(view.counts.definition)


@app.command("score")
def score_(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    drug: Drugs = None,
    event: Events = None,
    by: By = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: AsJson = False,
    rows: Rows = 20,
    quiet: Quiet = False,
) -> None:
    """Score drug-event pairs by every measure of the settings."""
    view = _view(store, config, overrides, quiet=quiet)
    frame = _most_reported(view.signals(drug, event, by), by, as_file=out is not None or as_json)
    _show(frame, out, as_json=as_json, rows=rows)
    _say_how(view.counts.definition)
    if any(name == "gps" for name in view.settings.measures):
        say(f"{view.prior.verdict} (likelihood {view.prior.likelihood.value})")


@app.command()
def rank(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    rule: Rule = "ema_ror",
    rules: RuleFile = None,
    drug: Drugs = None,
    event: Events = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: AsJson = False,
    rows: Rows = 20,
    quiet: Quiet = False,
) -> None:
    """Rank the signals by a rule set, with the reason of every line."""
    from cinchona.pharmacovigilance.signals.rules.rule_sets import rank_signals

    chosen = _rule(rule, rules)
    view = _view(store, config, overrides, quiet=quiet)
    if not any(item.startswith("measures=") for item in overrides or ()) and config is None:
        view = view.with_settings(measures=chosen.measures or ("rrr",))
    if chosen.needs_prior:
        view.require_prior()
    ranked = rank_signals(view.with_measures(chosen.measures).signals(drug, event), chosen)
    say(f"{ranked.height:,} signals by {chosen.title or chosen.name}: {chosen.when}")
    _show(ranked, out, as_json=as_json, rows=rows)
    _say_how(view.counts.definition)


@app.command()
def report(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the pages; made if missing.")],
    drug: Drugs = None,
    event: Events = None,
    rule: Rule = "ror025",
    rules: RuleFile = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
) -> None:
    """Write one self-contained HTML page for each drug or event named."""
    from cinchona.pharmacovigilance.signals.report.page import write_report
    from cinchona.pharmacovigilance.signals.report.profile import profile

    if not (drug or event):
        raise UsageError("no drug and no event is named", expected="--drug NAME or --event NAME, repeatable")
    view = _view(store, config, overrides, quiet=quiet)
    chosen = _rule(rule, rules)
    for kind, name in [("drug", name) for name in drug or ()] + [("event", name) for name in event or ()]:
        page = profile(view, **{kind: name}, rule=chosen)
        path = write_report(page, out / f"{kind}-{_file_name(name)}.html", source=store.name)
        typer.echo(str(path))


@app.command()
def evaluate(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    reference: Annotated[Path, typer.Option("--reference", metavar="FILE", help="Reference set: CSV, TSV, Parquet.")],
    terms: Annotated[
        Path | None, typer.Option("--terms", metavar="FILE", help="YAML: outcome of the set to terms in the reports.")
    ] = None,
    columns: Annotated[
        str, typer.Option("--columns", metavar="D,E,L", help="Columns of drug, event and label in the reference set.")
    ] = "exposureName,outcomeName,groundTruth",
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="auc_within_event, auc_within_drug, precision; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    out: Out = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare measures and naive baselines on a reference set."""
    from cinchona.pharmacovigilance.signals.evaluation.harness import METRICS, EvaluationConfig
    from cinchona.pharmacovigilance.signals.evaluation.judge import judge_reference
    from cinchona.pharmacovigilance.signals.evaluation.reference import ReferenceColumns, read_reference
    from cinchona.pharmacovigilance.signals.evaluation.terms import read_terms

    names = columns.split(",")
    if len(names) != 3:
        raise UsageError(f"--columns got {columns!r}", expected="three names: drug,event,label")
    wanted = EvaluationConfig(metrics=tuple(metric or METRICS))
    found = read_reference(reference, columns=ReferenceColumns(drug=names[0], event=names[1], label=names[2]))
    view = _view(store, config, overrides, quiet=quiet)
    judged = judge_reference(view, found, events=read_terms(terms), config=wanted, seed=seed)
    say(f"{len(judged.placed.labels)} of {len(found)} pairs placed, {int(judged.placed.labels.sum())} positive")
    _show(judged.figures, out, as_json=as_json, rows=200)


def _view(store: Path, config: Path | None, overrides: Sequence[str] | None, *, quiet: bool) -> PairView:
    from cinchona.logs import configure_logging
    from cinchona.pharmacovigilance.signals.table_view import open_view
    from cinchona.pharmacovigilance.signals.view import SignalSettings
    from cinchona.settings import load_settings

    configure_logging(quiet=quiet)
    return open_view(store, load_settings(SignalSettings, file=config, overrides=overrides or ()))


def _rule(name: str, path: Path | None) -> RuleSet:
    from cinchona.pharmacovigilance.signals.rules.rule_sets import load_rules, rule_set

    return rule_set(name, load_rules(path) if path is not None else None)


def _show(frame: pl.DataFrame, out: Path | None, *, as_json: bool, rows: int) -> None:
    from cinchona.pharmacovigilance.signals.export import formula_safe, write_frame
    from cinchona.pharmacovigilance.signals.preview import preview

    if out is not None:
        write_frame(frame, out)
        say(f"{frame.height:,} rows in {out}")
    elif as_json:
        for row in formula_safe(frame).iter_rows(named=True):
            typer.echo(json.dumps({k: _plain(v) for k, v in row.items()}, ensure_ascii=False))
    else:
        text, hidden = preview(frame, rows)
        typer.echo(text)
        say(f"{min(rows, frame.height):,} of {frame.height:,} rows{_not_shown(hidden)}; --out FILE writes all")


def _most_reported(frame: pl.DataFrame, by: Sequence[str] | None, *, as_file: bool) -> pl.DataFrame:
    """For a terminal the most reported pairs come first; files keep the order of names."""
    return frame if as_file or by else frame.sort("n", descending=True, maintain_order=True)


def _say_how(definition: Definition) -> None:
    strata = f"; expected counts over strata of {definition.strata}" if definition.strata else ""
    say(
        f"counted: {definition.counting}, drug roles: {definition.roles}, of: {definition.universe}, "
        f"compared with: {definition.comparator}{strata}"
    )


def _not_shown(columns: Sequence[str]) -> str:
    return f", without the columns {', '.join(columns)}" if columns else ""


def _plain(value: object) -> object:
    return value if not isinstance(value, float) or abs(value) != float("inf") else str(value)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "unnamed"
