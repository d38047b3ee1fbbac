"""A model folder as a model of MLflow: installed code plus safetensors, no pickle anywhere."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.digests import digest_file
from cinchona.errors import ModelFileError
from cinchona.experiments.card import model_card
from cinchona.experiments.client import load_mlflow
from cinchona.experiments.pyfunc import PARAMS, SMILES, output_columns
from cinchona.experiments.versions import CONFIG_TAG, FINGERPRINT_TAG
from cinchona.manifest import package_versions
from cinchona.models.folder import model_fingerprint, read_trust
from cinchona.protocols import Scorer

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOADER: Final = "cinchona.experiments.pyfunc"
EXAMPLE: Final = ("CC(=O)Oc1ccccc1C(=O)O", "not a molecule")
"""Input example: one compound that is scored and one that is rejected, so that the signature has all columns."""
_PINNED: Final = (
    "cinchona", "numpy", "pandas", "pyarrow", "rdkit", "chembl-structure-pipeline", "torch", "torch-geometric",
    "scikit-learn", "safetensors", "mlflow",
)  # fmt: skip


def package_model(folder: Path, target: Path, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write the model in ``folder`` as an MLflow model into ``target``, which must not exist.

    Args:
        folder: A model folder; it is opened and checked first.
        target: Where the MLflow model goes.
        facts: Fields of the ``MLmodel`` file: ``model_id``, ``run_id``, ``artifact_path``.

    Raises:
        ModelFileError: if the folder is damaged.
        UnsafeFileError: if it holds something that could do harm.
    """
    if not folder.is_dir():
        raise ModelFileError("there is no model folder", where=str(folder), expected="a folder made by training")
    pandas = load_mlflow("pandas")
    pyfunc, models = load_mlflow("mlflow.pyfunc"), load_mlflow("mlflow.models")
    example = pandas.DataFrame({"smiles": EXAMPLE})
    loaded = load_mlflow(LOADER)._load_pyfunc(str(folder))  # noqa: SLF001 - MLflow's name for it
    loaded.predict(example)  # what is stored has answered once
    pyfunc.save_model(
        str(target),
        loader_module=LOADER,
        data_path=str(folder),
        mlflow_model=models.Model(**(facts or {})),
        signature=signature_of(loaded.scorer),
        input_example=(example, {name: default for name, (_, default) in PARAMS.items()}),
        pip_requirements=requirements(),
        metadata={"cinchona": json.loads((folder / "config.json").read_bytes())["endpoints"]},
    )


def signature_of(scorer: Scorer) -> Any:  # noqa: ANN401 - MLflow's ModelSignature
    """The signature of a model: SMILES in, the columns of an answer out, and the parameters."""
    types, models = load_mlflow("mlflow.types"), load_mlflow("mlflow.models")
    return models.ModelSignature(
        inputs=types.Schema([types.ColSpec("string", SMILES)]),
        outputs=types.Schema([types.ColSpec(kind, name) for name, kind in output_columns(scorer)]),
        params=types.ParamSchema([types.ParamSpec(name, kind, default) for name, (kind, default) in PARAMS.items()]),
    )


def requirements() -> list[str]:
    """The installed versions that a model needs, pinned."""
    found = package_versions(_PINNED)
    return [f"{name}=={found[name].partition('+')[0]}" for name in _PINNED if name in found]


def send_model(
    client: MlflowClient, run_id: str, folder: Path, *, name: str, figures: Mapping[str, float] | None = None
) -> str:
    """Store the model in ``folder`` as a logged model of a run.

    Args:
        client: The store.
        run_id: The run that made the model.
        folder: The model folder.
        name: Name of the model.
        figures: Metrics to show on the model's page.

    Returns:
        Id of the logged model.

    Raises:
        ModelFileError: if the folder is damaged.
    """
    entities = load_mlflow("mlflow.entities")
    run = client.get_run(run_id)
    model = client.create_logged_model(
        run.info.experiment_id,
        name=name,
        source_run_id=run_id,
        tags=identity_tags(folder) | {"mlflow.note.content": model_card(folder, name)},
        params=dict(run.data.params),
        model_type="cinchona",
    )
    facts = {"model_id": model.model_id, "run_id": run_id, "artifact_path": model.artifact_location}
    try:
        with tempfile.TemporaryDirectory(prefix="cinchona-model-") as scratch:
            target = Path(scratch, "model")
            package_model(folder, target, facts=facts)
            client.log_model_artifacts(model.model_id, str(target))
    except BaseException:
        with suppress(Exception):  # the store may be what failed
            client.delete_logged_model(model.model_id)
        raise
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, models=[entities.LoggedModelOutput(model.model_id, step=0)])
    entries = [
        entities.Metric(key, value, run.info.start_time, 0, model_id=model.model_id, run_id=run_id)
        for key, value in (figures or {}).items()
    ]
    if entries:
        client.log_batch(run_id, metrics=entries)
    return str(model.model_id)


def identity_tags(folder: Path) -> dict[str, str]:
    """Tags that say which model a folder holds and what it learned from."""
    trust = read_trust(folder)
    data, split = trust.get("data") or {}, trust.get("split") or {}
    told = {
        FINGERPRINT_TAG: model_fingerprint(folder), CONFIG_TAG: digest_file(folder / "config.json"),
        "data_digest": data.get("digest"), "split_kind": split.get("kind"), "split_digest": split.get("digest"),
        "seed": trust.get("seed"),
    }  # fmt: skip
    return {key: str(value) for key, value in told.items() if value is not None}


def made_model(client: MlflowClient, run_id: str, folder: Path) -> str:
    """Id of a finished logged model of the run with the model in ``folder``; empty if there is none yet."""
    outputs = client.get_run(run_id).outputs
    for made in outputs.model_outputs if outputs else ():
        model = client.get_logged_model(made.model_id)
        if model.tags.get(FINGERPRINT_TAG) == model_fingerprint(folder) and str(model.status) == "READY":
            return str(made.model_id)
    return ""


def link_model(client: MlflowClient, run_id: str, fingerprint: str) -> None:
    """Name the logged model with ``fingerprint`` as an input of a run, if the run's experiment has one."""
    if not fingerprint.isalnum():
        return
    experiment = client.get_run(run_id).info.experiment_id
    known = client.search_logged_models([experiment], filter_string=f"tags.{FINGERPRINT_TAG} = '{fingerprint}'")
    if known:
        entities = load_mlflow("mlflow.entities")
        client.log_inputs(run_id, models=[entities.LoggedModelInput(known[0].model_id)])
