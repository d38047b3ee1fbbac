"""Settings of a duplicate run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cinchona.settings import Config

LinkKind = Literal["exact", "manufacturer_number", "hit_miss"]


class HitMissConfig(Config):
    """Settings of the hit-miss model; see ``docs/explanation/duplicates.md`` for the formulas."""

    expected_rate: float = Field(0.03, gt=0, lt=1)
    """Share of cases that are thought to have a duplicate; sets the prior odds that two cases are one."""
    posterior: float = Field(0.9, gt=0, lt=1)
    """Least posterior probability of a link."""
    bare_posterior: float = Field(0.9999, gt=0, lt=1)
    """Least posterior of a link between cases of which no sex, age, country or date can be compared: then drugs and
    reactions alone speak, and these go together for more reasons than the guard knows."""
    keep_posterior: float = Field(0.1, gt=0, lt=1)
    """Pairs from here up to ``posterior`` are kept as suspicions: written, never counted as duplicates."""
    block_cap: int = Field(60, ge=2)
    """Candidates come from cases that share a rare combination; combinations shared by more cases are skipped."""
    pseudo_pairs: float = Field(30.0, gt=0)
    """Weight of the default error rates against those seen in pairs that share a manufacturer's number."""


class DedupeConfig(Config):
    """Settings of a duplicate run."""

    kinds: tuple[LinkKind, ...] = ("exact", "manufacturer_number", "hit_miss")
    """Kinds of links that count."""
    min_known: int = Field(3, ge=1, le=4)
    """An exact repeat needs so many of sex, age, country and day of the event to be known."""
    number_cap: int = Field(20, ge=2)
    """A manufacturer's number shared by more cases is taken for a filler such as UNKNOWN."""
    max_group: int = Field(50, ge=2)
    """Groups above this size are reported and not collapsed: chains of links are no proof."""
    max_share: float = Field(0.10, gt=0, le=1)
    """Largest share of the current cases that may be left out without being accepted by the user."""
    model: HitMissConfig = HitMissConfig()
    """The probabilistic model."""
