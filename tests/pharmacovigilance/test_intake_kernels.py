"""The compiled loops agree with plain Python on everything that hypothesis can think of."""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinchona.errors import InputError
from cinchona.pharmacovigilance.intake import dictionary_kernels, kernels, split_kernel, textfile
from cinchona.pharmacovigilance.intake.arrow_blocks import Part, block_of
from cinchona.pharmacovigilance.intake.columns import NumberKeys, TextCoder, TextKeys
from cinchona.pharmacovigilance.intake.encoding import to_utf8
from cinchona.pharmacovigilance.intake.textfile import Block, DelimitedFile

FIELD = st.text(st.characters(codec="utf-8", exclude_characters="$", exclude_categories=("Cc", "Cs")), max_size=12)


def read(text: str | bytes, block_bytes: int = 64) -> list[Block]:
    data = text.encode() if isinstance(text, str) else text
    before, textfile.BLOCK_BYTES = textfile.BLOCK_BYTES, block_bytes
    try:
        return list(DelimitedFile(io.BytesIO(data), "test").blocks())
    finally:
        textfile.BLOCK_BYTES = before


def column(blocks: list[Block], place: int) -> list[str | None]:
    return [v for b in blocks for v in b.text(place).to_pylist()]


@given(
    st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=30),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(40, 400),
)
def test_sound_files_come_back(rows: list[tuple[str, str, str]], newline: str, block: int) -> None:
    rows = [(f"i{n}{a.strip()}", b, c) for n, (a, b, c) in enumerate(rows)]
    text = newline.join(["one$two$three", *("$".join(r) for r in rows)]) + newline
    blocks = read(text, block)
    assert [r for b in blocks for r in b.rows.tolist()] == list(range(1, len(rows) + 1))
    # White space at the edges goes; numpy's idea of it is what lies at or below a blank.
    for place in range(3):
        wanted = [r[place].strip("".join(map(chr, range(33)))) or None for r in rows]
        assert column(blocks, place) == wanted
    assert not sum(len(b.broken[0]) for b in blocks)
    assert not sum(b.repaired for b in blocks)


@given(st.binary(max_size=300), st.integers(40, 400))
def test_any_bytes_end_in_rows_or_broken_rows(body: bytes, block: int) -> None:
    try:
        blocks = read(b"one$two$three\n" + body + b"\n", block)
    except InputError:
        return
    seen = sorted(r for b in blocks for r in (*b.rows.tolist(), *b.broken[3].tolist()))
    assert seen == list(range(1, len(seen) + 1))
    kept = "".join(t or "" for p in range(3) for t in column(blocks, p)) + "".join(
        t for b in blocks for t in b.raw_broken()
    )
    # Nothing vanishes: every letter of the file is in a field or in a broken row.
    letters = [c for c in to_utf8(body).decode() if c.isascii() and c.isalnum()]
    assert sorted(letters) == sorted(c for c in kept if c.isascii() and c.isalnum())


def block(values: list[str]) -> Block:
    return block_of(Part(pa.table({"v": pa.array(values, pa.string())}), np.arange(1, len(values) + 1)))


@given(st.lists(st.integers(0, 10**17).map(str) | st.sampled_from(["", " 7 ", "x", "1.5", "-3", "9" * 19]), min_size=1))
def test_integers(values: list[str]) -> None:
    numbers, state = block(values).integers(0)
    for text, number, code in zip(values, numbers, state, strict=True):
        plain = text.strip()
        wanted = kernels.EMPTY if not plain else kernels.OK if plain.isdigit() and len(plain) <= 18 else kernels.BAD
        assert code == wanted
        assert wanted != kernels.OK or number == int(plain)


@given(
    st.lists(
        st.decimals(-(10**6), 10**6, places=3).map(str) | st.sampled_from(["", ".", "-", "1.2.3", "5e3", ".5"]),
        min_size=1,
    )
)
def test_decimals(values: list[str]) -> None:
    numbers, state = block(values).decimals(0)
    for text, number, code in zip(values, numbers, state, strict=True):
        if text and "e" not in text.lower() and text not in {".", "-", "1.2.3"}:
            assert code == kernels.OK
            assert number == pytest.approx(float(text))
        else:
            assert code == (kernels.BAD if text else kernels.EMPTY)


@given(
    st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31)),
    st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%dT10:00"]),
)
def test_dates(day: dt.date, form: str) -> None:
    numbers, state = block([day.strftime(form), day.strftime("%Y%m"), day.strftime("%Y")]).date_numbers(0, 0)
    days, precision = kernels.dates_from_numbers(numbers, state, 1900, 2100)
    epoch = dt.date(1970, 1, 1)
    assert [epoch + dt.timedelta(int(d)) for d in days] == [day, day.replace(day=1), day.replace(month=1, day=1)]
    assert precision.tolist() == [0, 1, 2]
    assert not state.any()


@pytest.mark.parametrize(
    ("text", "order", "number"),
    [
        ("3/4/2021", 1, 20210304),
        ("3/4/2021", 2, 20210403),
        ("2021-3-4", 1, 20210304),
        ("03.2021", 2, 202103),
        ("2021-03", 0, 202103),
    ],
)
def test_date_orders(text: str, order: int, number: int) -> None:
    numbers, state = block([text]).date_numbers(0, order)
    assert (numbers[0], state[0]) == (number, kernels.OK)


@pytest.mark.parametrize(
    "text", ["20210230", "20211301", "0", "2021023", "1-2", "a/b/c", "1/2/3/4", "20210000x", "1899", "2101"]
)
def test_dates_that_do_not_exist(text: str) -> None:
    numbers, state = block([text]).date_numbers(0, 0)
    kernels.dates_from_numbers(numbers, state, 1900, 2100)
    assert state[0] == kernels.BAD


@given(
    st.lists(
        st.sampled_from(["a", "bb", "", "a longer text of more than eight bytes", "é", "\u2713 tick"]) | FIELD,
        min_size=1,
        max_size=60,
    )
)
def test_dictionary_grows_and_remembers(values: list[str]) -> None:
    coder = TextCoder()
    first, second = block(values), block(values[::-1])
    codes = np.concatenate([coder.codes(first, 0), coder.codes(second, 0)])
    wanted = [*first.text(0).to_pylist(), *second.text(0).to_pylist()]
    assert coder.array(codes).to_pylist() == wanted
    assert len(coder) == len({w for w in wanted if w is not None})


def test_dictionary_of_many_texts() -> None:
    values = [f"name {i % 5000:05d}" for i in range(20_000)]
    coder = TextCoder()
    assert coder.array(coder.codes(block(values), 0)).to_pylist() == values
    assert len(coder) == 5000


@given(st.lists(st.integers(0, 50), max_size=40), st.lists(st.integers(0, 60), max_size=40))
def test_keys_give_places_in_order(ids: list[int], wanted: list[int]) -> None:
    numbers, texts = NumberKeys(), TextKeys()
    order = list(dict.fromkeys(ids))
    for keys, known, asked in (
        (numbers, np.array(ids, np.int64), np.array(wanted, np.int64)),
        (texts, np.array([str(i) for i in ids], object), np.array([str(i) for i in wanted], object)),
    ):
        new = keys.add(known, np.ones(len(ids), bool))
        assert new.sum() == len(order) == keys.used
        assert keys.find(asked).tolist() == [order.index(w) if w in order else -1 for w in wanted]


def test_join_is_limited() -> None:
    text = "one$two$three\n" + "a$b\n" + "c\n" * (split_kernel._MAX_JOIN + 5) + "x$y$z\n"
    blocks = read(text, 4096)
    assert column(blocks, 0) == ["x"]
    assert sum(len(b.broken[0]) for b in blocks) == split_kernel._MAX_JOIN + 6


def test_padding_is_there_for_eight_byte_loads() -> None:
    tail = block(["abc"]).data[-dictionary_kernels.PADDING :]
    assert not tail.any()
