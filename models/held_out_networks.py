"""What the networks of an ensemble say of the compounds that they left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from cinchona.datasets.assay import AssayTable
from cinchona.models.calibration.held_out import HeldOut, as_said_by_all, shrinkage
from cinchona.models.calibration.probabilities import SUREST, log_odds
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.member_parts import MemberParts


def held_out_of(
    ensemble: GraphEnsemble, table: AssayTable, parts: MemberParts, crossed: Sequence[np.ndarray]
) -> HeldOut | None:
    r"""Predict each part by the networks that left it out; None where there is no such part.

    m of the M networks left out a part. Their mean errs more than the mean of all M, and their spread is that of m networks:
    errors come with the factor that is expected between both (:func:`~cinchona.models.calibration.held_out.shrinkage`), and
    spreads between networks are turned into those of M networks, :math:`s^2 \frac{m}{m - 1} \frac{M - 1}{M}`. Probabilities become those that
    all M are expected to give (:func:`~cinchona.models.calibration.held_out.as_said_by_all`). The parts stopped the networks
    too, so what is taken is what each network said of a compound at the epoch that other compounds chose
    (:mod:`~cinchona.models.cross_stopping`).

    Args:
        ensemble: The networks.
        table: Curated compounds.
        parts: What each network left out.
        crossed: Outputs of each network for the rows that it left out, float32, (rows, outputs); without rows where they
            have no label.
    """
    size, shape = ensemble.size, (len(parts.pool), len(ensemble.endpoints))
    value, variance, own = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    of_odds = np.full(shape, np.nan)
    folds, count = np.full(shape[0], -1, np.int64), np.ones(shape[0], np.int64)
    for part, rows in enumerate(parts.parts):
        members = parts.members(part, size)
        if not len(rows) or not members:
            continue
        at, m = np.searchsorted(parts.pool, rows), len(members)
        raw = ensemble.of_members(members).raw_of([table.smiles[row] for row in rows])
        for place, member in enumerate(members):
            if len(crossed[member]):
                raw[place, :, : crossed[member].shape[1]] = crossed[member]
        value[at], between, own[at] = ensemble.variances(raw)
        folds[at], count[at] = part, m
        variance[at] = between * m / (m - 1) if m > 1 else np.nan
        of_odds[at] = _odds(raw[..., : shape[1]]).var(axis=0, ddof=1) if m > 1 else np.nan
    held = folds >= 0
    if not held.any():
        return None
    exact = np.where(table.censor[parts.pool] == 0, table.values[parts.pool], np.nan)
    factors = [
        shrinkage((exact - value)[held, k], variance[held, k], left_out=count[held], members=size)
        for k in range(shape[1])
    ]
    for k, endpoint in enumerate(ensemble.endpoints):
        if endpoint.kind == "classification":
            said = as_said_by_all(log_odds(value[held, k]), of_odds[held, k], left_out=count[held], members=size)
            value[held, k] = expit(said)
    between = variance * (size - 1) / size if size > 1 else np.zeros(shape)
    spread = np.sqrt(between + own) if np.isfinite(between[held]).all() else None
    how = f"{held.sum():,} compounds in {len(parts.parts)} parts, each left out by {size // len(parts.parts)} or more of {size} networks"
    return HeldOut(parts.pool, folds, value, spread=spread, shrink=np.broadcast_to(factors, shape), how=how)


def _odds(raw: np.ndarray) -> np.ndarray:
    """Log-odds as far as probabilities go (:data:`~cinchona.models.calibration.probabilities.SUREST`), float64; only of classes they mean anything."""
    most = -np.log(SUREST)
    return np.clip(raw.astype(np.float64), -most, most)


__all__ = ["held_out_of"]
