"""Errors and warnings of the signal room; all descend from the tree of :mod:`cinchona.errors`."""

from __future__ import annotations

from cinchona.errors import UsageError


class PriorNotUsableError(UsageError):
    """A prior fit did not converge, ended on a bound or is not identified, and nobody accepted that."""


class PooledAucRefusedError(UsageError):
    """A pooled AUC over all drug-event pairs was asked for; it measures how common terms are, not signals."""


class UnknownNameError(UsageError, KeyError):
    """A drug, event, measure, rule set or column that does not exist; the message offers the nearest names."""

    def __str__(self) -> str:  # KeyError would show the message quoted
        return UsageError.__str__(self)


class SparseTableWarning(UserWarning):
    """A 2x2 table has an expected count below 5, so large-sample intervals and tests of it are not reliable."""
