"""Each check of ``make check`` is red for what it is there to find, and green without it."""

from __future__ import annotations

import subprocess

import pytest
from repository import module_names
from small_tree import grow, make, write


@pytest.fixture
def tree(repository, tmp_path):
    return grow(repository, tmp_path)


def assert_red(tree, target, *words, **environ):
    answer = make(tree, target, **environ)
    output = answer.stdout + answer.stderr
    assert answer.returncode != 0, output
    for word in words:
        assert word in output


@pytest.mark.parametrize("target", ["check-lint", "check-types", "check-imports", "check-layout", "check-tree"])
def test_clean_tree_is_green(tree, target):
    answer = make(tree, target)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_check_runs_every_check(tree):
    recipe = make(tree, "--dry-run", "check").stdout
    for command in ("ruff check", "ruff format", "check_types", "lint-imports", "check_layout", "check_tree"):
        assert command in recipe
    assert "check_wheel" in recipe
    assert "check_docs" in recipe


UPWARD = [
    ("datasets/low.py", "from cinchona.models import high", "models/high.py"),
    ("models/low.py", "from cinchona.screening import high", "screening/high.py"),
    ("screening/low.py", "from cinchona.pipelines import high", "pipelines/high.py"),
    ("pipelines/low.py", "from cinchona.experiments import high", "experiments/high.py"),
    ("experiments/low.py", "from cinchona.cli import high", "src/cinchona/cli/high.py"),
    ("src/cinchona/files.py", "from cinchona.datasets import high", "datasets/high.py"),
    ("src/cinchona/errors.py", "from cinchona import records as high", "src/cinchona/records.py"),
    ("pharmacovigilance/low.py", "from cinchona.datasets import high", "datasets/high.py"),
    ("models/low.py", "from cinchona.pharmacovigilance import high", "pharmacovigilance/high.py"),
    ("pipelines/train.py", "from cinchona.pharmacovigilance import high", "pharmacovigilance/high.py"),
]


@pytest.mark.parametrize(("low", "line", "high"), UPWARD, ids=[f"{low}-{high}" for low, _, high in UPWARD])
def test_upward_import_is_red(tree, low, line, high):
    write(tree, high, '"""Above."""\n')
    write(tree, low, f'"""Below."""\n\n{line}\n\n__all__ = ["high"]\n')
    assert_red(tree, "check-imports", "BROKEN")


FOREIGN = [
    ("datasets/low.py", "torch"),
    ("datasets/low.py", "dask"),
    ("screening/run.py", "dask"),
    ("screening/run.py", "distributed"),
    ("pipelines/low.py", "mlflow"),
    ("screening/low.py", "optuna"),
    ("pharmacovigilance/low.py", "torch"),
    ("pharmacovigilance/low.py", "rdkit"),
]


@pytest.mark.parametrize(("module", "library"), FOREIGN, ids=[f"{module}-{library}" for module, library in FOREIGN])
def test_library_in_the_wrong_room_is_red(tree, module, library):
    write(tree, module, f'"""Wrong place."""\n\nimport {library}\n\n__all__ = ["{library}"]\n')
    assert_red(tree, "check-imports", "BROKEN", library)


def test_doors_of_pharmacovigilance_are_open(tree):
    write(tree, "pharmacovigilance/high.py", '"""Inside."""\n')
    text = '"""Door."""\n\nfrom cinchona.pharmacovigilance import high\n\n__all__ = ["high"]\n'
    for door in ("pipelines/signals.py", "pipelines/liabilities.py", "src/cinchona/cli/signals.py"):
        write(tree, door, text)
    answer = make(tree, "check-imports")
    assert answer.returncode == 0, answer.stdout


def test_new_ground_floor_module_needs_a_layer(tree):
    write(tree, "src/cinchona/stranger.py", '"""In no layer."""\n')
    assert_red(tree, "check-imports", "cinchona.stranger")


def test_type_errors_and_unchecked_modules_are_red(tree):
    write(tree, "models/wrong.py", '"""Wrong."""\n\nanswer: int = "forty-two"\n')
    write(tree, "models/bare.py", '"""Bare."""\n\n\ndef double(x):\n    """Twice."""\n    return 2 * x\n')
    write(tree, "models/not-a-name/hidden.py", '"""No import name leads here, so mypy never sees it."""\n')
    assert_red(tree, "check-types", "models/wrong.py:3: error", "[assignment]", "models/bare.py:4: error", "git lists")


def test_lint_error_is_red(tree):
    write(tree, "models/loud.py", '"""Loud."""\n\nprint("hello")\n')
    assert_red(tree, "check-lint", "T201")


def test_missing_link_is_red(tree):
    (tree / "src/cinchona/models").unlink()
    assert_red(tree, "check-layout", "src/cinchona/models is missing")


def test_link_checked_out_as_text_is_red(tree):
    link = tree / "src/cinchona/models"
    link.unlink()
    link.write_text("../../models")
    assert_red(tree, "check-layout", "plain file")


def test_absolute_link_is_red(tree):
    link = tree / "src/cinchona/models"
    link.unlink()
    link.symlink_to(tree / "models")
    assert_red(tree, "check-layout", "expected ../../models")


def test_root_on_the_path_is_red(tree):
    assert_red(tree, "check-layout", "root is on sys.path", PYTHONPATH=str(tree))


@pytest.mark.parametrize("name", ["setup.py", "conftest.py", "tests/__init__.py", "tests/models/__init__.py"])
def test_file_that_moves_the_path_is_red(tree, name):
    write(tree, name, '"""Stray."""\n')
    assert_red(tree, "check-layout", name)


def test_pytest_as_a_module_is_red(tree):
    write(tree, ".ci/run", "python -m " + "pytest\n")
    assert_red(tree, "check-layout", ".ci/run")


STRAY = {
    "address of one machine": ("models/notes.py", '"""See /w' + 'ork/notes."""\n'),
    "registry host": ("docs/how.md", "from https://pypi" + ".org\n"),
    "large file": ("datasets/big.json", " " * (2 * 1024 * 1024 + 1)),
    "constraint with an address": ("constraints.txt", "torch @ file:///tmp/torch.whl\n"),
    "change log without a place": ("CHANGELOG.md", "# Changes\n"),
}


@pytest.mark.parametrize("kind", STRAY)
def test_stray_content_is_red(tree, kind):
    name, text = STRAY[kind]
    write(tree, name, text)
    assert_red(tree, "check-tree", name)


def test_missing_pin_is_red(tree):
    path = tree / "constraints.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "torch==" not in line))
    assert_red(tree, "check-tree", "does not pin torch")


def test_ignored_files_do_not_count(tree):
    write(tree, "build/lib/setup.py", '"""A leftover."""\n')
    write(tree, ".venv/conftest.py", "home = '/ro" + "ot/x'\n")
    for target in ("check-layout", "check-tree"):
        assert make(tree, target).returncode == 0


@pytest.mark.slow
def test_documentation_with_gaps_is_red(repository, tree):
    pages = ("conf.py", "_ext/api_pages.py", "index.md", "install.md", "reference/api.md", "images/architecture.svg")
    for name in pages:
        write(tree, f"docs/{name}", (repository / "docs" / name).read_text())
    for name in ("architecture", "glossary", "other", "adr/index", "tutorials/a", "howto/a", "explanation/a"):
        write(tree, f"docs/{name}.md", "# A page\n")
    answer = make(tree, "check-docs")
    assert answer.returncode == 0, answer.stdout + answer.stderr

    write(tree, "models/bare.py", '"""A module."""\n\n\nclass Bare:\n    pass\n')
    write(tree, "docs/nowhere/page.md", "# In no list of contents\n")
    assert_red(tree, "check-docs", "cinchona.models.bare.Bare is public", "nowhere/page.md")


def test_deleted_and_new_files_count_as_they_stand(tree):
    (tree / "src/cinchona/seeds.py").unlink()
    write(tree, "models/new.py", '"""New."""\n')
    listed = subprocess.run(["git", "ls-files"], cwd=tree, check=True, capture_output=True, text=True).stdout
    assert "src/cinchona/seeds.py" in listed
    assert "models/new.py" not in listed
    assert "cinchona.seeds" not in module_names(tree)
    assert "cinchona.models.new" in module_names(tree)
