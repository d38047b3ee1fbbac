"""The card of a model: what it is for, what it learnt from, how far it is right and where it fails, made from its own files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.errors import InputError
from cinchona.files import write_json, write_text
from cinchona.models.folder import model_fingerprint, read_trust
from cinchona.models.metrics import error_unit
from cinchona.models.weak_spots import Spot, by_property, by_series
from cinchona.pipelines.card_words import intended_use, limits, limits_of_kind, standing

VERSION: Final = "cinchona-card-1"
"""Version of ``card.json``."""
HTML: Final = "card.html"
"""The card for people."""
JSON: Final = "card.json"
"""The card for programs."""
HELD_OUT: Final = Path("report", "heldout.parquet")
"""Where training leaves its held-out predictions in a model folder."""
_COLUMNS: Final = ("smiles", "target", "measured", "predicted")
_MAX_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class WeakSpots:
    """Where the predictions of one target are wrong, on held-out compounds with an exact label."""

    target: str
    unit: str
    """Of its errors."""
    compounds: int
    error: float
    """Mean absolute error over all of them; NaN without any."""
    series: tuple[Spot, ...]
    """By chemical series, largest error first."""
    properties: dict[str, tuple[Spot, ...]]
    """By quarters of a property, from low to high."""

    def worst(self) -> list[tuple[str, Spot]]:
        """Series and ranges that are worse than the rest beyond chance, with what they are ranges of."""
        ranges = [(label, spot) for label, spots in self.properties.items() for spot in spots if spot.worse]
        return [("series", spot) for spot in self.series if spot.worse] + ranges


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model in words and numbers; texts are as its files hold them and have to be escaped where they are shown."""

    name: str
    """Name of the folder."""
    kind: str
    fingerprint: str
    endpoints: tuple[dict[str, Any], ...]
    """name, unit, kind, good."""
    use: tuple[str, ...]
    """What it is for, in sentences."""
    standing: tuple[str, ...]
    """How it stands beside the baselines, in a sentence a target."""
    limits: tuple[str, ...]
    """What it is not for and what is not known, in sentences."""
    weak: tuple[WeakSpots, ...]
    """Where it fails, by target; empty without its held-out predictions."""
    trust: dict[str, Any] = field(default_factory=dict)
    """Data, split, leakage, metrics, calibration and domain, as ``trust.json`` has them, without long lists."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of Python and packages."""

    def to_json(self) -> dict[str, Any]:
        """The card as plain data; null where a figure is no number."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "weak"}
        record["weak"] = [
            asdict(spots)
            | {
                "error": spots.error if math.isfinite(spots.error) else None,
                "series": [spot.to_json() for spot in spots.series],
                "properties": {label: [s.to_json() for s in found] for label, found in spots.properties.items()},
            }
            for spots in self.weak
        ]
        return {"schema_version": VERSION, **record}


def model_card(folder: Path, *, name: str = "", heldout: pa.Table | None = None) -> ModelCard:
    """Make the card of a model folder.

    Args:
        folder: The model.
        name: What to call it; the folder's name by default.
        heldout: Held-out predictions, as ``report/heldout.parquet`` holds them; read from there by default, and without them the
            card does not say where the model fails.

    Raises:
        ModelFileError: if the folder is damaged.
        InputError: if the held-out predictions cannot be read.
    """
    trust = read_trust(folder)
    config = json.loads((folder / "config.json").read_bytes())
    table = _held_out(folder) if heldout is None else heldout
    units = {str(e.get("name")): str(e.get("unit") or "") for e in config.get("endpoints") or ()}
    weak = () if table is None else tuple(_weak(table, name, error_unit(unit)) for name, unit in units.items())
    worst = [(spots.target, spots.unit, label, spot) for spots in weak for label, spot in spots.worst()]
    endpoints = tuple(
        {"name": e.get("name"), "unit": e.get("unit"), "kind": e.get("kind"), "good": e.get("direction")}
        for e in config.get("endpoints") or ()
    )
    return ModelCard(
        name=name or folder.name,
        kind=str(config.get("kind", "")),
        fingerprint=model_fingerprint(folder),
        endpoints=endpoints,
        use=tuple(intended_use(endpoints, trust)),
        standing=tuple(standing(trust)),
        limits=(*limits_of_kind(config.get("spec")), *limits(trust, worst, looked=table is not None)),
        weak=weak,
        trust=_short(trust),
        versions={str(k): str(v) for k, v in (config.get("versions") or {}).items()},
    )


def write_card(folder: Path, out: Path, *, name: str = "", heldout: pa.Table | None = None) -> ModelCard:
    """Write ``card.html`` and ``card.json`` of the model in ``folder`` into ``out``; see :func:`model_card`.

    Raises:
        RetryableError: if the disk is full or failing.
    """
    from cinchona.pipelines.report import render
    from cinchona.pipelines.report_card import card_view  # draws with RDKit

    card = model_card(folder, name=name, heldout=heldout)
    write_json(out / JSON, card.to_json())
    write_text(out / HTML, render("card.html.j2", card_view(card)))
    return card


def _held_out(folder: Path) -> pa.Table | None:
    path = folder / HELD_OUT
    if not path.is_file():
        return None
    if path.stat().st_size > _MAX_BYTES:
        raise InputError("the held-out predictions are too large", where=str(path), expected="at most 1 GB")
    try:
        table = pq.read_table(path)
        return table.select([*_COLUMNS, *(name for name in ("kind", "censor") if name in table.schema.names)])
    except (pa.ArrowException, KeyError, OSError) as error:
        raise InputError(
            f"the held-out predictions cannot be read: {error}", where=str(path), expected=f"a table with {', '.join(_COLUMNS)}",
            remedy="remove the file; the card is then made without errors by series",
        ) from error  # fmt: skip


def _weak(table: pa.Table, target: str, unit: str) -> WeakSpots:
    rows = np.array([value == target for value in table["target"].to_pylist()], bool)
    measured, predicted = (
        np.array([math.nan if v is None else v for v in table[name].to_pylist()], np.float64)
        for name in ("measured", "predicted")
    )
    rows &= np.isfinite(measured) & np.isfinite(predicted)
    if "censor" in table.schema.names:
        rows &= np.array([not value for value in table["censor"].to_pylist()], bool)
    places = np.flatnonzero(rows)
    texts = table["smiles"].to_pylist()
    smiles, truth, guess = [texts[k] or "" for k in places], measured[places], predicted[places]
    is_class = "kind" in table.schema.names and "classification" in [
        table["kind"][k].as_py() for k in places[:1].tolist()
    ]
    ranges = by_property(smiles, truth, guess, is_class=is_class) if len(places) else {}
    return WeakSpots(
        target, unit, len(places), float(np.abs(guess - truth).mean()) if len(places) else math.nan,
        tuple(by_series(smiles, truth, guess)), {label: tuple(spots) for label, spots in ranges.items()},
    )  # fmt: skip


def _short(trust: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a trust record that a card holds, without what only machines read."""
    kept = (
        "seed",
        "data",
        "split",
        "leakage",
        "metrics",
        "calibration",
        "conformal",
        "domain",
        "training",
        "start",
        "choice",
    )
    found = {key: trust[key] for key in kept if trust.get(key) is not None}
    if isinstance(found.get("domain"), dict):
        kept_ids = found["domain"].get("ids") is not None
        found["domain"] = {k: v for k, v in found["domain"].items() if k != "folding"} | {"ids": kept_ids}
    return {key: _cut(value) for key, value in found.items()}


def _cut(value: Any, longest: int = 200) -> Any:  # noqa: ANN401 - plain data of any shape
    if isinstance(value, Mapping):
        return {str(k): _cut(v, longest) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_cut(item, longest) for item in value[:longest]]
    return value


__all__ = ["HELD_OUT", "HTML", "JSON", "ModelCard", "VERSION", "WeakSpots", "model_card", "write_card"]
