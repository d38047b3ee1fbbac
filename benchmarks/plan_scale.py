"""Planning, resume and status of a library of ten thousand million rows in a million partitions; no molecule is computed.

The partitions of a library that does not exist are planned, a receipt is written for a share of them, and the things
that a driver does with them are timed: CPU seconds, and the growth of the process's peak memory. Usage::

    python benchmarks/plan_scale.py [--partitions 1000000] [--done 1.0] [--receipts receipts]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cinchona.datasets.config import ReaderConfig, StandardizeConfig
from cinchona.datasets.partitions import Layout, Partition
from cinchona.digests import digest_file, digest_json
from cinchona.records import Direction
from cinchona.screening.config import ExecutorConfig, ScreenConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.layout import EndpointColumn, TableLayout
from cinchona.screening.lease import Lease
from cinchona.screening.packing import Packer
from cinchona.screening.plan import Plan, PlanInput, PlanModel, load_plan, partitions
from cinchona.screening.planning import _write_partitions
from cinchona.screening.receipt_book import ReceiptBook
from cinchona.screening.receipts import Receipt

ROWS = 10_000
LAYOUT = Layout(columns=("smiles", "id"), smiles="smiles", identifier="id")
COLUMN = EndpointColumn(column="x", name="x", unit="", direction=Direction.HIGHER, kind="score")
MODEL = PlanModel(name="none", fingerprint="0" * 64, objective="x")


def cut(n: int) -> Iterator[Partition]:
    """Partitions of a library that does not exist, a hundred to each file."""
    for i in range(n):
        at = i % 100 * ROWS * 50
        yield Partition(i, f"/library/{i // 100:06d}.csv", "csv", at, at + ROWS * 50, i * ROWS, ROWS, LAYOUT)


def write_header(folder: RunFolder, n: int) -> Plan:
    file = PlanInput(
        name="x", path="/library", format="csv", rows=n * ROWS, digest="", stored_digest="", bytes=0, modified=0
    )
    draft = Plan(
        fingerprint="", created="2026-01-01T00:00:00Z", rows=n * ROWS, partitions=n, inputs=(file,), model=MODEL,
        partitions_digest=digest_file(folder.partitions), layout=TableLayout(endpoints=(COLUMN,)), screen=ScreenConfig(),
        standardize=StandardizeConfig(), reader=ReaderConfig(), versions={},
    )  # fmt: skip
    plan = draft.model_copy(update={"fingerprint": digest_json(draft.identity)})
    folder.plan.write_text(plan.model_dump_json())
    return plan


def write_receipts(folder: RunFolder, plan: Plan, done: int, packer: Packer | None) -> None:
    """Receipts as workers write them, of one typical histogram, without forcing each to the disk; packed as a driver does."""
    scores = np.random.default_rng(0).normal(6, 1, ROWS)
    typical = Receipt(
        plan=plan.fingerprint, partition_id=0, first_row=0, rows=ROWS, scored=ROWS, rejected=0, duplicates=0, epoch=1,
        best=9.0, histogram=ScoreHistogram.of(scores), file="", bytes=10_000, digest="0" * 64, content="0" * 64,
        seconds={"open": 0.1, "read": 0.1, "standardize": 0.1, "score": 0.1, "write": 0.1}, worker="process 1",
    )  # fmt: skip
    for partition_id in range(done):
        part = folder.relative(folder.new_part(partition_id))
        receipt = typical.model_copy(
            update={"partition_id": partition_id, "first_row": partition_id * ROWS, "file": part}
        ).sealed()
        target = folder.receipt(partition_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(receipt.model_dump_json() + "\n")
        if packer is not None:
            packer.note()


def step_plan(folder: RunFolder, n: int) -> None:
    folder.root.mkdir(parents=True, exist_ok=True)
    _write_partitions(folder, cut(n))
    write_header(folder, n)


def step_receipts(folder: RunFolder, n: int) -> None:
    """Each in a file of its own, as they were before there were packs."""
    write_receipts(folder, load_plan(folder), n, None)


def step_packed_receipts(folder: RunFolder, n: int) -> None:
    """Written and packed; the time of packing alone is what is printed on standard error."""
    plan = load_plan(folder)
    with Lease.acquire(folder.lease) as lease:
        packer = Packer(folder, plan, lease, size=ExecutorConfig().pack_receipts)
        pack, seconds = packer.pack, [0.0]

        def timed() -> None:
            begun = time.process_time()
            pack()
            seconds[0] += time.process_time() - begun

        packer.pack = timed  # type: ignore[method-assign]
        write_receipts(folder, plan, n, packer)
    print(json.dumps({"packing_cpu_seconds": round(seconds[0], 1)}), file=sys.stderr)


def step_iterate(folder: RunFolder, _n: int) -> None:
    """What a driver draws from: every partition once."""
    assert sum(1 for _ in partitions(folder)) == load_plan(folder).partitions


def step_status(folder: RunFolder, n: int) -> None:
    from cinchona.screening.status import run_status

    assert run_status(folder.root).partitions_done == n


def step_resume(folder: RunFolder, n: int) -> None:
    """Which partitions are done, by their receipts; part files, which do not exist here, are not read."""
    from cinchona.screening.run import Doing

    doing = Doing(bytearray(load_plan(folder).partitions))
    for receipt in ReceiptBook(folder).receipts():
        doing.count(receipt)
    assert doing.finished == n


def step_task(folder: RunFolder, _n: int) -> None:
    """One of a thousand array tasks finds its share."""
    from cinchona.screening.run import share_of

    share_of(folder, load_plan(folder), task=7, of=1_000)


STEPS = {name.removeprefix("step_"): step for name, step in list(globals().items()) if name.startswith("step_")}


def measured(name: str, root: Path, n: int) -> dict[str, Any]:
    """Run one step in a process of its own; CPU seconds, wall seconds and peak memory above the imports, MiB."""
    command = [sys.executable, __file__, "--step", name, "--root", str(root), "--count", str(n)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"step": name, **json.loads(answer.stdout)}


def run_step(name: str, root: Path, n: int) -> None:
    from cinchona.screening import run, status  # noqa: F401 - imports are not what is measured

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    STEPS[name](RunFolder(root), n)
    figures = {
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "wall_seconds": round(time.perf_counter() - wall, 2),
        "memory_mib": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, 1),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=1_000_000)
    parser.add_argument("--done", type=float, default=1.0, help="share of partitions with a receipt")
    parser.add_argument("--receipts", choices=("packed_receipts", "receipts"), default="packed_receipts")
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--count", type=int)
    given = parser.parse_args()
    if given.step:
        run_step(given.step, given.root, given.count)
        return
    done = int(given.partitions * given.done)
    with tempfile.TemporaryDirectory(prefix="plan-scale-") as scratch:
        root = Path(scratch, "run")
        plan = [("plan", given.partitions), ("iterate", 0), (given.receipts, done), ("task", 0), ("status", done),
                ("resume", done)]  # fmt: skip
        for name, count in plan:
            print(json.dumps(measured(name, root, count)), flush=True)
        size = sum(p.stat().st_size for p in root.rglob("*") if p.is_file())
        print(
            json.dumps({"partitions": given.partitions, "rows": given.partitions * ROWS, "folder_mib": size // 2**20})
        )


if __name__ == "__main__":
    main()
