"""A tree laid out like this repository, with the real checks and next to no code, to plant violations in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from repository import PACKAGE, ROOMS, package_files

COPIED = (".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml")
ROOT_MODULE = '''"""A small tree."""

__version__ = "0.1.0"
ROOMS = ("datasets", "models", "screening", "pipelines", "experiments", "pharmacovigilance")
'''


def grow(repository: Path, tree: Path) -> Path:
    """Build the tree: real Makefile, settings and checks; each ground-floor module and room an empty shell."""
    for name in COPIED:
        shutil.copy(repository / name, tree / name)
    shutil.copytree(
        repository / "scripts", tree / "scripts", ignore=shutil.ignore_patterns("__pycache__", "write_reference.py")
    )
    package = tree / "src" / PACKAGE
    for path in _shells(repository):
        file = tree / "src" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('"""A shell."""\n')
    (package / "__init__.py").write_text(ROOT_MODULE)
    (package / "py.typed").touch()
    for room in ROOMS:
        write(tree, f"{room}/__init__.py", '"""A shell."""\n')
        (package / room).symlink_to(Path("..") / ".." / room)
    subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    subprocess.run(["git", "add", "--all"], cwd=tree, check=True)
    return tree


def _shells(repository: Path) -> list[str]:
    files = [name for name in package_files(repository) if name.endswith(".py")]
    return [*(name for name in files if name.count("/") == 1), f"{PACKAGE}/cli/__init__.py"]


def write(tree: Path, name: str, text: str) -> None:
    """Write a file of the tree."""
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make(tree: Path, *targets: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``make`` in the tree with the environment of this interpreter, taken as installed."""
    venv = sys.prefix
    command = ["make", "--no-print-directory", f"VENV={venv}", f"--old-file={venv}/.installed-dev", *targets]
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        command, cwd=tree, env={**clean, **environ}, check=False, capture_output=True, text=True, timeout=120
    )
