"""Pretrained encoders as folders: weights as safetensors, a card as JSON, nothing that is executed.

::

    encoder/  card.json             shape, features, structures with their licences, figures, how it was made, digest of the weights
              encoder.safetensors   weights of the encoder alone
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from cinchona.datasets.molgraph import FEATURE_SCHEMA
from cinchona.digests import digest_bytes
from cinchona.errors import ModelFileError
from cinchona.files import write_bytes, write_json
from cinchona.models.config import GraphNetConfig
from cinchona.models.folder_checks import check_safetensors
from cinchona.models.scorers import pack_arrays

FORM: Final = "cinchona-encoder-1"
"""Version of the folder's form."""
DEFAULT: Final = "default"
"""Name of the encoder that comes with the package."""
CARD: Final = "card.json"
"""What the encoder is, for people and programs."""
WEIGHTS: Final = "encoder.safetensors"
"""Its weights."""
SHIPPED: Final = Path(__file__).parent.parent / "pretrained"
"""Folder of that encoder."""
_LARGEST: Final = {CARD: 4 << 20, WEIGHTS: 1 << 30}


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A pretrained encoder."""

    network: GraphNetConfig
    """Shape that it was pretrained with; what concerns the head does not matter."""
    weights: Mapping[str, np.ndarray]
    """Parameters by their name in the encoder, float32."""
    card: Mapping[str, Any]
    """The card."""

    @property
    def digest(self) -> str:
        """Digest of the weights, hex."""
        return str(self.card["weights"])

    @property
    def name(self) -> str:
        """For people: what it learnt from."""
        return ", ".join(source["name"] for source in self.card.get("sources", ()))


def save_encoder(
    folder: Path, *, network: GraphNetConfig, weights: Mapping[str, np.ndarray], card: Mapping[str, Any]
) -> None:
    """Write an encoder into an existing folder, the card last."""
    data = pack_arrays({name: np.asarray(array, np.float32) for name, array in weights.items()})
    write_bytes(folder / WEIGHTS, data)
    content = {
        "form": FORM,
        "feature_schema": FEATURE_SCHEMA,
        "network": network.model_dump(mode="json"),
        "weights": digest_bytes(data),
    }
    write_json(folder / CARD, {**content, **card})


def open_encoder(place: str | Path) -> Encoder:
    """Open a pretrained encoder after checking it.

    Args:
        place: ``default`` for the one that comes with the package, or a folder that ``cinchona pretrain`` wrote.

    Raises:
        ModelFileError: if it is missing, damaged, altered, or made for other features.
    """
    folder = SHIPPED if str(place) == DEFAULT else Path(place)
    card = _card(_read(folder, CARD), folder)
    data = _read(folder, WEIGHTS)
    if digest_bytes(data) != card.get("weights"):
        raise _damaged(f"{WEIGHTS} is not the file that was saved: its digest differs", folder)
    check_safetensors(data, folder)
    try:
        return Encoder(GraphNetConfig.model_validate(card["network"]), load(data), card)
    except (KeyError, TypeError, ValueError, SafetensorError, ValidationError) as error:
        raise _damaged(f"the card does not read: {type(error).__name__}: {error}", folder) from error


def is_encoder(folder: Path) -> bool:
    """Whether ``folder`` holds a finished encoder, judged by its card alone."""
    try:
        return bool(json.loads((folder / CARD).read_text(encoding="utf-8")).get("form") == FORM)
    except (OSError, ValueError, AttributeError):
        return False


def _read(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST[name]:
        raise ModelFileError(
            f"there is no usable {name}", where=str(folder), expected="a folder that cinchona pretrain wrote, or 'default'",
            remedy="make one with: cinchona pretrain LIBRARY --out DIR",
        )  # fmt: skip
    return path.read_bytes()


def _card(data: bytes, folder: Path) -> dict[str, Any]:
    try:
        card = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(f"{CARD} is no JSON: {error}", folder) from error
    if not isinstance(card, dict) or card.get("form") != FORM:
        raise _damaged(f"{CARD} is not of form {FORM}", folder)
    if card.get("feature_schema") != FEATURE_SCHEMA:
        raise ModelFileError(
            f"the encoder was pretrained on features {card.get('feature_schema')!r}", where=str(folder),
            expected=f"{FEATURE_SCHEMA!r}, the features of this version of Cinchona", remedy="pretrain it again",
        )  # fmt: skip
    return card


def _damaged(what: str, folder: Path) -> ModelFileError:
    return ModelFileError(
        what, where=str(folder), expected="a folder as it was saved", remedy="copy it again, or pretrain again"
    )


__all__ = ["CARD", "DEFAULT", "Encoder", "FORM", "WEIGHTS", "is_encoder", "open_encoder", "save_encoder"]
