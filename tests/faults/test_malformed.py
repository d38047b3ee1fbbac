"""Files that are broken in every way: a result that accounts for each record, or a refusal with the right exit code."""

from __future__ import annotations

import gzip
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cheap_scorer import CheapScorer
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from small_screens import score_table, small_settings

from cinchona.errors import CinchonaError, ExitCode
from cinchona.pipelines.screen import screen

ENDINGS = (".csv", ".smi", ".sdf", ".tsv", ".parquet", ".csv.gz", ".txt", ".cxsmiles")
REFUSED = {ExitCode.USAGE, ExitCode.TOO_MANY_REJECTS}
SETTINGS = small_settings()

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


def seeds() -> list[tuple[str, bytes]]:
    """Sound files of each format, to be broken."""
    smiles = ["CCO", "c1ccccc1O", "CC(=O)[O-].[Na+]", "N[C@@H](C)C(=O)O", "C/C=C/C"]
    table = "id,smiles,note\n" + "".join(f'{k},{s},"a, ""b"""\n' for k, s in enumerate(smiles))
    blocks = "".join(f"{Chem.MolToMolBlock(Chem.MolFromSmiles(s))}>  <id>\n{k}\n\n$$$$\n" for k, s in enumerate(smiles))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": [str(k) for k in range(5)], "smiles": smiles}), sink)
    return [
        (".csv", table.encode()),
        (".tsv", table.replace(",", "\t").encode()),
        (".smi", "".join(f"{s} x{k}\n" for k, s in enumerate(smiles)).encode()),
        (".sdf", blocks.encode()),
        (".csv.gz", gzip.compress(table.encode())),
        (".parquet", sink.getvalue().to_pybytes()),
    ]


def broken(data: bytes, chance: random.Random) -> bytes:
    """``data`` after one to six random edits."""
    text = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        a, b = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        edit = chance.randrange(5)
        if edit == 0 and text:
            text[min(a, len(text) - 1)] ^= 1 << chance.randrange(8)
        elif edit == 1:
            del text[a : min(b, a + 40)]
        elif edit == 2:
            text[a:a] = bytes(chance.choices(b'\x00\xff",\n\r\t$[(=', k=chance.randint(1, 9)))
        elif edit == 3:
            text[a:a] = text[a : min(b, a + 200)]
        else:
            del text[max(b, 1) :]
    return bytes(text)


def outcome(ending: str, data: bytes) -> str:
    """Screen a file; what came of it. Anything but a result that adds up or a refusal of ours fails the test."""
    folder = Path(tempfile.mkdtemp(prefix="malformed-"))
    try:
        path = folder / f"library{ending}"
        path.write_bytes(data)
        try:
            result = screen(path, model=CheapScorer(), out=folder / "run", settings=SETTINGS)
        except CinchonaError as error:
            assert error.exit_code in REFUSED, error
            assert str(error).strip(), "a refusal without a word"
            return type(error).__name__
        assert result.rows == result.scored + result.rejected
        assert score_table(folder / "run")["row_id"].to_pylist() == list(range(result.rows))
        return "screened"
    finally:
        shutil.rmtree(folder)


@settings(max_examples=40)
@given(st.sampled_from(ENDINGS), contents)
def test_anything_at_all_is_screened_or_refused(ending, data):
    outcome(ending, data)


@pytest.mark.parametrize("seed", range(6))
def test_broken_files_are_screened_or_refused(seed):
    chance = random.Random(seed)
    for ending, data in seeds():
        outcome(ending, broken(data, chance))


@pytest.mark.long
def test_a_thousand_malformed_files(fact):
    came: Counter[str] = Counter()

    @settings(max_examples=400)
    @given(st.sampled_from(ENDINGS), contents)
    def generated(ending, data):
        came[outcome(ending, data)] += 1

    generated()
    for seed in range(100, 200):
        chance = random.Random(seed)
        for ending, data in seeds():
            came[outcome(ending, broken(data, chance))] += 1
    assert came.total() >= 990
    assert {"screened", "InputError"} <= set(came)
    counts = ", ".join(f"{name} {count}" for name, count in came.most_common())
    fact(f"{came.total():,} malformed files, 600 of them by a fuzzer", f"no other exception, no row lost: {counts}")
