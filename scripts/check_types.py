"""Run mypy and make sure that it looked at every module: a checker that checked nothing is green too."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from repository import PACKAGE, data_folders, module_names, report

_CHECKED: Final = re.compile(r"(?:checked|in) (\d+) source files?")


def type_problems(root: Path) -> list[str]:
    """Type errors in the package and in these scripts, and files that mypy did not check."""
    # mypy counts a folder of templates as a namespace package.
    n_package = len(module_names(root)) + len(data_folders(root))
    scripts = sorted(path.name for path in (root / "scripts").glob("*.py"))
    return [
        *_mypy(root / "src", "-p", PACKAGE, expected=n_package),
        *_mypy(root / "scripts", *scripts, expected=len(scripts)),
    ]


def _mypy(folder: Path, *arguments: str, expected: int) -> list[str]:
    command = [sys.executable, "-m", "mypy", "--config-file", "../pyproject.toml", *arguments]
    answer = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    problems = [line for line in answer.stdout.splitlines() if ": error:" in line]
    if answer.returncode and not problems:
        problems = [answer.stdout + answer.stderr]
    return problems + count_problems(answer.stdout, expected=expected)


def count_problems(output: str, *, expected: int) -> list[str]:
    """Compare the number of files in mypy's closing line with what git lists."""
    found = _CHECKED.findall(output)
    if not found:
        return [f"mypy did not say how many files it checked: {output[-200:]!r}"]
    if int(found[-1]) != expected:
        return [f"mypy checked {found[-1]} source files, git lists {expected} files to check"]
    return []


def main() -> int:
    """Check the tree in the current folder."""
    return report("types", type_problems(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
