"""Doing a recorded run again, and saying exactly what differs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.catalogue import PREFIX
from cinchona.datasets.sources import open_library
from cinchona.errors import ConfigError, InputError, PlanMismatchError
from cinchona.experiments.differences import (
    Difference,
    Outcome,
    code_differences,
    compare_outcomes,
    mapping_differences,
)
from cinchona.experiments.modeluri import ModelUri
from cinchona.experiments.registry import Registry
from cinchona.experiments.runfiles import heldout_of, run_file
from cinchona.manifest import host_facts, package_versions
from cinchona.pipelines.config import Settings
from cinchona.pipelines.evaluate import evaluate
from cinchona.pipelines.pretrain import pretrain
from cinchona.pipelines.recipe import FILE, Recipe
from cinchona.pipelines.screen import screen
from cinchona.pipelines.train import train

_MAX_RECIPE: Final = 16 << 20
_DIGESTS: Final = frozenset({"scores_digest", "encoder_digest"})
EQUAL: Final = "bit-equal"
"""Verdict: all figures are the same to the last bit."""
CLOSE: Final = "within tolerance"
"""Verdict: all figures differ by no more than allowed."""
DIFFERENT: Final = "different"
"""Verdict: some figure differs by more."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of doing a run again."""

    run_id: str
    kind: str
    verdict: str
    """:data:`EQUAL`, :data:`CLOSE` or :data:`DIFFERENT`."""
    compared: int
    """Figures that were compared."""
    differences: tuple[Difference, ...] = ()
    out: Path | None = None
    """Folder of the new model or screen."""

    def table(self) -> pa.Table:
        """The differences, one a row."""
        names = ("part", "name", "recorded", "now", "matters")
        kinds = {"matters": pa.bool_()}
        return pa.table({
            n: pa.array([getattr(d, n) for d in self.differences], kinds.get(n, pa.string())) for n in names
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Redo:
    """How to do a run again."""

    out: Path
    """Folder for the new model or screen: new or empty."""
    data: tuple[str, ...] = ()
    """Inputs in the order of the recipe; needed for what is not in the catalogue."""
    model: str = ""
    """Model folder, where the store no longer has the model."""
    tolerance: float = 1e-5
    """Largest difference of a figure, relative to figures above 1."""
    cache: Path = field(default_factory=Path)
    """Where fetched models are kept."""


def reproduce(registry: Registry, run_id: str, redo: Redo) -> Reproduction:
    """Rebuild the settings of a run, check its data, do it again, and compare.

    Args:
        registry: The store of the run, which is not trusted.
        run_id: A training, an evaluation, a screen or a pretraining.
        redo: How to do it.

    Raises:
        InputError: if there is no such run, it left no recipe, or its data cannot be found.
        PlanMismatchError: if the data are not those of the run; nothing is computed then.
        ConfigError: if its settings are not those of this version.
    """
    run = registry.ask("a run", lambda: registry.client.get_run(run_id), missing=f"no run {run_id}")
    recipe = recipe_of(registry, run_id)
    settings = _settings(recipe, run_id)
    inputs = _inputs(recipe, redo, run_id)
    _check_data(recipe, inputs, settings, run_id)
    recorded = Outcome(dict(run.data.metrics), {k: v for k, v in run.data.tags.items() if k in _DIGESTS})
    if recipe.kind == "train":
        recorded.predictions = _predicted(heldout_of(registry, run_id))
        recorded.texts = _fingerprints(registry, run)
    now = _AGAIN[recipe.kind](recipe, inputs, settings, _with_model(registry, recipe, redo))
    outcome = compare_outcomes(recorded, now, redo.tolerance)
    world = (*code_differences(run.data.tags), *mapping_differences("package", recipe.versions, package_versions()),
             *mapping_differences("host", recipe.host, host_facts()))  # fmt: skip
    verdict = DIFFERENT if any(d.matters for d in outcome) else CLOSE if outcome else EQUAL
    out = redo.out if recipe.kind != "evaluate" else None
    return Reproduction(run_id, recipe.kind, verdict, len(now.figures) + len(now.texts), (*outcome, *world), out)


def recipe_of(registry: Registry, run_id: str) -> Recipe:
    """The recipe of a run.

    Raises:
        InputError: if it left none.
    """
    content = run_file(registry, run_id, FILE, limit=_MAX_RECIPE)
    if content is None:
        raise InputError(
            f"run {run_id} left no recipe", where=registry.store.shown(),
            expected="a training, an evaluation, a screen or a pretraining that this version recorded",
        )  # fmt: skip
    return Recipe.read(content, f"run {run_id}")


def _settings(recipe: Recipe, run_id: str) -> Settings:
    try:
        return Settings.model_validate(recipe.settings)
    except ValidationError as error:
        wrong = "; ".join(".".join(map(str, e["loc"])) + ": " + e["msg"] for e in error.errors()[:5])
        raise ConfigError(
            f"the settings of run {run_id} are not those of this version: {wrong}", expected="settings it knows",
            remedy=f"install cinchona {recipe.versions.get('cinchona', 'as it was')}",
        ) from error  # fmt: skip


def _inputs(recipe: Recipe, redo: Redo, run_id: str) -> list[str]:
    if redo.data:
        if len(redo.data) != len(recipe.inputs):
            raise InputError(
                f"{len(redo.data)} inputs are given, run {run_id} had {len(recipe.inputs)}",
                expected=", ".join(recipe.inputs), remedy="give --data once for each, in this order",
            )  # fmt: skip
        return list(redo.data)
    if missing := [name for name in recipe.inputs if not name.startswith(PREFIX)]:
        raise InputError(
            f"run {run_id} read {', '.join(missing)}, and the record keeps no paths",
            remedy="say where the data are with --data, once for each input",
        )
    return list(recipe.inputs)


def _check_data(recipe: Recipe, inputs: Sequence[str], settings: Settings, run_id: str) -> None:
    if recipe.kind in {"screen", "pretrain"}:
        with tempfile.TemporaryDirectory(prefix="cinchona-staged-") as staging:
            found = [f.digest for f in open_library(inputs, staging=Path(staging), reader=settings.reader).files]
    else:
        rules = settings.standardize
        found = [
            read_assay_table(
                inputs[0], targets=recipe.targets, curation=settings.curation, standardize=rules, reader=settings.reader
            ).digest
        ]
    if tuple(found) != recipe.digests:
        names = [
            f"{name}: recorded {was[:12]}, now {now[:12]}"
            for name, was, now in zip(
                recipe.inputs, recipe.digests, [*found, *[""] * len(recipe.digests)], strict=False
            )
            if was != now
        ]
        raise PlanMismatchError(
            f"the data are not those of run {run_id}: {'; '.join(names) or f'{len(found)} files in place of others'}",
            expected="the same content", remedy="find the data that the run read; their digests are in its record",
        )  # fmt: skip


def _with_model(registry: Registry, recipe: Recipe, redo: Redo) -> Redo:
    if not recipe.model or redo.model:
        return redo
    model_id = registry.find_logged(recipe.model)
    if not model_id:
        raise InputError(
            f"the store no longer has the model {recipe.model[:12]} of this run", where=registry.store.shown(),
            remedy="say where its folder is with --model",
        )  # fmt: skip
    return replace(redo, model=str(registry.fetch(ModelUri(model_id=model_id), redo.cache)))


def _train(recipe: Recipe, inputs: Sequence[str], settings: Settings, redo: Redo) -> Outcome:
    done = train(inputs[0], targets=recipe.targets, out=redo.out, settings=settings, seed=recipe.seed)
    figures = {
        f"test {row['metric']} {row['target']} {row['model']}": float(row["estimate"])
        for row in done.figures
        if row["estimate"] is not None
    }
    heldout = pq.read_table(done.folder / "report" / "heldout.parquet")
    return Outcome(figures, {"model fingerprint": done.fingerprint}, _predicted(heldout))


def _evaluate(recipe: Recipe, inputs: Sequence[str], settings: Settings, redo: Redo) -> Outcome:
    done = evaluate(inputs[0], model=redo.model, targets=recipe.targets, settings=settings, seed=recipe.seed)
    return Outcome(
        {f"{r['metric']} {r['target']}": float(r["estimate"]) for r in done.figures if r["estimate"] is not None}
    )


def _screen(recipe: Recipe, inputs: Sequence[str], settings: Settings, redo: Redo) -> Outcome:
    done = screen(inputs, model=redo.model, out=redo.out, settings=settings, seed=recipe.seed)
    counts = {"rows": done.rows, "scored": done.scored, "rejected": done.rejected, "hits": done.hits.num_rows}
    return Outcome({k: float(v) for k, v in counts.items()}, {"scores_digest": done.scores_digest})


def _pretrain(recipe: Recipe, inputs: Sequence[str], settings: Settings, redo: Redo) -> Outcome:
    done = pretrain(list(inputs), out=redo.out, settings=settings, seed=recipe.seed)
    figures = {
        "valid_loss": done.valid_loss,
        "descriptors_explained_median": done.descriptors_explained,
        "bits_explained_median": done.bits_explained,
    }
    return Outcome(figures, {"encoder_digest": done.digest})


_AGAIN: Final[Mapping[str, Callable[[Recipe, Sequence[str], Settings, Redo], Outcome]]] = {
    "train": _train,
    "evaluate": _evaluate,
    "screen": _screen,
    "pretrain": _pretrain,
}


def _predicted(heldout: pa.Table | None) -> np.ndarray | None:
    if heldout is None:
        return None
    return np.asarray(heldout["predicted"].to_numpy(zero_copy_only=False), np.float64)


def _fingerprints(registry: Registry, run: Any) -> dict[str, str]:  # noqa: ANN401 - MLflow's record
    for made in run.outputs.model_outputs if run.outputs else ():
        model = registry.ask("a model", partial(registry.client.get_logged_model, made.model_id))
        return {"model fingerprint": model.tags.get("model_fingerprint", "")}
    return {}


__all__ = ["CLOSE", "DIFFERENT", "EQUAL", "Difference", "Redo", "Reproduction", "recipe_of", "reproduce"]
