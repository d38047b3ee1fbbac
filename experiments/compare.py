"""Runs side by side: what was set differently, what came out, and whether chance explains the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from cinchona.errors import ConfigError
from cinchona.experiments.registry import Registry
from cinchona.experiments.runfiles import heldout_of, run_table
from cinchona.models.intervals import paired_bootstrap
from cinchona.models.metrics import METRICS, Metric

MOST: Final = 20
"""Runs that one comparison takes."""
FEWEST: Final = 20
"""Compounds in common that an interval needs."""
_FACTS: Final = (
    "kind",
    "cinchona_version",
    "git_commit",
    "seed",
    "data_digest",
    "split_kind",
    "model_fingerprint",
    "scores_digest",
)
_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the record tells of one run."""

    run_id: str
    name: str
    facts: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    heldout: pa.Table | None = field(default=None, repr=False)
    """Held-out compounds with labels and predictions."""
    hits: pa.Table | None = field(default=None, repr=False)
    """Hits of a screen."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference of one metric between two runs on the compounds that both held out."""

    run: str
    reference: str
    target: str
    metric: str
    value: float
    reference_value: float
    difference: float
    """``value - reference_value``."""
    lower: float
    upper: float
    n: int
    """Compounds in common."""
    verdict: str
    """``better``, ``worse`` or ``not shown``; by the 95 % interval and the metric's good direction."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several runs beside the first one."""

    runs: tuple[RunFacts, ...]
    paired: tuple[Paired, ...]
    overlaps: tuple[dict[str, Any], ...] = ()
    """Of screens: hits in common with the first run."""
    notes: tuple[str, ...] = ()
    """Why something could not be compared."""

    def facts(self) -> list[dict[str, str]]:
        """Names and origins, one row a run."""
        return [{"run": r.run_id[:_SHORT], "name": r.name, **r.facts} for r in self.runs]

    def settings(self) -> list[dict[str, str]]:
        """Settings that differ, one row a setting, one column a run."""
        names = sorted({name for run in self.runs for name in run.params})
        rows = [{"setting": n, **{r.run_id[:_SHORT]: r.params.get(n, "") for r in self.runs}} for n in names]
        return [row for row in rows if len({row[r.run_id[:_SHORT]] for r in self.runs}) > 1]

    def metrics(self) -> list[dict[str, Any]]:
        """Figures, one row a metric, one column a run."""
        names = sorted({name for run in self.runs for name in run.metrics})
        return [{"metric": n, **{r.run_id[:_SHORT]: r.metrics.get(n) for r in self.runs}} for n in names]


def compare_runs(registry: Registry, run_ids: Sequence[str], *, seed: int = 0) -> Comparison:
    """Compare runs with the first one.

    Metrics of different test compounds cannot be compared. So differences and intervals are computed anew from the
    held-out predictions that trainings left, on those compounds and labels that both runs held out.

    Args:
        registry: The store.
        run_ids: Two to twenty runs.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: if there are too few or too many, or one twice.
        InputError: if there is no such run.
    """
    if not 2 <= len(run_ids) <= MOST or len(set(run_ids)) < len(run_ids):
        raise ConfigError(f"{len(run_ids)} runs are given", expected=f"2 to {MOST} different runs")
    runs = tuple(_read(registry, run_id) for run_id in run_ids)
    paired, notes = [], []
    for run in runs[1:]:
        found = list(_paired(runs[0], run, seed))
        paired += found
        if not found and (run.heldout is not None or runs[0].heldout is not None):
            notes.append(f"{run.name} and {runs[0].name} held out fewer than {FEWEST} compounds in common")
    overlaps = tuple(_overlap(runs[0], run) for run in runs[1:] if run.hits is not None and runs[0].hits is not None)
    return Comparison(runs, tuple(paired), overlaps, tuple(notes))


def _read(registry: Registry, run_id: str) -> RunFacts:
    run = registry.ask("a run", lambda: registry.client.get_run(run_id), missing=f"no run {run_id[:100]}")
    tags = run.data.tags
    began = datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="minutes")
    facts = {"status": run.info.status, "began": began} | {k: tags[k][:40] for k in _FACTS if k in tags}
    kind = tags.get("kind", "")
    return RunFacts(
        run_id, run.info.run_name or run_id, facts, dict(run.data.params),
        {k: v for k, v in run.data.metrics.items() if not k.startswith("system/")},
        heldout_of(registry, run_id) if kind in {"train", "evaluate"} else None,
        run_table(registry, run_id, "hits.parquet") if kind == "screen" else None,
    )  # fmt: skip


def _paired(reference: RunFacts, run: RunFacts, seed: int) -> Iterator[Paired]:
    if run.heldout is None or reference.heldout is None:
        return
    first, second = _by_compound(run.heldout), _by_compound(reference.heldout)
    for target, kind in dict.fromkeys((key[1], key[3]) for key in first):
        common = sorted(key for key in first.keys() & second.keys() if key[1] == target)
        if len(common) < FEWEST:
            continue
        labels = np.array([key[2] for key in common])
        pair = np.array([[first[key], second[key]] for key in common])
        for metric in METRICS.values():
            if metric.kind == kind:
                found = _difference(metric, labels, pair, seed)
                if found is not None:
                    yield Paired(run.name, reference.name, target, metric.name, *found)


Key = tuple[str, str, float, str]
"""SMILES, target, label and kind: what two runs must share to be compared on a compound."""


def _by_compound(heldout: pa.Table) -> dict[Key, float]:
    return {
        (row["smiles"], row["target"], row["measured"], row.get("kind") or "regression"): row["predicted"]
        for row in heldout.to_pylist()
        if not row.get("censor") and _known(row["measured"]) and _known(row["predicted"])
    }


def _known(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _difference(
    metric: Metric, labels: np.ndarray, pair: np.ndarray, seed: int
) -> tuple[float, float, float, float, float, int, str] | None:
    try:
        found = paired_bootstrap(metric.function, labels, pair[:, 0], pair[:, 1], seed=seed)
        values = [metric.function(labels, pair[:, k]) for k in range(2)]
    except ValueError:
        return None  # the metric is not defined here, for example without an active
    verdict = "not shown"
    if found.lower > 0 or found.upper < 0:
        verdict = "better" if (found.lower > 0) == metric.higher_is_better else "worse"
    return values[0], values[1], found.estimate, found.lower, found.upper, len(labels), verdict


def _overlap(reference: RunFacts, run: RunFacts) -> dict[str, Any]:
    assert reference.hits is not None and run.hits is not None, "only screens are asked"  # noqa: PT018 - one condition
    first, second = (set(r.hits["parent_smiles"].to_pylist()) for r in (run, reference))  # type: ignore[index]
    common = len(first & second)
    return {
        "run": run.name, "reference": reference.name, "hits": len(first), "reference_hits": len(second), "common": common,
        "jaccard": common / max(1, len(first | second)),
    }  # fmt: skip


__all__ = ["Comparison", "MOST", "Paired", "RunFacts", "compare_runs"]
