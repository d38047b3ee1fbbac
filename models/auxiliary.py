"""Auxiliary targets: RDKit's descriptors of the training compounds, which cost no measurement.

A network that has to predict them too learns states that describe molecules, not only the few hundred labels. When training
is over their outputs are cut off, so a model with them is served like one without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from cinchona.models.losses import Labels
from cinchona.models.molecule_features import MoleculeFeatures
from cinchona.models.network import GraphNet


def descriptor_labels(smiles: Sequence[str], train: np.ndarray) -> np.ndarray:
    """Scaled descriptors of the training rows as labels; all other rows are missing.

    Args:
        smiles: All n compounds.
        train: Rows to learn from, int64.

    Returns:
        float32, shape (n, k); NaN where missing. Descriptors that are constant over the training rows are left out.
    """
    chosen = [smiles[row] for row in train]
    values = MoleculeFeatures.fit(("rdkit",), chosen).rows(chosen)
    values = values[:, values.std(axis=0) > 0]
    labels = np.full((len(smiles), values.shape[1]), np.nan, np.float32)
    labels[train] = values
    return labels


def beside(labels: Labels, extra: np.ndarray) -> Labels:
    """Labels with further exact regression targets behind them."""
    more = torch.from_numpy(extra)
    return Labels(
        torch.cat([labels.values, more], dim=1),
        torch.cat([labels.censor, torch.zeros_like(more, dtype=torch.int8)], dim=1),
    )


def without_outputs(network: GraphNet, n_targets: int) -> GraphNet:
    """Cut the outputs behind the first ``n_targets`` off; predictions of the others stay the same to the bit or its rounding."""
    last = network.head[-1]
    assert isinstance(last, nn.Linear)
    kept = nn.Linear(last.in_features, n_targets, device="meta").to_empty(device="cpu")
    kept.load_state_dict(
        {"weight": last.weight[:n_targets].detach().clone(), "bias": last.bias[:n_targets].detach().clone()}
    )
    network.head[-1] = kept
    network.head.n_targets = n_targets
    return network.eval()


__all__ = ["beside", "descriptor_labels", "without_outputs"]
