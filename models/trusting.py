"""How far to trust a model's predictions: the part of a model folder that turns them into scores with intervals and a domain.

The seam between predicting and judging. Two parts may be there, each learnt once in training, stored in ``trust.json`` (plain
data) and ``trust.safetensors`` (arrays), and never fitted again: ``conformal`` calibrates and draws intervals, ``domain`` says
how far a compound is from the training compounds. A model without them is scored as it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Protocol, Self

import numpy as np
from safetensors.numpy import save

from cinchona.digests import digest_bytes, digest_json
from cinchona.models.predictions import Predictions
from cinchona.records import CompoundBatch, Endpoint


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """Where n compounds lie, seen from the training compounds."""

    inside: np.ndarray
    """1 inside, 0 outside, -1 unknown; int8, shape (n,) or (n, t)."""
    distance: np.ndarray
    """Distance from the training compounds, 0 for one of them, float64, shape (n,)."""
    nearest_ids: tuple[str, ...] | None = None
    """Ids of the nearest training compounds, length n, where the model may tell."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Predictions of n rows for t endpoints with all that is known of their trustworthiness."""

    value: np.ndarray
    """Calibrated predictions, float64, shape (n, t)."""
    uncertainty: np.ndarray | None
    """Standard deviations in the endpoint's unit, float64, shape (n, t), or None."""
    lower: np.ndarray | None = None
    """Lower ends of the intervals, float64, shape (n, t), or None."""
    upper: np.ndarray | None = None
    """Upper ends, likewise."""
    whereabouts: Whereabouts | None = None
    """Where the compounds lie, if the model knows."""


class Part(Protocol):
    """A part of :class:`Trust`: plain data and arrays."""

    def spec(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON data."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]) -> Self:
        """Rebuild the part from what :meth:`spec` and :meth:`arrays` gave.

        Raises:
            ValueError: if they do not fit together or to the endpoints.
            ModelFileError: with a message of its own.
        """


class Conformal(Part, Protocol):
    """Calibrates predictions and draws intervals around them."""

    def calibrated(self, value: np.ndarray) -> np.ndarray:
        """Calibrated values of n predictions, float64, shape (n, t), as :meth:`judge` gives them; NaN stays."""

    def judge(self, found: Predictions, distance: np.ndarray | None) -> Judged:
        """Judge n predictions, each row by itself.

        Args:
            found: The model's predictions.
            distance: Distance of each row from the training compounds, float64, shape (n,), where the model knows it.
        """


class Domain(Part, Protocol):
    """Says how far compounds are from the training compounds."""

    def locate(self, batch: CompoundBatch, found: Predictions) -> Whereabouts:
        """Locate the n rows of ``batch`` that have a prediction (``found.kept``), each by itself; none is refused."""


PARTS: Final[dict[str, tuple[str, str]]] = {
    "conformal": ("calibration.intervals", "ConformalIntervals"),
    "domain": ("domain.measure", "DomainMeasure"),
}
"""Module and class of each part, imported when a folder has it; keys of ``trust.json``."""


@dataclass(frozen=True, eq=False)
class Trust:
    """What a model knows about the worth of its predictions; empty by default."""

    conformal: Conformal | None = None
    """Calibration and intervals."""
    domain: Domain | None = field(default=None)
    """Applicability domain."""

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that are there, by name."""
        named: dict[str, Part | None] = {"conformal": self.conformal, "domain": self.domain}
        return {name: part for name, part in named.items() if part is not None}

    def judge(self, batch: CompoundBatch, found: Predictions) -> Judged:
        """Judge what a model found for ``batch``."""
        place = None if self.domain is None else self.domain.locate(batch, found)
        if self.conformal is None:
            return Judged(found.value, found.uncertainty, whereabouts=place)
        judged = self.conformal.judge(found, None if place is None else place.distance)
        return replace(judged, whereabouts=place)

    def calibrated(self, value: np.ndarray) -> np.ndarray:
        """Calibrated values from a model's own, float64, shape (n, t)."""
        return value if self.conformal is None else self.conformal.calibrated(value)

    def specs(self) -> dict[str, Any]:
        """Plain data of each part, by its name."""
        return {name: part.spec() for name, part in self.parts.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, ``<part>.<array>``."""
        return {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.arrays().items()}

    @cached_property
    def digest(self) -> str:
        """Digest of all parts, hex; empty where there is none."""
        if not self.parts:
            return ""
        return digest_json([self.specs(), digest_bytes(pack_arrays(self.arrays()))])

    @classmethod
    def restore(
        cls, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray], endpoints: Sequence[Endpoint]
    ) -> Trust:
        """Rebuild the parts that ``record``, the content of ``trust.json``, describes.

        Raises:
            ValueError: if a part does not fit.
            KeyError: if an array is missing.
        """
        made: dict[str, Any] = {}
        for name, (module, attribute) in PARTS.items():
            if record.get(name) is not None:
                part: type[Part] = getattr(importlib.import_module(f"cinchona.models.{module}"), attribute)
                own = {k.removeprefix(f"{name}."): array for k, array in arrays.items() if k.startswith(f"{name}.")}
                made[name] = part.restore(record[name], own, endpoints)
        return cls(**made)


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Spell arrays as safetensors; equal arrays give equal bytes whatever the order of their names."""
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    packed: bytes = save(ordered)
    if packed[:1] == b"\x80":  # the header's length reads like the mark of a pickle, and readers refuse that
        packed = save(ordered, {"padding": "makes the header longer"})
    return packed


__all__ = ["Conformal", "Domain", "Judged", "pack_arrays", "Part", "PARTS", "Trust", "Whereabouts"]
