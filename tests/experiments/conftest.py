"""One empty MLflow database for all tests of this room: making one takes seconds, copying it nothing."""

from __future__ import annotations

import shutil
import warnings

import pytest

from cinchona.experiments.store import Store

FOREIGN = (
    # MLflow's own use of SQLAlchemy, Starlette and type hints; not ours to mend.
    "ignore::sqlalchemy.exc.SADeprecationWarning",
    "ignore::DeprecationWarning:mlflow.*",
    "ignore::UserWarning:mlflow.*",
)


def pytest_collection_modifyitems(items):
    for item in items:
        for entry in FOREIGN if "experiments" in item.path.parts else ():
            item.add_marker(pytest.mark.filterwarnings(entry))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    with warnings.catch_warnings(action="ignore"):
        Store.at(f"sqlite:///{path}").connect()
    return path


@pytest.fixture
def new_store(empty_database, tmp_path):
    """Address of a store of its own."""
    (tmp_path / "store").mkdir()
    shutil.copy(empty_database, tmp_path / "store" / "mlflow.db")
    return f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}"
