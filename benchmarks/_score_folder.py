"""Open a model folder and score the SMILES of a CSV file with it, as a process of its own: for benchmarks.

python benchmarks/_score_folder.py MODEL LIBRARY.csv VALUES.npy
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from cinchona.models.folder import open_scorer
from cinchona.records import CompoundBatch

BATCH = 8_192


def main() -> None:
    model, library, target = sys.argv[1:]
    with Path(library).open(newline="") as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)]
    scorer = open_scorer(Path(model))
    parts = [scorer.score(CompoundBatch.of(smiles[k : k + BATCH])).value for k in range(0, len(smiles), BATCH)]
    np.save(target, np.concatenate(parts))


if __name__ == "__main__":
    main()
