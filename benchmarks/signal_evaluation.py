"""The harness: measures and naive baselines, on injected signals and on the 5,000-report FAERS sample.

    CINCHONA_DATA=... python benchmarks/signal_evaluation.py

Injected: 1 % of the cells of PhViD's real margins (1.2 M mentions, drugs and events with at least ten) get a ratio 1.5 to
5 times a background Gamma(4, rate 4). Sample: pairs of the 5,000 reports, brand names turned into ingredients by the
synonym table of the data folder, labelled by SIDER 4.1; labels are incomplete and the sample is small, so those figures
are exploratory. Prints Markdown. A pooled AUC is not computed; the message says why.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

from cinchona.pharmacovigilance.signals.counting.count import count_pairs
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts, counts_of_pairs
from cinchona.pharmacovigilance.signals.counting.reports import read_reports
from cinchona.pharmacovigilance.signals.errors import PooledAucRefusedError
from cinchona.pharmacovigilance.signals.evaluation.harness import EvaluationConfig, evaluate
from cinchona.pharmacovigilance.signals.gps.fit import FitStatus
from cinchona.pharmacovigilance.signals.scoring import score
from cinchona.pharmacovigilance.signals.simulation.tables import inject_signals
from cinchona.seeds import rng

COLUMNS = (
    "rrr",
    "prr",
    "prr025",
    "ror",
    "ror025",
    "chi2",
    "chi2_yates",
    "ic",
    "ic025",
    "bcpnn_ic025",
    "ebgm",
    "eb05",
    "lrt",
    "fisher_log10p",
)
MEASURES = ("rrr", "prr", "ror", "chi2", "chi2_yates", "ic", "bcpnn", "gps", "lrt", "fisher")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    folder = Path(os.environ["CINCHONA_DATA"], "ae")
    config = EvaluationConfig(columns=COLUMNS, at=(500,), resamples=asked.resamples)
    show("Injected signals on PhViD's margins", *injected(folder, asked.seed), config, asked.seed)
    counts = sample(folder)
    frame = scored(counts)
    show("FAERS sample, SIDER labels, all reported pairs", frame, sider(folder, frame), config, asked.seed)
    likely = frame.filter(pl.col("expected") >= 0.2)
    show("FAERS sample, SIDER labels, E of at least 0.2", likely, sider(folder, likely), config, asked.seed)
    try:
        evaluate(frame, np.zeros(frame.height), config=EvaluationConfig(metrics=("pooled_auc",)))
    except PooledAucRefusedError as refused:
        print(f"Pooled AUC: {refused}")


def injected(folder: Path, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    table = pl.read_parquet(folder / "PhViD" / "PhViDdata.frame.parquet")
    names = table.columns[:3]
    counts = counts_of_pairs(table, drug=names[0], event=names[1], n=names[2])
    drugs, events = (margin[margin >= 10] for margin in (counts.drug_margin, counts.event_margin))
    found = inject_signals(drugs, events, counts.total, rng=rng(seed, "injected"), share=0.01)
    print(
        f"{len(found.counts):,} pairs reported of {len(drugs) * len(events):,}; {int(found.injected.sum()):,} injected signals among them\n"
    )
    return scored(found.counts), found.injected


def sample(folder: Path) -> PairCounts:
    base = folder / "faers_sample5000"
    with gzip.open(folder / "vocab" / "synonyms.dat.gz", "rt", encoding="utf-8", errors="replace") as file:
        ingredient = dict(line.rstrip("\n").split("\t")[:2] for line in file if "\t" in line)
    drugs = pl.read_parquet(base / "drugs.parquet").select(
        case_id="safetyreportid", drug=pl.col("drug_name").str.strip_chars().str.to_uppercase().replace(ingredient)
    )
    events = pl.read_parquet(base / "reactions.parquet").select(
        case_id="safetyreportid", event=pl.col("meddra_pt").str.to_lowercase()
    )
    return count_pairs(read_reports(drugs, events))


def scored(counts: PairCounts) -> pl.DataFrame:
    table = score(counts, MEASURES, accept=tuple(FitStatus))
    about = table.about()
    print(f"prior: {about['prior_status']}, {about['prior_explanation']}\n")
    return table.frame


def sider(folder: Path, frame: pl.DataFrame) -> np.ndarray:
    """1 listed, 0 not listed, -1 where SIDER does not know the drug or the event."""
    names = pl.read_csv(folder / "sider" / "indications.tsv.gz", separator="\t", infer_schema_length=0)
    drug_of = dict(names.select("stitch_id_flat", pl.col("drugbank_name").str.to_uppercase()).unique().iter_rows())
    effects = pl.read_csv(
        folder / "sider" / "meddra_all_se.tsv.gz", separator="\t", has_header=False, infer_schema_length=0,
        new_columns=["flat", "stereo", "umls", "kind", "meddra", "event"],
    ).filter(pl.col("kind") == "PT")  # fmt: skip
    listed = {(drug_of[f], e.lower()) for f, e in effects.select("flat", "event").iter_rows() if f in drug_of}
    drugs, events = {d for d, _ in listed}, {e for _, e in listed}
    return np.array(
        [
            int((d, e) in listed) if d in drugs and e in events else -1
            for d, e in frame.select("drug", "event").iter_rows()
        ]
    )


def show(title: str, frame: pl.DataFrame, labels: np.ndarray, config: EvaluationConfig, seed: int) -> None:
    figures = evaluate(frame, labels, config=config, seed=seed)
    known = labels >= 0
    print(f"### {title}\n\n{int(known.sum()):,} pairs, {int((labels == 1).sum()):,} positive\n")
    metrics = ("auc_within_event", "auc_within_drug", "precision_at_500")
    print("| | AUC within event | AUC within drug | precision at 500 |\n|---|---|---|---|")
    cell = {
        (r["column"], r["metric"]): f"{r['value']:.3f} ({r['lower']:.3f}–{r['upper']:.3f})" for r in figures.to_dicts()
    }
    for column in (*COLUMNS, "n", "n_drug", "n_event"):
        print(f"| {column} | " + " | ".join(cell[column, metric] for metric in metrics) + " |")
    groups = {r["metric"]: r["groups"] for r in figures.to_dicts()}
    print(f"\n{groups['auc_within_event']} events and {groups['auc_within_drug']} drugs have both labels\n")


if __name__ == "__main__":
    main()
