"""The last stop of every error: one message on stderr, one exit code, a crash report for what is our fault."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer

from cinchona.errors import (
    CinchonaError,
    ExitCode,
    InputError,
    MissingDependencyError,
    NotBuiltError,
    RetryableError,
    RunInterrupted,
    UsageError,
)
from cinchona.masking import mask_secrets

EXTRA_OF: Final = {
    "captum": "explain", "datamol": "catalogue", "duckdb": "pv", "FPSim2": "search", "lifelines": "pv",
    "polars": "pv", "rapidfuzz": "pv", "statsmodels": "pv", "vina": "dock", "meeko": "dock", "posebusters": "dock",
    "dask_jobqueue": "slurm", "dask_kubernetes": "k8s",
    **dict.fromkeys(
        ("chembl_structure_pipeline", "dask", "deepchem", "distributed", "lightgbm", "matplotlib", "mlflow", "numba",
         "optuna", "pandas", "psutil", "rdkit", "safetensors", "sklearn", "scipy", "torch", "torch_geometric", "uvicorn"),
        "screening",
    ),
}  # fmt: skip
"""Extra that brings a package."""
_FULL_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE}
_CLICK_ERROR: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Write what went wrong on stderr and return the exit code.

    Args:
        error: What ended the command.
        arguments: The command line, to know whether ``--verbose`` was given and which command it was.
    """
    ours = translate(error, arguments)
    verbose = "--verbose" in arguments
    if ours is None:
        kept = _write_crash(error, arguments)
        ours = CinchonaError(
            f"{type(error).__name__}: {_first_line(error)}", where=_place(error),
            remedy=f"this is a defect of ours; the traceback is in {kept}" + ("" if verbose else ", or use --verbose"),
        )  # fmt: skip
    if verbose:
        _say("".join(traceback.format_exception(error)).rstrip())
    _say(_as_json(ours) if _wants_json(arguments) else _as_text(ours))
    return int(ours.exit_code)


def translate(error: BaseException, arguments: Sequence[str] = ()) -> CinchonaError | None:
    """The error of ours that ``error`` means to a user, or None if it means a defect."""
    found: CinchonaError | None = None
    if isinstance(error, CinchonaError):
        found = error
    elif isinstance(error, _CLICK_ERROR):
        found = _usage(error)
    elif isinstance(error, KeyboardInterrupt | EOFError | typer.Abort):
        found = RunInterrupted("interrupted")
    elif isinstance(error, ModuleNotFoundError):
        found = _missing_module(error, arguments)
    elif isinstance(error, OSError):
        found = _os_error(error)
    elif isinstance(error, MemoryError):
        found = RetryableError(
            "out of memory", remedy="lower screen.partition_rows or executor.workers, then run it again"
        )
    return found


def _usage(error: BaseException) -> UsageError:
    context = getattr(error, "ctx", None)
    place = context.command_path if context is not None else "cinchona"
    message = str(getattr(error, "format_message", lambda: str(error))())
    return UsageError(message.rstrip("."), where=place, remedy=f"see `{place} --help`")


def _missing_module(error: ModuleNotFoundError, arguments: Sequence[str]) -> CinchonaError | None:
    name = error.name or ""
    top = name.partition(".")[0]
    called = " ".join(
        ("cinchona", *(a for a in arguments[:2] if a.replace("-", "").isalpha() and not a.startswith("-")))
    )
    if top == "cinchona":
        return NotBuiltError(f"`{called}` is planned, but its part {name} is not built yet")
    if top in EXTRA_OF:
        return MissingDependencyError(
            f"the package {top!r} is not installed", where=called, remedy=f"pip install 'cinchona[{EXTRA_OF[top]}]'"
        )
    return None


def _os_error(error: OSError) -> CinchonaError | None:
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    if error.errno in _FULL_DISK:
        return RetryableError(f"cannot write: {error.strerror}", where=where, remedy="mend the disk and run it again")
    user_errors = FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError | FileExistsError
    if where and isinstance(error, user_errors):
        return InputError(f"cannot use this path: {error.strerror}", where=where)
    return None


def _write_crash(error: BaseException, arguments: Sequence[str]) -> str:
    """Keep the traceback in the temporary folder; no secret of the command line goes with it."""
    from cinchona.manifest import package_versions

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    lines = [
        f"cinchona {' '.join(str(mask_secrets(_masked(a))) for a in arguments)}",
        json.dumps(package_versions()),
        str(mask_secrets("".join(traceback.format_exception(error)))),
    ]
    try:
        handle, name = tempfile.mkstemp(prefix=f"cinchona-{stamp}-", suffix=".log")
        os.close(handle)
        Path(name).write_text("\n".join(lines), encoding="utf-8", errors="replace")
    except OSError as failure:
        return f"no file, since that failed too ({failure.strerror})"
    return name


def _masked(argument: str) -> str:
    key, equals, value = argument.partition("=")
    last = key.rpartition(".")[2]
    return f"{key}={mask_secrets({last: value})[last]}" if equals else argument


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]


def _wants_json(arguments: Sequence[str]) -> bool:
    joined = " ".join(arguments)
    chosen = "json" if "--log-format json" in joined or "--log-format=json" in joined else ""
    human = "--log-format human" in joined or "--log-format=human" in joined
    return not human and (chosen or os.environ.get("CINCHONA_LOG_FORMAT", "")) == "json"


def _as_text(error: CinchonaError) -> str:
    word = "stopped" if error.exit_code == ExitCode.INTERRUPTED else "error"
    return f"{word}: {mask_secrets(str(error))}"


def _as_json(error: CinchonaError) -> str:
    parts = {"what": error.what, "where": error.where, "expected": error.expected, "remedy": error.remedy}
    entry = {"level": "error", "error": type(error).__name__, "exit_code": int(error.exit_code), **parts}
    return json.dumps(mask_secrets(entry), ensure_ascii=False)


def _say(text: str) -> None:
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return
