"""What the check scripts conclude from the output of the programs they call."""

from __future__ import annotations

import importlib.util
import zlib

import pytest
from check_docs import documented_names, name_problems, public_names
from check_tree import long_modules
from check_types import count_problems
from repository import data_folders, package_files, report
from small_tree import grow, make, write
from write_constraints import pins

SUCCESS = "Success: no issues found in {} source files\n"
FAILURE = "Found 3 errors in 2 files (checked {} source files)\n"


@pytest.mark.parametrize("line", [SUCCESS, FAILURE])
def test_count_of_checked_files_is_read_from_either_closing_line(line):
    assert count_problems(line.format(12), expected=12) == []
    assert count_problems(line.format(11), expected=12) == ["mypy checked 11 source files, git lists 12 files to check"]


def test_silence_is_a_problem():
    (problem,) = count_problems("", expected=12)
    assert "did not say" in problem


def test_pins_have_no_addresses_and_no_local_labels():
    freeze = "torch==2.13.0+cpu\n-e git+https://host/x#egg=x\npip==26.0\nA==1.0\nb @ file:///x.whl\ncinchona==0.1.0\n"
    assert pins(freeze) == ["A==1.0", "torch==2.13.0"]


def test_links_are_followed_once(repository):
    files = package_files(repository)
    assert "cinchona/datasets/__init__.py" in files
    assert not any(name.startswith("cinchona/cinchona") for name in files)
    assert "cinchona/datasets" not in files


def test_folders_of_templates_are_counted_as_mypy_counts_them(repository, tmp_path):
    tree = grow(repository, tmp_path)
    assert data_folders(tree) == set()
    write(tree, "pipelines/templates/page.html.j2", "")
    write(tree, "models/data.json", "{}")
    assert data_folders(tree) == {"cinchona/pipelines/templates"}
    answer = make(tree, "check-types")
    assert answer.returncode == 0, answer.stdout


def test_long_modules_are_named_longest_first(repository, tmp_path):
    tree = grow(repository, tmp_path)
    write(tree, "models/long.py", "#\n" * 301)
    write(tree, "models/longer.py", "#\n" * 400)
    write(tree, "models/short.py", "#\n" * 300)
    assert [line for line in long_modules(tree) if "models/" in line] == ["400 models/longer.py", "301 models/long.py"]


def test_report_is_its_exit_code(capsys):
    assert report("x", []) == 0
    assert report("x", ["one", "two"]) == 1
    assert capsys.readouterr().out == "x: ok\nx: one\nx: two\n"


def module_from(folder, source, name="cinchona.fake"):
    path = folder / "fake.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_public_names_are_own_definitions_and_what_is_listed(tmp_path):
    module = module_from(
        tmp_path,
        "import json\nfrom pathlib import Path\nfrom cinchona.seeds import MAX_SEED\n"
        "LIMIT = 3\n__all__ = ['LIMIT', 'MAX_SEED', 'shown', '__version__']\n"
        "class Own: ...\ndef shown(): ...\ndef _hidden(): ...\n",
    )
    assert public_names(module) == {
        "cinchona.fake.LIMIT",
        "cinchona.fake.Own",
        "cinchona.fake.shown",
        "cinchona.seeds.MAX_SEED",
    }


INVENTORY = b"""# Sphinx inventory version 2
# Project: x
# Version: 1
# The remainder of this file is compressed using zlib.
"""


def test_inventory_is_read_and_compared():
    lines = "cinchona.fake.shown py:function 1 x.html#$ -\ninstall std:doc -1 install.html Install Cinchona\n"
    documented = documented_names(INVENTORY + zlib.compress(lines.encode()))
    assert documented == {"cinchona.fake.shown"}
    assert name_problems({"cinchona.fake.shown", "cinchona.fake.Own"}, documented) == [
        "cinchona.fake.Own is public and not in the documentation"
    ]
