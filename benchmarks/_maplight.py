"""MapLight's recipe, rebuilt: CatBoost on counts of circular environments, Avalon counts, ErG and RDKit descriptors. For benchmarks.

    PEER/bin/python benchmarks/_maplight.py TRAIN.csv TEST.csv PREDICTIONS.npy SEED

A program of its own that knows nothing of Cinchona; its environment holds ``catboost`` and ``rdkit``. Both tables have the
columns ``Drug`` and ``Y``. All of RDKit's two-dimensional descriptors stand for the authors' list of 200.

Source: Notwell and Wood, arXiv 2310.00174, https://doi.org/10.48550/arXiv.2310.00174
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from catboost import CatBoostClassifier
from rdkit import Chem, RDLogger
from rdkit.Avalon.pyAvalonTools import GetAvalonCountFP
from rdkit.Chem import Descriptors, rdFingerprintGenerator, rdReducedGraphs

WIDTH = 1024
LARGEST = 1e9


def main() -> None:
    train, test, target, seed = sys.argv[1:]
    RDLogger.DisableLog("rdApp.*")
    smiles, labels = read(Path(train))
    tested, _ = read(Path(test))
    model = CatBoostClassifier(
        random_strength=2, random_seed=int(seed), verbose=0, thread_count=1, allow_writing_files=False
    )
    model.fit(features(smiles), labels)
    np.save(target, model.predict_proba(features(tested))[:, 1])


def read(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["Drug"] for row in rows], np.array([int(float(row["Y"])) for row in rows])


def features(smiles: list[str]) -> np.ndarray:
    morgan = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=WIDTH)
    rows = []
    for text in smiles:
        mol = Chem.MolFromSmiles(text)
        avalon = np.zeros(WIDTH)
        for place, count in GetAvalonCountFP(mol, nBits=WIDTH).GetNonzeroElements().items():
            avalon[place] = count
        numbers = np.array([function(mol) for _, function in Descriptors.descList])
        rows.append(np.concatenate([
            morgan.GetCountFingerprintAsNumPy(mol), avalon, rdReducedGraphs.GetErGFingerprint(mol),
            np.clip(np.nan_to_num(numbers), -LARGEST, LARGEST),
        ]))  # fmt: skip
    return np.array(rows, np.float32)


if __name__ == "__main__":
    main()
