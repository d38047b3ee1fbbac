"""What the tests of MLflow's room share."""

from __future__ import annotations

import pytest
from mlflow_store import copy_empty_database

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


@pytest.fixture
def new_store(tmp_path):
    """Address of an empty store of its own."""
    return f"sqlite:///{copy_empty_database(tmp_path / 'store')}"
