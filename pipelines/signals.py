"""The signal workflow, and the door to pharmacovigilance: a report store in; ranked signals, reports and a tracked run out."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import Field

import cinchona.pharmacovigilance as room
from cinchona.digests import digest_file
from cinchona.files import write_json
from cinchona.manifest import Manifest
from cinchona.pharmacovigilance.signals.evaluation.harness import EvaluationConfig
from cinchona.pharmacovigilance.signals.evaluation.judge import judge_reference
from cinchona.pharmacovigilance.signals.evaluation.reference import ReferenceColumns, read_reference
from cinchona.pharmacovigilance.signals.export import write_frame
from cinchona.pharmacovigilance.signals.gps.fit import PriorFit
from cinchona.pharmacovigilance.signals.gps.prior import PARAMETERS
from cinchona.pharmacovigilance.signals.report.page import write_report
from cinchona.pharmacovigilance.signals.report.profile import profile
from cinchona.pharmacovigilance.signals.rules.rule_sets import RuleSet, load_rules, rank_signals, rule_set
from cinchona.pharmacovigilance.signals.scoring import SignalTable
from cinchona.pharmacovigilance.signals.table_view import open_view
from cinchona.pharmacovigilance.signals.view import PairView, SignalSettings
from cinchona.pipelines.config import TrackingConfig
from cinchona.protocols import TrackedRun, Tracker
from cinchona.settings import Config
from cinchona.tracking import NullTracker

logger = logging.getLogger(__name__)

SHOWN_ROWS: Final = 1_000
"""Signals of each rule that the tracker shows as a table; the files hold all."""


class SignalRunSettings(Config):
    """Settings of a signal run."""

    signals: SignalSettings = Field(default_factory=SignalSettings)
    """How the store is counted and scored."""
    rules: tuple[str, ...] = ("ema_ror", "evans", "ic025", "fda")
    """Rule sets that are applied, each with a ranked list of its own."""
    rule_file: Path | None = None
    """YAML file with rule sets of your own."""
    report_drugs: tuple[str, ...] = ()
    """Drugs that get an HTML report."""
    report_events: tuple[str, ...] = ()
    """Events that get an HTML report."""
    reference: Path | None = None
    """Reference set to judge the measures by."""
    reference_columns: ReferenceColumns = Field(default_factory=ReferenceColumns)
    """Columns of the reference set."""
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    """How the measures are judged."""
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    """Where the run is recorded, when it is started from the command line."""


@dataclass(frozen=True, slots=True)
class SignalResult:
    """What a signal run found."""

    folder: Path
    """Folder with everything below."""
    pairs: int
    """Pairs that were scored."""
    reports: int
    """Reports of the universe."""
    signals: Mapping[str, int]
    """Signals of each rule that was applied."""
    skipped: Mapping[str, str]
    """Rules that were not applied, with the reason."""
    prior: Mapping[str, Any]
    """Summary of the prior fit; empty when no measure needed one."""
    files: tuple[Path, ...]
    """Files that were written."""


def run_signals(
    store: str | Path,
    *,
    out: str | Path,
    settings: SignalRunSettings | None = None,
    seed: int = 0,
    tracker: Tracker | None = None,
) -> SignalResult:
    """Count, score, rank, report and judge the signals of a report store.

    Args:
        store: Folder of the report store, or a file with a table of counts.
        out: Folder for the results; files of an earlier run are replaced.
        settings: Settings; None for the defaults.
        seed: Seed of the bootstrap of the evaluation.
        tracker: Keeps a record of the run; None for none.

    Raises:
        InputError: if the store or the reference set cannot be used.
        PriorNotUsableError: if the prior fit is not usable and the settings do not accept that.
        UnknownNameError: if a drug, event, measure or rule does not exist.
    """
    chosen = settings or SignalRunSettings()
    source = Path(store)
    digest = digest_file(source) if source.is_file() else room.open(source).content_id
    folder = Path(out)
    with (tracker or NullTracker()).run(source.name, kind="signals") as run:
        run.log_params(_flat(chosen.model_dump(mode="json")) | {"seed": seed})
        run.log_dataset(source.name, digest=digest, source=source.name, context="reports")
        begun = time.monotonic()
        rules = _rules(chosen)
        needed = [name for rule in rules for name in rule.measures]
        view = open_view(source, chosen.signals).with_measures(needed)
        table = view.table()
        result = _Writer(folder, run).write(view, table, rules, chosen, seed=seed)
        run.log_metrics({"seconds": time.monotonic() - begun})
        return result


class _Writer:
    """Writes the files of one run and records them."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        self._folder, self._run = folder, run
        self._files: list[Path] = []

    def write(
        self, view: PairView, table: SignalTable, rules: list[RuleSet], settings: SignalRunSettings, *, seed: int
    ) -> SignalResult:
        self._frame("signals.parquet", table.frame)
        self._frame("conventions.csv", table.conventions())
        skipped = self._skipped(view, rules)
        found = self._rank(table, [rule for rule in rules if rule.name not in skipped])
        self._report(view, settings, [rule for rule in rules if rule.name not in skipped])
        if settings.reference is not None:
            self._judge(view, settings, seed)
        prior = table.prior.summary() if isinstance(table.prior, PriorFit) else {}
        self._log_prior(prior)
        self._run.log_metrics({"pairs": table.frame.height, "reports": view.counts.total})
        counts = {
            "reports": view.counts.total,
            "pairs": table.frame.height,
            **{f"signals {k}": v for k, v in found.items()},
        }
        self._manifest(settings, table, counts, seed)
        return SignalResult(
            self._folder, table.frame.height, view.counts.total, found, skipped, prior, tuple(self._files)
        )

    def _skipped(self, view: PairView, rules: list[RuleSet]) -> dict[str, str]:
        """Rules that need a prior that may not be used, with the reason: no list is better than an empty one."""
        needing = [rule.name for rule in rules if rule.needs_prior]
        if not needing or not view.prior_is_missing:
            return {}
        reason = view.prior.verdict
        for name in needing:
            logger.warning("rule %s is not applied: %s", name, reason)
        self._run.set_tags({f"rule_{name}": f"not applied, {reason}" for name in needing})
        return dict.fromkeys(needing, reason)

    def _rank(self, table: SignalTable, rules: list[RuleSet]) -> dict[str, int]:
        found = {}
        for rule in rules:
            ranked = rank_signals(table.frame, rule)
            found[rule.name] = ranked.height
            self._frame(f"ranked/{rule.name}.csv", ranked)
            self._frame(f"ranked/{rule.name}.parquet", ranked)
            self._run.log_table(f"signals_{rule.name}", ranked.head(SHOWN_ROWS).to_arrow())
        self._run.log_metrics({f"signals_{name}": count for name, count in found.items()})
        return found

    def _report(self, view: PairView, settings: SignalRunSettings, rules: list[RuleSet]) -> None:
        names = [("drug", name) for name in settings.report_drugs] + [
            ("event", name) for name in settings.report_events
        ]
        for kind, name in names:
            path = self._folder / "reports" / f"{kind}-{file_name(name)}.html"
            write_report(profile(view, **{kind: name}, rule=rules[0] if rules else None), path)
            self._keep(path, "reports")

    def _judge(self, view: PairView, settings: SignalRunSettings, seed: int) -> None:
        assert settings.reference is not None
        reference = read_reference(settings.reference, columns=settings.reference_columns)
        judged = judge_reference(view, reference, config=settings.evaluation, seed=seed)
        self._frame("evaluation.csv", judged.figures)
        self._run.log_table("evaluation", judged.figures.to_arrow())
        measures = judged.figures.filter(pl.col("value").is_finite())
        self._run.log_metrics({f"{r['metric']}.{r['column']}": r["value"] for r in measures.iter_rows(named=True)})

    def _log_prior(self, prior: Mapping[str, Any]) -> None:
        if prior:
            self._run.log_metrics({f"prior_{name}": float(prior[name]) for name in PARAMETERS})
            self._run.set_tags({"prior_status": str(prior["status"]), "prior_likelihood": str(prior["likelihood"])})

    def _manifest(self, settings: SignalRunSettings, table: SignalTable, counts: dict[str, int], seed: int) -> None:
        about = self._folder / "about.json"
        write_json(about, json.loads(json.dumps(table.about(), default=str)))
        self._keep(about, "")
        outputs = {str(path.relative_to(self._folder)): digest_file(path) for path in self._files}
        manifest = Manifest(
            kind="signals", seed=seed, config=settings.model_dump(mode="json"), counts=counts, outputs=outputs
        )
        manifest.write(self._folder / "manifest.json")
        self._keep(self._folder / "manifest.json", "")

    def _frame(self, name: str, frame: pl.DataFrame) -> None:
        path = self._folder / name
        write_frame(frame, path)
        self._keep(path, path.parent.name if "/" in name else "")

    def _keep(self, path: Path, folder: str) -> None:
        self._files.append(path)
        self._run.log_artifact(path, folder=folder)


def file_name(text: str) -> str:
    """A file name for a drug or event: letters, digits and hyphens, at most 60 characters, never empty."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "unnamed"


def _rules(settings: SignalRunSettings) -> list[RuleSet]:
    own = load_rules(settings.rule_file) if settings.rule_file is not None else {}
    return [rule_set(name, own) for name in dict.fromkeys([*settings.rules, *own])]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            found |= _flat(inner, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = inner
    return found
