"""Spaces of products: exactness, rate, and what bounds skip.

Usage: ``python benchmarks/synthons.py MODEL SPACE [--peer CHECKPOINT --peer-python PYTHON] [--most 1e9] [--brute] [--bounds] [--stereo]``.
Times are CPU seconds of one process. The peer is ``chemprop predict`` on 5,000 enumerated products of the same space.
"""

from __future__ import annotations

import argparse
import csv
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cinchona.models.additive import additive_form, quick_head
from cinchona.models.engine.gemm import chosen_gemm, gemm
from cinchona.models.folder import open_scorer
from cinchona.models.threads import product_thread
from cinchona.records import CompoundBatch
from cinchona.screening.config import SpaceConfig
from cinchona.screening.scorers import ranked_by
from cinchona.screening.scoring import score_in_batches
from cinchona.screening.synthons.collect import Bins, merged_best
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.search import SpaceSearch, UnitResult
from cinchona.screening.synthons.space import SynthonSpace
from cinchona.screening.synthons.units import Unit, plan_units

PEER_PRODUCTS = 5_000
TOP = 1_000
STEREO = 5_000


@dataclass
class Scanned:
    """What came of some units."""

    results: list[UnitResult]
    products: int
    seconds: float

    @property
    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores and numbers of the best products."""
        return merged_best([c.ranked() for r in self.results for c in r.collected.values()], TOP)

    @property
    def difference(self) -> tuple[int, float]:
        """Audited products and their largest difference."""
        audited = sum(len(r.audited) for r in self.results)
        found = [float(np.abs(r.table_scores - r.built_scores).max()) for r in self.results if len(r.audited)]
        return audited, max(found, default=0.0)


def main() -> None:
    """Run it and print the figures."""
    options = arguments()
    begun = time.process_time()
    space = SynthonSpace.load(options.space)
    print(
        f"{space.offered:,} combinations, {len(space):,} numbered; read and tried in {time.process_time() - begun:.1f} s"
    )
    with product_thread(chosen_gemm()):
        search = search_of(space, options, 0, SpaceConfig())
        scan(search, units_of(space, 1)[:1])  # loops compile
        runs = [scan(search, units_of(space, options.most)) for _ in range(options.repeats)]
        rates = sorted(run.products / run.seconds for run in runs)
        rate = statistics.median(rates)
        print(f"scored {runs[0].products:,} products, {rate:,.0f} a CPU second (median of {len(rates)}, "
              f"{rates[0]:,.0f} to {rates[-1]:,.0f})")  # fmt: skip
        if options.audit:
            sample = int(options.audit * len(space) / runs[0].products)
            audited, largest = scan(
                search_of(space, options, sample, SpaceConfig()), units_of(space, options.most)
            ).difference
            print(f"{audited:,} random products built and scored the ordinary way: largest difference {largest:.2g}")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
        print(f"all {len(space):,} products at this rate: {len(space) / rate:,.0f} CPU s")
        if options.bounds:
            bounds(space, options, runs[0])
        if options.brute:
            brute(space, search, runs[0])
        if options.stereo:
            written_again(space, search)
        if options.peer:
            peer(space, options, rate)


def search_of(space: SynthonSpace, options: argparse.Namespace, audit: int, settings: SpaceConfig) -> SpaceSearch:
    """A search with ``audit`` random products to compare."""
    scorer = ranked_by(open_scorer(options.model), options.objective)
    form = additive_form(scorer)
    if isinstance(form, str):
        raise SystemExit(form)
    probe = score_products(space, scorer, space.sample(512, seed=1).tolist())
    assert probe.scores is not None
    audited = np.sort(space.sample(audit, seed=2))
    head, bins = quick_head(form, scorer.objective), Bins.around(probe.scores.score)
    return SpaceSearch(space, scorer, form, head, gemm(chosen_gemm()), bins, TOP, audited, settings)


def units_of(space: SynthonSpace, most: float) -> list[Unit]:
    """Random units of the plan with at least ``most`` products together, or all."""
    units = plan_units(space)
    order = np.random.default_rng(0).permutation(len(units))
    kept, products = [], 0
    for k in order.tolist():
        kept.append(units[k])
        products += units[k].products
        if products >= most:
            break
    return kept


def scan(search: SpaceSearch, units: list[Unit]) -> Scanned:
    """Score units."""
    begun = time.process_time()
    results = [search.run(unit) for unit in units]
    seconds = time.process_time() - begun
    return Scanned(results, sum(c.scored for r in results for c in r.collected.values()), seconds)


def bounds(space: SynthonSpace, options: argparse.Namespace, whole: Scanned) -> None:
    """The same with bounds."""
    for top in (TOP, 100):
        quick = search_of(space, options, 0, SpaceConfig(best_only=True))
        quick = replace(quick, top_k=top)
        plain = search_of(space, options, 0, SpaceConfig())
        found, without = scan(quick, units_of(space, options.most)), scan(plain, units_of(space, options.most))
        skipped = sum(c.skipped for r in found.results for c in r.collected.values())
        same = np.array_equal(found.best[1][:top], whole.best[1][:top])
        print(
            f"bounds, top {top:,}: {skipped / found.products:.1%} of the products skipped, time {found.seconds / without.seconds:.2f} of "
            f"that without, same hits: {same}"
        )


def brute(space: SynthonSpace, search: SpaceSearch, whole: Scanned) -> None:
    """Every product built and scored the ordinary way."""
    begun = time.process_time()
    scores, numbers, rejects = [], [], 0
    for first in range(0, len(space), 20_000):
        found = score_products(space, search.scorer, range(first, min(first + 20_000, len(space))))
        rejects += len(found.rejects)
        if found.scores is not None:
            scores.append(found.scores.score)
            numbers.append(found.numbers)
    seconds = time.process_time() - begun
    all_scores, all_numbers = np.concatenate(scores), np.concatenate(numbers)
    order = np.lexsort((all_numbers, -all_scores))[:TOP]
    best, ids = whole.best
    impossible = sum(a.impossible for a in space.assays) + sum(sum(r.rejects.values()) for r in whole.results)
    print(
        f"brute force: {len(all_scores):,} products in {seconds:,.0f} CPU s ({len(all_scores) / seconds:,.0f} a second)"
    )
    print(
        f"top {TOP:,} in the same order: {np.mean(ids == all_numbers[order]):.1%}; largest difference {np.abs(best - all_scores[order]).max():.2g}"
    )
    print(f"rejects: {impossible:,} from tables, {rejects:,} built")


def written_again(space: SynthonSpace, search: SpaceSearch) -> None:
    """Products read back from their canonical SMILES, in which stereocentres are marked in another order of atoms."""
    built = score_products(space, search.scorer, space.sample(STEREO, seed=4).tolist())
    assert built.scores is not None
    again = score_in_batches(search.scorer, CompoundBatch.of(built.smiles), rows=4_096).scores
    assert again is not None
    apart = np.abs(again.score - built.scores.score[again.row_ids])
    marked = np.array(["@" in smiles for smiles in built.smiles])[again.row_ids]
    print(f"{len(apart):,} products read back from SMILES, {marked.sum():,} with stereocentres")
    for name, chosen in (("with", marked), ("without", ~marked)):
        if chosen.any():
            low, high = np.quantile(apart[chosen], [0.5, 0.95])
            print(
                f"{name} stereocentres: {(apart[chosen] > 1e-5).mean():.1%} differ by more than 1e-5; difference: median {low:.2g}, "
                f"95 % below {high:.2g}, largest {apart[chosen].max():.2g}"
            )
    print(f"standard deviation of the scores: {built.scores.score.std():.2g}")


def peer(space: SynthonSpace, options: argparse.Namespace, rate: float) -> None:
    """``chemprop predict`` on enumerated products; its rate is marginal, without start-up."""
    with tempfile.TemporaryDirectory() as scratch:
        few, many = (chemprop_seconds(space, options, Path(scratch), n) for n in (200, PEER_PRODUCTS + 200))
    peer_rate = PEER_PRODUCTS / (many - few)
    print(f"chemprop predict: {peer_rate:,.0f} products a CPU second; ratio {rate / peer_rate:,.0f}")


def chemprop_seconds(space: SynthonSpace, options: argparse.Namespace, folder: Path, products: int) -> float:
    """CPU seconds of the peer on ``products`` random products."""
    path = folder / f"{products}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["smiles"], *smiles_of(space, products)])
    command = [options.peer_python.parent / "chemprop", "predict", "-i", path, "--model-paths", options.peer, "-o", folder / "out.csv",
               "--accelerator", "cpu", "--num-workers", "0"]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def smiles_of(space: SynthonSpace, products: int) -> Iterator[list[str]]:
    """SMILES of random products."""
    for number in space.sample(products, seed=3).tolist():
        found = space.smiles(number)
        if isinstance(found, str):
            yield [found]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("space", type=Path)
    parser.add_argument("--most", type=float, default=1e18, help="products to score")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--audit", type=int, default=20_000)
    parser.add_argument("--objective", help="what ranks in place of the model's own objective")
    parser.add_argument("--brute", action="store_true")
    parser.add_argument("--bounds", action="store_true")
    parser.add_argument("--stereo", action="store_true", help="what the order of atoms changes")
    parser.add_argument("--peer", type=Path, help="Chemprop checkpoint")
    parser.add_argument("--peer-python", type=Path, help="Python of an environment with Chemprop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
