"""What belongs to the repository, as git lists it: the yardstick of all checks.

New files count before they are committed; files that git ignores or that were deleted do not.
"""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath
from typing import Final

ROOMS: Final = ("datasets", "experiments", "models", "pharmacovigilance", "pipelines", "screening")
"""Folders at the root that are subpackages of ``cinchona`` through links under ``src/cinchona``."""

PACKAGE: Final = "cinchona"


def listed_files(root: Path) -> list[str]:
    """Files and links under ``root`` that git tracks or would track, as sorted relative POSIX paths."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    names = {name for name in answer.stdout.split("\0") if name}
    return sorted(name for name in names if (root / name).is_symlink() or (root / name).is_file())


def package_files(root: Path) -> set[str]:
    """Listed files that must be in the wheel, as paths inside it (``cinchona/datasets/readers.py``)."""
    inside = set()
    for name in listed_files(root):
        first, _, rest = name.partition("/")
        if (root / name).is_symlink():
            continue
        if first in ROOMS and rest:
            inside.add(f"{PACKAGE}/{name}")
        elif name.startswith(f"src/{PACKAGE}/"):
            inside.add(name.removeprefix("src/"))
    return inside


def module_names(root: Path) -> list[str]:
    """Dotted names of all listed modules of the package, sorted."""
    return sorted(dotted(name) for name in package_files(root) if name.endswith(".py"))


def data_folders(root: Path) -> set[str]:
    """Folders of the package with data and without a module, such as templates; Python sees namespaces in them."""
    files = package_files(root)
    code = {str(PurePosixPath(name).parent) for name in files if name.endswith(".py")}
    return {str(PurePosixPath(name).parent) for name in files} - code


def dotted(path: str) -> str:
    """Module name of a path inside the wheel.

    >>> dotted("cinchona/models/__init__.py"), dotted("cinchona/errors.py")
    ('cinchona.models', 'cinchona.errors')
    """
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def report(title: str, problems: list[str]) -> int:
    """Print what a check found and return its exit code: 0 without ``problems``, else 1."""
    for problem in problems:
        print(f"{title}: {problem}")
    if not problems:
        print(f"{title}: ok")
    return 1 if problems else 0
