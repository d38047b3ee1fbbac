"""How often drugs and reactions are reported, and what goes together: Zipf margins, tilts and injected signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cinchona import seeds

_TABLE: Final = 1 << 20
"""Resolution of the tables that categories are drawn from: shares are exact to 1e-6."""
_ONSETS: Final = ("b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "cl", "dr", "pr", "tr")
_VOWELS: Final = ("a", "e", "i", "o", "u", "y")
_DRUG_ENDS: Final = ("mab", "nib", "pril", "statin", "zole", "xaban", "gliptin", "olol", "idine", "azepam", "oxacin")
_REACTION_ENDS: Final = ("itis", "aemia", "algia", "osis", "pathy", "openia", "rrhage", "oedema", "plegia", "uria")


@dataclass(frozen=True, slots=True)
class Margins:
    """Tables to draw drugs and reactions from."""

    drug_tables: np.ndarray
    """Drug codes, int32, shape (2, 2**20): row 0 for women, row 1 for men."""
    reaction_tables: np.ndarray
    """Reaction codes in the same form."""
    reaction_share: np.ndarray
    """Share of each reaction among background reaction rows, float64, shape (n_reactions,)."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Injected associations: of the cases with the drug, a stated share gets the reaction on top."""

    drug: np.ndarray
    """Drug code, int32, shape (n,)."""
    reaction: np.ndarray
    """Reaction code, int32, shape (n,)."""
    relative: np.ndarray
    """Reporting rate of the reaction with the drug over its background rate, float64, shape (n,)."""
    probability: np.ndarray
    """Chance that a case with the drug gets the reaction from the signal, float64, shape (n,)."""
    begin: np.ndarray
    """First quarter (0-based) in which it acts, int16, shape (n,)."""


def draw_margins(n_drugs: int, n_reactions: int, *, exponent: float, sex_tilt: float, seed: int) -> Margins:
    """Make Zipf margins with ``exponent``; a tilt makes some drugs and reactions more common in one sex.

    Args:
        n_drugs: Number of drugs.
        n_reactions: Number of reactions.
        exponent: Share of the k-th most common is proportional to ``k ** -exponent``.
        sex_tilt: Standard deviation of the log odds between the sexes; 0 for none.
        seed: Seed.
    """
    tables, share = {}, np.empty(0)
    for name, n in (("drug", n_drugs), ("reaction", n_reactions)):
        rng = seeds.rng(seed, "margins", name)
        share = np.arange(1, n + 1, dtype=np.float64) ** -exponent
        share /= share.sum()
        tilt = np.exp(rng.normal(0, sex_tilt / 2, n))
        tables[name] = np.stack([_table(share * tilt), _table(share / tilt)])
    return Margins(tables["drug"], tables["reaction"], share)


def _table(weight: np.ndarray) -> np.ndarray:
    edges = np.cumsum(weight / weight.sum())
    return np.searchsorted(edges, (np.arange(_TABLE) + 0.5) / _TABLE).clip(max=len(weight) - 1).astype(np.int32)


def draw_from(table: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``size`` codes from one row of a table."""
    return np.asarray(table[rng.integers(0, _TABLE, size, dtype=np.int32)])


def draw_signals(margins: Margins, n: int, *, per_case: float, quarters: int, seed: int) -> Signals:
    """Inject ``n`` signals between drugs and reactions of the commoner half, each pair once.

    Relative rates are 2 to 20, evenly in the logarithm; a third of the signals begins later than the first quarter.

    Args:
        margins: Margins of the background.
        n: Number of signals.
        per_case: Mean number of background reactions of a case.
        quarters: Number of quarters.
        seed: Seed.
    """
    rng = seeds.rng(seed, "signals")
    n_drugs, n_reactions = int(margins.drug_tables.max()) + 1, len(margins.reaction_share)
    pairs = rng.choice((n_drugs // 2) * (n_reactions // 2), size=n, replace=False)
    drug, reaction = pairs // (n_reactions // 2), pairs % (n_reactions // 2)
    relative = np.exp(rng.uniform(np.log(2), np.log(20), n))
    base = 1 - np.exp(-per_case * margins.reaction_share[reaction])
    probability = np.clip((relative - 1) * base / (1 - base), 0, 0.5)
    begin = np.where(rng.random(n) < 1 / 3, rng.integers(0, quarters, n), 0)
    order = np.argsort(drug, kind="stable")
    return Signals(
        drug[order].astype(np.int32),
        reaction[order].astype(np.int32),
        ((base + probability * (1 - base)) / base)[order],
        probability[order],
        begin[order].astype(np.int16),
    )


def invent_names(n: int, kind: str, *, seed: int) -> list[str]:
    """Invent ``n`` distinct pronounceable names of drugs (``kind='drug'``) or reactions."""
    rng = seeds.rng(seed, "names", kind)
    ends = _DRUG_ENDS if kind == "drug" else _REACTION_ENDS
    found: dict[str, None] = {}
    while len(found) < n:
        parts = [rng.choice(_ONSETS, 4096), rng.choice(_VOWELS, 4096), rng.choice(_ONSETS, 4096)]
        parts += [rng.choice(_VOWELS, 4096), rng.choice(ends, 4096)]
        extra = np.where(rng.random(4096) < 0.5, rng.choice(_ONSETS, 4096), "")
        words = ("".join(w) for w in zip(*parts[:2], extra, *parts[2:], strict=True))
        found.update(dict.fromkeys(w.upper() if kind == "drug" else w.capitalize() for w in words))
    return list(found)[:n]
