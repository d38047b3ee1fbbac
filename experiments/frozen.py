"""The frozen test set of a registered model: the same compounds and labels for every version that is ever judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cinchona.digests import digest_table
from cinchona.errors import ConfigError, ModelFileError
from cinchona.experiments.registry import TEST_DIGEST, TEST_RUN, Registry
from cinchona.experiments.runfiles import run_table

if TYPE_CHECKING:
    from cinchona.datasets.assay import AssayTable

FILE: Final = "frozen_test.parquet"


@dataclass(frozen=True, slots=True, eq=False)
class TestSet:
    """Compounds with exact labels."""

    __test__ = False  # the name is no test for pytest
    table: pa.Table
    """Columns ``compound_id``, ``smiles`` and one float64 column a target, null where nothing was measured."""
    origin: str = ""
    """Where it came from, for people."""

    @property
    def targets(self) -> list[str]:
        """Names of the measured columns."""
        return [str(name) for name in self.table.column_names[2:]]

    @property
    def digest(self) -> str:
        """Content digest, hex."""
        return digest_table(self.table)

    @property
    def smiles(self) -> list[str]:
        """The compounds."""
        return [str(s) for s in self.table["smiles"].to_pylist()]

    def labels(self, targets: Sequence[str]) -> np.ndarray:
        """Labels, float64, shape (n, t); NaN where nothing was measured.

        Raises:
            ConfigError: if a target is not in the set.
        """
        if missing := [t for t in targets if t not in self.targets]:
            raise ConfigError(f"the test set does not hold {', '.join(missing)}", expected=", ".join(self.targets))
        return np.column_stack([self.table[t].to_numpy(zero_copy_only=False).astype(np.float64) for t in targets])


def of_assay(data: AssayTable, origin: str) -> TestSet:
    """The exact labels of a curated table."""
    exact = np.where(data.censor == 0, data.values, np.nan)
    columns = {t.name: pa.array(exact[:, k], mask=~np.isfinite(exact[:, k])) for k, t in enumerate(data.targets)}
    base = {"compound_id": pa.array(data.compound_ids, pa.string()), "smiles": pa.array(data.smiles, pa.string())}
    return TestSet(pa.table(base | columns), origin)


def of_heldout(heldout: pa.Table, origin: str) -> TestSet:
    """The exact labels of the held-out part of a training."""
    targets = list(dict.fromkeys(heldout["target"].to_pylist()))
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for row in heldout.to_pylist():
        known = rows.setdefault((row["compound_id"] or "", row["smiles"]), {})
        if row["measured"] is not None and np.isfinite(row["measured"]) and not row.get("censor"):
            known[row["target"]] = float(row["measured"])
    table = {
        "compound_id": pa.array([key[0] for key in rows], pa.string()),
        "smiles": pa.array([key[1] for key in rows], pa.string()),
        **{t: pa.array([known.get(t) for known in rows.values()], pa.float64()) for t in targets},
    }
    return TestSet(pa.table(table), origin)


def thaw(registry: Registry, name: str) -> TestSet | None:
    """The test set that ``name`` is judged on; None before the first judgement.

    Raises:
        ModelFileError: if the stored table is not the one that was frozen.
    """
    tags = registry.tags(name)
    if TEST_DIGEST not in tags:
        return None
    run_id = tags.get(TEST_RUN, "")
    table = run_table(registry, run_id, f"gate/{FILE}")
    if table is None or digest_table(table) != tags[TEST_DIGEST]:
        raise ModelFileError(
            f"the frozen test set of {name!r} is missing or was changed", where=f"run {run_id}",
            expected=f"content digest {tags[TEST_DIGEST][:16]}",
            remedy="restore the artifacts of that run; a changed test set makes all earlier judgements void",
        )  # fmt: skip
    return TestSet(table, f"frozen by run {run_id[:8]}")
