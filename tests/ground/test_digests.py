"""Digests say the same of the same content, and something else of any other."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import itertools
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinchona.digests import canonical_json, digest_bytes, digest_file, digest_json, digest_table
from cinchona.errors import ContractError

_TEXT = st.text(max_size=4)
_COLUMN_KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy]] = {
    "int64": (pa.int64(), st.integers(-3, 3)),
    "int8": (pa.int8(), st.integers(-3, 3)),
    "bool": (pa.bool_(), st.booleans()),
    "float32": (pa.float32(), st.floats(width=32)),
    "float64": (pa.float64(), st.floats()),
    "string": (pa.string(), _TEXT),
    "large_string": (pa.large_string(), _TEXT),
    "string_view": (pa.string_view(), _TEXT),
    "binary": (pa.binary(), st.binary(max_size=3)),
    "fixed_binary": (pa.binary(2), st.binary(min_size=2, max_size=2)),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["a", "b", "é"])),
    "list": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(0, 2), max_size=3)),
    "large_list": (pa.large_list(pa.string()), st.lists(_TEXT, max_size=2)),
    "fixed_list": (pa.list_(pa.int8(), 2), st.lists(st.integers(0, 2), min_size=2, max_size=2)),
    "struct": (
        pa.struct([("x", pa.int8()), ("y", pa.list_(pa.string()))]),
        st.fixed_dictionaries({"x": st.none() | st.integers(0, 2), "y": st.none() | st.lists(_TEXT, max_size=2)}),
    ),
    "date": (pa.date32(), st.dates()),
    "time": (pa.time64("us"), st.times()),
    "timestamp": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    "duration": (pa.duration("s"), st.integers(0, 9).map(lambda s: dt.timedelta(seconds=s))),
    "decimal": (pa.decimal128(6, 2), st.integers(-99, 99).map(lambda i: decimal.Decimal(i) / 100)),
    "null": (pa.null(), st.none()),
    "map": (pa.map_(pa.string(), pa.int8()), st.lists(st.tuples(_TEXT, st.integers(0, 2)), max_size=2)),
}


@st.composite
def _tables(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(_COLUMN_KINDS)), min_size=1, max_size=3))
    n = draw(st.integers(0, 8))
    arrays = []
    for kind in kinds:
        arrow, values = _COLUMN_KINDS[kind]
        arrays.append(pa.array(draw(st.lists(st.none() | values, min_size=n, max_size=n)), arrow))
    return pa.Table.from_arrays(arrays, names=[f"c{i}" for i in range(len(kinds))])


def _cut(table, places):
    edges = [0, *sorted(min(p, len(table)) for p in places), len(table)]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    return [b for piece in pieces for b in (piece.to_batches() or [pa.RecordBatch.from_pylist([], piece.schema)])]


@settings(max_examples=60)
@given(_tables(), st.lists(st.integers(0, 8), max_size=4))
def test_digest_does_not_depend_on_where_batches_are_cut(table, places):
    assert digest_table(_cut(table, places)) == digest_table(table)


@pytest.mark.parametrize("kind", sorted(_COLUMN_KINDS))
def test_each_column_type_is_cut_independent_and_sees_a_change(kind):
    arrow, _ = _COLUMN_KINDS[kind]
    samples = {
        "int64": [1, 2], "int8": [1, 2], "bool": [True, False], "float32": [0.5, 1], "float64": [0.5, 1],
        "fixed_binary": [b"ab", b"cd"], "binary": [b"a", b""], "dictionary": ["a", "b"], "list": [[1], []],
        "large_list": [["x"], []], "fixed_list": [[1, 2], [3, 4]], "date": [dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
        "struct": [{"x": 1, "y": ["a"]}, {"x": 1, "y": []}], "time": [dt.time(1), dt.time(2)],
        "timestamp": [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2021, 1, 1, tzinfo=dt.UTC)],
        "duration": [dt.timedelta(1), dt.timedelta(2)], "decimal": [decimal.Decimal("1.10"), decimal.Decimal("1.20")],
        "map": [[("a", 1)], [("a", 2)]], "null": [None, None],
    }.get(kind, ["a", "b"])  # fmt: skip
    a, b = samples
    table = pa.table({"c": pa.array([a, None, b, a], arrow)})
    whole = digest_table(table)
    for cut in range(5):
        assert digest_table(_cut(table, [cut])) == whole
    if kind != "null":
        assert digest_table(pa.table({"c": pa.array([a, None, b, b], arrow)})) != whole
        assert digest_table(pa.table({"c": pa.array([a, b, None, a], arrow)})) != whole
        assert digest_table(pa.table({"c": pa.array([a, None, b], arrow)})) != whole


@settings(max_examples=30)
@given(_tables())
def test_a_slice_digests_as_a_fresh_copy(table):
    padded = pa.concat_tables([table, table, table])
    part = padded.slice(len(table), len(table))
    fresh = pa.Table.from_pylist(part.to_pylist(), part.schema) if len(part) else part
    assert digest_table(part) == digest_table(fresh) == digest_table(table)


@settings(max_examples=60)
@given(_tables(), _tables())
def test_different_content_has_a_different_digest(one, other):
    same = one.schema == other.schema and repr(one.to_pylist()) == repr(other.to_pylist())
    assert (digest_table(one) == digest_table(other)) == same


def test_values_do_not_run_into_each_other():
    texts = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"], ["abc", None], [None, "abc"]]
    digests = {digest_table(pa.table({"c": pa.array(t, pa.string())})) for t in texts}
    lists = [[[1, 2], [3]], [[1], [2, 3]], [[1, 2, 3], []], [[1, 2, 3], None], [[1, None], [2, 3]]]
    digests |= {digest_table(pa.table({"c": pa.array(t, pa.list_(pa.int64()))})) for t in lists}
    assert len(digests) == len(texts) + len(lists)


def test_names_types_and_order_of_columns_count():
    a, b = pa.array([1, 2]), pa.array([3, 4])
    tables = [
        pa.table({"x": a, "y": b}),
        pa.table({"y": b, "x": a}),
        pa.table({"x": b, "y": a}),
        pa.table({"x": a.cast(pa.int32()), "y": b}),
        pa.Table.from_arrays([a, b], names=["x", "x"]),
        pa.Table.from_arrays([b, a], names=["x", "x"]),
    ]
    assert len({digest_table(t) for t in tables}) == len(tables)


def test_storage_does_not_count(tmp_path):
    table = pa.table({"s": ["a", None, "bb"] * 50, "x": np.arange(150, dtype=np.float32)})
    dictionary = table.set_column(0, "s", table["s"].dictionary_encode())
    large = table.set_column(0, "s", table["s"].cast(pa.large_string()))
    tagged = table.replace_schema_metadata({"made": "today"})
    pq.write_table(table, tmp_path / "small.parquet", row_group_size=7, compression="zstd")
    pq.write_table(dictionary, tmp_path / "big.parquet", row_group_size=100, compression="none")
    small = digest_table(pq.ParquetFile(tmp_path / "small.parquet").iter_batches(batch_size=11))
    big = digest_table(pq.read_table(tmp_path / "big.parquet"))
    assert {small, big, *map(digest_table, (dictionary, large, tagged))} == {digest_table(table)}


def test_what_stands_under_a_null_does_not_count():
    mask = pa.py_buffer(b"\x05")  # rows 0 and 2 are valid
    seven = pa.Array.from_buffers(pa.int64(), 3, [mask, pa.py_buffer(struct.pack("<3q", 1, 7, 3))])
    nine = pa.Array.from_buffers(pa.int64(), 3, [mask, pa.py_buffer(struct.pack("<3q", 1, 9, 3))])
    assert digest_table(pa.table({"c": seven})) == digest_table(pa.table({"c": nine}))


@pytest.mark.parametrize("dtype,bits", [(np.float32, np.uint32), (np.float64, np.uint64)])
def test_every_nan_is_the_same_and_zero_keeps_its_sign(dtype, bits):
    nan = np.array([np.nan], dtype)
    other = nan.view(bits) ^ bits(1 << (nan.itemsize * 8 - 1))  # the sign bit: what 0/0 gives on some processors
    other = (other | bits(5)).view(dtype)
    digest = {name: digest_table(pa.table({"x": x})) for name, x in {
        "nan": nan, "other": other, "null": pa.array([None], pa.from_numpy_dtype(dtype)),
        "zero": np.zeros(1, dtype), "minus": -np.zeros(1, dtype),
    }.items()}  # fmt: skip
    assert digest["nan"] == digest["other"]
    assert len(set(digest.values())) == 4


def test_empty_tables_keep_their_columns():
    empty = pa.table({"x": pa.array([], pa.int64())})
    assert digest_table(empty) == digest_table([pa.RecordBatch.from_pylist([], empty.schema)])
    assert digest_table(empty) != digest_table(pa.table({"y": pa.array([], pa.int64())}))
    assert digest_table([]) == digest_table(pa.table({}))
    assert digest_table(empty) != digest_table([])


def test_reader_and_batches_agree():
    table = pa.table({"x": [1, 2, 3]})
    assert digest_table(table.to_reader(max_chunksize=1)) == digest_table(table.to_batches())


def test_batches_of_different_columns_are_refused():
    one, other = pa.table({"x": [1]}), pa.table({"z": [1]})
    with pytest.raises(ContractError, match="z"):
        digest_table([*one.to_batches(), *other.to_batches()])


def test_extension_types_count_by_name_and_storage():
    def digest(name, values):
        kind = pa.opaque(pa.int64(), name, "cinchona")
        return digest_table(pa.table({"x": pa.ExtensionArray.from_storage(kind, pa.array(values))}))

    assert digest("a", [1]) == digest("a", [1])
    assert len({digest("a", [1]), digest("b", [1]), digest("a", [2]), digest_table(pa.table({"x": [1]}))}) == 4


def test_digest_of_bytes_and_files_is_sha256(tmp_path):
    data = b"quinine" * 400_000  # more than one piece of a file
    (tmp_path / "f").write_bytes(data)
    assert digest_file(tmp_path / "f") == digest_bytes(data) == hashlib.sha256(data).hexdigest()
    # FIPS 180-2, appendix B.1
    assert digest_bytes(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.dictionaries(st.text(max_size=3), st.integers() | _TEXT | st.none(), max_size=5))
def test_json_digest_ignores_the_order_of_keys(value):
    assert digest_json(value) == digest_json(dict(reversed(list(value.items()))))


def test_json_refuses_what_is_not_plain():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
    with pytest.raises(TypeError):
        digest_json({"x": {1, 2}})
    assert canonical_json({"b": "é", "a": [1]}) == '{"a":[1],"b":"é"}'
