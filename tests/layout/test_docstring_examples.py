"""Examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest
from repository import package_files


def modules_with_examples(root):
    """Modules of the package, and the check scripts, that show at least one example."""
    found = []
    for name in sorted(package_files(root)):
        path = root / "src" / name
        if name.endswith(".py") and ">>> " in path.read_text():
            found.append(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    scripts = (path for path in sorted((root / "scripts").glob("*.py")) if ">>> " in path.read_text())
    return [*found, *(path.stem for path in scripts)]


def pytest_generate_tests(metafunc):
    root = metafunc.config.rootpath
    metafunc.parametrize("module", modules_with_examples(root))


def test_examples(module):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    loaded = importlib.import_module(module)
    found = [case for case in doctest.DocTestFinder().find(loaded) if case.examples]
    if not found:
        pytest.fail(f"{module} shows examples that doctest does not find")
    runner = doctest.DocTestRunner(optionflags=flags)
    for case in found:
        runner.run(case)
    assert runner.failures == 0
