"""What a cascade finds and what it saves: the true top 1,000 of a library, over several seeds.

The library is scored completely once. Then, for each seed, a first stage is learnt from a sample and calibrated as a
screen does it, and what lies above its cutoff is compared with the truth. Last, one screen with the cascade is run for
its time. Usage: ``python benchmarks/cascade.py MODEL LIBRARY --objective EXPRESSION --work FOLDER``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cinchona.datasets.codedmolecules import CodedMolecules
from cinchona.models.coded_input import molecules_of
from cinchona.models.surrogate import Surrogate
from cinchona.pipelines.cascade import SAMPLE
from cinchona.pipelines.config import Settings
from cinchona.pipelines.screen import screen
from cinchona.pipelines.screen_result import ScreenResult
from cinchona.records import CompoundBatch
from cinchona.screening.cascade import find_cutoff
from cinchona.screening.config import ExecutorConfig, ScreenConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.screening.totals import committed

TOP = 1_000
CHUNK = 20_000


def main() -> None:
    """Run it and print a table."""
    options = arguments()
    plain, plain_seconds = timed(options, "plain", cascade=False)
    smiles, score = distinct(plain.folder)
    truth = np.argsort(-score, kind="stable")[:TOP]
    molecules = [coded(smiles[start : start + CHUNK]) for start in range(0, len(smiles), CHUNK)]
    print(f"{len(score):,} distinct compounds, score of the last of the top {TOP:,}: {score[truth[-1]]:.4f}")
    print("seed  promised  passes  r      recall of the top 1,000  recall of the calibrated class")
    recalls = [one_seed(seed, smiles, score, truth, molecules) for seed in range(options.seeds)]
    print(f"mean recall {np.mean(recalls):.4f}, least {np.min(recalls):.4f}")
    found, seconds = timed(options, "cascade", cascade=True)
    same = np.isin(found.hits["row_id"].to_numpy(), plain.hits["row_id"].to_numpy()).mean()
    print(f"without: {plain_seconds}\nwith:    {seconds}\nhits in common: {same:.4f}\naudit: {found.cascade}")
    print(json.loads((found.folder / "cascade.json").read_text())["why"])


def one_seed(
    seed: int, smiles: list[str], score: np.ndarray, truth: np.ndarray, molecules: list[CodedMolecules]
) -> float:
    """Recall of the true top by a first stage of this seed; prints its row."""
    drawn = np.random.default_rng(seed).choice(len(score), SAMPLE, replace=False)
    train, rest = drawn[: SAMPLE // 2], drawn[SAMPLE // 2 :]
    stage = Surrogate.fit(coded([smiles[i] for i in train]), score[train], seed=seed)
    estimate = np.concatenate([stage.predict(part) for part in molecules])
    cutoff = find_cutoff(estimate[rest], score[rest], share=TOP / len(score))
    assert cutoff is not None
    passed = estimate >= np.float32(cutoff.value)
    klass = np.argsort(-score)[: round(cutoff.best / cutoff.sampled * len(score))]
    recall = float(passed[truth].mean())
    r = np.corrcoef(estimate, score)[0, 1]
    print(
        f"{seed:4}  {cutoff.promised:.4f}    {passed.mean():.3f}   {r:.3f}  {recall:.4f}                   "
        f"{passed[klass].mean():.4f}",
        flush=True,
    )
    return recall


def timed(options: argparse.Namespace, name: str, *, cascade: bool) -> tuple[ScreenResult, str]:
    """One screen, its time, and the working time of its workers."""
    settings = Settings(
        screen=ScreenConfig(top_k=TOP, objective=options.objective, cascade=cascade),
        executor=ExecutorConfig(kind="processes", workers=2),
    )
    begun = time.monotonic()
    found = screen(options.library, model=options.model, out=options.work / name, settings=settings)
    elapsed = time.monotonic() - begun
    run = RunFolder(found.folder)
    steps: dict[str, float] = {}
    for _, receipt in committed(run, load_plan(run)):
        for step, seconds in receipt.seconds.items():
            steps[step] = steps.get(step, 0.0) + seconds
    shares = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in steps.items())
    return found, f"{elapsed:.0f} s elapsed; workers: {shares}"


def distinct(folder: Path) -> tuple[list[str], np.ndarray]:
    """Parents and scores of the distinct compounds of a run."""
    run = RunFolder(folder)
    parts = [
        pq.read_table(run.root / receipt.file, columns=["parent_smiles", "score"])
        for _, receipt in committed(run, load_plan(run))
    ]
    best = {s: v for part in parts for s, v in zip(*(part[c].to_pylist() for c in part.column_names), strict=True)}
    best = {s: v for s, v in best.items() if v is not None and np.isfinite(v)}
    return list(best), np.array(list(best.values()), np.float32)


def coded(smiles: list[str]) -> CodedMolecules:
    """Graph codes of canonical SMILES."""
    return molecules_of(CompoundBatch.of(smiles))[0]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("library", type=Path)
    parser.add_argument("--objective")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
