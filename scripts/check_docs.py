"""Build the documentation with warnings as errors and look for every public name in it."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Final

from repository import PACKAGE, module_names, report

_UNDOCUMENTED: Final = f"{PACKAGE}.cli"
"""The command line documents itself by its help texts."""


def build_problems(root: Path, out: Path) -> list[str]:
    """Build the pages into ``out``; warnings are problems."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", str(root / "docs"), str(out)]
    answer = subprocess.run(
        command, cwd=root, env={**os.environ, "PYTHONSAFEPATH": "1"}, check=False, capture_output=True, text=True
    )
    lines = [line for line in answer.stderr.splitlines() if line.strip()]
    return lines or [f"sphinx ended with {answer.returncode}"] if answer.returncode else []


def documented_names(inventory: bytes) -> set[str]:
    """Full names of all Python objects in the inventory (``objects.inv``, version 2) of built pages.

    Four lines of header, then compressed lines ``name domain:role priority uri title``.
    """
    body = zlib.decompress(inventory.split(b"\n", 4)[4]).decode()
    rows = [line.split(" ", 2) for line in body.splitlines()]
    return {name for name, kind, _ in rows if kind.startswith("py:")}


def public_names(module: ModuleType) -> set[str]:
    """Full names of what ``module`` offers: its ``__all__``, and the classes and functions that it defines."""
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }
    listed = {name for name in getattr(module, "__all__", ()) if not name.startswith("__")}
    return {_home(module, name) for name in own | listed}


def _home(module: ModuleType, name: str) -> str:
    """Where a name of ``module`` is defined, for names that a package passes on from its modules."""
    value = getattr(module, name)
    if inspect.ismodule(value):
        return value.__name__
    if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith(PACKAGE):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{_origin(module, name)}.{name}"


def _origin(module: ModuleType, name: str) -> str:
    """Module from which the source of ``module`` imports ``name``, for type checkers or for good; else itself."""
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return str(node.module)
    return module.__name__


def name_problems(names: set[str], documented: set[str]) -> list[str]:
    """Public names without an entry in the pages."""
    return [f"{name} is public and not in the documentation" for name in sorted(names - documented)]


def _is_private(module: str) -> bool:
    return module.startswith(_UNDOCUMENTED) or any(part.startswith("_") for part in module.split("."))


def docs_problems(root: Path) -> list[str]:
    """Everything that is wrong with the documentation of ``root``."""
    out = root / "docs" / "_build" / "html"
    problems = build_problems(root, out)
    if not (out / "objects.inv").is_file():
        return problems
    modules = [importlib.import_module(name) for name in module_names(root) if not _is_private(name)]
    names = set().union(*(public_names(module) for module in modules))
    return problems + name_problems(names, documented_names((out / "objects.inv").read_bytes()))


def main() -> int:
    """Check the tree in the current folder."""
    return report("docs", docs_problems(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
