"""Guard the layout: rooms at the root, one import name, and nothing that puts the root on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from repository import PACKAGE, ROOMS, listed_files, report


def link_problems(root: Path) -> list[str]:
    """Rooms without a package, and links that are missing, absolute, wrong or checked out as plain files."""
    problems = []
    for room in ROOMS:
        link = root / "src" / PACKAGE / room
        expected = Path("..") / ".." / room
        if not (root / room / "__init__.py").is_file():
            problems.append(f"the room {room}/ has no __init__.py")
        if not link.is_symlink():
            state = "a plain file or folder" if link.exists() else "missing"
            problems.append(f"src/{PACKAGE}/{room} is {state}, expected a link to {expected}")
        elif link.readlink() != expected:
            problems.append(f"src/{PACKAGE}/{room} leads to {link.readlink()}, expected {expected}")
    return problems


def file_problems(root: Path) -> list[str]:
    """Files whose presence puts the root or the tests on the import path."""
    problems = []
    for name in listed_files(root):
        path = Path(name)
        if path.suffix == ".py" and len(path.parts) == 1:
            problems.append(f"{name} lies in the root; programs belong into scripts/, benchmarks/ or a room")
        if path.parts[0] == "tests" and path.name == "__init__.py":
            problems.append(f"{name} makes the tests a package; remove it (import mode is importlib)")
    return problems


def path_problems(root: Path) -> list[str]:
    """A root on the path of a fresh interpreter, where ``import datasets`` would find our folder."""
    program = "import sys; print('\\n'.join(sys.path))"
    command = [sys.executable, "-c", program]
    answer = subprocess.run(
        command, cwd=root, env={**os.environ, "PYTHONSAFEPATH": "1"}, check=True, capture_output=True, text=True
    )
    here = root.resolve()
    entries = [entry for entry in answer.stdout.splitlines() if entry and Path(entry).resolve() == here]
    return [f"the repository root is on sys.path as {entry!r}; check PYTHONPATH and .pth files" for entry in entries]


def call_problems(root: Path) -> list[str]:
    """Recipes that start pytest as a module, which puts the current folder on the path."""
    bad = "-m " + "pytest"
    names = [name for name in listed_files(root) if name == "Makefile" or name.startswith((".ci/", "docs/"))]
    texts = {name: (root / name).read_text(errors="replace") for name in names if (root / name).is_file()}
    return [f"{name} calls 'python {bad}'; call 'pytest'" for name, text in texts.items() if bad in text]


def layout_problems(root: Path) -> list[str]:
    """Everything that is wrong with the layout under ``root``."""
    return [*link_problems(root), *file_problems(root), *path_problems(root), *call_problems(root)]


def main() -> int:
    """Check the tree in the current folder."""
    return report("layout", layout_problems(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
