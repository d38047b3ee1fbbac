"""How far a library lies from what a model was trained on: every compound measured, none predicted."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.sources import Library, open_library
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import ConfigError
from cinchona.files import write_json, write_text
from cinchona.models.coded_input import molecules_of
from cinchona.models.domain.drift import Drift, DriftReport
from cinchona.models.domain.measure import DomainMeasure
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.folder import open_scorer, read_trust
from cinchona.models.scorers import ArrayScorer
from cinchona.pipelines.config import Settings
from cinchona.pipelines.report import REPORT, render
from cinchona.pipelines.report_domain import drift_view
from cinchona.progress import progress

_STEP: Final = 20_000
JSON: Final = "domain.json"


@dataclass(frozen=True, slots=True)
class Drifted:
    """A library beside a training set."""

    rows: int
    """Rows of the library."""
    rejected: int
    """Rows without a usable structure."""
    drift: DriftReport
    """Distances, properties and scaffolds."""
    out: Path | None
    """Folder with ``report.html`` and ``domain.json``, if one was asked for."""

    def to_json(self) -> dict[str, Any]:
        """The result as plain data; null where a figure is no number."""
        return {"rows": self.rows, "rejected": self.rejected, **_plain(self.drift.to_json())}


def domain(
    library: str | Path | Sequence[str | Path],
    *,
    model: str | Path,
    out: str | Path | None = None,
    settings: Settings | None = None,
    seed: int = 0,
) -> Drifted:
    """Measure how far the compounds of a library are from those that a model was trained on.

    Args:
        library: Files, globs, ``catalogue:NAME`` or ``-``.
        model: Model folder.
        out: Folder for report and figures; None writes none.
        settings: Settings for reading; structures are standardized as in training.
        seed: Seed of the sample whose properties are looked at.

    Raises:
        ConfigError: if the model knows no domain.
        InputError: if the library cannot be read.
        ModelFileError: if the model cannot be used.
        RetryableError: if the disk is full or failing.
    """
    chosen, scorer = settings or Settings(), open_scorer(model)
    drift = Drift(domain_of(scorer, Path(model)), [e.name for e in scorer.endpoints], seed)
    training: dict[str, Any] = read_trust(model).get("training") or {}
    rules = StandardizeConfig.model_validate(training.get("standardize") or chosen.standardize.model_dump())
    names = [library] if isinstance(library, str | Path) else list(library)
    with tempfile.TemporaryDirectory(prefix="cinchona-staged-") as staging:
        opened = open_library(names, staging=Path(staging), reader=chosen.reader)
        rows, rejected = _measure(drift, opened, rules, _vectors_of(scorer))
    found = Drifted(rows, rejected, drift.report(), None if out is None else Path(out))
    if found.out is not None:
        write_json(
            found.out / JSON, {"model": scorer.fingerprint, "inputs": [Path(n).name for n in names]} | found.to_json()
        )
        view = drift_view(
            found.drift, model=scorer.name, library=", ".join(Path(n).name for n in names), rejected=rejected
        )
        write_text(found.out / REPORT, render("domain.html.j2", view))
    return found


def domain_of(scorer: ArrayScorer, folder: Path) -> DomainMeasure:
    """The domain of an opened model.

    Raises:
        ConfigError: if it has none.
    """
    known = scorer.trust.domain
    if not isinstance(known, DomainMeasure):
        raise ConfigError(
            "the model does not know its domain", where=str(folder), expected="a model that kept fingerprints of its training set",
            remedy="train it again with domain.keep=true, which is the default",
        )  # fmt: skip
    return known


def _vectors_of(scorer: ArrayScorer) -> Callable[[Sequence[str]], np.ndarray | None]:
    """What makes the vectors of valid SMILES that the domain looks at, or None if it does not look at any."""
    known = scorer.trust.domain
    if isinstance(known, DomainMeasure) and known.needs_vectors and isinstance(scorer, GraphEnsemble):
        return scorer.molecule_vectors
    return lambda _: None


def _measure(
    drift: Drift, library: Library, rules: StandardizeConfig, vectors: Callable[[Sequence[str]], np.ndarray | None]
) -> tuple[int, int]:
    """Count all compounds; rows, and those that were rejected."""
    rows = rejected = 0
    with progress(library.n_rows, "measuring distances", unit="rows") as bar:
        for batch, unreadable in library.batches(_STEP):
            standard = standardize_batch(batch, rules, codes=True)
            molecules, usable, _ = molecules_of(standard.batch)
            texts = [text for text, good in zip(standard.batch.smiles, usable.tolist(), strict=True) if good]
            drift.add(molecules, texts, vectors(texts))
            here = len(batch) + len(unreadable)
            rows, rejected = rows + here, rejected + here - len(texts)
            bar.advance(here)
    return rows, rejected


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    return json.loads(json.dumps(value), parse_constant=lambda _: None) if not _finite(value) else value


def _finite(value: Any) -> bool:  # noqa: ANN401 - plain data of any shape
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


__all__ = ["Drifted", "domain", "domain_of"]
