"""What the commands of the registry ask for: register from a folder or a run, compare two models, describe a name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.datasets.assay import read_assay_table
from cinchona.errors import ConfigError, InputError
from cinchona.experiments.doors import local_folder
from cinchona.experiments.frozen import TestSet, of_assay, of_heldout, thaw
from cinchona.experiments.gate import Decision, GateRules, judge
from cinchona.experiments.modeluri import ModelUri, is_model_uri
from cinchona.experiments.promote import judged
from cinchona.experiments.registry import TEST_DIGEST, Registry, Version
from cinchona.experiments.runfiles import heldout_of
from cinchona.experiments.tracker import MlflowTracker
from cinchona.models.folder import model_fingerprint

if TYPE_CHECKING:
    from cinchona.pipelines.config import Settings, TrackingConfig

_RUN: Final = 32


def register(registry: Registry, source: str, name: str, *, config: TrackingConfig) -> Version:
    """Register a model folder, a training run or a logged model under ``name``; it becomes the challenger.

    A folder that the record does not know yet is logged first.

    Raises:
        InputError: if there is no such model, or a run made none or several.
        ModelFileError: if the folder is damaged.
    """
    if Path(source).is_dir():
        fingerprint = model_fingerprint(Path(source))
        model_id = registry.find_logged(fingerprint) or _log_folder(registry, Path(source), fingerprint, config)
    elif is_model_uri(source):
        uri = ModelUri.parse(source)
        model_id = uri.model_id or registry.version(uri).model_id
    else:
        model_id = _made_by(registry, source)
    return registry.register(model_id, name)


def read_test(table: str | None, targets: Sequence[str], settings: Settings) -> TestSet | None:
    """The test set in ``table``, curated as training would; None without one.

    Raises:
        ConfigError: if a table is given without targets.
        InputError: if it cannot be read.
    """
    if table is None:
        return None
    if not targets:
        raise ConfigError("--test is given without --target", remedy="name the measured columns with --target")
    data = read_assay_table(
        table, targets=targets, curation=settings.curation, standardize=settings.standardize, reader=settings.reader
    )
    return of_assay(data, Path(table).name)


def compare_models(
    registry: Registry | None, models: tuple[str, str], *, config: TrackingConfig, test: TestSet | None
) -> Decision:
    """Both models on one test set with paired intervals, as the gate would see them; nothing is written.

    Args:
        registry: Registered models; None if both are folders.
        models: Two folders or stored models; the first is the challenger.
        config: Where fetched models are kept.
        test: Test set; None takes the frozen one of a registered name, or what the first one's training held out.

    Raises:
        ConfigError: if there is no test set.
    """
    chosen = test or _known_test(registry, models)
    folders = [Path(local_folder(model, config)) for model in models]
    first, second = (judged(folder, chosen, name) for folder, name in zip(folders, models, strict=True))
    return judge(chosen.labels(chosen.targets), chosen.targets, first, second, rules=GateRules())


def describe(registry: Registry, uri: ModelUri) -> dict[str, Any]:
    """A registered name with all its versions, or one version with the numbers of its gate.

    Raises:
        InputError: if there is none.
    """
    if uri.version or uri.alias:
        return registry.version(uri).record()
    tags = registry.tags(uri.name)
    rows = [v.record() for v in registry.versions(uri.name)]
    short = ("model", "aliases", "fingerprint", "gate.decision", "gate.champion", "data_digest", "split_kind", "run_id")
    return {
        "model": uri.name,
        "frozen_test_set": tags.get(TEST_DIGEST, "not yet: it is frozen at the first promotion")[:64],
        "versions": [{key: _cell(row.get(key, "")) for key in short} for row in rows],
    }


def _cell(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text[:16] if len(text) == 2 * _RUN else text


def _known_test(registry: Registry | None, models: Sequence[str]) -> TestSet:
    for model in models if registry is not None else ():
        uri = ModelUri.parse(model) if is_model_uri(model) else ModelUri()
        if uri.name and registry is not None:
            version = registry.version(uri)
            if frozen := thaw(registry, uri.name):
                return frozen
            if (heldout := heldout_of(registry, version.run_id)) is not None:
                return of_heldout(heldout, f"held out by run {version.run_id[:8]}")
    raise ConfigError(
        "there is no test set to compare on",
        remedy="give a table of measurements that neither model has seen with --test and --target",
    )


def _made_by(registry: Registry, run_id: str) -> str:
    if not (run_id.isalnum() and len(run_id) == _RUN):
        raise InputError(
            f"{run_id[:200]!r} is no model folder and no run",
            expected="a folder, the id of a training run, or models:/m-…",
        )
    run = registry.ask("a run", lambda: registry.client.get_run(run_id), missing=f"no run {run_id}")
    made = [m.model_id for m in (run.outputs.model_outputs if run.outputs else [])]
    if len(made) != 1:
        raise InputError(f"run {run_id} made {len(made)} models", expected="one", remedy="name it: models:/m-…")
    return str(made[0])


def _log_folder(registry: Registry, folder: Path, fingerprint: str, config: TrackingConfig) -> str:
    store = registry.store
    tracker = MlflowTracker(store.uri, artifact_root=store.artifact_root, experiment=config.experiment)
    with tracker.run(f"register {folder.name}", kind="register") as run:
        run.log_model(folder, name="model")
    found = registry.find_logged(fingerprint)
    if not found:
        raise InputError("the store did not take the model", where=store.shown(), remedy="see the warnings above")
    return found


__all__ = ["compare_models", "describe", "read_test", "register"]
