"""The reference pages say what the commands and settings are."""

from __future__ import annotations

import importlib.util

import pytest

from cinchona.pipelines.config import Settings
from cinchona.settings_errors import dotted_keys


@pytest.fixture(scope="module")
def writer(repository):
    spec = importlib.util.spec_from_file_location("write_reference", repository / "scripts" / "write_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_up_to_date(writer, repository):
    for path, expected in writer.pages(repository).items():
        assert path.read_text(encoding="utf-8") == expected, (
            f"{path.name} is old: run python scripts/write_reference.py"
        )


def test_every_setting_is_on_the_page_and_explained(writer):
    text = writer.settings_text()
    for key in dotted_keys(Settings):
        section, _, name = key.partition(".")
        assert f"## {section}\n" in text
        leaf = name.rpartition(".")[2]
        if leaf:
            rows = [line for line in text.splitlines() if line.startswith("| `") and f"{leaf}`" in line.split("|")[1]]
            assert rows, key
            assert all(line.rstrip(" |").split("|")[-1].strip() for line in rows), f"{key} has no explanation"


def test_the_how_to_shows_what_a_refusal_looks_like(cinchona, repository, tmp_path):
    (tmp_path / "settings.yaml").write_text("screen:\n  topk: 5\n")
    said = cinchona("config", "show", "--config", "settings.yaml").err
    page = (repository / "docs" / "howto" / "configure.md").read_text(encoding="utf-8")
    assert said in page
