"""How well duplicates are found among real reports, by rules and by the hit-miss model, and which real pairs are flagged.

    CINCHONA_DATA=... python benchmarks/duplicates.py --picture docs/images/duplicates.svg

Real cases are each taken for one event; a stated share of them is reported again under ``CorruptionModel`` (its defaults: 25 % keep the
manufacturer's number, 5 % differ in nothing, each reaction is left out with 20 %, and so on). Two sets: 1,200 cases with sex, age,
country and dates (AERS 2004Q1, FAERS 2017Q2, DiAna), and 5,000 reports of 2014 that hold drugs and reactions alone. Nobody
knows which real cases are duplicates of each other, so precision is bounded: from above, links between real cases count neither for nor
against; from below, all of them count as false. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import cinchona.pharmacovigilance as pv
from cinchona.pharmacovigilance.linking.evaluation import Found, evaluate, pool
from cinchona.pharmacovigilance.linking.explain import links
from cinchona.pharmacovigilance.linking.records import Records, load_records
from cinchona.pharmacovigilance.signals.pictures.style import BLUE, ORANGE
from cinchona.pharmacovigilance.synthesis.corruption import CorruptionModel

RATES = (0.02, 0.05, 0.10, 0.20)
SHOWN = 0.10
"""Rate of the picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="write the curves as SVG")
    parser.add_argument("--explained", type=int, default=3, help="flagged pairs to show")
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    data = Path(os.environ["CINCHONA_DATA"], "ae")
    sets = {
        "cases with sex, age, country and date": [data / "diana", *sorted((data / "faers_ascii").glob("*.zip"))[:2]],
        "cases with drugs and reactions alone": [data / "faers_sample5000"],
    }
    curves = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, inputs) in enumerate(sets.items()):
            store = pv.ingest(Path(folder, str(number)), inputs).store
            pv.dedupe(store, accept_share=1.0)
            records = load_records(store.analysis_view(duplicates="keep"))
            curves[title] = judged(records, known_pairs(store, records), asked.seeds)
            show(title, curves[title], len(records), asked.seeds)
            show_flagged(store, asked.explained)
    if asked.picture:
        draw(curves, asked.picture)


def known_pairs(store: pv.ReportStore, records: Records) -> frozenset[tuple[int, int]]:
    """Pairs of real cases that are linked or suspected already."""
    place = {key: i for i, key in enumerate(records.report_key.tolist())}
    rows = links(store).select("report_key_a", "report_key_b").arrow().to_pylist()
    ends = [(place.get(r["report_key_a"], -1), place.get(r["report_key_b"], -1)) for r in rows]
    return frozenset((min(e), max(e)) for e in ends if min(e) >= 0)


Curves = dict[float, list[tuple[Found, Found]]]
"""By rate: what each method found, without and with the links between real cases."""


def judged(records: Records, known: frozenset[tuple[int, int]], seeds: int) -> Curves:
    return {
        rate: list(zip(*(_pooled(records, rate, seeds, pairs) for pairs in (known, frozenset())), strict=True))
        for rate in RATES
    }


def _pooled(records: Records, rate: float, seeds: int, known: frozenset[tuple[int, int]]) -> list[Found]:
    model = CorruptionModel()
    return pool([evaluate(records, rate=rate, corruption=model, seed=s, known=known) for s in range(seeds)])


def show(title: str, curves: Curves, n: int, seeds: int) -> None:
    print(
        f"\n### {title}\n\n{n:,} real cases, {seeds} seeds added up; each cell: precision from below to above / recall\n"
    )
    print("| method | least posterior | " + " | ".join(f"{r:.0%} reported twice" for r in curves) + " |")
    print("|---|---|" + "---|" * len(curves))
    for same in zip(*curves.values(), strict=True):
        first, _ = same[0]
        least = "" if np.isnan(first.threshold) else f"{first.threshold:g}"
        cells = [f"{low.precision:.2f} to {high.precision:.3f} / {high.recall:.3f}" for high, low in same]
        print(f"| {first.method.replace('_', ' ')} | {least} | " + " | ".join(cells) + " |")


def draw(sets: dict[str, Curves], path: Path) -> None:
    with rc_context({"svg.hashsalt": "cinchona", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(9.2, 3.8), layout="constrained")
        panels = figure.subplots(1, len(sets), sharey=True)
        for axes, (title, curves) in zip(panels, sets.items(), strict=True):
            _panel(axes, curves[SHOWN])
            axes.set_title(f"{title}\n{SHOWN:.0%} reported twice", fontsize=10)
        panels[0].set_ylabel("precision")
        panels[0].legend(frameon=False, fontsize=8, loc="lower left")
        figure.savefig(path, metadata={"Date": None})


def _panel(axes: Axes, found: list[tuple[Found, Found]]) -> None:
    model = [pair for pair in found if pair[0].method == "hit_miss"]
    recall = [high.recall for high, _ in model]
    above, below = ([pair[i].precision for pair in model] for i in (0, 1))
    axes.fill_between(recall, below, above, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(recall, above, "-o", color=BLUE, markersize=3, label="hit-miss model, from above")
    axes.plot(recall, below, "--o", color=BLUE, markersize=3, label="hit-miss model, from below")
    for method, label, mark, colour in (("rules", "rules", "s", ORANGE), ("all", "all, by default", "D", "black")):
        high, low = next(pair for pair in found if pair[0].method == method)
        axes.plot([high.recall] * 2, [low.precision, high.precision], f"-{mark}", color=colour, label=label)
    axes.set(xlabel="recall", xlim=(-0.01, 1), ylim=(0.5, 1.01))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def show_flagged(store: pv.ReportStore, most: int) -> None:
    """Print the surest link of each kind, and suspicions, with their reasons."""
    rows: list[dict[str, Any]] = links(store).arrow().to_pylist()
    print(f"\n{sum(r['counts'] for r in rows):,} real pairs linked, {sum(not r['counts'] for r in rows):,} suspected")
    chosen = [r for kind in ("exact", "manufacturer_number") for r in rows if r["kind"] == kind and r["counts"]][:1]
    chosen += [r for r in rows if r["kind"] == "hit_miss" and r["counts"]][:most]
    chosen += [r for r in rows if not r["counts"]][:1]
    for row in chosen:
        print("\n```\n" + pv.explain(store, row["report_key_a"], row["report_key_b"]).text() + "\n```")


if __name__ == "__main__":
    main()
