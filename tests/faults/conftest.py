"""The long set of faults runs on request only, and what it measured is printed as the table of docs/reliability.md."""

from __future__ import annotations

import pytest

_FACTS = pytest.StashKey[list]()


def pytest_collection_modifyitems(config, items):
    if "long" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def fact(request):
    """Keeps a line of the table: what happened, and what was measured."""
    return lambda what, measured: request.config.stash.setdefault(_FACTS, []).append((what, measured))


def pytest_terminal_summary(terminalreporter, config):
    facts = config.stash.get(_FACTS, [])
    if facts:
        terminalreporter.section("measured")
        terminalreporter.write_line("| what happened | measured |\n|---|---|")
        for what, measured in facts:
            terminalreporter.write_line(f"| {what} | {measured} |")
