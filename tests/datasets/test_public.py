from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import cinchona.datasets


def test_public_names_are_sorted_and_documented():
    names = cinchona.datasets.__all__
    assert names == sorted(names, key=str.casefold)
    assert set(names) == set(cinchona.datasets._LAZY)
    assert all(getattr(cinchona.datasets, name).__doc__ for name in names)
    assert set(names) <= set(dir(cinchona.datasets))


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = cinchona.datasets.nothing_here


def test_importing_the_room_loads_no_chemistry():
    code = (
        "import cinchona.datasets, sys; print([m for m in ('rdkit', 'torch', 'pandas', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["measurements", "textrecords", "times"])
def test_examples_in_docstrings(module):
    import doctest

    result = doctest.testmod(importlib.import_module(f"cinchona.datasets.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
