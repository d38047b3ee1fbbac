"""Few actives against a library: our few-shot ranker beside ten single fingerprints, on the lists of Riniker and Landrum.

    python benchmarks/fewshot.py DATA                          ChEMBL and MUV targets, 5 and 10 actives, 5 lists each
    python benchmarks/fewshot.py DATA --targets MUV_466 ChEMBL_114 --lists 3

DATA holds ``ChEMBL/`` and ``MUV/`` with the compounds of the platform and ``query_lists_set_I.parquet`` with its lists of actives.
As there, the actives of the list and a fifth of the decoys, drawn anew for each list, are taken out; what is left is ranked. A
fingerprint ranks by its largest similarity to an active. Our ranker takes the fifth for its background, and once more, to see
what another library does, the NCI structures that come with RDKit. Targets in ``DEVELOPED`` had a part in its design and
are told apart. Each target is kept in ``--cache``, so an interrupted run goes on. Prints Markdown.

Sources: Riniker and Landrum, J. Cheminform. 2013, 5, 26, https://doi.org/10.1186/1758-2946-5-26, and
https://github.com/rdkit/benchmarking_platform
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Avalon.pyAvalonTools import GetAvalonFP
from rdkit.Chem import rdFingerprintGenerator
from rdkit.DataStructs import BulkTanimotoSimilarity
from scipy.stats import wilcoxon

from cinchona.datasets.catalogue import resolve
from cinchona.files import write_json
from cinchona.manifest import host_facts, package_versions
from cinchona.models.classical.counts import MOST, Counts, References, count_substructures
from cinchona.models.fewshot_weights import FAMILIES, SubstructureWeights
from cinchona.models.ranking import bedroc, enrichment_factor

OURS, ELSEWHERE = "few-shot", "few-shot, NCI background"
DEVELOPED = (
    "ChEMBL_10193", "ChEMBL_10198", "ChEMBL_10378", "ChEMBL_10498", "ChEMBL_11336", "ChEMBL_114", "ChEMBL_11488",
    "ChEMBL_12679", "ChEMBL_165", "ChEMBL_43",
)  # fmt: skip
METRICS = {"bedroc20": bedroc, "ef1": enrichment_factor}
BITS = 1024
BACKGROUND = 2_000
Rows = list[Chem.Mol]


def single_fingerprints() -> dict[str, Callable[[Chem.Mol], object]]:
    """The fingerprints of the platform, 1,024 bits where they are folded."""
    typed = {"atomInvariantsGenerator": rdFingerprintGenerator.GetMorganFeatureAtomInvGen()}
    make = {
        "ecfp4": rdFingerprintGenerator.GetMorganGenerator(2, fpSize=BITS),
        "ecfp6": rdFingerprintGenerator.GetMorganGenerator(3, fpSize=BITS),
        "fcfp4": rdFingerprintGenerator.GetMorganGenerator(2, fpSize=BITS, **typed),
        "hashap": rdFingerprintGenerator.GetAtomPairGenerator(fpSize=BITS),
        "hashtt": rdFingerprintGenerator.GetTopologicalTorsionGenerator(fpSize=BITS),
        "rdk5": rdFingerprintGenerator.GetRDKitFPGenerator(maxPath=5, fpSize=BITS, numBitsPerFeature=2),
    }
    sparse = {
        "ap": rdFingerprintGenerator.GetAtomPairGenerator(), "tt": rdFingerprintGenerator.GetTopologicalTorsionGenerator(),
        "ecfc4": rdFingerprintGenerator.GetMorganGenerator(2),
    }  # fmt: skip
    found: dict[str, Callable[[Chem.Mol], object]] = {name: one.GetFingerprint for name, one in make.items()}
    found["avalon"] = lambda mol: GetAvalonFP(mol, BITS)
    return found | {name: one.GetSparseCountFingerprint for name, one in sparse.items()}


FINGERPRINTS = single_fingerprints()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--targets", nargs="*", default=[], help="such as MUV_466; all that are there by default")
    parser.add_argument("--lists", type=int, default=5, help="lists of each size, of 50")
    parser.add_argument(
        "--muv-decoys",
        type=int,
        default=0,
        help="so many of the 15,000 decoys of a MUV target, drawn at random; 0 for all",
    )
    parser.add_argument("--cache", type=Path, default=Path("benchmark-cache/fewshot"))
    parser.add_argument("--show", action="store_true", help="only what is in the cache")
    asked = parser.parse_args()
    lists = pd.read_parquet(asked.data / "query_lists_set_I.parquet")
    lists = lists.assign(name=lists["collection"] + "_" + lists["target"])
    there = {
        path.name.split("cmp_list_")[1].removesuffix("_actives.dat.gz")
        for path in asked.data.glob("*/*_actives.dat.gz")
    }
    names = asked.targets or sorted(there & set(lists["name"]))
    asked.cache.mkdir(parents=True, exist_ok=True)
    found: list[dict] = []
    for name in names:
        most = asked.muv_decoys if name.startswith("MUV") else 0
        kept = asked.cache / f"{name}-{asked.lists}-{most or 'all'}.json"
        if not kept.exists() and not asked.show:
            own = lists[(lists["name"] == name) & (lists["repeat"] < asked.lists)]
            write_json(kept, measure(name, own, asked.data, most))
        found += json.loads(kept.read_text())["rows"] if kept.exists() else []
    show(pd.DataFrame(found))
    facts = host_facts()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; {facts['processor']}, {facts['cores']} cores; "
          + ", ".join(f"{k} {v}" for k, v in package_versions(["cinchona", "rdkit", "scikit-learn"]).items()))  # fmt: skip


def measure(name: str, lists: pd.DataFrame, data: Path, most: int) -> dict:
    began = time.process_time()
    collection = name.split("_", maxsplit=1)[0]
    actives = structures(data / collection / f"cmp_list_{name}_actives.dat.gz")
    decoys = decoys_of(str(data), "ChEMBL_zinc" if collection == "ChEMBL" else name, most)
    similar = {
        one: similarities([make(mol) for mol in actives], decoys.prints[one]) for one, make in FINGERPRINTS.items()
    }
    own = {family: count_substructures(actives, family) for family in FAMILIES}
    whole = Ranked({family: joined(own[family], decoys.counts[family]) for family in FAMILIES})
    rows = []
    for _, one in lists[lists["n_query_actives"].isin((5, 10))].iterrows():
        chosen = np.array(one["query_active_indices"])
        draw = np.random.default_rng(int(one["repeat"])).permutation(decoys.size) + len(actives)
        out, left = draw[: decoys.size // 5], draw[decoys.size // 5 :]
        ranked = np.concatenate([np.setdiff1d(np.arange(len(actives)), chosen), left])
        labels = (ranked < len(actives)).astype(float)
        scores = {m: s[chosen][:, ranked].max(axis=0) for m, s in similar.items()}
        scores |= dict(ours(chosen, out[:BACKGROUND], whole, ranked))
        rows += [
            {"target": name, "actives": len(chosen), "list": int(one["repeat"]), "method": m,
             **{metric: function(labels, s) for metric, function in METRICS.items()}}
            for m, s in scores.items()
        ]  # fmt: skip
    print(
        f"{name}: {len(actives)} actives, {decoys.size:,} decoys, {time.process_time() - began:.0f} CPU s", flush=True
    )
    return {"rows": rows, "cpu_s": time.process_time() - began}


def ours(chosen: np.ndarray, out: np.ndarray, whole: Ranked, ranked: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    few, fifth = ({family: counts.take(rows) for family, counts in whole.counts.items()} for rows in (chosen, out))
    for name, background in ((OURS, fifth), (ELSEWHERE, nci())):
        learnt = SubstructureWeights.fit(few, background)
        scores = whole.scores(learnt)
        assert np.allclose(scores[chosen], learnt.scores(few)), "the fast way is the way of the ranker"
        yield name, scores[ranked]


def similarities(actives: list, decoys: list | Counts) -> np.ndarray:
    """Tanimoto similarities of the actives to actives and decoys, float32; they rank as Dice's do."""
    if isinstance(decoys, Counts):
        own = as_counts(actives)
        return References(own).similarity(joined(own, decoys)).T
    return np.array([BulkTanimotoSimilarity(one, [*actives, *decoys]) for one in actives], np.float32)


def as_counts(prints: list) -> Counts:
    found = [sorted(one.GetNonzeroElements().items()) for one in prints]
    start = np.cumsum([0, *map(len, found)]).astype(np.int64)
    ids, counts = (np.array([pair[k] for one in found for pair in one]) for k in (0, 1))
    return Counts(start, ids.astype(np.uint64), np.minimum(counts, MOST).astype(np.uint8))


class Ranked:
    """Molecules of a target whose substructures are looked up once for all lists."""

    def __init__(self, counts: dict[str, Counts]) -> None:
        self.counts = counts
        self.coded = {family: np.unique(one.ids, return_inverse=True) for family, one in counts.items()}

    def scores(self, learnt: SubstructureWeights) -> np.ndarray:
        """What ``learnt.scores`` gives, the fast way."""
        n = len(next(iter(self.counts.values())))
        toward, length = np.zeros(n), np.zeros(n)
        for family, (vocabulary, code) in self.coded.items():
            known = learnt.families[family]
            place = known.place(vocabulary)
            rarity = np.where(place >= 0, known.rarity[place], learnt.unseen).astype(float)
            weight = np.where(place >= 0, known.weight[place], 0.0)
            owner = np.repeat(np.arange(n), np.diff(self.counts[family].start))
            toward += np.bincount(owner, (weight * rarity)[code], minlength=n)
            length += np.bincount(owner, (rarity * rarity)[code], minlength=n)
        return learnt.bias + toward / np.sqrt(length)


def joined(first: Counts, second: Counts) -> Counts:
    return Counts(
        np.concatenate([first.start, second.start[1:] + first.start[-1]]),
        np.concatenate([first.ids, second.ids]), np.concatenate([first.counts, second.counts]),
    )  # fmt: skip


class Decoys:
    """Decoys with their fingerprints."""

    def __init__(self, molecules: Rows) -> None:
        self.size = len(molecules)
        self.prints: dict[str, list | Counts] = {}
        for name, make in FINGERPRINTS.items():
            found = [make(mol) for mol in molecules]
            self.prints[name] = as_counts(found) if hasattr(found[0], "GetNonzeroElements") else found
        self.counts = {family: count_substructures(molecules, family) for family in FAMILIES}


@lru_cache(maxsize=1)
def decoys_of(data: str, name: str, most: int) -> Decoys:
    found = structures(Path(data, name.split("_", maxsplit=1)[0], f"cmp_list_{name}_decoys.dat.gz"))
    chosen = np.sort(np.random.default_rng(0).permutation(len(found))[: most or None])
    return Decoys([found[k] for k in chosen])


@cache
def nci() -> dict[str, Counts]:
    """Counts of the first structures of the NCI set."""
    path = resolve("nci5k")
    texts = [line.split()[0] for line in Path(str(path)).read_text().splitlines() if line.strip()]
    molecules = [mol for mol in map(Chem.MolFromSmiles, texts) if mol is not None and mol.GetNumAtoms()][:BACKGROUND]
    return {family: count_substructures(molecules, family) for family in FAMILIES}


def structures(path: Path) -> Rows:
    with gzip.open(path, "rt") as file:
        found = [Chem.MolFromSmiles(line.rstrip("\n").split("\t")[2]) for line in file if not line.startswith("#")]
    assert all(mol is not None for mol in found), "the platform's structures parse"
    return found


def show(found: pd.DataFrame) -> None:
    means = found.groupby(["target", "actives", "method"])[list(METRICS)].mean().reset_index()
    kind = means["target"].str.split("_").str[0]
    fresh = ~means["target"].isin(DEVELOPED)
    for title, rows in (
        ("All targets", means), ("ChEMBL, not developed on", means[fresh & (kind == "ChEMBL")]),
        ("MUV, not developed on", means[fresh & (kind == "MUV")]), ("Developed on", means[~fresh]),
    ):  # fmt: skip
        if len(rows):
            table(title, rows)


def table(title: str, means: pd.DataFrame) -> None:
    print(f"\n### {title}: {means['target'].nunique()}\n")
    wide = {(n, metric): means[means["actives"] == n].pivot_table(index="target", columns="method", values=metric)
            for n in (5, 10) for metric in METRICS}  # fmt: skip
    print("| method | " + " | ".join(f"{metric}, {n} actives" for n, metric in wide) + " |\n|---|" + "---|" * len(wide))
    for method in (OURS, ELSEWHERE, *FINGERPRINTS):
        print(f"| {method} | " + " | ".join(f"{one[method].mean():.3f}" for one in wide.values()) + " |")
    for (n, metric), one in wide.items():
        best = max(FINGERPRINTS, key=lambda name, one=one: one[name].mean())
        for rival, theirs in (
            (f"{best}, the best", one[best]),
            ("the best for each target", one[list(FINGERPRINTS)].max(axis=1)),
        ):
            for method in (OURS, ELSEWHERE):
                gap = (one[method] - theirs).to_numpy()
                print(f"- {metric}, {n} actives, {method} less {rival}: {gap.mean():+.3f} {interval(gap)}; above on {(gap > 0).sum()} of {len(gap)}; "
                      f"Wilcoxon p {wilcoxon(gap).pvalue if len(gap) > 1 and np.any(gap) else 1:.1g}")  # fmt: skip


def interval(gap: np.ndarray) -> str:
    """95 % bootstrap interval of the mean over the targets."""
    drawn = gap[np.random.default_rng(0).integers(len(gap), size=(2000, len(gap)))].mean(axis=1)
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return f"[{lower:+.3f}, {upper:+.3f}]"


if __name__ == "__main__":
    main()
