"""What every test relies on: no network beyond this machine, quiet libraries, seeded hypothesis, optional real data."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path

# Before any library reads them: one thread per process, no telemetry, no displays.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"

import pytest
from hypothesis import HealthCheck, settings

# The contract classes are no test modules, and their failures should be as readable.
pytest.register_assert_rewrite("contracts.scorer", "contracts.executor", "contracts.tracker", "contracts.model_folder")

_SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("explore", max_examples=1000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


class NetworkUseError(OSError):
    """A test tried to reach another machine."""


def _is_here(host: str) -> bool:
    if host in {"", "localhost", socket.gethostname()}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse connections to anything but this machine; a test that needs the internet is no test."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    yield
    patch.undo()


def _guarded(connect):
    def guarded(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(str(address[0])):
            raise NetworkUseError(f"tests reach no other machine, tried {address}")
        return connect(self, address)

    return guarded


def _folder_from(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs real data: set {variable} to its folder")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"{variable} is set to {value!r}, which is no folder")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real data, from the environment variable ``CINCHONA_DATA``; skips the test where it is not set."""
    return _folder_from("CINCHONA_DATA")


@pytest.fixture(scope="session")
def oracle_folder() -> Path:
    """Folder of reference results, from ``CINCHONA_ORACLES``; skips the test where it is not set."""
    return _folder_from("CINCHONA_ORACLES")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parent.parent
