"""The explanation workflow: a model and a few compounds in; shares of atoms and bonds, pictures and similar training compounds out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from rdkit import Chem

from cinchona.datasets.config import StandardizeConfig
from cinchona.datasets.parsing import parses
from cinchona.datasets.sources import open_library
from cinchona.datasets.standardize import standardize_batch
from cinchona.errors import InputError
from cinchona.files import write_json
from cinchona.models.explanation.attribution import attribute
from cinchona.models.explanation.difference import difference
from cinchona.models.explanation.neighbours import Neighbour, TrainingCompounds, read_compounds
from cinchona.models.explanation.pieces import Piece, pieces
from cinchona.models.explanation.records import Attribution, MethodName
from cinchona.models.folder import read_trust
from cinchona.pipelines.config import Settings
from cinchona.pipelines.predict import batch_of, opened
from cinchona.pipelines.prediction_worth import Worth
from cinchona.protocols import Scorer
from cinchona.records import CompoundBatch, Reject
from cinchona.screening.csvfile import write_csv

MOST: Final = 1_000
"""Compounds that are explained at once; a report of more is no longer read."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A training compound beside the explained one."""

    neighbour: Neighbour
    """The training compound."""
    words: str
    """What the explained compound has where this one has something else."""
    differs: tuple[int, ...]
    """Atoms of the training compound outside the common core."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One compound, explained."""

    row_id: int
    """Row of the input."""
    compound_id: str
    """Identifier as given."""
    shares: Attribution
    """Shares of atoms and bonds."""
    pieces: tuple[Piece, ...]
    """Parts of the molecule, the most telling first."""
    comparisons: tuple[Comparison, ...]
    """Similar training compounds, where the model folder keeps them."""
    worth: Worth | None = None
    """What the model's score says of the prediction."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What came of explaining a few compounds; every input row is explained or rejected."""

    explanations: tuple[Explanation, ...]
    """Explained rows, in order."""
    rejects: tuple[Reject, ...]
    """The other rows, with reasons."""
    keeps_compounds: bool
    """Whether the model folder keeps its training compounds."""
    out: Path | None = None
    """Folder with ``explanation.html``, ``explanations.json``, ``atoms.csv``, ``bonds.csv`` and ``rejects.csv``, if one was asked for."""

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON data."""
        return {
            "explanations": [_plain(one) for one in self.explanations],
            "rejects": [{"row_id": r.row_id, "stage": str(r.stage), "reason": r.reason} for r in self.rejects],
        }

    def _repr_html_(self) -> str:
        """Pictures and legend, for notebooks."""
        from cinchona.pipelines.report_explanation import gallery_html

        return gallery_html(self.explanations)


def explain(
    compounds: str | Path | Chem.Mol | Sequence[str | Path | Chem.Mol],
    *,
    model: str | Path | Scorer,
    out: str | Path | None = None,
    endpoint: str | None = None,
    settings: Settings | None = None,
    seed: int = 0,  # noqa: ARG001 - every workflow takes one; explanations draw nothing
) -> Explained:
    """Say which atoms and bonds raise and lower a model's predictions for a few compounds.

    Args:
        compounds: SMILES or RDKit molecules, or files that hold compounds (also globs and ``catalogue:NAME``); not both.
        model: Model folder, or any scorer.
        out: Folder for the report and the tables; None writes none.
        endpoint: What to explain; None for the first endpoint.
        settings: Settings; ``explanation`` decides the method, structures are standardized as in training.
        seed: Not used.

    Raises:
        InputError: if the compounds cannot be read, or there are more than :data:`MOST`.
        ModelFileError: if the model cannot be used.
        ConfigError: if it has no such endpoint, or the method does not suit it.
        RetryableError: if the disk is full or failing.
    """
    chosen = settings or Settings()
    scorer, rules = opened(model, default=chosen.standardize)
    kept = read_compounds(Path(model), read_trust(model)) if isinstance(model, str | Path) else None
    method: MethodName | None = None if chosen.explanation.method == "auto" else chosen.explanation.method
    job = _Job(scorer, rules, kept, endpoint, method)
    explanations: list[Explanation] = []
    rejects: list[Reject] = []
    for batch, unreadable in _given(compounds, chosen):
        explained, refused = job.explained(batch)
        explanations += explained
        rejects += [*unreadable, *refused]
    rejects.sort(key=lambda reject: reject.row_id)
    result = Explained(tuple(explanations), tuple(rejects), kept is not None, None if out is None else Path(out))
    if result.out is not None:
        _write(result, result.out)
    return result


@dataclass(frozen=True, slots=True)
class _Job:
    """What is explained, and how."""

    scorer: Scorer
    rules: StandardizeConfig
    kept: TrainingCompounds | None
    endpoint: str | None
    method: MethodName | None

    def explained(self, batch: CompoundBatch) -> tuple[list[Explanation], list[Reject]]:
        """Explanations of the rows of ``batch``, and the rows that have none."""
        standard = standardize_batch(batch, self.rules)
        found = attribute(self.scorer, standard.batch.smiles, endpoint=self.endpoint, method=self.method)
        scores = self.scorer.score(standard.batch)
        place = {row: k for k, row in enumerate(scores.row_ids.tolist())}
        explanations, rejects = [], list(standard.rejects)
        rows, names = standard.batch.row_ids.tolist(), standard.batch.compound_ids
        for row, name, shares in zip(rows, names, found, strict=True):
            if isinstance(shares, Attribution):
                told = _comparisons(shares, self.kept)
                worth = Worth.of(scores, place[row], shares.endpoint) if row in place else None
                explanations.append(Explanation(row, name, shares, tuple(pieces(shares)), told, worth))
            else:
                rejects.append(shares.of_row(row))
        return explanations, rejects


def _comparisons(shares: Attribution, kept: TrainingCompounds | None) -> tuple[Comparison, ...]:
    if kept is None:
        return ()
    predicted = shares.value if shares.scale != "log-odds" else float(shares.value > 0)
    made = []
    for neighbour in kept.near(shares.smiles, predicted, endpoint=shares.endpoint):
        told = difference(shares.smiles, neighbour.smiles)
        same = (
            "the same structure"
            if neighbour.smiles == shares.smiles
            else "the same bonds; they differ in stereo at most"
        )
        made.append(Comparison(neighbour, told.words or same, told.there))
    return tuple(made)


def _given(
    compounds: str | Path | Chem.Mol | Sequence[str | Path | Chem.Mol], settings: Settings
) -> list[tuple[CompoundBatch, tuple[Reject, ...]]]:
    items = [compounds] if isinstance(compounds, str | Path | Chem.Mol) else list(compounds)
    names = [item for item in items if not isinstance(item, Chem.Mol)]
    if any(_is_file(name) for name in names):
        return _from_files([str(name) for name in items], settings)
    if len(names) < len(items) or any(parses(str(name)) for name in names):
        _check_count(len(items))
        return [(batch_of([str(item) if isinstance(item, Path) else item for item in items]), ())]
    raise InputError(
        "there is nothing to explain" if not items else f"{items[0]!s:.80} is neither a file nor a SMILES",
        expected="SMILES, or files with compounds", remedy="quote SMILES against the shell: 'CC(=O)O'",
    )  # fmt: skip


def _is_file(name: str | Path) -> bool:
    """Whether an argument names compounds elsewhere; a file wins over a SMILES that is spelt like it."""
    if isinstance(name, Path) or name == "-" or name.startswith("catalogue:"):
        return True
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or not a path at all
        return False


def _from_files(names: list[str], settings: Settings) -> list[tuple[CompoundBatch, tuple[Reject, ...]]]:
    with tempfile.TemporaryDirectory(prefix="cinchona-staged-") as staging:
        library = open_library(names, staging=Path(staging), reader=settings.reader)
        _check_count(library.n_rows)
        return list(library.batches())


def _check_count(rows: int) -> None:
    if rows > MOST:
        raise InputError(
            f"{rows:,} compounds cannot be explained at once", expected=f"at most {MOST:,}",
            remedy="screen them; the report of a screen explains the best hits",
        )  # fmt: skip


def _plain(one: Explanation) -> dict[str, Any]:
    return {
        "row_id": one.row_id, "compound_id": one.compound_id, **one.shares.to_json(),
        "score": None if one.worth is None else asdict(one.worth),
        "pieces": [{"smiles": p.smiles, "atoms": list(p.atoms), "share": p.share, "unsure": p.unsure} for p in one.pieces],
        "training_compounds": [
            {
                "compound_id": c.neighbour.compound_id, "smiles": c.neighbour.smiles, "similarity": c.neighbour.similarity,
                "measured": c.neighbour.measured, "is_contrast": c.neighbour.is_contrast, "difference": c.words,
            }
            for c in one.comparisons
        ],
    }  # fmt: skip


def _write(result: Explained, out: Path) -> None:
    from cinchona.pipelines.report_explanation import write_explanation_report

    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "explanations.json", result.to_json())
    for name, table in _tables(result).items():
        write_csv(out / f"{name}.csv", table.to_batches(), table.schema)
    write_explanation_report(out, result)


def _tables(result: Explained) -> dict[str, pa.Table]:
    """One row an atom, a bond, a reject."""
    atoms, bonds = _Rows("atom"), _Rows("bond")
    for one in result.explanations:
        shares = one.shares
        symbols = [atom.GetSymbol() for atom in Chem.MolFromSmiles(shares.smiles).GetAtoms()]
        named = [f"{symbols[a]}{a}-{symbols[b]}{b}" for a, b in shares.ends.tolist()]
        atoms.add(one, symbols, (shares.atoms, shares.atom_spread, shares.unsure_atoms))
        bonds.add(one, named, (shares.bonds, shares.bond_spread, shares.unsure_bonds))
    rejects = {
        "row_id": pa.array([r.row_id for r in result.rejects], pa.int64()),
        "stage": pa.array([str(r.stage) for r in result.rejects], pa.string()),
        "reason": pa.array([r.reason for r in result.rejects], pa.string()),
    }
    return {"atoms": atoms.table(), "bonds": bonds.table(), "rejects": pa.table(rejects)}


class _Rows:
    """Grows a table of shares."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.rows: list[tuple[object, ...]] = []

    def add(self, one: Explanation, names: list[str], shares: tuple[np.ndarray, np.ndarray | None, np.ndarray]) -> None:
        values, spread, unsure = shares
        for k, name in enumerate(names):
            told = None if spread is None else float(spread[k])
            self.rows.append((one.row_id, one.compound_id, k, name, float(values[k]), told, int(unsure[k])))

    def table(self) -> pa.Table:
        types = {"row_id": pa.int64(), "compound_id": pa.string(), self.what: pa.int64(), "symbol": pa.string(),
                 "share": pa.float64(), "spread": pa.float64(), "unsure": pa.int8()}  # fmt: skip
        columns = list(zip(*self.rows, strict=True)) or [()] * len(types)
        return pa.table({n: pa.array(c, t) for (n, t), c in zip(types.items(), columns, strict=True)})


__all__ = ["MOST", "Comparison", "Explained", "Explanation", "explain"]
