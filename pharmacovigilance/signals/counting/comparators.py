"""Other comparators than all other reports: the drugs of a class, or any list of cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from cinchona.errors import InputError
from cinchona.pharmacovigilance.signals.counting.columns import positions
from cinchona.pharmacovigilance.signals.counting.count import CountConfig, count_pairs
from cinchona.pharmacovigilance.signals.counting.pairs import PairCounts
from cinchona.pharmacovigilance.signals.counting.reports import CaseReports


def count_within_class(
    reports: CaseReports, members: Iterable[str], *, name: str, config: CountConfig | None = None
) -> PairCounts:
    """Count the drugs of a class against each other.

    The universe is cut down to reports that list, in a chosen role, at least one drug of the class; ``c`` and ``d``
    are the reports of that universe without the drug. Only pairs of drugs of the class are returned.

    Args:
        reports: The reports.
        members: Drugs of the class; names that do not occur are ignored as long as one does.
        name: Name of the class, for the definition.
        config: What is counted.

    Raises:
        InputError: if no member occurs.
    """
    wanted = config or CountConfig()
    counts = count_pairs(reports_of_class(reports, members, name=name, roles=wanted.roles), wanted)
    comparator = f"reports with another drug of the class {name!r}"
    return replace(counts, definition=replace(counts.definition, comparator=comparator))


def reports_of_class(
    reports: CaseReports, members: Iterable[str], *, name: str, roles: Iterable[str] | None = None
) -> CaseReports:
    """Cut reports down to those with a drug of a class in one of ``roles``, and their drugs to those of the class.

    Raises:
        InputError: if no member occurs.
    """
    names = pa.chunked_array([pa.array(list(members), pa.string())])
    codes = positions(names, reports.drug_labels)
    codes = codes[codes >= 0]
    if len(codes) == 0:
        raise InputError(f"no drug of the class {name!r} occurs in the reports", expected="names as in the reports")
    member = np.zeros(len(reports.drug_labels), bool)
    member[codes] = True
    with_any = reports.in_roles(roles).drugs.only(member).sizes > 0
    return replace(reports, drugs=reports.drugs.only(member)).select(with_any)


def count_against_cases(
    reports: CaseReports,
    drug: str,
    comparator: Iterable[Any],
    *,
    name: str,
    config: CountConfig | None = None,
) -> PairCounts:
    """Count one drug against a list of comparator cases, for example users of an alternative treatment.

    The universe is the reports with the drug in a chosen role and the listed cases; ``c`` and ``d`` are the listed
    cases that do not have the drug in a chosen role. Cases that are both count as exposed.

    Args:
        reports: The reports.
        drug: Name of the drug.
        comparator: Ids of the comparator cases.
        name: What the list is, for the definition.
        config: What is counted.

    Raises:
        UnknownNameError: if the drug does not occur.
        InputError: if no id of the list occurs.
    """
    wanted = config or CountConfig()
    code = reports.drug_code(drug)
    exposed = reports.in_roles(wanted.roles).drugs.cases_of(code)
    counts = count_pairs(reports.select(exposed | reports.case_mask(comparator)), wanted)
    inside = counts.take(counts.drug == code)
    return replace(inside, definition=replace(counts.definition, comparator=f"unexposed reports of the list {name!r}"))


def class_members(classes: Mapping[str, str]) -> dict[str, list[str]]:
    """Turn a mapping drug to class into class to drugs, both ascending."""
    found: dict[str, list[str]] = {}
    for drug in sorted(classes):
        found.setdefault(classes[drug], []).append(drug)
    return dict(sorted(found.items()))
