"""Why the best hits of a screen score as they do, for its report: pictures with shares, a legend, and words."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from markupsafe import Markup
from pydantic import ValidationError

from cinchona.errors import CinchonaError
from cinchona.files import write_json
from cinchona.models.explanation.attribution import attribute, default_method
from cinchona.models.explanation.config import ExplanationConfig
from cinchona.models.explanation.pieces import pieces
from cinchona.models.explanation.records import Attribution, MethodName
from cinchona.models.folder import open_scorer
from cinchona.pipelines.depict_shares import full_colour, legend_svg, shares_svg
from cinchona.records import Endpoint
from cinchona.screening.plan import PlanModel

logger = logging.getLogger(__name__)

EXPLANATIONS: Final = "explanations.json"
"""File of a screen with the shares behind the pictures of its report."""
_LONGEST: Final = 26
METHODS: Final[Mapping[MethodName, str]] = {
    "gradients": "integrated gradients on the features of atoms and bonds, from a graph without features; they add up to the "
    "difference of the two predictions",
    "masking": "the fall of the prediction when the features of an atom or bond are hidden",
    "removal": "the fall of the prediction when an atom is hidden, its piece taken away, or a bond cut",
}
"""What the shares are, for people."""


@dataclass(frozen=True, slots=True)
class HitExplanations:
    """What the report shows of its best hits; empty where nothing was explained."""

    pictures: Mapping[str, Markup] = field(default_factory=dict)
    """Picture and words by standardized SMILES."""
    legend: Markup = field(default_factory=Markup)
    """What the colours mean."""
    note: str = ""
    """How the shares were found, and for how many hits."""
    shares: tuple[Attribution, ...] = ()
    """The shares."""


def explain_hits(
    model: PlanModel, hits: pa.Table, config: Mapping[str, Any], *, size: tuple[int, int]
) -> HitExplanations:
    """Explain the best hits, if the screen was made with a model folder that is still that model.

    A scorer that was given as an object is not asked again: it may be a docking engine that takes minutes for each of the many edited
    molecules. Nothing that goes wrong here may lose a finished screen, so it is logged and the pictures stay plain.

    Args:
        model: The model that the screen was planned with.
        hits: Hits, best first, with ``parent_smiles``.
        config: Settings of the screen.
        size: Width and height of a picture in CSS pixels.
    """
    settings = explanation_settings(config)
    smiles = list(dict.fromkeys(s for s in hits["parent_smiles"].slice(0, settings.hits).to_pylist() if s))
    if not smiles or not model.path or not Path(model.path).is_dir():
        return HitExplanations()
    begun = time.process_time()
    try:
        shares = _shares(model, smiles, settings)
    except CinchonaError as error:
        logger.warning("the hits are not explained: %s", error.what)
        return HitExplanations()
    logger.info("explained %d hits in %.1f s of processor time", len(shares), time.process_time() - begun)
    return _shown(shares, size)


def explanation_settings(config: Mapping[str, Any]) -> ExplanationConfig:
    """The settings of explanations among those of a run; the defaults where an older run has none."""
    try:
        return ExplanationConfig.model_validate(config.get("explanation") or {})
    except ValidationError:
        return ExplanationConfig()


def write_explanations(path: Path, explained: HitExplanations) -> None:
    """Write the shares as JSON; an old file goes where there are none.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    if explained.shares:
        write_json(path, {"explanations": [one.to_json() for one in explained.shares]})
    else:
        path.unlink(missing_ok=True)


def words(explained: Attribution, *, count: int = 2) -> Markup:
    """The pieces that tell most, such as ``+0.42 *C(N)=O``, each on a line of its own."""
    lines = [
        Markup('<span class="why">{}{:.2g} <code>{}</code>{}</span>').format(
            "+" if piece.share > 0 else "−",
            abs(piece.share),
            _shortened(piece.smiles),
            " (unsure)" if piece.unsure else "",
        )
        for piece in pieces(explained)[:count]
        if piece.share
    ]
    return Markup("").join(lines)


def _shortened(smiles: str) -> str:
    """A piece in a table's cell: without stereo marks, cut where it is long."""
    plain = smiles.replace("[C@@H]", "C").replace("[C@H]", "C").replace("[C@@]", "C").replace("[C@]", "C")
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def explained_endpoint(objective: str, endpoints: Sequence[Endpoint]) -> str:
    """The endpoint that a ranking is about: the only one that it names, else the first that it names, else the first."""
    named = [e.name for e in endpoints if e.name in objective]
    return max(named, key=len) if named else endpoints[0].name


def _shares(model: PlanModel, smiles: list[str], settings: ExplanationConfig) -> tuple[Attribution, ...]:
    scorer = open_scorer(model.path)
    if scorer.fingerprint != model.fingerprint:
        logger.warning("the hits are not explained: %s now holds another model", model.path)
        return ()
    method = None if settings.method == "auto" else settings.method
    endpoint = explained_endpoint(model.objective, scorer.endpoints)
    logger.debug("explaining %s by %s", endpoint, method or default_method(scorer))
    found = attribute(scorer, smiles, endpoint=endpoint, method=method)
    return tuple(one for one in found if isinstance(one, Attribution))


def _shown(shares: tuple[Attribution, ...], size: tuple[int, int]) -> HitExplanations:
    if not shares:
        return HitExplanations()
    full, first = full_colour(shares), shares[0]
    pictures = {
        one.smiles: Markup(shares_svg(one, full=full, size=size)) + words(one)  # noqa: S704 - drawn by us from numbers
        for one in shares
    }
    legend = Markup(legend_svg(full, first))  # noqa: S704 - escaped there
    return HitExplanations(pictures, legend, note_of(shares), shares)


def note_of(shares: Sequence[Attribution]) -> str:
    """How the shares were found, and how far they can be relied on, in two sentences."""
    first = shares[0]
    atoms = sum(len(one.atoms) for one in shares)
    unsure = sum(int(one.unsure_atoms.sum()) for one in shares)
    doubt = (
        f" The networks of the ensemble disagree on {unsure / atoms:.0%} of the atoms by more than the share itself; these are dashed."
        if first.atom_spread is not None and atoms
        else " One model alone cannot say how sure a share is."
    )
    return (
        f"Colours show for {len(shares):,} {'molecule' if len(shares) == 1 else 'molecules'} what raises and lowers {first.endpoint} ({first.share_unit or 'no unit'}): "
        f"{METHODS[first.method]}. They explain the model, not nature.{doubt}"
    )


__all__ = [
    "EXPLANATIONS", "HitExplanations", "explain_hits", "explained_endpoint", "explanation_settings", "note_of", "words",
    "write_explanations",
]  # fmt: skip
