"""The door to MLflow: imported late, quiet, and without its global state."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import TYPE_CHECKING, Any, Final

from cinchona.errors import MissingDependencyError

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET: Final = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}
"""Set in every process of ours that imports MLflow: nothing about the machine or its user leaves it."""

DEFAULTS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""What a user may set otherwise. MLflow's own patience (7 tries of 120 s) would hold a run up for a quarter of an hour."""


def quiet_environment() -> dict[str, str]:
    """Environment for a process of MLflow's: ours, telemetry off, short patience and few words unless the user set others."""
    return {**DEFAULTS, **os.environ, **QUIET}


def load_mlflow(module: str = "mlflow") -> Any:  # noqa: ANN401 - a module
    """Import ``module`` of MLflow with telemetry off (about 3 s the first time).

    Raises:
        MissingDependencyError: if MLflow is not installed.
    """
    os.environ.update(quiet_environment())
    try:
        with warnings.catch_warnings(action="ignore"):  # MLflow's modules warn about MLflow's own type hints
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            "tracking needs the package mlflow",
            expected="mlflow 3.17 or newer",
            remedy="install cinchona[all], or switch tracking off with --set tracking.enabled=false",
        ) from error


def open_client(uri: str) -> MlflowClient:
    """Connect to the store at ``uri``; raises what MLflow raises when it is away."""
    client: MlflowClient = load_mlflow().MlflowClient(uri, registry_uri=uri)
    return client
