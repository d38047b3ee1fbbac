"""Grouping names: several drugs or events counted as one, by lists of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from cinchona.errors import InputError
from cinchona.pharmacovigilance.signals.counting.incidence import Incidence, build_incidence
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports


def group_events(reports: CaseReports, groups: Mapping[str, Sequence[str]], *, keep: bool = True) -> CaseReports:
    """Count the events of each group as one event; a report with two of them counts once.

    Args:
        reports: The reports.
        groups: Name of the group to its terms; a term may be in several groups. Terms are compared without regard to
            case; those that do not occur are ignored as long as one of the group does.
        keep: Also keep the single events beside the groups.

    Raises:
        InputError: if no term of a group occurs.
    """
    events, labels = _grouped(reports.events, reports.event_labels, groups, keep=keep)
    return replace(reports, events=events, event_labels=labels)


def group_drugs(reports: CaseReports, groups: Mapping[str, Sequence[str]], *, keep: bool = True) -> CaseReports:
    """Count the drugs of each group as one drug, as :func:`group_events` does for events; roles are kept."""
    drugs, labels = _grouped(reports.drugs, reports.drug_labels, groups, keep=keep)
    return replace(reports, drugs=drugs, drug_labels=labels)


def _grouped(
    incidence: Incidence, labels: pa.Array, groups: Mapping[str, Sequence[str]], *, keep: bool
) -> tuple[Incidence, pa.Array]:
    names = labels.to_pylist()
    code_of: dict[str, list[int]] = {}
    for code, name in enumerate(names):
        code_of.setdefault(name.casefold(), []).append(code)
    members = {group: [c for t in terms for c in code_of.get(t.casefold(), [])] for group, terms in groups.items()}
    for group, codes in members.items():
        if not codes:
            raise InputError(f"no term of the group {group!r} occurs", expected="names as in the reports")
    kept = [name for name in names if name not in groups] if keep else []
    new_labels = sorted([*kept, *groups], key=str.encode)
    place = {name: k for k, name in enumerate(new_labels)}
    targets: list[list[int]] = [
        [place[name]] if keep and name in place and name not in groups else [] for name in names
    ]
    for group, codes in members.items():
        for code in set(codes):
            targets[code].append(place[group])
    return _retarget(incidence, targets, len(new_labels)), pa.array(new_labels, pa.string())


def _retarget(incidence: Incidence, targets: list[list[int]], n_items: int) -> Incidence:
    sizes = np.array([len(t) for t in targets], np.int64)
    flat = np.array([code for t in targets for code in t], np.int32)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else np.zeros(0, np.int64)
    repeat = sizes[incidence.codes]
    case = np.repeat(np.repeat(np.arange(incidence.n_cases, dtype=np.int32), incidence.sizes), repeat)
    within = np.arange(len(case)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    items = flat[np.repeat(starts[incidence.codes], repeat) + within]
    bits = np.repeat(incidence.bits, repeat)
    return build_incidence(case, items, bits, n_cases=incidence.n_cases, n_items=n_items)
