"""Guard the files themselves: size, length, addresses of one machine, the change log, the pinned versions."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

from repository import listed_files, report

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_LINES: Final = 300
"""Longer modules are named, not refused: some are clearer in one piece."""

# Spelled so that this file does not match itself.
_ONE_MACHINE: Final = re.compile(
    r"/(w[o]rk|f[a]rm|r[o]ot)/|/h[o]me/[a-z]|pytho[n]hosted|pyp[i]\.org|deb\.debi[a]n|npm[j]s\.(org|com)"
)
_PIN: Final = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9._!-]+$")


def size_problems(root: Path) -> list[str]:
    """Files too large for a source repository."""
    sizes = {name: (root / name).stat().st_size for name in listed_files(root) if (root / name).is_file()}
    return [f"{name} has {size:,} bytes, at most {MAX_BYTES:,}" for name, size in sizes.items() if size > MAX_BYTES]


def address_problems(root: Path) -> list[str]:
    """Paths of one machine and hosts of package registries: both make a clone elsewhere fail."""
    problems = []
    for name in listed_files(root):
        path = root / name
        if path.is_symlink() or path.stat().st_size > MAX_BYTES or b"\0" in path.read_bytes()[:1024]:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if found := _ONE_MACHINE.search(line):
                problems.append(f"{name}:{number} names {found[0]!r}, which only one machine or registry has")
    return problems


def changelog_problems(root: Path) -> list[str]:
    """A change log without a place for what comes next, or without the current version."""
    path = root / "CHANGELOG.md"
    if not path.is_file():
        return ["CHANGELOG.md is missing"]
    found = re.search(r'^__version__ = "(.+)"', (root / "src/cinchona/__init__.py").read_text(), re.MULTILINE)
    version = found[1] if found else "?"
    titles = re.findall(r"^## \[(.+?)\]", path.read_text(), re.MULTILINE)
    return [f"CHANGELOG.md has no section [{title}]" for title in ("Unreleased", version) if title not in titles]


def constraint_problems(root: Path) -> list[str]:
    """Lines of the constraints that are no plain pin, and requirements of ours that have none."""
    lines = (root / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    problems = [f"constraints.txt: {line!r} is no plain 'name==version'" for line in pins if not _PIN.match(line)]
    pinned = {_plain(line) for line in pins}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in ("screening", "pv", "dev") for line in extras[extra])]
    missing = sorted({_plain(line) for line in wanted} - pinned)
    return problems + [f"constraints.txt does not pin {name}" for name in missing]


def _plain(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement


def long_modules(root: Path) -> list[str]:
    """Modules over the guideline, the longest first, as ``lines path``."""
    names = [name for name in listed_files(root) if name.endswith(".py") and (root / name).is_file()]
    lengths = {name: len((root / name).read_text(errors="replace").splitlines()) for name in names}
    return [f"{n} {name}" for name, n in sorted(lengths.items(), key=lambda item: -item[1]) if n > MAX_LINES]


def tree_problems(root: Path) -> list[str]:
    """Everything that is wrong with the files under ``root``."""
    return [*size_problems(root), *address_problems(root), *changelog_problems(root), *constraint_problems(root)]


def main() -> int:
    """Check the tree in the current folder."""
    for line in long_modules(Path.cwd()):
        print(f"tree: note: over {MAX_LINES} lines: {line}")
    return report("tree", tree_problems(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
