"""Training compounds that are like a molecule, and by what they differ: explanations by comparison.

Only where the user lets the model folder keep its training compounds (``explanation.keep_compounds``). They stand in
``compounds.parquet``, whose digest is in the trust record; without that setting no structure leaves the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem

from cinchona.datasets.assay import AssayTable
from cinchona.datasets.fingerprints import morgan_packed
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.datasets.splits import Split
from cinchona.digests import digest_bytes
from cinchona.errors import ModelFileError
from cinchona.files import write_bytes

COMPOUNDS: Final = "compounds.parquet"
"""File of a model folder that holds the training compounds, where it may."""
LEAST_SIMILAR: Final = 0.3
"""Tanimoto similarity below which a training compound tells nothing about a molecule."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training compound beside a molecule."""

    compound_id: str
    """Its id in the training table."""
    smiles: str
    """Its structure."""
    similarity: float
    """Tanimoto similarity of the Morgan fingerprints, in [0, 1]."""
    measured: float
    """Its label, in the unit of the endpoint."""
    is_contrast: bool
    """Whether it is here because its label is far from the molecule's prediction, by a standard deviation of the labels or more."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCompounds:
    """What a model was fitted to."""

    ids: tuple[str, ...]
    """Ids of the n compounds."""
    smiles: tuple[str, ...]
    """Standardized structures."""
    labels: Mapping[str, np.ndarray]
    """Labels by endpoint, float64, shape (n,); NaN where missing."""
    packed: np.ndarray
    """Morgan fingerprints, eight bits a byte, uint8, shape (n, size / 8)."""

    def near(self, smiles: str, predicted: float, *, endpoint: str, count: int = 2) -> list[Neighbour]:
        """The ``count`` most similar compounds with a label, then the most similar one whose label is far from the prediction.

        The last one is a counterfactual that was made and measured: a small change that went with a large one of the value.

        Args:
            smiles: The molecule.
            predicted: Its prediction, in the unit of the endpoint.
            endpoint: Which labels.
            count: Most similar compounds wanted.

        References:
            Wellawatte, Seshadri and White, Chem. Sci. 2022, 13, 3697, https://doi.org/10.1039/D1SC05259D.
        """
        mol = parse_smiles(smiles)
        labels = self.labels.get(endpoint)
        if isinstance(mol, Rejected) or labels is None or not len(self.ids):
            return []
        similar = tanimoto(morgan_packed([mol])[0], self.packed)
        similar[~np.isfinite(labels) | (similar < LEAST_SIMILAR)] = -1.0
        order = np.argsort(-similar, kind="stable")
        order = order[similar[order] > 0]
        first = order[:count].tolist()
        far = [k for k in order.tolist() if abs(labels[k] - predicted) >= max(float(np.nanstd(labels)), 1e-9)]
        chosen = [*first, *[k for k in far[:1] if k not in first]]
        return [
            Neighbour(self.ids[k], self.smiles[k], float(similar[k]), float(labels[k]), k in far[:1]) for k in chosen
        ]


def tanimoto(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Tanimoto similarity of one packed fingerprint (w,) to n others (n, w), float64, shape (n,); 0 where both are empty."""
    both = np.bitwise_count(one & many).sum(axis=1)
    either = np.bitwise_count(one | many).sum(axis=1)
    shared: np.ndarray = both / np.maximum(either, 1)
    return shared


@dataclass(frozen=True, slots=True)
class KeptCompounds:
    """The training compounds as a file that stands beside a model."""

    content: bytes
    """The file."""
    rows: int
    """Compounds in it."""

    @property
    def entry(self) -> dict[str, Any]:
        """What the trust record says of it, under the key ``compounds``."""
        return {"file": COMPOUNDS, "rows": self.rows, "sha256": digest_bytes(self.content)}

    def write(self, folder: Path) -> None:
        """Write the file into a model folder.

        Raises:
            RetryableError: if the disk is full or failing.
        """
        write_bytes(folder / COMPOUNDS, self.content)


def kept_compounds(data: AssayTable, split: Split) -> KeptCompounds:
    """What a model was fitted to and stopped by; test compounds are not among them."""
    rows = np.sort(np.concatenate([split.train, split.valid]))
    columns: dict[str, Any] = {
        "compound_id": pa.array([data.compound_ids[row] for row in rows], pa.string()),
        "smiles": pa.array([data.smiles[row] for row in rows], pa.string()),
    }
    for k, target in enumerate(data.targets):
        columns[f"label:{target.name}"] = pa.array(data.values[rows, k], pa.float64())
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink)
    return KeptCompounds(sink.getvalue(), len(rows))


def read_compounds(folder: Path, trust: Mapping[str, Any]) -> TrainingCompounds | None:
    """The training compounds of a model folder; None where it keeps none.

    Args:
        folder: The model folder.
        trust: Its trust record.

    Raises:
        ModelFileError: if the file is missing or is not the one that training wrote.
    """
    told = trust.get("compounds")
    if not isinstance(told, Mapping):
        return None
    path = folder / COMPOUNDS
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    if digest_bytes(content) != told.get("sha256"):
        raise ModelFileError(
            f"{COMPOUNDS} is not the file that training wrote", where=str(path), expected="a model folder as it was saved",
            remedy="copy the model folder again from where it was trained",
        )  # fmt: skip
    return _of_table(pq.read_table(BytesIO(content)))


def _of_table(table: pa.Table) -> TrainingCompounds:
    smiles = table["smiles"].to_pylist()
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    labels = {
        name.removeprefix("label:"): table[name].to_numpy() for name in table.schema.names if name.startswith("label:")
    }
    return TrainingCompounds(tuple(table["compound_id"].to_pylist()), tuple(smiles), labels, morgan_packed(mols))


__all__ = [
    "COMPOUNDS", "KeptCompounds", "LEAST_SIMILAR", "Neighbour", "TrainingCompounds", "kept_compounds", "read_compounds", "tanimoto",
]  # fmt: skip
