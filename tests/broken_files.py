"""Sound files of every kind that Cinchona reads, ways to break them, and the command line that is given them."""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import os
import random
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import small_reports
from foreign_models import write_checkpoint
from rdkit import Chem

from cinchona.cli.main import run
from cinchona.errors import ExitCode
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.screening.totals import committed

SMILES = ("CCO", "c1ccccc1O", "CC(=O)[O-].[Na+]", "N[C@@H](C)C(=O)O", "C/C=C/C")
ALONE = ("--set", "executor.kind=serial", "--set", "executor.watchdog=false", "--set", "tracking.enabled=false")
SETTINGS = """\
screen:
  partition_rows: 2000
  top_k: 100
executor: {kind: processes, workers: 2, stall_seconds: 30.0, molecule_memory: 4GiB}
standardize:
  method: chembl
training: {epochs: 20}
"""
PROFILE = """\
kind: local
lifetime: 30min
start_seconds: 60
adaptive: {minimum: 1, maximum: 4}
"""


def sound_files() -> Iterator[tuple[str, bytes]]:
    """Name of each kind of file, by which :func:`command` knows what to do with it, and a small sound one."""
    table = "id,smiles,note\n" + "".join(f'{k},{s},"a, ""b"""\n' for k, s in enumerate(SMILES))
    blocks = "".join(f"{Chem.MolToMolBlock(Chem.MolFromSmiles(s))}>  <id>\n{k}\n\n$$$$\n" for k, s in enumerate(SMILES))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": [str(k) for k in range(5)], "smiles": SMILES}), sink)
    yield "library.csv", table.encode()
    yield "library.tsv", table.replace(",", "\t").encode()
    yield "library.smi", "".join(f"{s} x{k}\n" for k, s in enumerate(SMILES)).encode()
    yield "library.sdf", blocks.encode()
    yield "library.csv.gz", gzip.compress(table.encode(), mtime=0)
    yield "library.parquet", sink.getvalue().to_pybytes()
    yield "library.zip", _zipped({"library.csv": table.encode()})
    yield "assay.csv", b"id,smiles,pIC50\na,CCO,5.0\nb,CCN,>6.5\nd,c1ccccc1,x\ne,CCCC,7.25\n"
    yield "settings.yaml", SETTINGS.encode()
    yield "profile.yaml", PROFILE.encode()
    yield "reports.zip", _zipped(small_reports.texts_of(small_reports.plain_quarter()))
    with tempfile.TemporaryDirectory() as folder:
        yield "model.pt", write_checkpoint(Path(folder, "model.pt")).read_bytes()


def broken(data: bytes, chance: random.Random) -> bytes:
    """``data`` after one to six random edits."""
    text = bytearray(data)
    for _ in range(chance.randint(1, 6 if len(text) > 200 else 2)):
        a, b = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        edit = chance.randrange(5)
        if edit == 0 and text:
            text[min(a, len(text) - 1)] ^= 1 << chance.randrange(8)
        elif edit == 1:
            del text[a : min(b, a + 40)]
        elif edit == 2:
            text[a:a] = bytes(chance.choices(b'\x00\xff",\n\r\t$[(={}:&*', k=chance.randint(1, 9)))
        elif edit == 3:
            text[a:a] = text[a : min(b, a + 200)]
        else:
            del text[max(b, 1) :]
    return bytes(text)


@dataclass(frozen=True)
class Box:
    """A folder in which the command line meets one file after the other."""

    root: Path
    model: Path
    """A model folder."""

    def outcome(self, name: str, data: bytes) -> str:
        """Give a file to the command for it; what came of it. Anything but an ending that is promised fails the test."""
        place = self.root / "box"
        (place / "tmp").mkdir(parents=True)
        (place / name).write_bytes(data)
        try:
            code, told = in_process(self.command(name), place)
            assert code in {ExitCode.OK, ExitCode.USAGE, ExitCode.TOO_MANY_REJECTS}, f"{name}: code {code}: {told}"
            assert "Traceback" not in told
            assert code == ExitCode.OK or "error: " in told or name in told, f"{name}: code {code} without a word"
            assert (place / name).read_bytes() == data, f"{name} was changed"
            assert {p.name for p in place.iterdir()} <= {name, "out", "tmp"}, (
                f"{name}: something was written beside --out"
            )
            assert not list((place / "tmp").iterdir()), f"{name}: temporary files stay behind"
            assert [p.name for p in self.root.iterdir()] == ["box"], f"{name}: something was written outside"
            if code != ExitCode.USAGE and name.startswith("library"):
                assert_whole(place / "out")
            return f"{code.name.lower()} ({name.partition('.')[0]})"
        finally:
            shutil.rmtree(place)

    def command(self, name: str) -> list[str]:
        """The command line that reads this kind of file."""
        if name.startswith("library"):
            return ["screen", name, "--model", str(self.model), "--out", "out", *ALONE]
        if name == "profile.yaml":
            (self.root / "box" / "out").mkdir()
            return ["doctor", "--profile", name]
        commands: Mapping[str, list[str]] = {
            "assay.csv": ["data", "check", name, "--target", "pIC50"],
            "settings.yaml": ["config", "show", "--config", name],
            "reports.zip": ["signals", "ingest", "out", name],
            "model.pt": ["models", "import", name, "--out", "out"],
        }
        return commands[name]


def assert_whole(folder: Path) -> None:
    """Each record of the library is in the result once."""
    run_folder = RunFolder(folder)
    plan = load_plan(run_folder)
    parts = [pq.read_table(folder / receipt.file) for _, receipt in committed(run_folder, plan)]
    rows = [row for part in parts for row in part["row_id"].to_pylist()]
    assert rows == list(range(plan.rows))


def in_process(arguments: list[str], folder: Path) -> tuple[ExitCode, str]:
    """Run ``cinchona`` in ``folder`` as a process of its own would; exit code and all that it said."""
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    logger = logging.getLogger("cinchona")
    was = (logger.level, logger.propagate, list(logger.handlers))
    before, temporary = Path.cwd(), tempfile.tempdir
    os.chdir(folder)
    tempfile.tempdir = str(folder / "tmp")
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run(arguments)
    finally:
        os.chdir(before)
        tempfile.tempdir = temporary
        logger.setLevel(was[0])
        logger.propagate = was[1]
        logger.handlers[:] = was[2]
    return ExitCode(code), said.buffer.getvalue().decode("utf-8", "replace")


def _zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
