"""Counting at national scale: distinct-report counts and margins of every drug-event pair of 5 M cases.

    python benchmarks/signal_counts.py                     20 M drug rows, 15 M reaction rows, about 15 M distinct pairs
    python benchmarks/signal_counts.py --store reports     the analysis view of a report store instead
    python benchmarks/signal_counts.py --duckdb            DuckDB's plain query beside it (about a minute more)

The tables are made once, in the layout of a store's analysis view, and kept in ``--cache``. Each repetition runs in a
process of its own, from the Parquet files to the counts; CPU seconds include imports. Limits: 60 CPU s, 4 GB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.manifest import host_facts
from cinchona.seeds import rng


@dataclass(frozen=True)
class Tables:
    """The folder of an analysis view."""

    folder: Path

    def path(self, name: str) -> Path:
        """Parquet file of one table."""
        return self.folder / f"{name}.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5_000_000)
    parser.add_argument("--store", type=Path, help="report store to count instead")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--duckdb", action="store_true", help="also run DuckDB's plain query")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/signal-counts"))
    parser.add_argument("--once", choices=("ours", "duckdb"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    folder = view_of(asked.store) if asked.store else asked.cache / str(asked.cases)
    if asked.once:
        print(json.dumps(once(Tables(folder), asked.once)))
        return
    if not asked.store:
        make_tables(folder, asked.cases)
    for way in ("ours", "duckdb") if asked.duckdb else ("ours",):
        found = [child(way) for _ in range(asked.repeat if way == "ours" else 1)]
        figures = found[0] | {
            key: round(statistics.median(f[key] for f in found), 2)
            for key in ("cpu_seconds", "read_cpu_seconds", "count_cpu_seconds", "wall_seconds", "peak_gib")
        }
        print(way, json.dumps(figures), flush=True)
    facts = host_facts()
    print(f"{facts['processor']}, {facts['cores']} cores")


def child(way: str) -> dict[str, float]:
    """One repetition in a process of its own."""
    done = subprocess.run([sys.executable, *sys.argv, "--once", way], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def once(tables: Tables, way: str) -> dict[str, float]:
    begun, wall = time.process_time(), time.perf_counter()
    read, pairs, mentions = count_ours(tables) if way == "ours" else count_duckdb(tables)
    return {
        "pairs": pairs,
        "mentions": mentions,
        "cpu_seconds": time.process_time(),  # of the whole process, imports included
        "read_cpu_seconds": read - begun,
        "count_cpu_seconds": time.process_time() - read,
        "wall_seconds": time.perf_counter() - wall,
        "peak_gib": peak_memory() / 2**30,
    }


def peak_memory() -> int:
    """Largest resident memory of this process, in bytes; ru_maxrss would start at what the parent held."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def count_ours(tables: Tables) -> tuple[float, int, int]:
    from cinchona.pharmacovigilance.signals.counting.count import count_pairs
    from cinchona.pharmacovigilance.signals.store_source import reports_of_view

    reports = reports_of_view(tables)  # type: ignore[arg-type]
    read = time.process_time()
    counts = count_pairs(reports)
    return read, len(counts), int(counts.n.sum())


def count_duckdb(tables: Tables) -> tuple[float, int, int]:
    import duckdb

    connection = duckdb.connect(config={"memory_limit": "3GB", "threads": 2})
    for name in ("drugs", "reactions"):
        connection.read_parquet(str(tables.path(name))).create_view(name)
    read = time.process_time()
    connection.execute(
        "CREATE TABLE counts AS SELECT drug_id, reaction_id, count(*) AS n FROM "
        "(SELECT DISTINCT report_no, drug_id FROM drugs) JOIN (SELECT DISTINCT report_no, reaction_id FROM reactions) "
        "USING (report_no) GROUP BY ALL"
    )
    row = connection.execute("SELECT count(*), sum(n) FROM counts").fetchone()
    return read, int(row[0]), int(row[1])


def view_of(store: Path) -> Path:
    import cinchona.pharmacovigilance as room

    return room.open(store).analysis_view().folder


def make_tables(folder: Path, cases: int) -> None:
    """Write the five tables: 4 drugs and 3 reactions a case on average, margins that fall with the rank."""
    if (folder / "cases.parquet").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    stream = rng(0, "signal_counts")
    for table, kind, mean, names, power in (
        ("drugs", "drug", 3.0, 4000, 0.8),
        ("reactions", "reaction", 2.0, 12_000, 0.8),
    ):
        share = 1.0 / np.arange(1, names + 1) ** power
        size = 1 + stream.poisson(mean, cases)
        report = np.repeat(np.arange(cases, dtype=np.int32), size)
        item = np.searchsorted(np.cumsum(share) / share.sum(), stream.random(len(report))).astype(np.int32)
        columns = {"report_no": report, f"{kind}_id": np.minimum(item, names - 1)}
        if kind == "drug":
            role = stream.choice(3, size=len(report), p=[0.3, 0.2, 0.5]).astype(np.int32)
            columns["role"] = pa.DictionaryArray.from_arrays(role, pa.array(["PS", "SS", "C"]))
        pq.write_table(pa.table(columns), folder / f"{table}.parquet")
        labels = pa.array([f"{kind} {k:05d}" for k in range(names)])
        pq.write_table(
            pa.table({f"{kind}_id": np.arange(names, dtype=np.int32), kind: labels}), folder / f"{kind}_names.parquet"
        )
    number = np.arange(cases, dtype=np.int32)
    sex = pa.DictionaryArray.from_arrays(stream.integers(0, 2, cases).astype(np.int32), pa.array(["F", "M"]))
    age = stream.normal(50, 20, cases).clip(0, 100).astype(np.float32)
    table = pa.table({"report_no": number, "report_key": number.astype(np.int64), "sex": sex, "age_years": age})
    pq.write_table(table, folder / "cases.parquet")


if __name__ == "__main__":
    main()
