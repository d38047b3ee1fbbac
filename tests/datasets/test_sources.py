from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from sdf_text import sdf

from cinchona.datasets.config import ReaderConfig
from cinchona.datasets.sdfrecords import block_smiles
from cinchona.datasets.sources import Partition, open_library, read_partition
from cinchona.errors import (
    ColumnError,
    ConfigError,
    InputError,
    NoUsableRowsError,
    UnsafeFileError,
)
from cinchona.records import Stage


def read(source, tmp_path: Path, *, rows: int = 7, extra: Sequence[str] | None = (), **reader):
    """Library, its readable rows as dicts and its rejects, read through JSON as a worker would."""
    library = open_library(
        [source] if isinstance(source, str | Path) else source,
        staging=tmp_path / "staged",
        reader=ReaderConfig(**reader),
        extra_columns=extra,
    )
    found, rejects = [], []
    for partition in library.partitions(rows):
        twin = Partition.from_json(json.loads(json.dumps(partition.to_json())))
        assert twin == partition
        batch, rejected = read_partition(twin)
        assert len(batch) + len(rejected) == partition.n_rows
        found += batch.data.to_pylist()
        rejects += rejected
    ids = sorted([row["row_id"] for row in found] + [reject.row_id for reject in rejects])
    assert ids == list(range(library.n_rows))
    return library, found, rejects


def file_of(tmp_path: Path, data: bytes | str, name: str = "library.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


TWO = "smiles,id\nCCO,a\nCCN,b\n"


# ---------------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    "name, text",
    [
        ("x.csv", TWO),
        ("x.csv", "\ufeff" + TWO),
        ("x.csv", TWO.replace("\n", "\r\n")),
        ("x.csv", TWO.rstrip()),
        ("x.csv", TWO + "\n \n\t\n"),
        ("x.csv", 'smiles,id\n"CCO","a"\n"CCN","b"'),
        ("x.csv", "# made by hand\n" + TWO),
        ("x.csv", "\n \r\n# made by hand\n\n" + TWO),
        ("x.tsv", TWO.replace(",", "\t")),
        ("x.csv", TWO.replace(",", ";")),
        ("x.txt", TWO.replace(",", "|")),
        ("x.smi", "CCO a\nCCN b\n"),
        ("x.smi", "CCO\ta\tmore\nCCN\tb\n"),
        ("x.txt", "CCO a\nCCN b\n"),
        ("x.smi", "SMILES Name\nCCO a\nCCN b\n"),
        ("x.smi", "smiles\tid\nCCO\ta\nCCN\tb\n"),
        ("x.smi", "index,smiles,chembl_id\n0,CCO,a\n1,CCN,b\n"),
        ("x.smi", "#Mol_ID\tStructure\na\tCCO\nb\tCCN\n"),
        ("x", "id,canonical_smiles\na,CCO\nb,CCN\n"),
        ("x.csv", "sep=;\r\n" + TWO.replace(",", ";")),
        ("x.csv", "what,how,compound_id\nCCO,1,a\nCCN,2,b\n"),
    ],
)
def test_text_layouts(tmp_path, name, text):
    reader = {"smiles_column": "what"} if text.startswith("what") else {}
    library, rows, rejects = read(file_of(tmp_path, text, name), tmp_path, **reader)
    assert [(row["compound_id"], row["smiles"]) for row in rows] == [("a", "CCO"), ("b", "CCN")]
    assert not rejects
    assert library.files[0].decisions


def test_no_header_and_columns_found_by_parse_rate(tmp_path):
    text = "".join(f"{smiles},{k}.5\n" for k, smiles in enumerate(["CCCCO", "c1ccccc1", "CCN(C)C", "C(C", "OCCO"]))
    library, rows, _ = read(file_of(tmp_path, text), tmp_path, extra=None)
    assert [row["smiles"] for row in rows][:2] == ["CCCCO", "c1ccccc1"]
    assert [row["compound_id"] for row in rows][:2] == ["0", "1"]
    assert rows[0]["column_2"] == "0.5"
    assert "no header line" in library.files[0].decisions[0]


@pytest.mark.parametrize("gap", [" ", "\t", "  ", ","])
def test_smiles_files_with_the_structure_second(tmp_path, gap):
    _, rows, _ = read(file_of(tmp_path, f"Q-1{gap}CCCCO\nQ-2{gap}CCCCN\n", "x.smi"), tmp_path, id_column="column_1")
    assert [(row["compound_id"], row["smiles"]) for row in rows] == [("Q-1", "CCCCO"), ("Q-2", "CCCCN")]


def test_a_smiles_file_of_nonsense_is_all_rows(tmp_path):
    _, rows, _ = read(file_of(tmp_path, "nothing to see\nnor there\n", "x.smi"), tmp_path)
    assert [row["smiles"] for row in rows] == ["nothing", "nor"]


def test_parquet_that_is_not_utf8(tmp_path):
    path = tmp_path / "x.parquet"
    ids = pa.array([b"\xe9", b"b"])
    pq.write_table(pa.table({"smiles": [b"CCO", b"CCN"], "id": ids}), path)
    _, rows, _ = read(path, tmp_path)
    assert [(row["compound_id"], row["flags"]) for row in rows] == [("\xe9", "latin1"), ("b", "")]


def test_cx_extensions_belong_to_the_structure(tmp_path):
    _, rows, _ = read(file_of(tmp_path, "CCO |$;;a$| ethyl alcohol\nCC |c\n", "x.cxsmiles"), tmp_path)
    assert [(row["smiles"], row["compound_id"]) for row in rows] == [
        ("CCO |$;;a$|", "ethyl alcohol"),
        ("CC", "|c"),
    ]


def test_columns_of_unequal_names_and_extra_ones(tmp_path):
    path = file_of(tmp_path, "SMILES,ID,row_id,note\nCCO,a,9,x\nCCN,b,8,\n")
    _, rows, _ = read(path, tmp_path, extra=None)
    assert [(row["source_row_id"], row["note"]) for row in rows] == [("9", "x"), ("8", "")]
    _, rows, _ = read(path, tmp_path, extra=["note"], smiles_column="smiles", id_column="id")
    assert list(rows[0]) == ["row_id", "compound_id", "smiles", "flags", "note"]


def test_sdf_with_damage_goes_on(tmp_path):
    good, bad = sdf("one", ID="x1", pIC50="6.1"), sdf("", "N", ID="x2", pIC50="7\nmore")
    broken = sdf("three").replace("  2  1  0", "foo  1  0")
    short = "\n".join(sdf("four").split("\n")[:5]) + "\n$$$$\n"
    valence = sdf("five").replace("  1  2  1  0", "  1  2  3  0")
    text = good + bad + broken + short + valence + "$$$$\n" + sdf("six", "S").removesuffix("$$$$\n")
    _, rows, rejects = read(file_of(tmp_path, text, "x.sdf"), tmp_path, extra=["pIC50"], rows=3)
    assert [(r["compound_id"], r["smiles"], r["pIC50"]) for r in rows] == [
        ("one", "CO", "6.1"),
        ("x2", "CN", "7\nmore"),
        ("six", "CS", ""),
    ]
    assert [(r.row_id, r.stage) for r in rejects] == [
        (2, Stage.PARSE),
        (3, Stage.PARSE),
        (4, Stage.PARSE),
        (5, Stage.READ),
    ]
    assert "counts line not readable" in rejects[0].reason
    assert "2 atom and bond lines, 3 counted" in rejects[1].reason


@settings(max_examples=150)
@given(st.data())
def test_spoiled_sdf_never_stops_the_reader(tmp_path_factory, data):
    text = bytearray((sdf("one", ID="x1") + sdf("two", "N", note="a\nb") + sdf("three", "S")).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(st.sampled_from([b"", b"\n", b"$$$$\n", b"9", b" ", b"\xff", b"M  END\n", b"> <", b"V3000"]))
        text[at : at + data.draw(st.integers(0, 30))] = piece
    folder = tmp_path_factory.mktemp("spoiled")
    with contextlib.suppress(NoUsableRowsError):
        read(file_of(folder, bytes(text), "x.sdf"), folder, extra=None)


def test_blocks_that_rdkit_refuses_without_a_reason():
    good = sdf("x").replace("$$$$\n", "")
    assert block_smiles(good) == "CO"
    assert block_smiles("a\nb\nc").reason == "no molecule block"
    assert block_smiles(good.replace("  2  1  0", "1 2  1  0")).reason.startswith("counts line not readable: '1 2")
    assert block_smiles("\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  END\n").reason
    assert block_smiles("\n\n\n  0  0  0  0  0  0            999 V2000\nM  END\n").reason == "no atoms"
    assert block_smiles(good.replace(" C   0  0", " Qq  x  y")).reason


def test_sdf_identifier_from_a_property(tmp_path):
    path = file_of(tmp_path, sdf("t1", code="A-1") + sdf("t2"), "x.sdf")
    _, rows, _ = read(path, tmp_path, id_column="code")
    assert [row["compound_id"] for row in rows] == ["A-1", "1"]


def test_parquet_of_several_types(tmp_path):
    table = pa.table({
        "Smiles": pa.array(["CCO", None, "C" * 40, "CC\0", "CCN"]).dictionary_encode(),
        "cid": pa.array([7, 8, 9, 10, None]),
        "mass": pa.array([1.5, 2.0, 3.0, 4.0, 5.0]),
        "atoms": pa.array([[1], [2], [3], [4], [5]]),
    })  # fmt: skip
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, row_group_size=2)
    for size in (1, 2, 3, 10):
        _, rows, rejects = read(path, tmp_path, rows=size, extra=None, max_cell_length=30)
        assert [(r["compound_id"], r["smiles"], r["mass"]) for r in rows] == [("7", "CCO", "1.5"), ("4", "CCN", "5")]
        assert [r.reason.split(",")[0] for r in rejects] == [
            "empty SMILES",
            "SMILES of 40 characters",
            "NUL byte in the row",
        ]


# ---------------------------------------------------------------------------------------------- damaged rows


def test_each_bad_row_has_its_reason(tmp_path):
    rows = [
        b"CCO,a",
        b"",
        b"CCN",
        b",c",
        b"C\0C,d",
        b"CC,\xe9t\xe9",
        b"C,1,2,3",
        b"CN,e,,",
        b"x" * 400,
        b'"CC,f',
        b"CF,g",
    ]
    _, found, rejects = read(file_of(tmp_path, b"smiles,id\n" + b"\n".join(rows)), tmp_path, max_record_bytes=64)
    assert {r.row_id: r.reason for r in rejects} == {
        1: "empty row",
        2: "1 fields, expected 2",
        3: "empty SMILES",
        4: "NUL byte in the row",
        6: "4 fields, expected 2",
        8: "record of 401 bytes, at most 64 are read",
        9: "1 fields, expected 2",
    }
    assert [(r["compound_id"], r["flags"]) for r in found] == [("a", ""), ("\xe9t\xe9", "latin1"), ("e", ""), ("g", "")]


def test_a_row_that_swallowed_others_says_so(tmp_path):
    text = 'smiles,id\nCCO,"a\nCCN,b\nCCC,c"\nCCCC,d\nCC,"e""f"\n'
    _, rows, rejects = read(file_of(tmp_path, text), tmp_path)
    assert [row["compound_id"] for row in rows] == ["a\nCCN,b\nCCC,c", "d", 'e"f']
    _, _, rejects = read(file_of(tmp_path, 'smiles,id\nCCO,a\n"CCN,b\nCCC,c"x,y,z\n'), tmp_path)
    assert "spans 2 lines: a quote that is not closed?" in rejects[0].reason


def test_a_megabyte_line_is_one_reject(tmp_path):
    data = b"smiles,id\nCCO,a\n" + b"C" * 1_000_000 + b",b\nCCN,c\n"
    _, rows, rejects = read(file_of(tmp_path, data), tmp_path)
    assert [row["compound_id"] for row in rows] == ["a", "c"]
    assert [r.reason for r in rejects] == ["record of 1,000,003 bytes, at most 262,144 are read"]


def test_long_identifiers_are_rejected(tmp_path):
    _, _, rejects = read(file_of(tmp_path, f"CCO {'i' * 200}\nCCN b\n", "x.smi"), tmp_path, max_cell_length=100)
    assert [r.reason for r in rejects] == ["identifier of 200 characters, at most 100 are read"]


def test_duplicate_identifiers_are_kept(tmp_path):
    _, rows, _ = read(file_of(tmp_path, "smiles,id\nCCO,a\nCCN,a\n"), tmp_path)
    assert [row["compound_id"] for row in rows] == ["a", "a"]


# ---------------------------------------------------------------------------------------------- partitions


@pytest.mark.parametrize("rows", [1, 3, 999, 1000, 1001, 2500, 10_000])
def test_partitions_of_any_size_cover_the_same_rows(tmp_path, rows):
    lines = [f"{'C' * (k % 9 + 1)}O,{k}" if k % 11 else "" for k in range(3_210)]
    some = 40 if rows < 10 else None
    path = file_of(tmp_path, "smiles,id\n" + "\n".join(lines) + "\n\n\n")
    library = open_library([path], staging=tmp_path)
    parts = list(itertools.islice(library.partitions(rows), some))
    assert [part.partition_id for part in parts] == list(range(len(parts)))
    for part in parts:
        batch, rejects = read_partition(part)
        assert {*batch.row_ids.tolist(), *(r.row_id for r in rejects)} == set(
            range(part.first_row, part.first_row + part.n_rows)
        )
        assert batch.compound_ids == [str(row) for row in batch.row_ids.tolist()]
    assert library.n_rows == 3_210


def test_rows_are_numbered_over_all_files_in_order(tmp_path):
    first, second = file_of(tmp_path, TWO, "b.csv"), file_of(tmp_path, "CCC c\nCCF d\nCCCl e\n", "a.smi")
    library, rows, _ = read([first, second], tmp_path, rows=2)
    assert [row["compound_id"] for row in rows] == list("abcde")
    assert [part.n_rows for part in library.partitions(2)] == [2, 2, 1]
    with pytest.raises(ConfigError):
        next(library.partitions(0))
    assert [len(batch) for batch, _ in library.batches(2)] == [2, 2, 1]


def test_the_digest_follows_content_not_names(tmp_path):
    one, same = file_of(tmp_path, TWO, "one.csv"), file_of(tmp_path, TWO, "same.csv")
    other = file_of(tmp_path, TWO.replace("CCN", "CCS"), "other.csv")
    digests = [open_library([path], staging=tmp_path).digest for path in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_file_that_changed_is_refused(tmp_path):
    path = file_of(tmp_path, TWO)
    (part,) = open_library([path], staging=tmp_path).partitions(10)
    path.write_text("smiles,id\nCCO,a\n")
    with pytest.raises(InputError, match="2 when it was scanned"):
        read_partition(part)
    path.unlink()
    with pytest.raises(InputError, match="gone"):
        read_partition(part)
    table = tmp_path / "x.parquet"
    pq.write_table(pa.table({"smiles": ["CCO", "CCN"]}), table)
    (part,) = open_library([table], staging=tmp_path).partitions(10)
    pq.write_table(pa.table({"smiles": ["CCO"]}), table)
    with pytest.raises(InputError, match="ends at row 1"):
        read_partition(part)


@settings(max_examples=60)
@given(
    table=strategies.messy_tables(
        encodings=("utf-8", "utf-8-sig", "latin-1"), cells=st.sampled_from(["CCO", "c1cc", ""])
    ),
    size=st.integers(1, 13),
)
def test_messy_tables_account_for_every_row(tmp_path_factory, table, size):
    folder = tmp_path_factory.mktemp("messy")
    path = file_of(folder, table.data)
    reader = {"smiles_column": table.header[1].strip(), "id_column": table.header[0].strip()}
    try:
        _, rows, rejects = read(path, folder, rows=size, extra=None, **reader)
    except NoUsableRowsError:
        assert not table.rows
        return
    inner_blanks = len({before for before in table.blank_lines if before < len(table.rows)})
    assert len(rows) + len(rejects) == len(table.rows) + inner_blanks
    whole = [row for row in table.rows if len(row) == len(table.header) and row[1].strip()]
    assert [row["smiles"] for row in rows] == [row[1].strip() for row in whole]
    for row, wanted in zip(rows, whole, strict=True):
        assert row["compound_id"] == (wanted[0].strip() or str(row["row_id"]))
        assert row["pIC50"] == wanted[2].strip()
    _, again, _ = read(path, folder, rows=100, extra=None, **reader)
    assert again == rows


PIECES = [
    b"smiles", b"id", b",", b";", b"\t", b" ", b"\n", b"\r\n", b"\r", b'"', b"CCO", b"c1ccccc1", b"C(", b"x1", b"\0", b"\xff",
    b"\xc3\xa9", b"#", b"|", b"$$$$\n", b"M  END", b"\xef\xbb\xbf", b"=1", b"'", b">  <A>", b"sep=;\n",
]  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join), st.sampled_from(["x.csv", "x.smi", "x.sdf", "x"]))
def test_any_bytes_are_rows_or_a_clear_error(tmp_path_factory, data, name):
    folder = tmp_path_factory.mktemp("any")
    try:
        library, rows, rejects = read(file_of(folder, data, name), folder, extra=None, rows=2)
    except InputError:
        return
    assert len(rows) + len(rejects) == library.n_rows > 0
    _, twin, twin_rejects = read(file_of(folder, gzip.compress(data), f"{name}.gz"), folder, extra=None, rows=3)
    assert (twin, twin_rejects) == (rows, rejects)


# ---------------------------------------------------------------------------------------------- unseekable inputs


def test_gzip_is_staged_once_and_reads_the_same(tmp_path):
    text = "smiles,id\n" + "".join(f"{'C' * (k % 30 + 1)},{k}\n" for k in range(2_500)) + "\n" + "x" * 300 + "\n"
    plain = file_of(tmp_path, text)
    members = [gzip.compress(text[:1000].encode()), gzip.compress(text[1000:].encode())]
    packed = file_of(tmp_path, b"".join(members), "y.csv.gz")
    _, rows, rejects = read(plain, tmp_path, rows=333, max_record_bytes=200)
    library, twin, twin_rejects = read(packed, tmp_path, rows=333, max_record_bytes=200)
    assert (twin, twin_rejects) == (rows, rejects)
    assert [r.reason for r in rejects] == ["empty row", "record of 301 bytes, at most 200 are read"]
    staged = Path(library.files[0].path)
    before = staged.stat().st_mtime_ns
    assert (
        open_library([packed], staging=tmp_path / "staged", reader=ReaderConfig(max_record_bytes=200)).n_rows == 2_502
    )
    assert staged.stat().st_mtime_ns == before
    assert library.files[0].n_bytes == packed.stat().st_size


def test_gzipped_sdf_and_parquet(tmp_path):
    packed = file_of(tmp_path, gzip.compress((sdf("a") + sdf("b", "Xx") + sdf("c", "N")).encode()), "x.sdf.gz")
    _, rows, rejects = read(packed, tmp_path, rows=2)
    assert [row["smiles"] for row in rows] == ["CO", "CN"]
    assert rejects[0].stage is Stage.PARSE
    sink = io.BytesIO()
    pq.write_table(pa.table({"smiles": ["CCO"], "id": ["q"]}), sink)
    _, rows, _ = read(file_of(tmp_path, gzip.compress(sink.getvalue()), "t.parquet.gz"), tmp_path)
    assert rows[0]["compound_id"] == "q"


@pytest.mark.parametrize("spoil", [lambda data: data[:-30], lambda data: data[:40] + b"\0\0\0" + data[43:]])
def test_damaged_gzip_is_an_error(tmp_path, spoil):
    text = "smiles,id\n" + "".join(f"CCO,{k * 7919 % 1000}\n" for k in range(500))
    packed = file_of(tmp_path, spoil(gzip.compress(text.encode())), "x.csv.gz")
    with pytest.raises(InputError, match="gzip file"):
        read(packed, tmp_path)
    assert not list((tmp_path / "staged").glob("*.parquet"))


def test_gzip_bombs_are_refused(tmp_path):
    bomb = file_of(tmp_path, gzip.compress(b"smiles\n" + b"C" * (80 << 20)), "bomb.csv.gz")
    with pytest.raises(UnsafeFileError, match="times its size"):
        read(bomb, tmp_path)
    with pytest.raises(UnsafeFileError, match="holds more than"):
        read(bomb, tmp_path, max_unpacked_bytes=1_000_000, max_expansion=1e9)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_standard_input(tmp_path, monkeypatch, pack, kind):
    sink = io.BytesIO()
    pq.write_table(pa.table({"smiles": ["CCO", "CCN"], "id": ["a", "b"]}), sink)
    data = pack(TWO.encode() if kind == "text" else sink.getvalue())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    library, rows, _ = read("-", tmp_path)
    assert [(row["compound_id"], row["smiles"]) for row in rows] == [("a", "CCO"), ("b", "CCN")]
    assert (library.files[0].name, library.files[0].n_bytes) == ("stdin", len(data))


def test_named_pipes(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(TWO))
    writer.start()
    _, rows, _ = read(pipe, tmp_path)
    writer.join()
    assert [row["compound_id"] for row in rows] == ["a", "b"]


# ---------------------------------------------------------------------------------------------- errors


def test_a_header_that_is_damaged(tmp_path):
    with pytest.raises(ColumnError, match="no header line"):
        read(file_of(tmp_path, b'column\r"'), tmp_path)
    _, rows, _ = read(file_of(tmp_path, b'\r"', "x.smi"), tmp_path)
    assert [row["smiles"] for row in rows] == ['"']


@pytest.mark.parametrize("data", [b"", b"\n\n", b"smiles,id\n", b"\xef\xbb\xbf"])
def test_empty_inputs(tmp_path, data):
    with pytest.raises(NoUsableRowsError):
        read(file_of(tmp_path, data), tmp_path)
    with pytest.raises(NoUsableRowsError):
        read(file_of(tmp_path, gzip.compress(data), "x.csv.gz"), tmp_path)


def test_one_empty_file_among_others_is_no_error(tmp_path, caplog):
    library, rows, _ = read([file_of(tmp_path, "", "e.csv"), file_of(tmp_path, TWO)], tmp_path)
    assert (len(rows), [file.n_rows for file in library.files]) == (2, [0, 2])
    assert "e.csv holds no record" in caplog.text


@pytest.mark.parametrize(
    "data, match",
    [
        (b"PK\x03\x04rest", "zip archive"),
        (b"BZh9rest", "bzip2"),
        ("smiles,id\nCCO,a\n".encode("utf-16"), "UTF-16"),
        (b"smiles,id\rCCO,a\rCCN,b\r", "carriage return"),
        (b"PAR1 but no more", "Parquet file cannot be read"),
        (b"\x89HDF\r\n", "HDF5"),
    ],
)
def test_files_of_other_kinds(tmp_path, data, match):
    with pytest.raises(InputError, match=match):
        read(file_of(tmp_path, data), tmp_path)


def test_pickles_are_refused(tmp_path):
    with pytest.raises(UnsafeFileError, match="pickle"):
        read(file_of(tmp_path, b"\x80\x04\x95rest", "x.pkl"), tmp_path)


def test_parquet_in_name_only(tmp_path):
    with pytest.raises(InputError, match="does not begin as Parquet"):
        read(file_of(tmp_path, TWO, "x.parquet"), tmp_path)


def test_large_row_groups_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"smiles": [f"{'C' * 50}{k}" for k in range(500)]}), path)
    with pytest.raises(UnsafeFileError, match="row group"):
        read(path, tmp_path, max_row_group_bytes=2_000)


def test_globs_folders_and_missing_files(tmp_path):
    file_of(tmp_path, TWO, "b.csv")
    file_of(tmp_path, TWO, "a.csv")
    library = open_library([str(tmp_path / "*.csv")], staging=tmp_path / "staged")
    assert [file.name for file in library.files] == ["a.csv", "b.csv"]
    literal = file_of(tmp_path, TWO, "x[1].csv")
    assert open_library([str(literal)], staging=tmp_path).files[0].name == "x[1].csv"
    for bad, match in (("*.nothing", "no file matches"), ("gone.csv", "no file"), ("", "folder")):
        with pytest.raises(InputError, match=match):
            open_library([str(tmp_path / bad)], staging=tmp_path)
    with pytest.raises(InputError, match="no input"):
        open_library([], staging=tmp_path)
    with pytest.raises(InputError, match="twice"):
        open_library(["-", "-"], staging=tmp_path)


@pytest.mark.parametrize(
    "text, reader, match",
    [
        ("a,b\n1,2\n", {}, "no column holds SMILES"),
        ("a,b\n1,2\n", {"smiles_column": "c"}, "no column 'c'"),
        ("canonical_smiles,isomeric_smiles\nCCO,CCO\n", {}, "2 columns could hold the structures"),
        ("x,y\nCCCO,CCCN\nCCCF,CCCS\n", {"header": True}, "2 columns could hold the structures"),
        ("smiles,mol_id,cmpd_id\nCCO,1,2\n", {}, "2 columns could hold the identifiers"),
        ("smiles,smiles\nCCO,CCN\n", {}, "same name"),
        ("smiles,id\nCCO,1\n", {"id_column": "idd"}, "did you mean 'id'"),
        ("CCO a\nCCN b\n", {"format": "smiles", "id_column": "name"}, "no column 'name'"),
    ],
)
def test_column_errors_name_the_candidates(tmp_path, text, reader, match):
    with pytest.raises(ColumnError, match=match):
        read(file_of(tmp_path, text), tmp_path, **reader)


def test_unreadable_files(tmp_path, monkeypatch):
    path = file_of(tmp_path, TWO)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cinchona.datasets.opening._from_file", refuse)
    with pytest.raises(InputError, match="may not be read"):
        read(path, tmp_path)
    with pytest.raises(InputError, match="cannot be opened"):
        open_library([str(path / "inside")], staging=tmp_path)


def test_a_lone_carriage_return_in_a_quoted_row(tmp_path):
    _, rows, rejects = read(file_of(tmp_path, b'smiles,id\n"CCO",a\rb\nCCN,c\n'), tmp_path)
    assert [row["compound_id"] for row in rows] == ["c"]
    assert rejects[0].reason.startswith("damaged row")


def test_nothing_on_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(NoUsableRowsError, match="the input is empty"):
        read("-", tmp_path)


def test_staged_row_groups_are_bounded_by_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("cinchona.datasets.staging._GROUP_BYTES", 50)
    packed = file_of(tmp_path, gzip.compress(("smiles\n" + "CCCCCCCCO\n" * 20).encode()), "x.csv.gz")
    library, rows, _ = read(packed, tmp_path)
    assert (len(rows), pq.ParquetFile(library.files[0].path).metadata.num_row_groups) == (20, 4)


def test_vague_names_are_taken_only_if_they_parse(tmp_path):
    text = "structure,notes\nkinase one,CCCCO\nkinase two,CCCCN\n"
    _, rows, _ = read(file_of(tmp_path, text), tmp_path)
    assert rows[0]["smiles"] == "CCCCO"


@pytest.mark.slow
def test_real_libraries_account_for_every_row(data_folder, tmp_path):
    """Every file that users complained about elsewhere: corrupt lines, salts, metals, V3000, no names."""
    for path in sorted((data_folder / "libraries" / "messy").iterdir()):
        library, rows, rejects = read(path, tmp_path, rows=400)
        assert len(rows) + len(rejects) == library.n_rows, path.name
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if ".sdf" in path.name:
            assert library.n_rows == np.sum([line.startswith(b"$$$$") for line in raw.split(b"\n")]), path.name
        else:
            assert library.n_rows == len(raw.rstrip().split(b"\n")), path.name


MEMORY = """
import resource, sys
from pathlib import Path
from cinchona.datasets.sources import open_library, read_partition
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
read_partition(next(open_library([sys.argv[1]], staging=Path(sys.argv[3])).partitions(1000)))
before = peak()
library = open_library([sys.argv[2]], staging=Path(sys.argv[3]))
rows = sum(len(read_partition(partition)[0]) for partition in list(library.partitions(20_000))[::10])
print(library.n_rows, rows, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path, packed):
    """A file of 64 MB costs less than that; the cost is a chunk, a partition and a staged row group."""
    line = "CC(C)Cc1ccc(cc1)C(C)C(=O)O,compound-number-with-a-long-name\n"
    small, large = file_of(tmp_path, "smiles,id\n" + line * 1000, "small.csv"), tmp_path / "large.csv"
    large.write_text("smiles,id\n" + line * 1_000_000)
    if packed:
        large = file_of(tmp_path, gzip.compress(large.read_bytes(), 1), "large.csv.gz")
    command = [sys.executable, "-c", MEMORY, str(small), str(large), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n_rows, n_read, growth = done.stdout.split()
    assert (int(n_rows), int(n_read)) == (1_000_000, 100_000)
    assert float(growth) < 60
