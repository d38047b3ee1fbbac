"""Build the wheel and try it outside the checkout: complete, only our name, every module importable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Final

from repository import PACKAGE, dotted, listed_files, package_files, report

OPTIONAL: Final = frozenset(
    {"FPSim2", "captum", "dask_jobqueue", "dask_kubernetes", "meeko", "mols2grid", "posebusters", "py3Dmol", "vina"}
)
"""Libraries of extras that the developers' environment does not install; a module may fail for want of them alone."""

_IMPORT_ALL: Final = """
import importlib, os, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        missing = getattr(error, "name", None) or ""
        print(f"{name}\\t{missing}\\t{type(error).__name__}: {error}".replace("\\n", " "))
sys.stdout.flush()
os._exit(0)  # some libraries hang or complain on the way out; that is not asked here
"""


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the wheel of ``root`` into ``folder``.

    A copy of what git lists is built, not the checkout: an old ``build/`` there would put removed modules into the
    wheel.
    """
    source = folder / "source"
    for name in listed_files(root):
        copy = source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, copy, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation"]  # with the pinned setuptools, and without asking an index
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


def content_problems(wheel: Path, expected: set[str]) -> list[str]:
    """Files that git lists and the wheel lacks, or the reverse, and top-level names beside ours."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    inside = {name for name in names if ".dist-info/" not in name.split("/", 1)[0] + "/"}
    tops = sorted({name.split("/", 1)[0] for name in inside} - {PACKAGE})
    return [
        *(f"the wheel installs the top-level name {top!r}" for top in tops),
        *(f"the wheel lacks {name}" for name in sorted(expected - inside)),
        *(f"the wheel holds {name}, which git does not list" for name in sorted(inside - expected)),
    ]


def import_problems(wheel: Path, folder: Path) -> list[str]:
    """Modules that do not import when the wheel is installed in an empty environment outside the checkout.

    The libraries of this environment are lent to it by a path file; the editable install of the checkout is not,
    because path files inside lent folders are not read.
    """
    python = _empty_environment(folder / "venv")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    # Without PYTHONPATH: the checkout on it would pass for an installed cinchona.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*command, "--disable-pip-version-check", str(wheel)], env=clean, check=True)
    site = next((folder / "venv").glob("lib/python*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    with zipfile.ZipFile(wheel) as archive:
        modules = sorted(dotted(name) for name in archive.namelist() if name.endswith(".py"))
    answer = subprocess.run(
        [str(python), "-W", "ignore", "-c", _IMPORT_ALL, *modules],
        cwd=folder,
        env=clean,
        check=False,
        capture_output=True,
        text=True,
    )
    problems = [f"the interpreter died: {answer.stderr[-500:]}"] if answer.returncode else []
    return problems + _failures(answer.stdout)


def _empty_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def _failures(output: str) -> list[str]:
    rows = [line.split("\t", 2) for line in output.splitlines() if line.count("\t") >= 2]
    return [
        f"{name} does not import: {error}" for name, missing, error in rows if missing.split(".")[0] not in OPTIONAL
    ]


def wheel_problems(root: Path) -> list[str]:
    """Everything that is wrong with the wheel of ``root``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(root, folder)
        return content_problems(wheel, package_files(root)) or import_problems(wheel, folder)


def main() -> int:
    """Check the tree in the current folder."""
    return report("wheel", wheel_problems(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main())
