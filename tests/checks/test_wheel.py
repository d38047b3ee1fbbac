"""The wheel check sees what is missing, what is too much, and what does not import."""

from __future__ import annotations

import zipfile

import pytest
from check_wheel import build_wheel, content_problems, import_problems
from repository import package_files
from small_tree import grow, write


def wheel_of(folder, *names, text=""):
    path = folder / "small-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, text)
    return path


def test_complete_wheel_is_green(tmp_path):
    wheel = wheel_of(tmp_path, "cinchona/__init__.py", "cinchona/py.typed", "cinchona-0.1.0.dist-info/METADATA")
    assert content_problems(wheel, {"cinchona/__init__.py", "cinchona/py.typed"}) == []


def test_missing_module_is_named(tmp_path):
    wheel = wheel_of(tmp_path, "cinchona/__init__.py")
    (problem,) = content_problems(wheel, {"cinchona/__init__.py", "cinchona/models/network.py"})
    assert problem == "the wheel lacks cinchona/models/network.py"


def test_foreign_top_level_name_is_named(tmp_path):
    wheel = wheel_of(tmp_path, "cinchona/__init__.py", "datasets/__init__.py")
    assert "the wheel installs the top-level name 'datasets'" in content_problems(wheel, {"cinchona/__init__.py"})


def test_file_that_git_does_not_list_is_named(tmp_path):
    wheel = wheel_of(tmp_path, "cinchona/__init__.py", "cinchona/leftover.py")
    (problem,) = content_problems(wheel, {"cinchona/__init__.py"})
    assert "cinchona/leftover.py" in problem


@pytest.mark.slow
def test_built_wheel_of_a_tree_with_faults(repository, tmp_path):
    """One build shows all: data that is declared and data that is not, a lost link, a module that fails."""
    tree = tmp_path / "tree"
    tree.mkdir()
    grow(repository, tree)
    write(tree, "pipelines/templates/page.html.j2", "<p>{{ text }}</p>")
    write(tree, "pipelines/__init__.py", '"""Fails."""\n\nimport no_such_library\n')
    write(tree, "pipelines/templates/page.undeclared", "a kind of file that pyproject.toml does not know")
    (tree / "src/cinchona/models").unlink()
    folder = tmp_path / "out"
    folder.mkdir()

    wheel = build_wheel(tree, folder)

    assert sorted(content_problems(wheel, package_files(tree))) == [
        "the wheel lacks cinchona/models/__init__.py",
        "the wheel lacks cinchona/pipelines/templates/page.undeclared",
    ]
    (failed,) = import_problems(wheel, folder)
    assert failed.startswith("cinchona.pipelines does not import: ModuleNotFoundError")
