"""Conformal intervals on scaffold splits: coverage, widths beside the simplest baseline, calibration of classes, and a shifted test.

    python benchmarks/intervals.py DATA                              the support vector machine, all regression sets, ten seeds
    python benchmarks/intervals.py DATA --model network --sets esol freesolv --seeds 3 --hidden 100
    python benchmarks/intervals.py DATA --classes --rows 2700           calibration error, tests of two fifths of the compounds
    python benchmarks/intervals.py DATA --shifted                    trained on ESOL, tested on compounds of AqSolDB

DATA is the folder ``molprop`` of the test data: MoleculeNet's ESOL, FreeSolv and lipophilicity, Biogen's ADME sets, targets of
MoleculeACE, CYP inhibition and mutagenicity of TDC, B3DB, AqSolDB. Each (set, seed) is split by scaffold (80/10/10), trained as
``cinchona train`` does, and looked at on its test part, which nothing was learnt from. Features of models on fingerprints are computed
once a set. The baseline is split conformal with one width:
fitted to the training part, its width from the validation part. Results are kept one by one in ``--cache``, so that an
interrupted run goes on. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cinchona.datasets.assay import AssayTable, read_assay_table
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.splits import Split, make_split
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.calibration.checking import check_trust
from cinchona.models.calibration.held_out import HeldOut
from cinchona.models.calibration.quantiles import conformal_quantiles
from cinchona.models.classical.crossfit import cross_predict
from cinchona.models.classical.fitting import kernels_of, learner_of, molecules_of
from cinchona.models.classical.inputs import Basis, Inputs
from cinchona.models.classical.members import Labels
from cinchona.models.metrics import rmse
from cinchona.models.neighbours import NearestNeighbourScorer
from cinchona.models.scorers import ArrayScorer, Predictions, endpoints_of
from cinchona.models.train import fit_ensemble
from cinchona.pipelines.calibrating import exact_labels, learn_trust
from cinchona.pipelines.chosen import calibration_folds, fit_chosen
from cinchona.pipelines.config import Settings
from cinchona.pipelines.heldout import predict_all
from cinchona.records import CompoundBatch, Endpoint
from cinchona.settings import load_settings

LEVEL = 0.9
REGRESSION = {
    "freesolv": ("moleculenet/freesolv.csv", "smiles", "expt"),
    "esol": ("moleculenet/esol_delaney.csv", "smiles", "measured log solubility in mols per litre"),
    "lipophilicity": ("moleculenet/lipophilicity.csv.gz", "smiles", "exp"),
    **{f"biogen {k}": (f"biogen_adme/ADME_{k}_train.csv", "smiles", "activity") for k in ("rPPB", "Sol", "MDR1_ER", "HLM")},
    **{f"ace {k}": (f"moleculeace/{k}.csv", "smiles", "y [pEC50/pKi]")
       for k in ("CHEMBL2047_EC50", "CHEMBL4616_EC50", "CHEMBL262_Ki", "CHEMBL1862_Ki", "CHEMBL239_EC50")},
}  # fmt: skip
CLASSES = {
    "B3DB": ("b3db/B3DB_classification.tsv.gz", "SMILES", "BBB+/BBB-"),
    "CYP2C9": ("tdc_admet_group/cyp2c9_veith_train.csv.gz", "Drug", "Y"),
    "CYP2D6": ("tdc_admet_group/cyp2d6_veith_train.csv.gz", "Drug", "Y"),
    "CYP3A4": ("tdc_admet_group/cyp3a4_veith_train.csv.gz", "Drug", "Y"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="svm", help="as choice.model")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=300, help="width of the networks")
    parser.add_argument("--rows", type=int, default=0, help="draw so many compounds of a larger set; 0 takes all")
    parser.add_argument("--classes", action="store_true")
    parser.add_argument("--shifted", action="store_true")
    parser.add_argument("--set", dest="overrides", nargs="*", default=[], help="settings, as of the command line")
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/intervals"))
    asked = parser.parse_args()
    settings = load_settings(Settings, environ={}, overrides=[
        f"choice.model={asked.model}", "training.workers=1", f"network.hidden={asked.hidden}",
        f"network.head_hidden={asked.hidden}", "training.pretrained=none",
        f"split.fractions={[0.5, 0.1, 0.4] if asked.classes else [0.8, 0.1, 0.1]}", *asked.overrides,
    ])  # fmt: skip
    if asked.shifted:
        shifted(asked, settings)
    else:
        compare(asked, settings)
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "rdkit", "scikit-learn", "torch"]).items()))  # fmt: skip


def compare(asked: argparse.Namespace, settings: Settings) -> None:
    known, found = CLASSES if asked.classes else REGRESSION, []
    for name in asked.sets or known:
        table = None
        for seed in range(asked.seeds):
            mark = "-".join(
                [
                    name,
                    asked.model,
                    *asked.overrides,
                    *([str(asked.hidden)] * (asked.model == "network")),
                    *([f"{asked.rows}rows"] if asked.rows else []),
                    str(seed),
                ]
            )
            kept = asked.cache / f"{mark.replace(' ', '_').replace('/', '_')}.json"
            if not kept.exists():
                table = read(asked.data, known[name], asked.rows) if table is None else table
                asked.cache.mkdir(parents=True, exist_ok=True)
                write_json(kept, {"set": name, "seed": seed, **one(table, settings, seed, classes=asked.classes)})
            found.append(json.loads(kept.read_text()))
            print(
                " ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in found[-1].items()),
                flush=True,
            )
    (show_classes if asked.classes else show)(pd.DataFrame(found))


def read(data: Path, source: tuple[str, str, str], rows: int = 0) -> AssayTable:
    file, smiles, label = source
    raw = pd.read_csv(data / file, sep="\t" if ".tsv" in file else ",")
    frame = pd.DataFrame({"smiles": raw[smiles], "y": raw[label]})
    frame["y"] = frame["y"].map(lambda cell: {"BBB+": 1, "BBB-": 0}.get(cell, cell))
    if 0 < rows < len(frame):
        frame = frame.sample(rows, random_state=0)
    return read_assay_table(frame, targets=["y"])


def one(table: AssayTable, settings: Settings, seed: int, *, classes: bool) -> dict[str, object]:
    split, began = make_split(table, settings.split, seed=seed), time.process_time()
    model = trained(table, split, settings, seed)
    spent = time.process_time() - began
    (told,) = check_trust(model, [table.smiles[row] for row in split.test], exact_labels(table, split.test))
    domain = model.score(CompoundBatch.of([table.smiles[row] for row in split.test])).in_domain
    result = {"n": len(table), "coverage": told["coverage"], "tests": told["n"], "cpu_s": round(spent, 1),
              "outside": float((domain == 0).mean()) if domain is not None else float("nan")}  # fmt: skip
    if classes:
        return result | {"ece": told["ece"], "single": told["single"]}
    error = table.values[split.test, 0] - predict_all(model, [table.smiles[row] for row in split.test])[:, 0]
    return (
        result
        | {"width": told["width"], "rmse": float(np.sqrt(np.nanmean(error**2)))}
        | simplest(table, split, settings, seed)
    )


class Shared:
    """Features of a table, computed once, and models on them that answer for its compounds by their SMILES."""

    def __init__(self, table: AssayTable, model: str) -> None:
        self.table, self.learner = table, learner_of(model, 1)
        molecules = molecules_of(table.smiles)
        self.inputs = Inputs(molecules, Basis.of(molecules, kernels_of([self.learner])))
        (self.endpoint,) = endpoints_of(table.targets)

    def crossed(self, rows: np.ndarray, folds: np.ndarray, seed: int) -> np.ndarray:
        """Predictions out of fold of ``rows``, float64, (n, 1); the other rows have no part in it."""
        labels, wide = self._labels(rows), np.full(len(self.table), -1)
        wide[rows] = folds
        return cross_predict(self.learner, self.inputs, labels, wide, seed=seed)[rows, None]

    def fit(self, rows: np.ndarray, seed: int) -> Known:
        """The model of ``rows``."""
        labels, everything = self._labels(rows), np.arange(len(self.table))
        member = self.learner.fit(self.inputs, labels, labels.known(rows), seed=seed)
        values = member.predict(self.inputs.take(everything))
        return Known([self.endpoint], dict(zip(self.table.smiles, values.tolist(), strict=True)))

    def _labels(self, rows: np.ndarray) -> Labels:
        values = np.full(len(self.table), np.nan)
        values[rows] = self.table.values[rows, 0]
        return Labels.of(values, self.endpoint)


class Known(NearestNeighbourScorer):
    """A scorer of known compounds."""

    def __init__(self, endpoints: list[Endpoint], values: dict[str, float]) -> None:
        ArrayScorer.__init__(self, endpoints)
        self.values = values

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Look the values up."""
        return Predictions(np.ones(len(batch), bool), np.array([[self.values[text]] for text in batch.smiles]))


def trained(table: AssayTable, split: Split, settings: Settings, seed: int) -> ArrayScorer:
    model: ArrayScorer
    if settings.choice.model == "network":
        model = network = fit_ensemble(table, split, network=settings.network, training=settings.training, seed=seed)
        held = network.held_out
    elif settings.choice.model == "auto":
        model, _, held = fit_chosen(table, split, settings, seed=seed)
    else:
        shared, rows = shared_of(table, settings.choice.model), np.sort(np.concatenate([split.train, split.valid]))
        folds, how = calibration_folds([table.smiles[row] for row in rows], rows, split, settings, seed=seed)
        model, held = shared.fit(rows, seed), HeldOut(rows, folds, shared.crossed(rows, folds, seed), how=how)
    learn_trust(model, held, table, split, settings=settings, seed=seed)
    return model


def shared_of(table: AssayTable, model: str, made: dict[str, Shared] = {}) -> Shared:  # noqa: B006 - a cache
    if table.digest not in made:
        made.clear()
        made[table.digest] = Shared(table, model)
    return made[table.digest]


def simplest(table: AssayTable, split: Split, settings: Settings, seed: int) -> dict[str, float]:
    """Split conformal with one width: fitted to the training part, calibrated on the validation part."""
    if settings.choice.model == "network":
        # A split by column has one part that all networks stop by.
        apart = Split(split.train, split.valid, split.test, "column", seed)
        model: ArrayScorer = fit_ensemble(table, apart, network=settings.network, training=settings.training, seed=seed)
    else:
        model = shared_of(table, settings.choice.model).fit(split.train, seed)
    errors = [
        np.abs(exact_labels(table, part)[:, 0] - predict_all(model, [table.smiles[row] for row in part])[:, 0])
        for part in (split.valid, split.test)
    ]
    (half,) = conformal_quantiles(errors[0][np.isfinite(errors[0])], [LEVEL])
    return {"plain_coverage": float((errors[1] <= half).mean()), "plain_width": float(2 * half)}


def shifted(asked: argparse.Namespace, settings: Settings) -> None:
    """Train on ESOL, test on AqSolDB without the compounds of ESOL."""
    near = read(asked.data, REGRESSION["esol"])
    far = read(asked.data, ("aqsoldb/aqsoldb_curated.csv.gz", "SMILES", "Solubility"), asked.rows)
    new = np.array([smiles not in set(near.smiles) for smiles in far.smiles])
    rows = []
    for seed in range(asked.seeds):
        split = make_split(near, SplitConfig(), seed=seed)
        model, _, held = fit_chosen(near, split, settings, seed=seed)
        learn_trust(model, held, near, split, settings=settings, seed=seed)
        for name, table, part in (("ESOL, scaffold test", near, split.test), ("AqSolDB", far, np.flatnonzero(new))):
            scores = model.score(CompoundBatch.of([table.smiles[row] for row in part]))
            label = exact_labels(table, part)[scores.row_ids, 0]
            inside = (scores.lower[:, 0] <= label) & (label <= scores.upper[:, 0])
            near_enough = scores.in_domain[:, 0] == 1
            rows.append({
                "test": name, "seed": seed, "n": len(label), "coverage": inside.mean(), "outside": 1 - near_enough.mean(),
                "inside_coverage": inside[near_enough].mean(), "outside_coverage": inside[~near_enough].mean(),
                "rmse": rmse(label, scores.value[:, 0].astype(float)),
            })  # fmt: skip
            print(rows[-1], flush=True)
    means = pd.DataFrame(rows).groupby("test").mean(numeric_only=True)
    print(
        "\n| test | n | coverage | outside the domain | coverage inside | coverage outside | RMSE |\n|---|---|---|---|---|---|---|"
    )
    for name, m in means.iterrows():
        print(
            f"| {name} | {m.n:.0f} | {m.coverage:.1%} | {m.outside:.1%} | {m.inside_coverage:.1%} | {m.outside_coverage:.1%} | {m.rmse:.2f} |"
        )


def show(found: pd.DataFrame) -> None:
    print(
        "\n| set | compounds | seeds | coverage | lowest to highest | sd | width | simplest: coverage | width | ratio of widths | CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, part in found.groupby("set", sort=False):
        m, c = part.mean(numeric_only=True), part["coverage"]
        ratio = (part["width"] / part["plain_width"]).mean()
        print(f"| {name} | {m.n:.0f} | {len(part)} | {c.mean():.1%} | {c.min():.1%} to {c.max():.1%} | {c.std():.3f} | {m.width:.2f} | "
              f"{m.plain_coverage:.1%} | {m.plain_width:.2f} | {ratio:.2f} | {m.cpu_s:.0f} |")  # fmt: skip
    means = found.groupby("set").mean(numeric_only=True)
    ratio = (found["width"] / found["plain_width"]).groupby(found["set"]).mean()
    sd = found.groupby("set")[["coverage", "plain_coverage"]].std().mean()
    print(f"\nMean coverage of {len(means)} sets {means.coverage.mean():.2%} (simplest {means.plain_coverage.mean():.2%}), mean standard deviation "
          f"over seeds {sd.coverage:.3f} (simplest {sd.plain_coverage:.3f}), mean ratio of widths {ratio.mean():.3f}")  # fmt: skip


def show_classes(found: pd.DataFrame) -> None:
    print(
        "\n| set | compounds | test | seeds | calibration error | highest | coverage of sets | single labels | CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, part in found.groupby("set", sort=False):
        m = part.mean(numeric_only=True)
        print(f"| {name} | {m.n:.0f} | {m.tests:.0f} | {len(part)} | {m.ece:.3f} | {part['ece'].max():.3f} | {m.coverage:.1%} | "
              f"{m.single:.1%} | {m.cpu_s:.0f} |")  # fmt: skip


if __name__ == "__main__":
    main()
