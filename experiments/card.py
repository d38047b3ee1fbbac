"""The card of a model: what it predicts, what it learned from, how far it was right, and what is not known; as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cinchona.experiments.note import MAX_CHARACTERS, escape, number, table
from cinchona.models.folder import model_fingerprint, read_trust
from cinchona.pipelines.card_words import leakage_words, limits_of_record, standing
from cinchona.pipelines.report_domain import domain_notes

_USE: Final = (
    "Takes a table with a column `smiles`. Installed code and safetensors only: loading it unpickles nothing. "
    "Predictions rank compounds for testing; they are not measurements."
)
_MAX_TARGETS: Final = 8
_SHOWN: Final = ("rmse", "mae", "r2", "spearman", "roc_auc", "pr_auc", "ef1", "bedroc20")


def model_card(folder: Path, name: str) -> str:
    """Write the card from the model's own files; every value in it is escaped.

    Raises:
        ModelFileError: if the folder is damaged.
    """
    trust = read_trust(folder)
    config = json.loads((folder / "config.json").read_bytes())
    parts = [
        f"**{escape(name)}** · {escape(str(config.get('kind', '')))} · fingerprint {model_fingerprint(folder)[:16]}",
        _endpoints(config.get("endpoints") or []),
        *_origin(trust),
        *_figures(trust.get("metrics") or []),
        *(escape(text) for text in standing(trust)),
        *_known(trust),
        _unknown(trust),
        *_limits(trust),
        _USE,
    ]
    return "\n\n".join(p for p in parts if p)[:MAX_CHARACTERS]


def _endpoints(endpoints: Sequence[Mapping[str, Any]]) -> str:
    rows = [tuple(str(e.get(k, "")) for k in ("name", "unit", "kind", "direction")) for e in endpoints[:_MAX_TARGETS]]
    left = len(endpoints) - len(rows)
    return table(("predicts", "unit", "kind", "good"), rows) + (f"\n\nand {left} more" if left > 0 else "")


def _origin(trust: Mapping[str, Any]) -> Iterator[str]:
    data, split, leakage = (trust.get(k) or {} for k in ("data", "split", "leakage"))
    if data:
        digest = str(data.get("digest", ""))[:12]
        yield f"Learned from {escape(str(data.get('name', '')))}: {data.get('compounds', '?')} compounds, digest {digest}."
    if split:
        counts = ", ".join(f"{part} {split.get(part, '?')}" for part in ("train", "valid", "test"))
        told = f"Split by {escape(str(split.get('kind', '')))}: {counts}. {escape(leakage_words(leakage))}"
        yield told.rstrip()


def _figures(metrics: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for target in list(dict.fromkeys(str(m.get("target")) for m in metrics))[:_MAX_TARGETS]:
        own = [m for m in metrics if str(m.get("target")) == target]
        models = list(dict.fromkeys(str(m.get("model")) for m in own))
        cells = {(str(m.get("metric")), str(m.get("model"))): _cell(m) for m in own}
        rows = [(k, *(cells.get((k, m), "–") for m in models)) for k in _SHOWN if any((k, m) in cells for m in models)]
        yield table((f"held out: {escape(target)}", *(escape(m) for m in models)), rows)


def _cell(metric: Mapping[str, Any]) -> str:
    estimate, lower, upper = (metric.get(k) for k in ("estimate", "lower", "upper"))
    if estimate is None:
        return "–"
    return (
        number(estimate)
        if lower is None or upper is None
        else f"{number(estimate)} ({number(lower)} to {number(upper)})"
    )


def _known(trust: Mapping[str, Any]) -> Iterator[str]:
    """Calibration and domain in a few sentences."""
    for entry in ((trust.get("calibration") or {}).get("endpoints") or ())[:_MAX_TARGETS]:
        if isinstance(entry.get("coverage"), int | float) and isinstance(entry.get("level"), int | float):
            yield f"{escape(str(entry.get('target')))}: intervals of {entry['level']:.0%} held {entry['coverage']:.1%} of the test labels."
    for name, text in domain_notes(trust.get("domain")):
        yield f"{escape(name)}: {escape(text)}"


def _limits(trust: Mapping[str, Any]) -> Iterator[str]:
    told = [escape(text) for text in limits_of_record(trust)]
    if told:
        yield "\n".join(f"- {text}" for text in told)


def _unknown(trust: Mapping[str, Any]) -> str:
    missing = [k for k in ("calibration", "conformal", "domain") if not trust.get(k)]
    names = {
        "calibration": "calibrated uncertainties",
        "conformal": "prediction intervals",
        "domain": "an applicability domain",
    }
    return f"Not known of this model: {', '.join(names[k] for k in missing)}." if missing else ""


__all__ = ["model_card"]
