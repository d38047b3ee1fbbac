"""Settings of explanations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cinchona.settings import Config


class ExplanationConfig(Config):
    """How predictions are explained."""

    hits: int = Field(50, ge=0, le=1_000)
    """Best hits of a screen whose report shows which atoms raise and lower the prediction; 0 explains none."""
    method: Literal["auto", "masking", "gradients", "removal"] = "auto"
    """How the shares of atoms and bonds are found: ``gradients`` (integrated) and ``masking`` for graph networks, ``removal`` of
    pieces for any model; ``auto`` takes the one that recovers planted atoms best."""
    keep_compounds: bool = False
    """Keep the training compounds with structures, ids and labels in the model folder, so that explanations can name similar ones.
    Off by default: whoever gets the model then gets them too."""


__all__ = ["ExplanationConfig"]
