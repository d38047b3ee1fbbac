"""``cinchona signals``: take reports in, find duplicates, code names, look at the store, and (from ``signals``) score."""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinchona.errors import InputError
from cinchona.logs import configure_logging
from cinchona.pharmacovigilance.signals import cli as signal_commands
from cinchona.pharmacovigilance.terminal import emit_json, say, show_rows
from cinchona.settings import load_settings

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.intake.run import IngestResult
    from cinchona.pharmacovigilance.quality.facts import StoreFacts

Store = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the report store.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Warnings and errors only, no progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Debug messages.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings of the command, YAML.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="a.b=c", help="One setting, for example privacy.mode=hash.")
]

app = typer.Typer(
    help="Safety signals from adverse-event reports.", rich_markup_mode=None, pretty_exceptions_enable=False,
    add_completion=False,
)  # fmt: skip


@app.callback()
def _group() -> None:
    """Hold sub-commands."""


@app.command()
def ingest(  # noqa: PLR0913 - the options of the command
    store: Store,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES", help="Zips, folders, files or patterns: FAERS, AERS, VAERS, CAERS, openFDA."),
    ] = None,
    *,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", metavar="FILE", help="YAML that names the columns of other files.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Take report files into a store, which is made if it is missing; what it has already is skipped."""
    from cinchona.pharmacovigilance.intake.run import IngestConfig
    from cinchona.pharmacovigilance.intake.run import ingest as take_in

    configure_logging(quiet=quiet, verbose=verbose)
    if not inputs and mapping is None:
        raise InputError("no files were named", remedy="name zips, folders or files, or --mapping FILE")
    settings = load_settings(IngestConfig, file=config, overrides=overrides or ())
    result = take_in(store, inputs or [], config=settings, mapping=mapping)
    emit_json(_ingest_record(result)) if as_json else _show_ingest(result)


def _ingest_record(result: IngestResult) -> dict[str, Any]:
    added = [r.model_dump(mode="json") for r in result.added]
    return {"added": added, "skipped": list(result.skipped), "warnings": list(result.warnings)}


def _show_ingest(result: IngestResult) -> None:
    rows = [
        {
            "set": receipt.number, "quarter": f"{receipt.source} {receipt.quarter}", "file": file.name,
            "table": file.table, "rows in": file.rows_in, "stored": file.stored, "set aside": file.set_aside,
            "values aside": file.values_set_aside, "lines repaired": file.repaired_lines,
        }
        for receipt in result.added
        for file in receipt.files
    ]  # fmt: skip
    show_rows("Taken in", rows)
    for label in result.skipped:
        say(f"already in the store: {label}")


@app.command()
def dedupe(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    accept_share: Annotated[
        float | None,
        typer.Option("--accept-share", min=0, max=1, help="Share of cases that may be left out without asking."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Link reports of the same event; nothing is deleted, and analyses count one report of each group."""
    import cinchona.pharmacovigilance as room
    from cinchona.pharmacovigilance.linking.config import DedupeConfig

    configure_logging(quiet=quiet, verbose=verbose)
    settings = load_settings(DedupeConfig, file=config, overrides=overrides or ())
    ask = (lambda text: typer.confirm(text, err=True)) if sys.stdin.isatty() and not as_json else None
    result = room.dedupe(room.open(store), settings, accept_share=accept_share, ask=ask)
    if as_json:
        emit_json(result.run.header)
        return
    show_rows(
        "Links that count", [{"link": k.replace("_", " "), "pairs": n} for k, n in result.run.header["links"].items()]
    )
    say(f"{result.left_out:,} of {result.cases:,} cases ({result.share:.1%}) no longer count: another report of the "
        "same event stands for them")  # fmt: skip


@app.command()
def explain(
    store: Store,
    left: Annotated[int | None, typer.Argument(metavar="KEY", help="report_key of one report.")] = None,
    right: Annotated[int | None, typer.Argument(metavar="KEY", help="report_key of the other.")] = None,
    *,
    top: Annotated[int, typer.Option("--top", min=1, help="Without keys: list so many links.")] = 20,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only exact, manufacturer_number or hit_miss links.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show why two reports were linked, or list the links of the newest duplicate run."""
    import cinchona.pharmacovigilance as room
    from cinchona.pharmacovigilance.linking.explain import links

    opened = room.open(store)
    if left is not None and right is not None:
        found = room.explain(opened, left, right)
        emit_json(found.record()) if as_json else typer.echo(found.text())
        return
    table = links(opened)
    table = table.where("kind = ?", [kind]) if kind else table
    rows = (
        table.sql(f"SELECT * FROM this ORDER BY score DESC, report_key_a, report_key_b LIMIT {top}").arrow().to_pylist()
    )
    emit_json(rows) if as_json else show_rows("Links", rows)


@app.command()
def code(  # noqa: PLR0913 - the options of the command
    store: Store,
    *,
    dictionary: Annotated[
        list[str] | None,
        typer.Option(
            "--dictionary",
            metavar="KIND:PATH",
            help="unii:, fda:, synonyms:, rxnorm: or csv: and a file; repeatable, the first that knows a name decides.",
        ),
    ] = None,
    reactions: Annotated[
        str | None,
        typer.Option("--reactions", metavar="HOW", help="meddra:FOLDER[:hlt|hlgt|soc], list:FILE.csv or clusters."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Map drug names to ingredients and reactions to groups, and say loudly what matched nothing."""
    import cinchona.pharmacovigilance as room
    from cinchona.pharmacovigilance.coding.dictionary import load
    from cinchona.pharmacovigilance.coding.reactions import load_grouping
    from cinchona.pharmacovigilance.coding.run import CodingConfig

    configure_logging(quiet=quiet, verbose=verbose)
    if not dictionary and reactions is None:
        raise InputError("nothing to code with", remedy="give --dictionary KIND:PATH, --reactions HOW, or both")
    settings = load_settings(CodingConfig, file=config, overrides=overrides or ())
    dictionaries = [load(spelling) for spelling in dictionary or ()]
    grouping = load_grouping(reactions) if reactions else None
    result = room.code(room.open(store), dictionaries, grouping=grouping, config=settings)
    emit_json(result.run.header) if as_json else _show_coding(result.run.header)


def _show_coding(header: dict[str, Any]) -> None:
    if drugs := header.get("drugs"):
        show_rows("Drug names", [{"how": how, **n} for how, n in drugs["by"].items()])
        say(f"{drugs['mentions_coded']:,} of {drugs['mentions']:,} mentions and {drugs['names_coded']:,} of "
            f"{drugs['names']:,} distinct names have an ingredient")  # fmt: skip
    if grouped := header.get("reactions"):
        say(
            f"{grouped['terms_grouped']:,} of {grouped['terms']:,} reaction terms stand in {grouped['groups']:,} groups"
        )


@app.command()
def info(
    store: Store,
    *,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page as one HTML file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a store holds and how good it is: quarters, missing values, roles, set-aside rows, uncoded names."""
    import dataclasses

    import cinchona.pharmacovigilance as room
    from cinchona.pharmacovigilance.quality.facts import gather
    from cinchona.pharmacovigilance.quality.page import write_page

    facts = gather(room.open(store))
    if html is not None:
        write_page(facts, html, title=store.resolve().name)
        say(f"page written to {html}")
    emit_json(dataclasses.asdict(facts)) if as_json else _show_facts(facts)


def _show_facts(facts: StoreFacts) -> None:
    show_rows("Rows by table", [{"table": name, "rows": n} for name, n in facts.rows.items()])
    show_rows("Reports by quarter", facts.quarters)
    show_rows("Drugs by role", facts.roles)
    for name, rows in facts.spreads.items():
        show_rows(f"Reports by {name}", rows)
    show_rows("Set aside", facts.set_aside[:25], ["source", "quarter", "table", "level", "column", "reason", "rows"])
    if facts.coding.get("drugs"):
        _show_coding(facts.coding)
        shown = ", ".join(f"{d['name']} {d['version']}" for d in facts.coding["dictionaries"])
        say(f"coded with {shown}")
    show_rows("Most mentioned names without an ingredient", facts.uncoded[:15])
    for line in facts.warnings:
        say(f"note: {line}")


@app.command()
def doctor(store: Store, *, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Check that every file of a store is there, whole, and agrees with the accounts; exit code 2 on damage."""
    import dataclasses

    import cinchona.pharmacovigilance as room
    from cinchona.pharmacovigilance.quality.doctor import examine

    configure_logging(quiet=quiet)
    opened = room.open(store)
    findings = [dataclasses.asdict(f) for f in examine(opened)]
    if as_json:
        emit_json({"sets": len(opened.receipts), "findings": findings})
    else:
        show_rows("Findings", findings)
        say(f"{len(opened.receipts)} file sets, {len(findings)} findings")
    if any(f["level"] == "damage" for f in findings):
        raise InputError(
            "the store is damaged",
            where=str(store),
            remedy="follow the findings above; the source files can be ingested again",
        )


@app.command()
def generate(  # noqa: PLR0913 - the options of the command
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files.")],
    *,
    cases: Annotated[int, typer.Option("--cases", min=1, help="Number of true events.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of all randomness.")] = 0,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Generate quarters in the FAERS layout whose duplicates, versions and signals are known, for trials."""
    from cinchona.pharmacovigilance.generator import GeneratorConfig
    from cinchona.pharmacovigilance.generator import generate as make

    configure_logging(quiet=quiet)
    settings = load_settings(GeneratorConfig, file=config, overrides=overrides or ())
    counts = make(out, cases, seed, config=settings)
    emit_json(counts) if as_json else show_rows("Generated", [{"what": k, "count": n} for k, n in counts.items()])


app.registered_commands += signal_commands.app.registered_commands
