"""Settings of the applicability domain."""

from __future__ import annotations

from pydantic import Field

from cinchona.settings import Config


class DomainConfig(Config):
    """What a model folder keeps of the compounds that it was trained on, to say how far others are from them."""

    keep: bool = True
    """Keep hashed fingerprints of the training compounds, so that each prediction says whether it is inside the domain. Without
    them every compound is predicted all the same, and its domain is not known."""
    name_nearest: bool = False
    """Keep the ids of the training compounds too, so that each prediction names the nearest one. Whoever has the model folder
    can read them."""
    embedding: bool = False
    """Graph networks only: a compound is inside only if it is also near training compounds in the vectors that the first network
    makes. Off, since errors followed that distance less than the fingerprints' on the sets that were tried."""
    quantile: float = Field(0.95, gt=0, le=1)
    """Where held-out errors do not tell: share of the training compounds that have another one within the threshold."""


__all__ = ["DomainConfig"]
