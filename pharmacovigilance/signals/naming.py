"""Loud names: a name that matches nothing is answered with the nearest ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.pharmacovigilance.signals.errors import UnknownNameError


def nearest_names(name: str, labels: pa.Array | Iterable[str], *, n: int = 3, cutoff: float = 60.0) -> list[str]:
    """Return up to ``n`` labels like ``name``, best first, by rapidfuzz's weighted ratio in [0, 100].

    Case and surrounding blanks are ignored; labels under ``cutoff`` are not offered.
    """
    from rapidfuzz import fuzz, process
    from rapidfuzz.utils import default_process

    choices = [str(label) for label in (labels.to_pylist() if isinstance(labels, pa.Array) else labels)]
    found = process.extract(name, choices, scorer=fuzz.WRatio, processor=default_process, limit=n, score_cutoff=cutoff)
    return [label for label, _, _ in found]


def code_of(labels: pa.Array, name: str, *, what: str) -> int:
    """Position of ``name`` among ``labels``; if no label is spelled like it, of the only one that differs in case.

    Raises:
        UnknownNameError: if it does not occur, with the nearest names; ``what`` says what it is a name of.
    """
    code = pc.index(labels, pa.scalar(name, labels.type)).as_py()
    if code >= 0:
        return int(code)
    alike = np.flatnonzero(pc.equal(pc.utf8_lower(labels), name.lower()).to_numpy(zero_copy_only=False))
    if len(alike) == 1:
        return int(alike[0])
    near = [labels[int(k)].as_py() for k in alike] or nearest_names(name, labels)
    hint = f"did you mean {', '.join(map(repr, near))}?" if near else "see the labels of the reports"
    raise UnknownNameError(f"no {what} is called {name!r}", expected=f"one of {len(labels)} names", remedy=hint)
