"""What it costs to start: budgets in CPU seconds of a fresh interpreter, and what may be loaded by then."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest

IMPORT_BUDGET = 0.2
HELP_BUDGET = 0.5
HEAVY = ("torch", "rdkit", "dask", "distributed", "mlflow", "duckdb", "polars", "pandas", "sklearn", "numba", "scipy")


def environment():
    """The environment without what measures coverage of subprocesses: it would be measured too."""
    return {k: v for k, v in os.environ.items() if not k.startswith("COV_") and k != "COVERAGE_PROCESS_START"}


def cpu_seconds(*arguments):
    """User and system time of one run of this interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment(), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def modules_after(program):
    """Names in ``sys.modules`` of a fresh interpreter after ``program``."""
    code = f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], env=environment(), check=True, capture_output=True, text=True)
    return set(json.loads(answer.stdout.splitlines()[-1]))


RUN_HELP = (
    "import sys; sys.argv = ['cinchona', '--help']\n"
    "from cinchona.cli.main import main\n"
    "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
)


@pytest.mark.parametrize(
    "program, budget",
    [("import cinchona", IMPORT_BUDGET), (RUN_HELP, HELP_BUDGET)],
    ids=["import", "help"],
)
def test_start_up_stays_in_its_budget(program, budget):
    cpu_seconds("-c", program)  # once, so that the files are compiled and in memory
    assert min(cpu_seconds("-c", program) for _ in range(3)) < budget


@pytest.mark.parametrize("program", ["import cinchona", RUN_HELP], ids=["import", "help"])
def test_start_up_loads_no_room_and_no_heavy_library(program):
    loaded = modules_after(program)
    rooms = ("datasets", "experiments", "models", "pharmacovigilance", "pipelines", "screening")
    assert not loaded & {f"cinchona.{room}" for room in rooms}
    assert not loaded & set(HEAVY)


def test_safety_half_loads_neither_torch_nor_rdkit():
    loaded = modules_after("import cinchona.pharmacovigilance")
    assert not loaded & {"torch", "rdkit", "dask", "mlflow"}


def test_a_worker_loads_no_more_than_it_needs():
    """What scores a graph network comes without what trains one: a worker is ready in half the time."""
    program = (
        "from cinchona.screening.work import PartitionWork\nfrom cinchona.models.ensemble import GraphEnsemble\n"
        "from cinchona.models.imported.scorer import ImportedEnsemble\nfrom cinchona.models.folder import open_scorer\n"
        "from importlib import import_module\nfrom cinchona.models.trusting import PARTS\n"
        "[import_module(f'cinchona.models.{module}') for module, _ in PARTS.values()]"
    )
    assert not modules_after(program) & {"torch", "torch_geometric", "sklearn", "mlflow", "dask", "matplotlib"}


def test_hits_are_explained_without_what_trains():
    program = (
        "import numpy as np\nfrom cinchona.models.config import GraphNetConfig\nfrom cinchona.models.ensemble import GraphEnsemble\n"
        "from cinchona.models.explanation.attribution import attribute\nfrom cinchona.models.member_weights import shapes_of\n"
        "from cinchona.models.scaling import TargetScaling\nfrom cinchona.records import Endpoint\n"
        "shape = GraphNetConfig(hidden=4, head_hidden=4)\n"
        "scaling = TargetScaling(np.zeros(1), np.ones(1), np.array([False]))\n"
        "model = GraphEnsemble((), network=shape, endpoints=[Endpoint('y', 'u')], scaling=scaling)\n"
        "model._weights = ({name: np.ones(size, np.float32) for name, size in shapes_of(shape, 1).items()},)\n"
        "assert attribute(model, ['CCO'])[0].method == 'gradients'"
    )
    loaded = modules_after(program)
    assert "torch" in loaded
    assert not loaded & {"torch_geometric", "torch._dynamo", "sklearn"}
