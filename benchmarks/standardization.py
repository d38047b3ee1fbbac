"""Whether the quick way of standardizing gives what the ChEMBL pipeline gives, and how fast both are.

    CINCHONA_DATA=... python benchmarks/standardization.py --molecules 100000

Two sets: the PubChem standardization table of RDKit's regression tests (inputs), and ChEMBL with ZINC. For each molecule the
quick way either answers or passes on; where it answers, SMILES and flags are compared with the pipeline's. Beside it every text is read as a
screen reads it, without RDKit where that is proved to be enough; its structure, made canonical, its flags or the reason of its
rejection are compared with the pipeline's as well. Prints Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rdkit import Chem, rdBase

from cinchona.datasets.as_needed import read_as_needed
from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parent import Parent, parent_of
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
    print("| set | molecules | answered quickly | different | quick, molecules per CPU s | pipeline | texts as screened | different | "
          "texts per CPU s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
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
    found = Counter[str]()
    for begin in range(0, len(smiles), BATCH):
        some = smiles[begin : begin + BATCH]
        texts, mols = parsed(some)
        with rdBase.BlockLogs():
            start = time.process_time()
            quick = quick_parents(texts, mols, rules)
            found["quick_ns"] += since(start)
            start = time.process_time()
            screened = read_as_needed(some, rules, join_equal=False)
            found["screen_ns"] += since(start)
            wanted: dict[str, Parent | Rejected | Exception] = {}
            for text in texts:
                mol = Chem.MolFromSmiles(text)
                start = time.process_time()
                wanted[text] = pipeline(mol, rules)
                found["pipeline_ns"] += since(start)
        found["answered"] += sum(answer is not None for answer in quick)
        found["different"] += sum(a is not None and a != wanted[t] for t, a in zip(texts, quick, strict=True))
        for text, structure, flags in zip(some, screened.parents, screened.flags, strict=True):
            if not same(structure, flags, wanted.get(text)):
                found["screened otherwise"] += 1
                print("different:", text, structure, sorted(flags), wanted.get(text), file=sys.stderr)
        found["read"] += len(texts)
    n = found["read"]
    print(f"| {name} | {n:,} | {found['answered'] / n:.1%} | {found['different']} | {n / found['quick_ns'] * 1e9:,.0f} | "
          f"{n / found['pipeline_ns'] * 1e9:,.0f} | {len(smiles):,} | {found['screened otherwise']} | "
          f"{len(smiles) / found['screen_ns'] * 1e9:,.0f} |", flush=True)  # fmt: skip


def same(structure: str | Rejected, flags: frozenset[str], wanted: Parent | Rejected | Exception | None) -> bool:
    """Whether a screen has what the pipeline gives; None: RDKit cannot read the text."""
    if not isinstance(wanted, Parent):
        return isinstance(structure, Rejected)
    return (
        not isinstance(structure, Rejected)
        and wanted.smiles in (structure, Chem.CanonSmiles(structure))  # of a few cages it is no fixed point
        and flags == frozenset(map(str, wanted.flags))
    )


def since(start: float) -> int:
    return round((time.process_time() - start) * 1e9)


def parsed(smiles: list[str]) -> tuple[list[str], list[Chem.Mol]]:
    mols = {text: parse_smiles(text) for text in smiles}
    kept = {text: mol for text, mol in mols.items() if not isinstance(mol, Rejected)}
    return list(kept), list(kept.values())


def pipeline(mol: Chem.Mol, rules: StandardizeConfig) -> Parent | Rejected | Exception:
    try:
        return parent_of(mol, rules)
    except (ValueError, RuntimeError) as error:
        return error


if __name__ == "__main__":
    main()
