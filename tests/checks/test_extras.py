"""What the extras bring, tried in an environment that holds nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOREIGN = {"torch", "rdkit", "torch-geometric", "deepchem", "dask", "distributed", "mlflow", "datamol", "molsets"}


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def closure(requirements):
    """Names of the installed distributions that ``requirements`` pull in, with theirs, and so on."""
    found = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, *sorted(wanted.extras)) in found:
            continue
        found.add((name, *sorted(wanted.extras)))
        for line in metadata.requires(name) or ():
            inner = Requirement(line)
            extras = wanted.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(inner)
    return {name for name, *_ in found}


def environment_of(distributions, folder, repository):
    """An empty environment that holds the files of ``distributions`` and this checkout, as links."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in distributions:
        distribution = metadata.distribution(name)
        tops = {path.parts[0] for path in distribution.files or () if path.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            link = site / top
            if not link.exists():
                link.symlink_to(Path(distribution.locate_file(top)))
    (site / "cinchona").symlink_to(repository / "src/cinchona")
    return str(folder / "bin/python")


def run(python, program, folder, *arguments):
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "COVERAGE_PROCESS_START"}}
    command = [python, "-c", program, *arguments]
    answer = subprocess.run(command, cwd=folder, env=clean, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer.stdout


RUN = "from cinchona.cli.main import main; main()"
USE = "import cinchona.pharmacovigilance as pv\nfor name in pv.__all__: getattr(pv, name)\nprint(len(pv.__all__))"


def test_all_is_both_halves_and_the_catalogue(project):
    assert project["optional-dependencies"]["all"] == ["cinchona[catalogue,pv,screening]"]


def test_base_requirements_are_enough_for_the_ground_floor(project, repository, tmp_path):
    base = closure(project["dependencies"])
    assert not base & FOREIGN
    assert not base & {"pandas", "scipy", "duckdb", "polars", "numba"}
    python = environment_of(base, tmp_path / "venv", repository)
    modules = [f"cinchona.{path.stem}" for path in (repository / "src/cinchona").glob("[a-z]*.py")]
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    run(python, program, tmp_path, *modules)
    assert "screen" in run(python, RUN, tmp_path, "--help")


def test_safety_half_alone_brings_neither_torch_nor_rdkit(project, repository, tmp_path):
    wanted = [*project["dependencies"], *project["optional-dependencies"]["pv"]]
    brought = closure(wanted)
    assert {"duckdb", "polars", "scipy"} <= brought
    assert not brought & FOREIGN
    python = environment_of(brought, tmp_path / "venv", repository)
    assert int(run(python, USE, tmp_path)) > 0
    assert "signals" in run(python, RUN, tmp_path, "--help")
    absent = "import importlib.util as u; print([n for n in ('torch', 'rdkit', 'dask', 'mlflow') if u.find_spec(n)])"
    assert run(python, absent, tmp_path).strip() == "[]"


def test_every_pinned_requirement_is_what_is_installed(repository):
    """The constraints say what was tested; that is true only while they are what is installed."""
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    installed = {
        d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in metadata.distributions()
    }
    other = {
        name: (pin, installed[key])
        for name, pin in pins.items()
        if (key := name.lower().replace("_", "-")) in installed and installed[key] != pin
    }
    assert not other
    assert sys.version_info[:2] >= (3, 11)
