"""The page of explained compounds: pictures with shares, pieces in words, similar training compounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from cinchona.files import write_text
from cinchona.models.explanation.neighbours import LEAST_SIMILAR
from cinchona.pipelines.depict_shares import full_colour, legend_svg, marked_svg, shares_svg
from cinchona.pipelines.hit_explanations import note_of
from cinchona.pipelines.prediction_worth import worth_words
from cinchona.pipelines.report import render
from cinchona.pipelines.report_hits import printable

if TYPE_CHECKING:
    from cinchona.pipelines.explain import Comparison, Explained, Explanation

REPORT: Final = "explanation.html"
"""File of the page."""
LARGE: Final = (420, 280)
"""Width and height of an explained structure, in CSS pixels."""
_SMALL: Final = (230, 150)
_PIECES: Final = 6


@dataclass(frozen=True, slots=True)
class PieceRow:
    """A part of a molecule in words."""

    smiles: str
    share: str
    note: str


@dataclass(frozen=True, slots=True)
class NeighbourCard:
    """A training compound beside the explained one."""

    picture: Markup
    title: str
    difference: str


@dataclass(frozen=True, slots=True)
class Card:
    """One explained compound."""

    title: str
    smiles: str
    picture: Markup
    prediction: str
    balance: str
    pieces: list[PieceRow]
    more: int
    neighbours: list[NeighbourCard]
    alone: str
    """That no training compound is similar, where this is so."""


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """Everything that the template shows; texts are plain and escaped there."""

    title: str
    subtitle: str
    legend: Markup
    note: str
    cards: list[Card]
    rejects: list[tuple[str, str]]
    comparison_note: str


def write_explanation_report(folder: Path, result: Explained) -> Path:
    """Write ``explanation.html`` into ``folder``.

    Raises:
        RetryableError: if the disk is full, read-only or failing.
    """
    target = folder / REPORT
    write_text(target, render("explanation.html.j2", explanation_view(result)))
    return target


def explanation_view(result: Explained) -> ExplanationView:
    """What the page shows of ``result``."""
    shares = [one.shares for one in result.explanations]
    full = full_colour(shares)
    first = shares[0] if shares else None
    return ExplanationView(
        title="Why the model predicts this" if first is None else f"What raises and lowers {printable(first.endpoint)}",
        subtitle=f"{len(shares):,} {'compound' if len(shares) == 1 else 'compounds'} explained, {len(result.rejects):,} rejected",
        legend=Markup() if first is None else _markup(legend_svg(full, first)),
        note="" if first is None else note_of(shares),
        cards=[_card(one, full, keeps=result.keeps_compounds) for one in result.explanations],
        rejects=[(str(reject.row_id), printable(reject.reason)) for reject in result.rejects],
        comparison_note=_comparison_note(result),
    )


def gallery_html(explanations: Sequence[Explanation]) -> str:
    """Pictures and legend as HTML for notebooks; every text is escaped."""
    if not explanations:
        return "<p>no compound was explained</p>"
    full = full_colour(one.shares for one in explanations)
    first = explanations[0].shares
    pictures = Markup("").join(
        Markup('<figure style="display:inline-block;margin:.4rem">{}<figcaption>{}</figcaption></figure>').format(
            _markup(shares_svg(one.shares, full=full)), _prediction(one)
        )
        for one in explanations
    )
    return str(Markup("<div>{}{}</div>").format(_markup(legend_svg(full, first)), pictures))


def _card(one: Explanation, full: float, *, keeps: bool) -> Card:
    return Card(
        title=f"row {one.row_id}" if one.compound_id in {"", str(one.row_id)} else printable(one.compound_id),
        smiles=printable(one.shares.smiles),
        picture=_markup(shares_svg(one.shares, full=full, size=LARGE)),
        prediction=_prediction(one),
        balance=_balance(one),
        pieces=[
            PieceRow(piece.smiles, f"{piece.share:+.2f}".replace("-", "−"), "unsure" if piece.unsure else "")
            for piece in one.pieces[:_PIECES]
        ],
        more=max(0, len(one.pieces) - _PIECES),
        neighbours=[_neighbour(found, one.shares.endpoint) for found in one.comparisons],
        alone="No training compound is similar." if keeps and not one.comparisons else "",
    )


def _prediction(one: Explanation) -> str:
    shares = one.shares
    value = f"{printable(shares.endpoint)} {shares.value:.2f} {printable(shares.scale)}"
    return f"{value.strip()}{worth_words(one.worth, shares.scale)}".replace(" -", " −")


def _signed(value: float) -> str:
    """Two decimals with a sign; what rounds to zero is +0.00."""
    return f"{round(float(value), 2) + 0.0:+.2f}"


def _balance(one: Explanation) -> str:
    """Whether the shares add up, with the numbers."""
    shares = one.shares
    total = shares.atoms.sum() + shares.bonds.sum()
    if shares.method != "gradients":
        return "Each share is what the model loses without that part; such losses do not add up to the prediction."
    return (
        f"{shares.reference:.2f} without features, {_signed(total)} of all atoms and bonds, "
        f"{_signed(shares.gap)} left over: {shares.value:.2f}."
    ).replace("-", "−")


def _neighbour(found: Comparison, endpoint: str) -> NeighbourCard:
    near = found.neighbour
    kind = "other value" if near.is_contrast else "similar"
    return NeighbourCard(
        picture=_markup(marked_svg(near.smiles, found.differs, size=_SMALL)),
        title=f"{kind}: {printable(near.compound_id)}, {printable(endpoint)} {near.measured:.2f}, similarity {near.similarity:.2f}",
        difference=f"The compound above has {found.words}.",
    )


def _comparison_note(result: Explained) -> str:
    if result.keeps_compounds:
        return (
            "Training compounds are the two most similar ones, and the most similar one whose label is at least a standard "
            "deviation of all labels away from the prediction; green marks what they do not share with the compound. Those of a "
            f"Tanimoto similarity below {LEAST_SIMILAR} are not shown."
        )
    return (
        "This model folder keeps no training compounds (explanation.keep_compounds), so there are none to compare with."
    )


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - drawn by us from numbers, texts escaped


__all__ = [
    "Card",
    "ExplanationView",
    "LARGE",
    "NeighbourCard",
    "PieceRow",
    "REPORT",
    "explanation_view",
    "gallery_html",
    "write_explanation_report",
]
