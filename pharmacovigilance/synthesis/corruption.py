"""How a second report of the same event differs from the first: the stated model that duplicates are made with."""

from __future__ import annotations

from typing import Final

import numpy as np
from pydantic import Field

from cinchona.pharmacovigilance.synthesis.batch import MISSING, NO_DATE, CaseBatch, Ragged
from cinchona.settings import Config

_DAYS: Final = 28
"""Generated and shifted days stay in 1..28, so that every date exists."""
OTHER_SENDER: Final = 1_000_000_007
"""Added to a case's number at its sender when another sender reports it again."""


class CorruptionModel(Config):
    """Probabilities that a field of the second report is missing or differs; fields are corrupted independently."""

    exact: float = Field(0.05, ge=0, le=1)
    """The second report equals the first in every field."""
    same_sender_number: float = Field(0.25, ge=0, le=1)
    """Both carry the manufacturer's number."""
    sex_missing: float = Field(0.08, ge=0, le=1)
    sex_wrong: float = Field(0.005, ge=0, le=1)
    age_missing: float = Field(0.15, ge=0, le=1)
    age_off_by_one: float = Field(0.10, ge=0, le=1)
    """Age differs by one year."""
    age_wrong: float = Field(0.01, ge=0, le=1)
    """Age differs by up to ten years."""
    country_missing: float = Field(0.03, ge=0, le=1)
    country_wrong: float = Field(0.02, ge=0, le=1)
    date_missing: float = Field(0.15, ge=0, le=1)
    date_day_lost: float = Field(0.10, ge=0, le=1)
    """Only year and month are given."""
    date_shifted: float = Field(0.10, ge=0, le=1)
    """The day differs by 1 to 7."""
    drug_dropped: float = Field(0.15, ge=0, le=1)
    """Each drug but the first is left out."""
    drug_added: float = Field(0.15, ge=0, le=1)
    """One more drug is named."""
    reaction_dropped: float = Field(0.20, ge=0, le=1)
    """Each reaction but the first is left out."""
    reaction_replaced: float = Field(0.08, ge=0, le=1)
    """Each reaction is coded as another one."""
    reaction_added: float = Field(0.20, ge=0, le=1)
    """One more reaction is named."""


def corrupt(batch: CaseBatch, model: CorruptionModel, rng: np.random.Generator) -> CaseBatch:
    """Return second reports of the cases in ``batch`` under ``model``.

    Added and replaced drugs and reactions are drawn from those of the other cases of the batch, so common ones are
    common. Identifiers (``sender_no``) change unless the sender's number is kept.
    """
    changed = rng.random(len(batch)) >= model.exact
    n = len(batch)
    other = np.where(rng.random(n) < model.same_sender_number, batch.sender_no, batch.sender_no + OTHER_SENDER)
    return batch.with_(
        sex=_sex(batch, model, rng, changed),
        age=_age(batch, model, rng, changed),
        country=_country(batch, model, rng, changed),
        event_date=_event_date(batch, model, rng, changed),
        sender_no=np.where(changed, other, batch.sender_no),
        drugs=_added(_dropped(batch.drugs, model.drug_dropped, rng, changed), model.drug_added, rng, changed),
        reactions=_added(
            _dropped(
                _replaced(batch.reactions, model.reaction_replaced, rng, changed), model.reaction_dropped, rng, changed
            ),
            model.reaction_added,
            rng,
            changed,
        ),
    )


def _hit(p: float, rng: np.random.Generator, changed: np.ndarray) -> np.ndarray:
    return changed & (rng.random(len(changed)) < p)


def _sex(batch: CaseBatch, model: CorruptionModel, rng: np.random.Generator, changed: np.ndarray) -> np.ndarray:
    wrong = _hit(model.sex_wrong, rng, changed) & (batch.sex != MISSING)
    sex = np.where(wrong, 1 - batch.sex, batch.sex)
    return np.where(_hit(model.sex_missing, rng, changed), MISSING, sex).astype(np.int8)


def _age(batch: CaseBatch, model: CorruptionModel, rng: np.random.Generator, changed: np.ndarray) -> np.ndarray:
    n = len(batch)
    one = np.where(rng.random(n) < 0.5, -1.0, 1.0) * _hit(model.age_off_by_one, rng, changed)
    far = rng.integers(-10, 11, n) * _hit(model.age_wrong, rng, changed)
    age = np.clip(batch.age + one + far, 0, 110)
    return np.where(_hit(model.age_missing, rng, changed), np.nan, age).astype(np.float32)


def _country(batch: CaseBatch, model: CorruptionModel, rng: np.random.Generator, changed: np.ndarray) -> np.ndarray:
    wrong = _hit(model.country_wrong, rng, changed)
    country = np.where(wrong, batch.country[rng.integers(0, len(batch), len(batch))], batch.country)
    return np.where(_hit(model.country_missing, rng, changed), MISSING, country).astype(np.int16)


def _event_date(batch: CaseBatch, model: CorruptionModel, rng: np.random.Generator, changed: np.ndarray) -> np.ndarray:
    date = batch.event_date.astype(np.int64)
    full = date % 100 > 0
    shifted = _hit(model.date_shifted, rng, changed) & full
    step = rng.integers(1, 8, len(batch)) * np.where(rng.random(len(batch)) < 0.5, -1, 1)
    day = np.clip(date % 100 + step, 1, _DAYS)
    date = np.where(shifted, date // 100 * 100 + day, date)
    date = np.where(_hit(model.date_day_lost, rng, changed) & full, date // 100 * 100, date)
    return np.where(_hit(model.date_missing, rng, changed), NO_DATE, date).astype(np.int32)


def _dropped(lists: Ragged, p: float, rng: np.random.Generator, changed: np.ndarray) -> Ragged:
    drop = (rng.random(len(lists.values)) < p) & changed[lists.owners]
    first = np.zeros(len(lists.values), bool)
    first[lists.offsets[:-1][lists.counts > 0]] = True
    return lists.keep(~drop | first)


def _replaced(lists: Ragged, p: float, rng: np.random.Generator, changed: np.ndarray) -> Ragged:
    swap = (rng.random(len(lists.values)) < p) & changed[lists.owners]
    if not len(lists.values):
        return lists
    drawn = lists.values[rng.integers(0, len(lists.values), len(lists.values))]
    return Ragged(lists.offsets, np.where(swap, drawn, lists.values).astype(np.int32))


def _added(lists: Ragged, p: float, rng: np.random.Generator, changed: np.ndarray) -> Ragged:
    owners = np.flatnonzero(_hit(p, rng, changed))
    if not len(lists.values):
        return lists
    return lists.append(owners, lists.values[rng.integers(0, len(lists.values), len(owners))])
