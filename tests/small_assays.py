"""Assay tables and networks small enough to train in a second."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.labels import TargetColumn
from cinchona.datasets.splits import Split
from cinchona.digests import digest_json

SMILES = (
    "CCO", "CCCO", "CCCCO", "CCN", "CCCN", "CCCCN", "c1ccccc1", "Cc1ccccc1", "CCc1ccccc1", "Oc1ccccc1",
    "Nc1ccccc1", "O=C(O)c1ccccc1", "CC(=O)O", "CCC(=O)O", "CC(C)O", "CC(C)(C)O", "C1CCCCC1", "OC1CCCCC1",
    "NC1CCCCC1", "c1ccncc1", "Cc1ccncc1", "Clc1ccccc1", "Fc1ccccc1", "Brc1ccccc1", "CC(=O)Nc1ccccc1", "CCOC(C)=O",
    "CCOCC", "C1CCOC1", "C1CCNC1", "CC(=O)C", "CCC#N", "CS(=O)(=O)C", "OCCO", "NCCN", "C/C=C/C", "C/C=C\\C",
    "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "c1ccc2ccccc2c1", "c1ccc2[nH]ccc2c1",
)  # fmt: skip
"""Forty small molecules, all different."""


@cache
def heavy_atoms() -> np.ndarray:
    """Heavy atoms of each of :data:`SMILES`, a target that any network learns."""
    from rdkit import Chem

    return np.array([Chem.MolFromSmiles(text).GetNumHeavyAtoms() for text in SMILES], dtype=np.float64)


def table_of(
    values: np.ndarray, *, kinds: tuple[str, ...] = ("regression",), censor: np.ndarray | None = None
) -> AssayTable:
    """A table of the first ``len(values)`` molecules with labels ``values``, shape (n, t)."""
    n, t = values.shape
    targets = tuple(
        TargetColumn(f"target{k}", "log10(mol/L)" if kind == "regression" else "", kind, f"target{k}")
        for k, kind in enumerate(kinds)
    )
    assert len(targets) == t
    bounds = np.zeros((n, t), np.int8) if censor is None else censor
    return AssayTable(
        compound_ids=[f"cpd-{row}" for row in range(n)],
        smiles=list(SMILES[:n]),
        targets=targets,
        values=values,
        censor=bounds,
        source_rows=tuple((row,) for row in range(n)),
        flags=(frozenset(),) * n,
        extra=pa.table({"batch": [str(row % 3) for row in range(n)]}),
        rejects=(),
        problems=(),
        n_in=n,
        digest=digest_json([np.nan_to_num(values, nan=-1e9).tolist(), bounds.tolist(), list(kinds)]),
    )


def split_of(n: int, *, test: int = 8, valid: int = 6) -> Split:
    """Every row in one part, spread evenly."""
    order = np.random.default_rng(3).permutation(n)
    parts = np.split(order, [n - test - valid, n - test])
    return Split(*(np.sort(part).astype(np.int64) for part in parts), kind="random", seed=3)
