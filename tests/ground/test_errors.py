"""The exception tree: codes, messages, and that errors survive the way between processes."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from cinchona import errors
from cinchona.errors import CinchonaError, ExitCode, ShapeError


def _tree(kind=CinchonaError):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


ALL = list(_tree())
_CODES = {
    "CinchonaError": 1, "UsageError": 2, "ConfigError": 2, "NotBuiltError": 2, "MissingDependencyError": 2,
    "InputError": 2, "ColumnError": 2, "NoUsableRowsError": 2, "UnsafeFileError": 2, "ModelFileError": 2,
    "ShapeError": 1, "ContractError": 1, "PlanMismatchError": 3, "LockedError": 4, "RetryableError": 5,
    "TooManyRejectsError": 6, "RunInterrupted": 130,
}  # fmt: skip
"""The contract with scripts; a class may be added, a code may not change."""


def test_exit_codes_are_frozen():
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0, "INTERNAL": 1, "USAGE": 2, "PLAN_MISMATCH": 3, "LOCKED": 4, "RETRYABLE": 5, "TOO_MANY_REJECTS": 6,
        "INTERRUPTED": 130,
    }  # fmt: skip
    found = {kind.__name__: int(kind.exit_code) for kind in ALL}
    assert _CODES.items() <= found.items()


def test_the_tree_in_the_docstring_is_the_tree_of_the_code():
    drawn = re.findall(r"^[\s│├└─]*(\w+)\s+(\d+)\s", errors.__doc__, re.M)
    assert {(name, int(code)) for name, code in drawn} == {(kind.__name__, int(kind.exit_code)) for kind in ALL}


def test_depth_in_the_docstring_is_inheritance():
    stack = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"^([\s│├└─]*)([A-Z]\w+)\s+\d+\s", line)
        if not found:
            continue
        depth = (len(found[1]) - 4) // 4
        kind = getattr(errors, found[2])
        del stack[depth:]
        if stack:
            assert issubclass(kind, stack[-1]), f"{kind.__name__} is drawn below {stack[-1].__name__}"
        stack.append(kind)


def test_message_says_what_where_expected_remedy():
    error = CinchonaError(
        "column 'smi' is missing", where="a.csv", expected="smiles", remedy="--set reader.smiles_column=…"
    )
    assert str(error).splitlines() == [
        "column 'smi' is missing", "  where: a.csv", "  expected: smiles", "  remedy: --set reader.smiles_column=…",
    ]  # fmt: skip
    assert str(CinchonaError("alone")) == "alone"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("travel", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"])  # noqa: TID251
def test_errors_travel_between_processes(kind, travel):
    was = kind("what", where="here", expected="this", remedy="that")
    twin = travel(was)
    assert type(twin) is kind
    assert (twin.what, twin.where, twin.expected, twin.remedy) == ("what", "here", "this", "that")
    assert str(twin) == str(was)
    assert twin.args == was.args == ("what",)


def test_errors_are_also_what_python_calls_them():
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.MissingDependencyError, ImportError)
    assert issubclass(errors.ShapeError, ValueError)


def test_shape_error_names_the_array():
    error = ShapeError.of("value", (3, 2), "(n, 1)")
    assert "value has shape (3, 2)" in str(error)
    assert "expected: (n, 1)" in str(error)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_documented(kind):
    assert kind.__doc__
