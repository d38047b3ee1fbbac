from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cinchona.datasets.recordsplit import HEAD_KEPT, Lines, QuotedLines, SdfRecords, Splitter, blocks


def split(data: bytes, splitter: Splitter, chunk: int) -> list[bytes]:
    """Records, read back from the data by where the blocks say that they are."""
    found: list[bytes] = []
    at = 0
    for block in blocks(io.BytesIO(data).read, splitter, chunk=chunk):
        assert block.offset == at
        assert block.cut or list(block.records()) == cut(data, at, block.ends.tolist())
        assert not block.cut or block.ends[0] > splitter.cap
        found += cut(data, at, block.ends.tolist())
        at += int(block.ends[-1])
    return found


def cut(data: bytes, offset: int, ends: list[int]) -> list[bytes]:
    return [data[offset + a : offset + b] for a, b in zip([0, *ends], ends, strict=False)]


CELLS = st.lists(st.sampled_from([b"a", b'"', b",", b"\n", b"\r\n", b"b c", b'""', b"\xff"]), max_size=40).map(b"".join)


@given(CELLS, st.integers(1, 50), st.integers(4, 30))
@example(b'"a\n"b\n', 3, 4)
@example(b'a,"b""\n",c\nd', 1, 30)
@example(b'"aa\n"', 1, 4)
def test_quoted_lines_are_split_the_same_whatever_the_chunk(data, chunk, cap):
    splitter = QuotedLines(cap, b",")
    records = split(data, splitter, chunk)
    assert records == split(data, splitter, 1 << 20)
    assert b"".join(records) == data


@given(CELLS, st.integers(1, 50))
def test_any_cut_at_a_record_end_gives_the_same_records(data, cut):
    splitter = QuotedLines(1 << 20, b",")
    records = split(data, splitter, 1 << 20)
    at = sum(map(len, records[: cut % (len(records) + 1)]))
    assert split(data[:at], splitter, 7) + split(data[at:], splitter, 7) == records


@given(st.lists(st.lists(st.sampled_from(["a", 'q"q', "x,y", "two\nlines", "", "r\r\ns"]), min_size=2, max_size=4)))
def test_what_a_csv_writer_wrote_has_as_many_records_as_rows(rows):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    assert len(split(out.getvalue().encode(), QuotedLines(1 << 20, b","), 13)) == len(rows)


def test_a_quote_inside_a_field_is_a_character():
    data = b'a,5" tube\nb,6" tube\n'
    assert split(data, QuotedLines(100, b","), 1 << 20) == [b'a,5" tube\n', b'b,6" tube\n']


def test_a_quote_that_is_never_closed_spoils_one_line_only():
    lines = [b'1,"open\n', *(b"%d,x\n" % k for k in range(2, 200))]
    assert split(b"".join(lines), QuotedLines(64, b","), 1 << 20) == lines


def test_a_quote_that_is_open_at_the_end_spoils_one_line_only():
    assert split(b'a,b\n1,"open\n2,x\n', QuotedLines(1000, b","), 1 << 20) == [b"a,b\n", b'1,"open\n', b"2,x\n"]


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
def test_long_lines_are_cut_and_counted(chunk):
    data = b"short\n" + b"x" * 500 + b"\nlast"
    assert [len(record) for record in split(data, Lines(50), chunk)] == [6, 501, 4]


def test_memory_of_a_long_line_is_bounded():
    pieces = iter([b"x" * 1_000_000] * 50 + [b"\nend\n", b""])
    held = list(blocks(lambda _: next(pieces), Lines(1_000)))
    assert [int(block.ends[-1]) for block in held] == [50_000_001, 4]
    assert len(held[0].data) == HEAD_KEPT


SDF = st.lists(
    st.sampled_from([b"$$$$\n", b"$$$$\r\n", b"$$$$ x\n", b"line\n", b"a $$$$\n", b"\n", b"M  END\n"]), max_size=30
).map(b"".join)


@given(SDF, st.integers(1, 40))
def test_sdf_records_end_at_dollar_lines(data, chunk):
    splitter = SdfRecords(1 << 20)
    records = split(data, splitter, chunk)
    assert records == split(data, splitter, 1 << 20)
    lines = data.split(b"\n")
    dollars = sum(line.startswith(b"$$$$") for line in lines)
    rest = data[sum(map(len, records[:dollars])) :]
    assert len(records) == dollars + bool(rest.strip())


@given(SDF, st.integers(1, 9), st.integers(6, 20))
def test_long_sdf_records_do_not_swallow_the_next(data, chunk, cap):
    splitter = SdfRecords(cap)
    assert split(data, splitter, chunk) == split(data, splitter, 1 << 20)
