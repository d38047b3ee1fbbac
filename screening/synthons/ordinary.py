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


@dataclass(frozen=True, slots=True, eq=False)
class BuiltProducts:
    """Products that were built, ready for a scorer."""

    numbers: np.ndarray
    """Products that exist, int64, shape (n,)."""
    smiles: list[str]
    """Their canonical SMILES."""
    batch: CompoundBatch | None
    """The graphs of the built molecules, rows numbered from 0; None if there are none."""
    rejects: dict[int, str]
    """Reason by number for the others."""


def score_products(space: SynthonSpace, scorer: Scorer, numbers: Sequence[int]) -> OrdinaryScores:
    """Build products and score them from the graphs of the built molecules.

    The marks of stereocentres are those of the built molecule, in the order of its atoms.
    """
    return score_built(build_products(space, numbers), scorer)


def build_products(space: SynthonSpace, numbers: Sequence[int]) -> BuiltProducts:
    """Build products by RDKit."""
    built: list[tuple[int, Built]] = []
    rejects: dict[int, str] = {}
    for number in numbers:
        found = space.build(int(number))
        if isinstance(found, Rejected):
            rejects[int(number)] = found.reason
        else:
            built.append((int(number), found))
    mols = [one.mol for _, one in built]
    smiles = [Chem.MolToSmiles(mol) for mol in mols]
    batch = None
    if built:
        batch = _with_codes(CompoundBatch.of(smiles, row_ids=np.arange(len(built), dtype=np.int64)), mols)
    return BuiltProducts(np.array([number for number, _ in built], np.int64), smiles, batch, rejects)


def score_built(products: BuiltProducts, scorer: Scorer) -> OrdinaryScores:
    """Score products that were built."""
    if products.batch is None:
        return OrdinaryScores(np.empty(0, np.int64), [], None, products.rejects)
    scored = score_in_batches(scorer, products.batch, rows=_BATCH)
    rejects = products.rejects | {int(products.numbers[r.row_id]): r.reason for r in scored.rejects}
    kept = np.empty(0, np.int64) if scored.scores is None else scored.scores.row_ids
    return OrdinaryScores(products.numbers[kept], [products.smiles[k] for k in kept.tolist()], scored.scores, rejects)


def _with_codes(batch: CompoundBatch, mols: Sequence[Chem.Mol]) -> CompoundBatch:
    columns = code_columns(codes_of_many(mols), np.arange(len(mols)), len(mols))
    data = batch.data
    names = [*data.schema.names, *columns]
    return CompoundBatch(pa.RecordBatch.from_arrays([*data.columns, *columns.values()], names=names))


__all__ = ["BuiltProducts", "OrdinaryScores", "build_products", "score_built", "score_products"]
