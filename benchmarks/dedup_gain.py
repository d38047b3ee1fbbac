"""How the rate of a graph network grows with the batch, since larger batches repeat more environments; and where time goes.

    CINCHONA_DATA=... python benchmarks/dedup_gain.py --picture docs/images/dedup-gain.svg

Two libraries: MOSES (lead-like, much alike) and ChEMBL with ZINC (see score_speed.py). Networks of the default shape (300 units, depth 3)
with random weights, since only time is measured; one network and an ensemble of five. CPU seconds from graph codes to
predictions, best of three. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from rdkit import Chem
from score_speed import distinct_molecules

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.catalogue import PREFIX
from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.datasets.molgraph import ATOM_DIM, BOND_DIM, features
from cinchona.datasets.sources import open_library
from cinchona.models.config import GraphNetConfig
from cinchona.models.engine.directed import plan_messages
from cinchona.models.engine.gemm import chosen_gemm, gemm
from cinchona.models.engine.graphs import coded_graphs
from cinchona.models.engine.inference import EngineNetwork, engine_outputs, part_of
from cinchona.models.network import build_network, initialize

BATCHES = (16, 64, 256, 1_024, 4_096, 16_384, 65_536)
MOST = 65_536
FEWEST = 4_096
CONFIG = GraphNetConfig()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="write the curves as SVG")
    parser.add_argument("--scratch", type=Path, default=Path("benchmark-cache/gain"))
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    libraries = {"MOSES": moses(asked.scratch), "ChEMBL and ZINC": distinct_molecules(MOST)}
    coded = {name: codes_of_many([Chem.MolFromSmiles(s) for s in smiles]) for name, smiles in libraries.items()}
    networks = [drawn(seed) for seed in range(5)]
    curves = {}
    print("| batch | " + " | ".join(f"{n}: distinct atoms | one network | five" for n in coded) + " |")
    print("|---|" + "---|---|---|" * len(coded))
    for size in BATCHES:
        cells = [str(f"{size:,}")]
        for name, molecules in coded.items():
            part = part_of(molecules, 0, min(len(molecules), max(FEWEST, size)))
            curves[name, size] = [rate(part, size, networks[:n]) for n in (1, 5)]
            cells += [f"{distinct(part_of(part, 0, size)):.0%}", *(f"{r:,.0f}" for r in curves[name, size])]
        print("| " + " | ".join(cells) + " |", flush=True)
    for name, smiles in libraries.items():
        show_shares(name, smiles[:20_000], networks)
    if asked.picture:
        draw(curves, list(coded), asked.picture)


def moses(scratch: Path) -> list[str]:
    library = open_library([f"{PREFIX}moses"], staging=scratch)
    found: list[str] = []
    for batch, _ in library.batches(20_000):
        found += batch.smiles
        if len(found) >= MOST:
            break
    return found[:MOST]


def drawn(seed: int) -> EngineNetwork:
    network = build_network(CONFIG, d_atom=ATOM_DIM, d_bond=BOND_DIM, n_targets=1)
    initialize(network, torch.Generator().manual_seed(seed))
    return EngineNetwork.of(network)


def rate(molecules: CodedMolecules, size: int, networks: list[EngineNetwork]) -> float:
    """Molecules per CPU second in batches of ``size``."""

    def once() -> None:
        for first in range(0, len(molecules), size):
            part = part_of(molecules, first, min(first + size, len(molecules)))
            engine_outputs(networks, part, config=CONFIG, rows_of=features, multiply=gemm(chosen_gemm()))

    return len(molecules) / best(once)


def best(call: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def distinct(molecules: CodedMolecules) -> float:
    """Share of final atom states that are distinct."""
    graphs = coded_graphs(molecules, features)
    return len(plan_messages(graphs, CONFIG.depth).atoms) / len(graphs.atom_codes)


def show_shares(name: str, smiles: list[str], networks: list[EngineNetwork]) -> None:
    mols = [Chem.MolFromSmiles(s) for s in smiles]
    coded = codes_of_many(mols)
    costs = {
        "parse": best(lambda: [Chem.MolFromSmiles(s) for s in smiles]),
        "canonical SMILES": best(lambda: [Chem.MolToSmiles(m) for m in mols]),
        "codes": best(lambda: codes_of_many(mols)),
        "one network": len(coded) / rate(coded, 4_096, networks[:1]),
        "five networks": len(coded) / rate(coded, 4_096, networks),
    }
    told = ", ".join(f"{step} {1e6 * cost / len(smiles):.0f}" for step, cost in costs.items())
    print(f"\n{name}, microseconds of CPU time a molecule: {told}")


def draw(curves: dict[tuple[str, int], list[float]], names: list[str], path: Path) -> None:
    with rc_context({"svg.hashsalt": "cinchona", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7, 3.8), layout="constrained")
        axes = figure.subplots()
        for name, colour in zip(names, ("#0072b2", "#d55e00"), strict=True):
            for k, (label, style) in enumerate((("one network", "-o"), ("ensemble of five", "--o"))):
                rates = [curves[name, size][k] for size in BATCHES]
                axes.plot(BATCHES, rates, style, color=colour, markersize=4, label=f"{name}, {label}")
        axes.set(xscale="log", xlabel="molecules in a batch", ylabel="molecules per CPU second", ylim=(0, None))
        axes.set_xticks(BATCHES, [f"{b:,}" for b in BATCHES])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
