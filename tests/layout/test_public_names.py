"""Each room has one public namespace: sorted, documented, lazy, and true."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from repository import ROOMS

import cinchona

PACKAGES = ["cinchona", *(f"cinchona.{room}" for room in ROOMS)]


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_are_sorted_and_documented(name):
    package = importlib.import_module(name)
    assert package.__all__ == sorted(package.__all__, key=str.casefold)
    for public in package.__all__:
        value = getattr(package, public)
        assert public.startswith("__") or not callable(value) or (value.__doc__ or "").strip(), public


@pytest.mark.parametrize("name", PACKAGES)
def test_lazy_table_and_public_names_agree(name):
    package = importlib.import_module(name)
    assert set(getattr(package, "_LAZY", {})) <= set(package.__all__)
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_unknown_name_is_an_attribute_error(name):
    package = importlib.import_module(name)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_do_not_depend_on_what_was_imported_before(name):
    """A lazy function that shares its name with a submodule would turn into the module."""
    program = (
        "import importlib, pkgutil, types\n"
        f"package = importlib.import_module({name!r})\n"
        "first = {public: getattr(package, public) for public in package.__all__}\n"
        "again = {public: getattr(package, public) for public in package.__all__}\n"
        "assert all(first[public] is again[public] for public in first)\n"
        "wrong = [public for public in getattr(package, '_LAZY', {}) if isinstance(first[public], types.ModuleType)]\n"
        "assert not wrong, wrong\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)


def test_rooms_are_attributes_of_the_package():
    for room in cinchona.ROOMS:
        assert getattr(cinchona, room).__name__ == f"cinchona.{room}"
