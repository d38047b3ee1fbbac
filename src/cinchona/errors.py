"""Every error that Cinchona raises on purpose.

Each message says what went wrong, where, what was expected and what to do, and each class carries the exit code of
the command line. An error that is not in this tree is a defect of ours and ends with code 1.

::

    CinchonaError                         1   internal
    ├── UsageError                        2   the call or the configuration is wrong
    │   ├── ConfigError                   2   unknown key, value out of range, unreadable settings file
    │   ├── NotBuiltError                 2   the command is planned but its room is not built yet
    │   ├── MissingDependencyError        2   an optional package is not installed
    │   ├── InputError                    2   a file that the user gave cannot be used as a whole
    │   │   ├── ColumnError               2   a column is missing or ambiguous
    │   │   ├── NoUsableRowsError         2   no row of the input survived
    │   │   └── UnsafeFileError           2   a file that could do harm: pickle, bomb, path outside the folder
    │   ├── ModelFileError                2   a model folder that is damaged or of an unknown version
    │   └── GateError                     2   a model did not pass the gate of promotion
    ├── ShapeError                        1   an array does not have the documented shape
    ├── ContractError                     1   a Scorer, Executor or Tracker broke its promise
    ├── PlanMismatchError                 3   resume with another library, model or configuration
    ├── LockedError                       4   another driver holds the run folder
    ├── RetryableError                    5   disk full, scheduler lost, I/O error: run the same command again
    │   └── WorkerDiedError               5   a piece of work killed its worker each time it was tried
    ├── TooManyRejectsError               6   more rows failed than the user allows
    └── RunInterrupted                    130 stopped by SIGINT or SIGTERM after a clean drain
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the command line; frozen, scripts rely on them."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    PLAN_MISMATCH = 3
    LOCKED = 4
    RETRYABLE = 5
    TOO_MANY_REJECTS = 6
    INTERRUPTED = 130


class CinchonaError(Exception):
    """Root of the tree.

    Args:
        what: What went wrong, with the offending value.
        where: File, row, column or setting.
        expected: What would have been right.
        remedy: What the user can do now.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, what: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = (
            self.what,
            f"where: {self.where}" if self.where else "",
            f"expected: {self.expected}" if self.expected else "",
            f"remedy: {self.remedy}" if self.remedy else "",
        )
        return "\n  ".join(part for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross process borders.
        return _rebuild, (type(self), self.what, self.where, self.expected, self.remedy)


def _rebuild(kind: type[CinchonaError], what: str, where: str, expected: str, remedy: str) -> CinchonaError:
    error = kind.__new__(kind)
    CinchonaError.__init__(error, what, where=where, expected=expected, remedy=remedy)
    return error


class UsageError(CinchonaError):
    """The call or the configuration is wrong."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class ConfigError(UsageError, ValueError):
    """A setting is unknown, out of range or unreadable."""


class NotBuiltError(UsageError):
    """The command is part of the contract, but its room is not built yet."""


class MissingDependencyError(UsageError, ImportError):
    """An optional package is needed and not installed."""


class InputError(UsageError):
    """A file that the user gave cannot be used as a whole (single bad rows are rejects, not errors)."""


class ColumnError(InputError):
    """A column is missing, or several could be meant."""


class NoUsableRowsError(InputError):
    """No row of the input survived; the rejects say why."""


class UnsafeFileError(InputError):
    """A file that could do harm is refused: pickle, decompression bomb, path outside its folder."""


class ModelFileError(UsageError):
    """A model folder is damaged, altered or of an unknown version."""


class GateError(UsageError):
    """A model did not pass the gate of promotion; it stays what it was."""


class ShapeError(CinchonaError, ValueError):
    """An array does not have the documented shape."""

    @classmethod
    def of(cls, name: str, got: tuple[int, ...], expected: str) -> ShapeError:
        """Build the message from the array's ``name``, its shape and the documented one."""
        return cls(f"{name} has shape {got}", expected=expected)


class ContractError(CinchonaError):
    """A Scorer, Executor or Tracker broke the promise of its Protocol."""


class PlanMismatchError(CinchonaError):
    """The run folder was planned for another library, model, configuration or code."""

    exit_code: ClassVar[ExitCode] = ExitCode.PLAN_MISMATCH


class LockedError(CinchonaError):
    """Another driver holds the run folder."""

    exit_code: ClassVar[ExitCode] = ExitCode.LOCKED


class RetryableError(CinchonaError):
    """The machine failed, not the input: the same command again goes on where this one stopped."""

    exit_code: ClassVar[ExitCode] = ExitCode.RETRYABLE


class WorkerDiedError(RetryableError):
    """A piece of work killed its worker process each time it was tried alone."""


class TooManyRejectsError(CinchonaError):
    """More rows were rejected than the configured share allows."""

    exit_code: ClassVar[ExitCode] = ExitCode.TOO_MANY_REJECTS


class RunInterrupted(CinchonaError):  # noqa: N818 - an interruption is not an error of anyone
    """The run was stopped by SIGINT or SIGTERM and has left a resumable folder."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERRUPTED
