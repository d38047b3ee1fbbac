"""What scorers on fingerprints share: parsing, rejects, bits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from rdkit import Chem

from cinchona.datasets.fingerprints import RADIUS, SIZE, morgan_packed
from cinchona.datasets.parsing import Rejected, parse_smiles
from cinchona.errors import ModelFileError
from cinchona.models.scorers import ArrayScorer, Predictions
from cinchona.records import CompoundBatch, Reject, Stage

FINGERPRINT: Final[Mapping[str, Any]] = {"name": "morgan", "radius": RADIUS, "size": SIZE}
"""Fingerprint of this room's models, as it stands in model folders."""


class FingerprintScorer(ArrayScorer):
    """A scorer that sees folded Morgan bits."""

    @abstractmethod
    def predict_packed(self, packed: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Predict fingerprints.

        Args:
            packed: Eight bits a byte, as :func:`~cinchona.datasets.fingerprints.morgan_packed` gives, uint8, (n, size / 8).

        Returns:
            Values and standard deviations (or None), float64, both of shape (n, t).
        """

    def predict(self, batch: CompoundBatch) -> Predictions:
        """Parse and predict the molecules of ``batch``."""
        molecules, kept, rejects = parsed_molecules(batch)
        value, spread = self.predict_packed(morgan_packed(molecules))
        return Predictions(kept, value, spread, rejects, molecules)


def parsed_molecules(batch: CompoundBatch) -> tuple[list[Chem.Mol], np.ndarray, tuple[Reject, ...]]:
    """The molecules of ``batch``, which of its b rows they are (bool, shape (b,)), and the rejects."""
    parsed = [_molecule(text) for text in batch.smiles]
    rejects = tuple(
        mol.of_row(int(row)) for row, mol in zip(batch.row_ids, parsed, strict=True) if isinstance(mol, Rejected)
    )
    kept = np.array([not isinstance(mol, Rejected) for mol in parsed], bool)
    return [mol for mol in parsed if not isinstance(mol, Rejected)], kept, rejects


def _molecule(smiles: str) -> Chem.Mol | Rejected:
    mol = parse_smiles(smiles)
    if not isinstance(mol, Rejected) and not mol.GetNumAtoms():
        return Rejected(Stage.FEATURIZE, "no atoms")
    return mol


def check_fingerprint(spec: Mapping[str, Any]) -> None:
    """Refuse a model that was fitted on other fingerprints.

    Raises:
        ModelFileError: naming both.
    """
    if spec["fingerprint"] != FINGERPRINT:
        raise ModelFileError(
            f"the model was fitted on fingerprint {spec['fingerprint']!r}",
            expected=repr(FINGERPRINT),
            remedy="install the version of Cinchona that saved the model, or train it again",
        )
