"""The prior of the gamma-Poisson shrinker: a mixture of two gamma distributions of the reporting ratio."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cinchona.errors import ConfigError

PARAMETERS = ("alpha1", "beta1", "alpha2", "beta2", "weight")
"""Names of the parameters, in the order of all vectors."""


class PriorLikelihood(StrEnum):
    """What the prior is fitted to; three different models that all go by the name of MGPS."""

    ALL_CELLS = "all_cells"
    """Every cell of the drug x event table, zeros included. Coherent with the posterior, and stays away from the
    bounds on real quarters, so it is the default. PhViD's ``TRONC = FALSE``."""
    TRUNCATED_MIXTURE = "truncated_mixture"
    """Seen cells only, likelihood of the mixture given ``n`` >= 1. Coherent with the posterior."""
    MIXTURE_OF_TRUNCATED = "mixture_of_truncated"
    """Seen cells only, each component truncated at zero and then mixed: what openEBGM and PhViD's ``TRONC = TRUE``
    maximise. Its weight is that of components among seen cells, while the posterior uses it among all cells."""


@dataclass(frozen=True, slots=True)
class GammaMixture:
    """Prior of the ratio lambda: ``weight`` Gamma(alpha1, rate beta1) + (1 - weight) Gamma(alpha2, rate beta2)."""

    alpha1: float
    """Shape of the first component, > 0."""
    beta1: float
    """Rate of the first component, > 0; its mean is alpha1 / beta1."""
    alpha2: float
    """Shape of the second component, > 0."""
    beta2: float
    """Rate of the second component, > 0."""
    weight: float
    """Share of the first component, in (0, 1)."""

    def __post_init__(self) -> None:
        if not (all(np.isfinite(self.vector)) and min(self.vector) > 0 and self.weight < 1):
            raise ConfigError(f"no gamma mixture has the parameters {self.vector}", expected="all > 0, weight < 1")

    @property
    def vector(self) -> tuple[float, float, float, float, float]:
        """Parameters in the order of :data:`PARAMETERS`."""
        return self.alpha1, self.beta1, self.alpha2, self.beta2, self.weight

    @property
    def mean(self) -> float:
        """Prior mean of lambda."""
        return self.weight * self.alpha1 / self.beta1 + (1 - self.weight) * self.alpha2 / self.beta2

    def ordered(self) -> GammaMixture:
        """The same mixture with the component of the larger mean first."""
        if self.alpha1 / self.beta1 >= self.alpha2 / self.beta2:
            return self
        return GammaMixture(self.alpha2, self.beta2, self.alpha1, self.beta1, 1.0 - self.weight)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``size`` ratios, float64, shape (size,)."""
        first = rng.random(size) < self.weight
        shape = np.where(first, self.alpha1, self.alpha2)
        rate = np.where(first, self.beta1, self.beta2)
        return rng.gamma(shape) / rate
