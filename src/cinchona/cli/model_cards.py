"""What ``cinchona models`` shows of model folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cinchona.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from cinchona.cli.common import Common

_DEPTH: Final = 4
_MAX_BYTES: Final = 10_000_000
_SCHEMA: Final = "cinchona-model-"


def find_models(folder: Path) -> list[dict[str, Any]]:
    """Model folders in ``folder`` and up to four levels below, by their ``config.json``; not checked further.

    Raises:
        InputError: if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), expected="a folder that holds model folders")
    cards = (_card(path) for path in sorted(_configs(folder, _DEPTH)))
    return [card for card in cards if card is not None]


def describe(folder: Path) -> dict[str, Any]:
    """Open a model folder, with all checks, and say what it holds.

    Raises:
        ModelFileError: if it is missing, damaged, altered or of an unknown version.
        UnsafeFileError: if it holds something that could do harm.
    """
    from cinchona.models.folder import open_scorer, read_trust

    scorer, trust = open_scorer(folder), read_trust(folder)
    return {
        "folder": str(folder),
        "name": scorer.name,
        "fingerprint": scorer.fingerprint,
        "objective": scorer.objective,
        "endpoints": [
            {"name": e.name, "unit": e.unit, "kind": e.kind, "good": str(e.direction)} for e in scorer.endpoints
        ],
        **{part: trust[part] for part in ("data", "split", "metrics", "calibration", "domain") if trust.get(part)},
    }


def show_card(common: Common, folder: Path, out: Path | None, *, heldout: pa.Table | None = None) -> None:
    """Show the card of the model in ``folder`` and write it to ``out``, if that is given.

    ``heldout`` are its held-out predictions where they are not in the folder.

    Raises:
        ModelFileError: if the folder is damaged.
    """
    from cinchona.cli.output import emit, show
    from cinchona.pipelines.card import model_card, write_card

    card = model_card(folder, heldout=heldout) if out is None else write_card(folder, out, heldout=heldout)
    if common.as_json:
        show(common, card.to_json())
        return
    for title, texts in (("For", card.use), ("Beside the baselines", card.standing), ("Limits", card.limits)):
        if texts:
            emit(f"{title}:")
        for text in texts:
            emit(f"  - {text}")
    if out is not None:
        emit(f"written: {out / 'card.html'}, {out / 'card.json'}")


def _configs(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name == "config.json" and entry.is_file():
            yield entry
        elif depth > 0 and entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
            yield from _configs(entry, depth - 1)


def _card(path: Path) -> dict[str, Any] | None:
    try:
        config = json.loads(path.read_bytes()) if path.stat().st_size <= _MAX_BYTES else None
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict) or not str(config.get("schema_version", "")).startswith(_SCHEMA):
        return None
    endpoints = [str(e.get("name", "")) for e in config.get("endpoints", []) if isinstance(e, dict)]
    return {
        "folder": str(path.parent),
        "kind": str(config.get("kind", "")),
        "targets": endpoints,
        "fingerprint": str(config.get("fingerprint", ""))[:12],
        "schema": config["schema_version"],
    }
