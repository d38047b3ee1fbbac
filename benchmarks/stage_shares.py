"""Where the time of a screen goes: CPU time a molecule in reading, standardizing (parse and graph codes), scoring and writing.

    python benchmarks/stage_shares.py LIBRARY MODEL --rows 20000

Partitions of 5,000 rows in one process, by both methods of standardization and with canonical SMILES for every row; start-up and
the first partition do not count. Prints Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.partitions import Partition
from cinchona.datasets.sources import open_library, read_partition
from cinchona.datasets.standardize import standardize_batch
from cinchona.protocols import Scorer
from cinchona.screening.layout import TableLayout
from cinchona.screening.parts import PartitionRows, build_part, write_part
from cinchona.screening.scorers import FolderScorer
from cinchona.screening.scoring import score_in_batches
from cinchona.screening.threads import one_thread
from cinchona.screening.work import distinct_of, uses_codes

PARTITION = 5_000
BATCH = 4_096
RULES = {
    "--standardize none": StandardizeConfig(method="none"),
    "default standardization": StandardizeConfig(),
    "default, canonical SMILES for every row": StandardizeConfig(canonical=True),
}
STAGES = ("read", "parse, standardize, code", "infer", "write")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    asked = parser.parse_args()
    scorer = FolderScorer.at(asked.model).open()
    layout = TableLayout.probe(scorer)
    print(f"| | {' | '.join(STAGES)} | all, µs of CPU time a molecule |\n|---|{'---|' * (len(STAGES) + 1)}")
    with tempfile.TemporaryDirectory() as scratch:
        library = open_library([asked.library], staging=Path(scratch, "staged"))
        parts = list(itertools.islice(library.partitions(PARTITION), 1 + asked.rows // PARTITION))
        for k, (name, rules) in enumerate(RULES.items()):
            spent = dict.fromkeys(STAGES, 0.0)
            for number, part in enumerate(parts):
                one = stages(part, scorer, layout, rules, Path(scratch, f"{k}-{number}.parquet"))
                spent = {stage: spent[stage] + one[stage] * (number > 0) for stage in STAGES}
            rows = sum(part.n_rows for part in parts[1:])
            whole = sum(spent.values())
            cells = [f"{1e6 * spent[s] / rows:.0f} ({spent[s] / whole:.0%})" for s in STAGES]
            print(f"| {name} | {' | '.join(cells)} | {1e6 * whole / rows:.0f} |", flush=True)


def stages(
    partition: Partition, scorer: Scorer, layout: TableLayout, rules: StandardizeConfig, path: Path
) -> dict[str, float]:
    """CPU seconds of each stage."""
    begun = [time.process_time()]
    given, unreadable = read_partition(partition)
    begun.append(time.process_time())
    standardized = standardize_batch(given, rules, codes=uses_codes(scorer), keep_texts=True)
    begun.append(time.process_time())
    with one_thread():
        scored = score_in_batches(scorer, distinct_of(standardized), rows=BATCH)
    begun.append(time.process_time())
    rows = PartitionRows(partition.first_row, partition.n_rows, given, standardized, tuple(unreadable), scored)
    write_part(build_part(rows, layout), path, partition_id=partition.partition_id)
    begun.append(time.process_time())
    return {stage: after - before for stage, before, after in zip(STAGES, begun, begun[1:], strict=False)}


if __name__ == "__main__":
    main()
