"""How fast a report store is filled: CPU seconds and peak memory beside DuckDB's bare CSV read of the same files.

Run: ``python benchmarks/report_store.py --cases 5000000 --folder /path/with/room``. Each step runs in a process of its
own, so that its CPU time (user and system, all threads) and peak memory are its own. Rates are rows of all seven
tables. The bare read parses every field of every file (``SELECT count(COLUMNS(*)) FROM read_csv(...)`` with the
delimiter given, all columns as text); reading into a table and counting rows alone are shown beside it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TABLES = ("DEMO", "DRUG", "REAC", "OUTC", "INDI", "THER", "RPSR")
BARE = {
    "fields": "SELECT count(COLUMNS(*)) FROM {0}",
    "table": "CREATE OR REPLACE TEMP TABLE t AS SELECT * FROM {0}",
    "rows": "SELECT count(*) FROM {0}",
}


def _child(pipe: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    begin = time.perf_counter()
    result = work(*arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send(
        {
            "result": result,
            "cpu_s": round(used.ru_utime + used.ru_stime, 2),
            "wall_s": round(time.perf_counter() - begin, 2),
            "peak_gb": round(used.ru_maxrss / 2**20, 3),
        }
    )


def measured(work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Run ``work`` in a process of its own; CPU, wall time and peak memory include its imports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    found: dict[str, Any] = ours.recv()
    process.join()
    return found


def generate_files(folder: str, cases: int) -> dict[str, int]:
    from cinchona.pharmacovigilance import generate

    return generate(folder, cases, seed=1)


def ingest_files(store: str, folders: list[str]) -> int:
    from cinchona.pharmacovigilance import ingest

    result = ingest(store, folders)
    return sum(f.records for r in result.added for f in r.files if f.table != "deletions")


def read_bare(folders: list[str], statement: str) -> None:
    import duckdb

    for table in TABLES:
        files = sorted(str(p) for f in folders for p in Path(f, "ascii").glob(f"{table}*.txt"))
        source = f"read_csv({files!r}, delim='$', quote='', escape='', header=true, all_varchar=true)"
        connection = duckdb.connect(config={"threads": 1, "memory_limit": "3GB"})
        connection.execute(statement.format(source)).fetchall()


def follow(store: str, dictionary: str) -> dict[str, Any]:
    """Versions, coding and the analysis view."""
    import cinchona.pharmacovigilance as pv
    from cinchona.pharmacovigilance.coding.dictionary import load

    opened = pv.open(store)
    pv.code(opened, [load(f"csv:{dictionary}")])
    view = opened.analysis_view(duplicates="keep")
    return dict(view.accounting)


def link(store: str) -> dict[str, Any]:
    import cinchona.pharmacovigilance as pv

    result = pv.dedupe(pv.open(store), accept_share=0.5)
    return {"links": result.run.header["links"], "left_out": result.left_out, "rates": result.run.header["rates"]}


def judge(store: str, truth: str) -> dict[str, Any]:
    """Precision and recall of the links that count, against the generator's truth."""
    import pyarrow.parquet as pq

    import cinchona.pharmacovigilance as pv
    from cinchona.pharmacovigilance.linking.explain import links

    opened = pv.open(store)
    current = opened.status().where("status = 'current'").select("report_key", "case_id").arrow()
    case_of = dict(zip(current["report_key"].to_pylist(), current["case_id"].to_pylist(), strict=True))
    alive = set(case_of.values())
    table = pq.read_table(Path(truth, "duplicates.parquet"))
    pairs = zip(table["case_id"].to_pylist(), table["duplicate_of"].to_pylist(), strict=True)
    true = {tuple(sorted((str(a), str(b)))) for a, b in pairs if str(a) in alive and str(b) in alive}
    out: dict[str, Any] = {"duplicates": len(true)}
    for kind in ("exact", "manufacturer_number", "hit_miss"):
        rows = links(opened).where("kind = ? AND counts", [kind]).select("report_key_a", "report_key_b").arrow()
        keys = zip(rows["report_key_a"].to_pylist(), rows["report_key_b"].to_pylist(), strict=True)
        found = {tuple(sorted((case_of[a], case_of[b]))) for a, b in keys}
        hits = len(found & true)
        out[kind] = {"links": len(found), "precision": hits / max(1, len(found)), "recall": hits / max(1, len(true))}
    return out


def main() -> None:
    """Run all steps and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, required=True, help="made, filled and removed")
    parser.add_argument("--keep", action="store_true", help="leave the files")
    parser.add_argument("--links", action="store_true", help="look for duplicates too")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    files, store = options.folder / "files", options.folder / "store"
    figures: dict[str, Any] = {"cases": options.cases}
    figures["generate"] = measured(generate_files, str(files), options.cases)
    folders = sorted(str(p) for p in files.glob("faers_ascii_*"))
    small = str(options.folder / "warm")
    measured(ingest_files, small, folders[:1])  # compiles the loops once; later processes load them
    shutil.rmtree(small)
    figures["ingest"] = measured(ingest_files, str(store), folders[:-1])
    figures["add_quarter"] = measured(ingest_files, str(store), folders[-1:])
    for name, statement in BARE.items():
        figures[f"bare_{name}"] = measured(read_bare, folders[:-1], statement)
    rows = figures["ingest"]["result"]
    figures["rows"] = rows
    for name in ("ingest", *(f"bare_{n}" for n in BARE)):
        figures[name]["rows_per_cpu_s"] = round(rows / figures[name]["cpu_s"])
    figures["rate_beside_bare"] = {
        n: round(figures["ingest"]["rows_per_cpu_s"] / figures[f"bare_{n}"]["rows_per_cpu_s"], 3) for n in BARE
    }
    figures["quarter_share_of_full"] = round(figures["add_quarter"]["cpu_s"] / figures["ingest"]["cpu_s"], 4)
    figures["store_mb"] = round(sum(p.stat().st_size for p in store.rglob("*.parquet")) / 2**20)
    print(json.dumps(figures, indent=1), flush=True)
    figures["code_and_view"] = measured(follow, str(store), str(files / "truth" / "dictionary.csv"))
    if options.links:
        figures["dedupe"] = measured(link, str(store))
        figures["judged"] = measured(judge, str(store), str(files / "truth"))["result"]
    print(json.dumps(figures, indent=1), flush=True)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")
    if not options.keep:
        shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()
