"""Small screens for tests: real compounds that come with RDKit, small partitions, the cheap scorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import RDConfig

from cinchona.datasets.config import StandardizeConfig
from cinchona.pipelines.config import Settings
from cinchona.screening.config import ExecutorConfig, ScreenConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.plan import load_plan
from cinchona.screening.totals import committed

NCI = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi")
"""4,999 lines of SMILES and number: salts, duplicates and a few unreadable ones among them."""


def nci_library(path: Path, rows: int) -> Path:
    """Write the first ``rows`` compounds of NCI as CSV with the columns ``id`` and ``smiles``."""
    lines = [line.split() for line in NCI.read_text().splitlines()[:rows]]
    path.write_text("id,smiles\n" + "".join(f"NSC{name},{smiles}\n" for smiles, name in lines))
    return path


def small_settings(
    kind: str = "serial", *, workers: int = 2, method: str = "none", lease_seconds: float = 60.0, **screen: Any
) -> Settings:
    """Settings of a screen that takes a second: partitions of 100 rows, batches of 32."""
    return Settings(
        standardize=StandardizeConfig(method=method),
        screen=ScreenConfig(**{"partition_rows": 100, "batch_rows": 32, "top_k": 20, **screen}),
        executor=ExecutorConfig(kind=kind, workers=workers, lease_seconds=lease_seconds, dashboard=False),
    )


def score_table(folder: Path) -> pa.Table:
    """All rows of a complete run, in order, as a reader sees them who trusts receipts."""
    run = RunFolder(folder)
    parts = [pq.read_table(run.root / receipt.file) for _, receipt in committed(run, load_plan(run))]
    return pa.concat_tables(parts)
