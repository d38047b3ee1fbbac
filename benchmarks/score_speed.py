"""Scoring beside Chemprop and DeepChem: CPU seconds per molecule, same molecules, same trained weights.

    CINCHONA_DATA=... python benchmarks/score_speed.py --peer /path/to/chemprop-environment/bin/python

100,000 distinct molecules (half ChEMBL, half ZINC 250k; canonical SMILES, since features of stereocentres depend on the order
of atoms), the default D-MPNN of Chemprop 2.3.1 (300 units, depth 3) trained on ESOL for five epochs. The peer runs random
molecules of them. All rates are marginal: CPU time of a large run less that of a small one, start-up told apart; user and
system time of all processes; the runs of the sides take turns, the median of three counts.

Every measurement is kept in ``seconds.json`` in the folder, so that a run that was broken off goes on where it was; remove the file to
measure anew. The peer's environment holds ``chemprop==2.3.1``, ``torch==2.13.0``, ``rdkit==2026.3.5`` and its C++ featurizer. DeepChem runs in this
environment with first weights as drawn, since only its time is measured. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine import inference
from cinchona.models.engine.directed import CodedGraphs, MessagePlan, plan_messages
from cinchona.models.engine.gemm import chosen_gemm, gemm
from cinchona.models.engine.graphs import FEATURE_ROWS
from cinchona.models.engine.grouping import Groups
from cinchona.models.engine.inference import EngineBlock, block_outputs
from cinchona.models.folder import open_scorer
from cinchona.models.imported.importing import import_model

LIBRARIES = ("chembl_35_20k", "chembl_validation_reinvent", "zinc250k")
FORWARD_BATCHES = (256, 1_024, 4_096, 16_384)
PEER_BATCHES = (64, 256, 1_024)
DEEPCHEM = """
import sys, warnings, time; warnings.filterwarnings("ignore")
import torch; torch.set_num_threads(1)
import deepchem as dc
smiles = open(sys.argv[1]).read().split()[1:]
features = dc.feat.DMPNNFeaturizer().featurize(smiles)
model = dc.models.torch_models.DMPNNModel(mode="regression", batch_size=50, device="cpu")
model.predict(dc.data.NumpyDataset(X=features))
"""
FORWARD = """
import sys, time, torch, numpy as np; torch.set_num_threads(1)
from chemprop import data, models
smiles = open(sys.argv[1]).read().split()[1:]
model = models.MPNN.load_from_file(sys.argv[2], map_location="cpu").eval()
points = data.MoleculeDataset([data.MoleculeDatapoint.from_smi(s) for s in smiles])
for size in map(int, sys.argv[3].split(",")):
    loader = list(data.build_dataloader(points, batch_size=size, shuffle=False, num_workers=0))
    best = []
    with torch.inference_mode():
        for _ in range(3):
            begin = time.process_time()
            for batch in loader: model(batch.bmg)
            best.append(time.process_time() - begin)
    print(size, sorted(best)[1] / len(smiles))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, help="Python of the environment that holds Chemprop")
    parser.add_argument("--training", type=Path, required=True, help="folder of chemprop train, see imported_models.py")
    parser.add_argument("--molecules", type=int, default=100_000)
    parser.add_argument("--peer-molecules", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-cache/speed"))
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    asked.folder.mkdir(parents=True, exist_ok=True)
    files = written(asked)
    checkpoint = next(iter(sorted(asked.training.glob("**/best.pt"))))
    model = asked.folder / "model"
    if not model.exists():
        import_model(checkpoint, out=model)
    end_to_end(asked, files, model, checkpoint)
    forward(asked, files, model, checkpoint)


# ------------------------------------------------------------------------------------------------------ molecules


def written(asked: argparse.Namespace) -> dict[str, Path]:
    """CSV files of all molecules, of a tenth of them, and of the peer's two sizes."""
    files = {name: asked.folder / f"{name}.csv" for name in ("all", "tenth", "peer", "peer_tenth")}
    if not files["peer_tenth"].exists():
        smiles = distinct_molecules(asked.molecules)
        drawn = random.Random(1).sample(smiles, asked.peer_molecules)
        parts = {
            "all": smiles,
            "tenth": smiles[: len(smiles) // 10],
            "peer": drawn,
            "peer_tenth": drawn[: len(drawn) // 10],
        }
        for name, part in parts.items():
            files[name].write_text("smiles\n" + "\n".join(part) + "\n")
    return files


def distinct_molecules(n: int) -> list[str]:
    halves = [list(dict.fromkeys(canonical(LIBRARIES[:2]))), list(dict.fromkeys(canonical(LIBRARIES[2:])))]
    chance = random.Random(0)
    found = list(dict.fromkeys(s for half in halves for s in chance.sample(half, min(n // 2 + n // 20, len(half)))))
    chance.shuffle(found)
    return found[:n]


def canonical(names: tuple[str, ...]) -> Iterator[str]:
    for path in sorted(Path(os.environ["CINCHONA_DATA"], "libraries", "sets").iterdir()):
        if path.name.split(".")[0] in names:
            with gzip.open(path, "rt") as lines:
                for line in lines:
                    mol = parse_smiles(line.strip().split(",")[1] if "," in line else line.split()[0])
                    if not isinstance(mol, Rejected) and 1 < mol.GetNumAtoms() <= 100:
                        yield Chem.MolToSmiles(mol)


# ----------------------------------------------------------------------------------------------------- end to end


def end_to_end(asked: argparse.Namespace, files: dict[str, Path], model: Path, checkpoint: Path) -> None:
    prepared = {name: asked.folder / f"prepared_{name}" for name in ("all", "tenth")}
    for name, folder in prepared.items():
        if not folder.exists():
            run(cinchona("data", "prepare", files[name], "--out", folder, *SERIAL, "--set", "standardize.method=none"))
    sides: dict[str, Callable[[str], list[str]]] = {
        "Chemprop, Python featurizer": lambda size: chemprop(asked, files, checkpoint, size, fast=False),
        "Chemprop, C++ featurizer": lambda size: chemprop(asked, files, checkpoint, size, fast=True),
        "DeepChem DMPNN": lambda size: [sys.executable, "-c", DEEPCHEM, str(files[peer_size(size)])],
        "ours, --standardize none": lambda size: ours(asked, files[size], model, "--set", "standardize.method=none"),
        "ours, default standardization": lambda size: ours(asked, files[size], model),
        "ours, prepared library": lambda size: ours(asked, prepared[size], model),
    }
    seconds = measurements(asked, sides)
    rows = {name: (asked.peer_molecules if is_peer(name) else asked.molecules) * 0.9 for name in sides}
    rate = {
        name: rows[name] / (statistics.median(s["all"]) - statistics.median(s["tenth"])) for name, s in seconds.items()
    }
    print(
        "| side | molecules per CPU second | start-up, CPU s | times Chemprop | times its C++ mode | times DeepChem |"
    )
    print("|---|---|---|---|---|---|")
    peers = list(sides)[:3]
    for name, s in seconds.items():
        start = statistics.median(s["tenth"]) - rows[name] / 9 / rate[name]
        ratios = " | ".join("" if is_peer(name) else f"{rate[name] / rate[p]:.1f}" for p in peers)
        print(f"| {name} | {rate[name]:,.0f} | {start:.1f} | {ratios} |")
    print(f"\nLargest difference from Chemprop on the {asked.peer_molecules:,} molecules that it ran: "
          f"{difference(asked, files, model):.1e}\n", flush=True)  # fmt: skip


def measurements(
    asked: argparse.Namespace, sides: dict[str, Callable[[str], list[str]]]
) -> dict[str, dict[str, list[float]]]:
    """CPU seconds of each side and size, one value a round; the sides take turns."""
    kept = asked.folder / "seconds.json"
    seconds: dict[str, dict[str, list[float]]] = json.loads(kept.read_text()) if kept.exists() else {}
    for turn in range(asked.repeats):
        for name, command in sides.items():
            for size in ("tenth", "all"):
                values = seconds.setdefault(name, {}).setdefault(size, [])
                if len(values) <= turn:
                    values.append(measured(command(size)))
                    kept.write_text(json.dumps(seconds))
    return seconds


def is_peer(name: str) -> bool:
    return not name.startswith("ours")


def peer_size(size: str) -> str:
    return "peer" if size == "all" else "peer_tenth"


SERIAL = ("--set", "executor.kind=serial", "--set", "tracking.enabled=false", "--quiet")


def cinchona(*arguments: object) -> list[str]:
    return [str(Path(sys.executable).with_name("cinchona")), *map(str, arguments)]


def ours(asked: argparse.Namespace, library: Path, model: Path, *options: str) -> list[str]:
    out = asked.folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    return cinchona("screen", library, "--model", model, "--out", out, *SERIAL, *options)


def chemprop(
    asked: argparse.Namespace, files: dict[str, Path], checkpoint: Path, size: str, *, fast: bool
) -> list[str]:
    main = "from chemprop.cli.main import main; main()"
    extra = ["--use-cuikmolmaker-featurization"] if fast else []
    return [str(asked.peer), "-c", main, "predict", "-i", str(files[peer_size(size)]), "-o", str(asked.folder / "theirs.csv"),
            "--smiles-columns", "smiles", "--num-workers", "0", "--accelerator", "cpu", "--model-paths", str(checkpoint), *extra]  # fmt: skip


def difference(asked: argparse.Namespace, files: dict[str, Path], model: Path) -> float:
    from cinchona.records import CompoundBatch

    run(chemprop(asked, files, next(iter(sorted(asked.training.glob("**/best.pt")))), "all", fast=False))
    with (asked.folder / "theirs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = next(name for name in rows[0] if name != "smiles")
    found = open_scorer(model).score(CompoundBatch.of([row["smiles"] for row in rows]))
    return float(np.abs(found.value[:, 0] - np.array([float(row[column]) for row in rows])).max())


def measured(command: list[str]) -> float:
    before = children()
    run(command)
    return children() - before


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:300]} failed:\n{done.stderr[-2000:]}")


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# -------------------------------------------------------------------------------------------------------- forward


def forward(asked: argparse.Namespace, files: dict[str, Path], model: Path, checkpoint: Path) -> None:
    """The model alone: featurization done beforehand on both sides."""
    answer = subprocess.run(
        [str(asked.peer), "-c", FORWARD, str(files["peer"]), str(checkpoint), ",".join(map(str, PEER_BATCHES))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = {int(size): float(cost) for size, cost in (line.split() for line in answer.stdout.splitlines())}
    best = min(theirs.values())
    print("| forward pass | batch | molecules per CPU second | times Chemprop's best batch |\n|---|---|---|---|")
    for size, cost in theirs.items():
        print(f"| Chemprop | {size:,} | {1 / cost:,.0f} | |")
    smiles = files["all"].read_text().split()[1:]
    for size in FORWARD_BATCHES:
        for name, shared in (("ours", True), ("ours, no environment beyond radius 0 shared", False)):
            cost = our_forward(model, smiles[: max(4 * size, 8_192)], size, shared=shared)
            print(f"| {name} | {size:,} | {1 / cost:,.0f} | {best / cost:.1f} |", flush=True)


def our_forward(model: Path, smiles: list[str], size: int, *, shared: bool) -> float:
    """CPU seconds per molecule from codes to predictions."""
    scorer = open_scorer(model)
    blocks = [EngineBlock(scorer._engine[0], GraphNetConfig(depth=scorer.blocks[0].spec.depth))]  # noqa: SLF001 - its arrays
    product, rows_of = gemm(chosen_gemm()), FEATURE_ROWS["chemprop-2"]
    batches = [
        codes_of_many([Chem.MolFromSmiles(s) for s in smiles[k : k + size]]) for k in range(0, len(smiles), size)
    ]
    times = []
    with patch.object(inference, "plan_messages", plan_messages if shared else planned_apart):
        for _ in range(3):
            begin = time.process_time()
            for batch in batches:
                block_outputs(blocks, batch, rows_of=rows_of, multiply=product)
            times.append(time.process_time() - begin)
    return statistics.median(times) / len(smiles)


def planned_apart(graphs: CodedGraphs, depth: int) -> MessagePlan:
    """Find the groups, then go on as if every environment of radius 1 and more were distinct."""
    return apart(plan_messages(graphs, depth))


def apart(plan: MessagePlan) -> MessagePlan:
    """The same plan as if every environment of radius 1 and more were distinct."""
    bonds, atoms = len(plan.levels[0].ids), len(plan.atoms.ids)
    each = Groups(np.arange(bonds, dtype=np.int32), np.arange(bonds, dtype=np.int32))
    ends = Groups(np.arange(atoms, dtype=np.int32), np.arange(atoms, dtype=np.int32))
    return replace(plan, levels=(plan.levels[0], *[each] * (len(plan.levels) - 1)), atoms=ends)


if __name__ == "__main__":
    main()
