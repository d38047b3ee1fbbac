"""The ordinary path: products built by RDKit and scored like any other compound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.datasets.codecolumns import code_columns
from cinchona.datasets.parsing import Rejected
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Scores
from cinchona.screening.scoring import score_in_batches
from cinchona.screening.synthons.routes import Built
from cinchona.screening.synthons.space import SynthonSpace

_BATCH = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class OrdinaryScores:
    """Products that were built and scored."""

    numbers: np.ndarray
    """Products that have a score, int64, shape (n,)."""
    smiles: list[str]
    """Their canonical SMILES."""
    scores: Scores | None
    """Scores in their order; None if there are none."""
    rejects: dict[int, str]
    """Reason by number for the others."""


def score_products(space: SynthonSpace, scorer: Scorer, numbers: Sequence[int]) -> OrdinaryScores:
    """Build products and score them from the graphs of the built molecules.

    The marks of stereocentres are those of the built molecule, in the order of its atoms.
    """
    built: list[tuple[int, Built]] = []
    rejects: dict[int, str] = {}
    for number in numbers:
        found = space.build(int(number))
        if isinstance(found, Rejected):
            rejects[int(number)] = found.reason
        else:
            built.append((int(number), found))
    if not built:
        return OrdinaryScores(np.empty(0, np.int64), [], None, rejects)
    rows = np.arange(len(built), dtype=np.int64)
    smiles = [Chem.MolToSmiles(one.mol) for _, one in built]
    batch = _with_codes(CompoundBatch.of(smiles, row_ids=rows), [one.mol for _, one in built])
    scored = score_in_batches(scorer, batch, rows=_BATCH)
    for reject in scored.rejects:
        rejects[built[reject.row_id][0]] = reject.reason
    kept = np.empty(0, np.int64) if scored.scores is None else scored.scores.row_ids
    products = np.array([number for number, _ in built], np.int64)
    return OrdinaryScores(products[kept], [smiles[k] for k in kept.tolist()], scored.scores, rejects)


def _with_codes(batch: CompoundBatch, mols: Sequence[Chem.Mol]) -> CompoundBatch:
    columns = code_columns(codes_of_many(mols), np.arange(len(mols)), len(mols))
    data = batch.data
    names = [*data.schema.names, *columns]
    return CompoundBatch(pa.RecordBatch.from_arrays([*data.columns, *columns.values()], names=names))


__all__ = ["OrdinaryScores", "score_products"]
