"""How many real drug names are coded, how often nearest spelling is right, and how long a million distinct names take.

    CINCHONA_DATA=... python benchmarks/drug_coding.py            shares and precision
    CINCHONA_DATA=... python benchmarks/drug_coding.py --names 1000000

Names: every drug name of the report samples (AERS 2004Q1, FAERS 2017Q2 and 2022Q4, DiAna's 1,000 cases, 5,000 reports of 2014), by
the reported name alone. Dictionaries, in this order: UNII names, Drugs@FDA, the list of synonyms. Precision is that of the
200 matches that were read by hand (``tests/pharmacovigilance/data/fuzzy_matches.csv``), with Wilson's interval.

The million: names of the samples and of the dictionaries, a third as they stand with a strength, form or maker behind, a third
with one or two letters changed, dropped, doubled or swapped, a third made of syllables that stand in no dictionary. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import cinchona.pharmacovigilance as pv
from cinchona.pharmacovigilance.coding.coder import Coded, Coder, How
from cinchona.pharmacovigilance.coding.dictionary import Dictionary, load
from cinchona.seeds import rng

CHECKED = Path(__file__).parents[1] / "tests" / "pharmacovigilance" / "data" / "fuzzy_matches.csv"
TAILS = (
    " 10 MG",
    " 20MG TABLETS",
    " 0.5 MG/ML SOLUTION",
    " HYDROCHLORIDE",
    " /00972401/",
    " (NOS)",
    " XR",
    ", UNKNOWN",
    " CREAM 1%",
)
SYLLABLES = (
    "BA",
    "CO",
    "DRI",
    "FEN",
    "GLO",
    "HUM",
    "JI",
    "KAR",
    "LUX",
    "MEP",
    "NOV",
    "OXA",
    "PLI",
    "QUE",
    "RAV",
    "SOL",
    "TUR",
    "VYX",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=0, help="distinct names to make and time")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if "CINCHONA_DATA" not in os.environ:
        sys.exit("set CINCHONA_DATA to the folder of public data")
    data = Path(os.environ["CINCHONA_DATA"], "ae")
    mentions = names_of_reports(data)
    dictionaries = load_dictionaries(data / "vocab")
    show_shares(mentions, Coder(dictionaries).code(mentions))
    show_precision()
    if asked.names:
        show_speed(sorted(mentions), dictionaries, asked.names, asked.repeats)


def load_dictionaries(folder: Path) -> list[Dictionary]:
    files = ("unii:unii_names_filtered.parquet", "fda:products_fda.parquet", "synonyms:synonyms.dat.gz")
    return [load(f"{kind}:{folder / name}") for kind, name in (f.split(":") for f in files)]


def names_of_reports(data: Path) -> Counter[str]:
    """Mentions of each reported name in all samples of reports."""
    inputs = [*sorted((data / "faers_ascii").glob("*.zip")), data / "diana", data / "faers_sample5000"]
    with tempfile.TemporaryDirectory() as folder:
        store = pv.ingest(Path(folder) / "store", inputs).store
        table = store.sql("SELECT name, count(*) AS n FROM drugs WHERE name IS NOT NULL GROUP BY name").arrow()
    return Counter(dict(zip(table["name"].to_pylist(), table["n"].to_pylist(), strict=True)))


def show_shares(mentions: Counter[str], coded: dict[str, Coded]) -> None:
    names, counts = Counter(c.how for c in coded.values()), Counter[How]()
    for name, answer in coded.items():
        counts[answer.how] += mentions[name]
    print(
        f"{len(mentions):,} distinct names, {mentions.total():,} mentions\n\n| how | names | mentions |\n|---|---|---|"
    )
    for how in How:
        print(f"| {how} | {names[how] / len(mentions):.1%} | {counts[how] / mentions.total():.1%} |")
    print(
        f"| **coded** | **{1 - names[How.NONE] / len(mentions):.1%}** | **{1 - counts[How.NONE] / mentions.total():.1%}** |"
    )


def show_precision() -> None:
    rows = list(csv.DictReader(CHECKED.read_text(encoding="utf-8").splitlines()))
    print("\n| matches by nearest spelling, read by hand | right | precision [95 %] |\n|---|---|---|")
    for source in [*dict.fromkeys(r["source"] for r in rows), "all"]:
        verdicts = [r["verdict"] == "correct" for r in rows if source in {"all", r["source"]}]
        low, high = wilson(sum(verdicts), len(verdicts))
        print(f"| {source} | {sum(verdicts)} of {len(verdicts)} | {np.mean(verdicts):.3f} [{low:.3f}, {high:.3f}] |")


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    middle, half = (hits + z**2 / 2) / (n + z**2), z * np.sqrt(hits * (n - hits) / n + z**2 / 4) / (n + z**2)
    return middle - half, middle + half


def show_speed(reported: list[str], dictionaries: Sequence[Dictionary], n: int, repeats: int) -> None:
    known = list(dict.fromkeys([*reported, *(e.name for d in dictionaries for e in d.entries() if e.kind != "other")]))
    names = list(distinct(made_names(known), n))
    loading, coding = [], []
    for _ in range(repeats):
        begin = time.process_time()
        coder = Coder(dictionaries)
        loading.append(time.process_time() - begin)
        begin = time.process_time()
        coded = coder.code(names)
        coding.append(time.process_time() - begin)
    share = sum(c.how is not How.NONE for c in coded.values()) / n
    print(f"\n{n:,} distinct names: {np.median(coding):.0f} CPU s (median of {repeats}: "
          f"{', '.join(f'{c:.0f}' for c in coding)}), {n / np.median(coding):,.0f} names per CPU s; index of "
          f"{sum(len(d.rows) for d in dictionaries):,} entries: {np.median(loading):.0f} CPU s; {share:.1%} coded")  # fmt: skip


def distinct(names: Iterator[str], n: int) -> dict[str, None]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[next(names)] = None
    return found


def made_names(known: list[str]) -> Iterator[str]:
    chance = rng(0, "drug names")
    while True:
        kind, name = chance.integers(3), known[chance.integers(len(known))]
        if kind == 0:
            yield name + TAILS[chance.integers(len(TAILS))]
        elif kind == 1:
            yield misspelt(name, chance)
        else:
            yield "".join(chance.choice(SYLLABLES, chance.integers(2, 6))) + (" FORTE" if chance.random() < 0.1 else "")


def misspelt(name: str, chance: np.random.Generator) -> str:
    for _ in range(chance.integers(1, 3)):
        at, how = int(chance.integers(len(name))), chance.integers(4)
        here, letter = name[at : at + 1], "AEIOUNRST"[chance.integers(9)]
        swapped = name[at + 1 : at + 2] + here
        name = name[:at] + (letter, "", here * 2, swapped)[how] + name[at + (2 if how == 3 else 1) :]
        if not name:
            return letter
    return name


if __name__ == "__main__":
    main()
