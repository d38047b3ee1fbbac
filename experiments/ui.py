"""Opens the MLflow browser on a store: on this machine only, without telemetry."""

from __future__ import annotations

import errno
import logging
import os
import socket
from typing import Final

from cinchona.errors import ConfigError
from cinchona.experiments.client import load_mlflow, quiet_environment
from cinchona.experiments.store import Store

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 5000
APPLICATION: Final = "cinchona.experiments.ui_app:create_app"
_SERVER: Final = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "DENY",
    "_MLFLOW_IN_JOB_EXECUTOR": "false",
    "_MLFLOW_SGI_NAME": "uvicorn",
}


def server_environment(store: Store, *, port: int = PORT) -> dict[str, str]:
    """Environment of the server: its store, the names by which a browser may call it, nothing that leaves the machine.

    Raises:
        ConfigError: if the store is itself a server.
    """
    if store.database is None:
        raise ConfigError(
            f"{store.shown()} is a server already",
            remedy="open that address in a browser; serve-ui is for local stores",
        )
    names = ("localhost", LOOPBACK)
    return {
        **quiet_environment(),
        **_SERVER,
        "_MLFLOW_SERVER_FILE_STORE": store.uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": store.uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": store.artifact_root or "",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{name}:{port}" for name in names),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in names),
    }


def address(port: int = PORT) -> str:
    """What to open in a browser."""
    return f"http://{LOOPBACK}:{port}/"


def serve_ui(store: Store, *, port: int = PORT) -> None:
    """Serve the browser from this process until Ctrl-C or SIGTERM.

    Raises:
        ConfigError: if the store is a server, or the port is out of range or taken.
        MissingDependencyError: if MLflow is not installed.
    """
    environment = server_environment(store, port=port)
    require_free(port)
    uvicorn = load_mlflow("uvicorn")
    store.connect()  # makes the database if there is none, under our lock
    os.environ.update(environment)
    logger.info("MLflow shows %s at %s (stop with Ctrl-C)", store.shown(), address(port))
    uvicorn.run(APPLICATION, factory=True, host=LOOPBACK, port=port, log_level="warning", server_header=False)


def require_free(port: int) -> None:
    """Check that a server can listen on ``port`` of this machine.

    Raises:
        ConfigError: if the port is out of range, taken or reserved.
    """
    if not 0 < port < 65_536:
        raise ConfigError(f"port {port} is out of range", expected="1 to 65535")
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise ConfigError(f"port {port} {why}", remedy="choose another one with --port") from error
