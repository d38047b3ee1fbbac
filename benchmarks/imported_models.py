"""Chemprop checkpoints of five kinds, trained here, against Chemprop itself: largest difference, and CPU seconds of both.

    CINCHONA_DATA=... python benchmarks/imported_models.py --peer /path/to/chemprop-environment/bin/python

The peer's environment holds ``chemprop==2.3.1``, ``torch==2.13.0`` and ``rdkit==2026.3.5``. Both sides get the same canonical
SMILES: the first rows of MOSES, as RDKit writes them (features of stereocentres depend on the order of atoms). The original
reads its own files, which executes what they hold. CPU seconds of the peer are those of ``chemprop predict`` with its start;
ours are those of a process that opens the model folder and scores. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinchona.datasets.catalogue import PREFIX
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.sources import open_library
from cinchona.models.imported.importing import import_model


@dataclass(frozen=True)
class Kind:
    """One checkpoint to train."""

    name: str
    table: str
    smiles: str
    targets: tuple[str, ...]
    options: tuple[str, ...]
    descriptors: str | None = None


KINDS = (
    Kind("regression, norm", "esol_delaney", "smiles", ("measured log solubility in mols per litre",), ()),
    Kind("classification, mean", "bbbp", "smiles", ("p_np",), ("--task-type", "classification", "--aggregation", "mean")),
    Kind("two classes, ensemble of 2, sum", "clintox", "smiles", ("FDA_APPROVED", "CT_TOX"),
         ("--task-type", "classification", "--ensemble-size", "2", "--aggregation", "sum", "--message-hidden-dim", "200")),
    Kind("two targets, batch norm, depth 4, two layers", "freesolv", "smiles", ("expt", "calc"),
         ("--batch-norm", "--depth", "4", "--ffn-num-layers", "2")),
    Kind("regression with RDKit descriptors", "esol_delaney", "smiles", ("measured log solubility in mols per litre",),
         ("--molecule-featurizers", "rdkit_2d"), "rdkit_2d"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True, help="Python of the environment that holds Chemprop")
    parser.add_argument("--molecules", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-cache/imported"))
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    asked.folder.mkdir(parents=True, exist_ok=True)
    library = written_library(asked.folder / "molecules.csv", asked.molecules)
    print(
        "| checkpoint | molecules | largest difference | Chemprop, CPU s | ours, CPU s | ratio |\n|---|---|---|---|---|---|"
    )
    for number, kind in enumerate(KINDS):
        compare(kind, asked.folder / f"kind-{number}", library, asked)


def written_library(path: Path, n: int) -> Path:
    from rdkit import Chem

    if not path.exists():
        library = open_library([f"{PREFIX}moses"], staging=path.parent / "staged")
        texts = [s for batch, _ in library.batches(n + 1_000) for s in batch.smiles][: n + 1_000]
        mols = [parse_smiles(text) for text in texts]
        rows = [Chem.MolToSmiles(mol) for mol in mols if not isinstance(mol, Rejected)][:n]
        path.write_text("smiles\n" + "\n".join(rows) + "\n")
    return path


def compare(kind: Kind, folder: Path, library: Path, asked: argparse.Namespace) -> None:
    if not (folder / "trained").exists():
        train(kind, folder, asked)
    best = sorted(folder.glob("training/**/best.pt"))
    theirs, their_seconds = predicted_by_peer(kind, best, folder, library, asked.peer)
    if not (folder / "ours").exists():
        import_model(folder / "training", out=folder / "ours", descriptors=kind.descriptors)
    before = children()
    run([sys.executable, __file__.replace("imported_models", "_score_folder"), str(folder / "ours"), str(library),
         str(folder / "ours.npy")])  # fmt: skip
    our_seconds, ours = children() - before, np.load(folder / "ours.npy")
    worst = float(np.abs(ours - theirs).max())
    print(f"| {kind.name} | {len(ours):,} | {worst:.1e} | {their_seconds:.0f} | {our_seconds:.1f} | "
          f"{their_seconds / our_seconds:.1f} |", flush=True)  # fmt: skip


def train(kind: Kind, folder: Path, asked: argparse.Namespace) -> None:
    table = readable(kind, folder)
    run([*chemprop(asked.peer), "train", "-i", str(table), "-o", str(folder / "training"), "--smiles-columns", kind.smiles,
         "--target-columns", *kind.targets, "--epochs", str(asked.epochs), "--num-workers", "0", "--accelerator", "cpu",
         *kind.options])  # fmt: skip
    (folder / "trained").touch()


def readable(kind: Kind, folder: Path) -> Path:
    """The table without the rows whose SMILES RDKit refuses, on which the peer would stop."""
    given = Path(os.environ["CINCHONA_DATA"], "molprop", "moleculenet", f"{kind.table}.csv")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "table.csv"
    with given.open(newline="") as file, target.open("w", newline="") as out:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or [])
        writer.writeheader()
        writer.writerows(row for row in reader if not isinstance(parse_smiles(row[kind.smiles]), Rejected))
    return target


def predicted_by_peer(
    kind: Kind, best: list[Path], folder: Path, library: Path, peer: Path
) -> tuple[np.ndarray, float]:
    target, clock = folder / "theirs.csv", folder / "theirs.seconds"
    if not clock.exists():
        extra = ["--molecule-featurizers", kind.descriptors] if kind.descriptors else []
        before = children()
        run([*chemprop(peer), "predict", "-i", str(library), "-o", str(target), "--smiles-columns", "smiles", "--num-workers",
             "0", "--accelerator", "cpu", "--model-paths", *map(str, best), *extra])  # fmt: skip
        clock.write_text(str(children() - before))
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name]) for name in kind.targets] for row in rows]), float(clock.read_text())


def chemprop(peer: Path) -> list[str]:
    return [str(peer), "-c", "from chemprop.cli.main import main; main()"]


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:6])} failed:\n{done.stderr[-2000:]}")


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
