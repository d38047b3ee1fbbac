"""Files that are broken in every way, given to the command line: a result that accounts for each record, or a refusal
with the right exit code and a word about it; never a traceback, and nothing written elsewhere."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from broken_files import Box, broken, sound_files
from finished_screen import write_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ENDINGS = (".csv", ".smi", ".sdf", ".tsv", ".parquet", ".csv.gz", ".txt", ".cxsmiles", ".zip")
SHORT, LONG = range(3), range(100, 170)
"""Seeds of the fuzzer: each breaks every kind of file once."""
_awkward = st.sampled_from(
    ["", ",", '"', "\t", "\r", "\n", "\x00", "\ufeff", "$$$$", "M  END", "é", "C" * 3000, "=1+1", "[", "C1CC"]
)
_texts = st.lists(
    _awkward | st.text(max_size=12) | st.sampled_from(["CCO", "c1ccccc1", "id,smiles", "smiles"]), max_size=30
)
contents = (
    st.binary(max_size=300)
    | _texts.map("".join).map(str.encode)
    | _texts.map("\n".join).map(lambda t: t.encode("utf-16"))
)
KINDS = dict(sound_files())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "forest"
    write_model(folder)
    return folder


@pytest.fixture(scope="module")
def box(model, tmp_path_factory) -> Box:
    return Box(tmp_path_factory.mktemp("boxes"), model)


def test_sound_files_are_read(box):
    """So that a refusal of a broken one means something."""
    outcomes = {name: box.outcome(name, data) for name, data in KINDS.items()}
    refused = {name for name, outcome in outcomes.items() if not outcome.startswith("ok")}
    assert refused == {"library.zip"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ending=st.sampled_from(ENDINGS), data=contents)
def test_anything_at_all_is_screened_or_refused(box, ending, data):
    box.outcome(f"library{ending}", data)


@pytest.mark.parametrize("name", KINDS)
def test_broken_files_are_read_or_refused(box, name):
    for seed in SHORT:
        box.outcome(name, broken(KINDS[name], random.Random(f"{seed}{name}")))


@pytest.mark.long
def test_a_thousand_malformed_files(box, fact):
    came: Counter[str] = Counter()

    @settings(max_examples=300)
    @given(st.sampled_from(ENDINGS), contents)
    def generated(ending, data):
        came[box.outcome(f"library{ending}", data)] += 1

    generated()
    by_hypothesis = came.total()
    for seed in LONG:
        for name, data in KINDS.items():
            came[box.outcome(name, broken(data, random.Random(f"{seed}{name}")))] += 1
    assert came.total() >= 1_000
    assert {"ok (library)", "usage (library)"} <= set(came)
    counts = ", ".join(f"{name} {count}" for name, count in came.most_common())
    fact(
        f"{came.total():,} malformed files through the command line, {came.total() - by_hypothesis} of them by a fuzzer",
        f"no traceback, no row lost, nothing written elsewhere; {counts}",
    )
