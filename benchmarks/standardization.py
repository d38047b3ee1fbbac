"""Whether the quick way of standardizing gives what the ChEMBL pipeline gives, and how fast both are.

    CINCHONA_DATA=... python benchmarks/standardization.py --molecules 100000

Two sets: the PubChem standardization table of RDKit's regression tests (inputs), and ChEMBL with ZINC. For each molecule the
quick way either answers or passes on; where it answers, SMILES and flags are compared with the pipeline's. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rdkit import Chem, rdBase

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parent import parent_of
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.quick_parents import quick_parents

BATCH = 2_000
PUBCHEM = "standardize_pubchem100k/100kPCS_standardize_sm.csv.gz"
SETS = ("chembl_35_20k", "chembl_validation_reinvent", "zinc250k", "zinc_qed_mols", "znp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=100_000, help="of each set")
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    libraries = Path(os.environ["CINCHONA_DATA"], "libraries")
    sets = {"PubChem standardization table": lines(libraries / PUBCHEM), "ChEMBL and ZINC": mixed(libraries / "sets")}
    print(
        "| set | molecules | answered quickly | different | quick, molecules per CPU s | pipeline | whole, as screened |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, smiles in sets.items():
        show(name, list(itertools.islice(dict.fromkeys(smiles), asked.molecules)))


def lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as text:
        for line in text:
            yield line.replace(",", " ").split()[0]


def mixed(folder: Path) -> list[str]:
    found = [s for p in sorted(folder.iterdir()) if p.name.split(".")[0] in SETS for s in second_or_first(p)]
    random.Random(0).shuffle(found)
    return found


def second_or_first(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as text:
        for line in text:
            yield line.split(",")[1] if "," in line else line.split()[0]


def show(name: str, smiles: list[str]) -> None:
    rules = StandardizeConfig()
    seen = answered = different = 0
    quick_time = pipeline_time = passed_on_time = 0.0
    for begin in range(0, len(smiles), BATCH):
        texts, mols = parsed(smiles[begin : begin + BATCH])
        with rdBase.BlockLogs():
            start = time.process_time()
            quick = quick_parents(texts, mols, rules)
            quick_time += time.process_time() - start
            for text, answer in zip(texts, quick, strict=True):
                mol = Chem.MolFromSmiles(text)
                start = time.process_time()
                wanted = pipeline(mol, rules)
                spent = time.process_time() - start
                pipeline_time += spent
                passed_on_time += spent if answer is None else 0.0
                answered += answer is not None
                different += answer is not None and answer != wanted
        seen += len(texts)
    print(f"| {name} | {seen:,} | {answered / seen:.1%} | {different} | {seen / quick_time:,.0f} | {seen / pipeline_time:,.0f} | "
          f"{seen / (quick_time + passed_on_time):,.0f} |", flush=True)  # fmt: skip


def parsed(smiles: list[str]) -> tuple[list[str], list[Chem.Mol]]:
    mols = {text: parse_smiles(text) for text in smiles}
    kept = {text: mol for text, mol in mols.items() if not isinstance(mol, Rejected)}
    return list(kept), list(kept.values())


def pipeline(mol: Chem.Mol, rules: StandardizeConfig) -> object:
    try:
        return parent_of(mol, rules)
    except (ValueError, RuntimeError) as error:
        return error


if __name__ == "__main__":
    main()
