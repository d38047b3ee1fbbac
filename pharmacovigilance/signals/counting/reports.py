"""Reports as the counting sees them: distinct drugs and events of each case, and a few facts about the case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinchona.errors import ConfigError, InputError
from cinchona.pharmacovigilance.signals.counting.columns import (
    ReportColumns,
    distinct_ids,
    encode_labels,
    positions,
    to_arrow,
)
from cinchona.pharmacovigilance.signals.counting.incidence import Incidence, build_incidence
from cinchona.pharmacovigilance.signals.errors import UnknownNameError
from cinchona.pharmacovigilance.signals.naming import code_of

MAX_ROLES: Final = 8
"""Distinct roles that can be told apart."""


@dataclass(frozen=True, slots=True)
class CaseReports:
    """Cases with their distinct drugs and events; the one input of all counting."""

    case_ids: pa.Array
    """Id of each case, ascending, length n_cases."""
    drugs: Incidence
    """Distinct drugs of each case, with role bits."""
    events: Incidence
    """Distinct events of each case."""
    drug_labels: pa.Array
    """Name of each drug code, string, ascending."""
    event_labels: pa.Array
    """Name of each event code, string, ascending."""
    complete: np.ndarray
    """True for cases that list at least one drug, in any role, and one event, bool, shape (n_cases,); grouping and the
    choice of roles leave it alone."""
    roles: tuple[str, ...] = ()
    """Role of each role bit, ascending; empty when the drugs carry no roles."""
    facts: Mapping[str, pa.Array] = field(default_factory=lambda: MappingProxyType({}))
    """Columns of the case table (age, sex, date, …), each of length n_cases; null for cases without a row there."""
    set_aside: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Rows that could not be used, by reason."""

    def __len__(self) -> int:
        return len(self.case_ids)

    def select(self, cases: np.ndarray) -> CaseReports:
        """Keep the cases of the mask (bool, shape (n_cases,)); codes and labels stay."""
        mask = pa.array(cases)
        return replace(
            self,
            case_ids=self.case_ids.filter(mask),
            drugs=self.drugs.select(cases),
            events=self.events.select(cases),
            complete=self.complete[cases],
            facts=MappingProxyType({name: column.filter(mask) for name, column in self.facts.items()}),
        )

    def in_roles(self, roles: Iterable[str] | None) -> CaseReports:
        """Keep drugs that a case lists in one of ``roles``; None keeps all. Cases stay.

        Raises:
            UnknownNameError: if a role does not occur.
        """
        if roles is None:
            return self
        wanted = 0
        for role in roles:
            if role not in self.roles:
                have = (
                    f"one of {', '.join(self.roles)}"
                    if self.roles
                    else "no roles: the drugs of these reports carry none"
                )
                raise UnknownNameError(f"no drug has the role {role!r}", expected=have)
            wanted |= 1 << self.roles.index(role)
        return replace(self, drugs=self.drugs.with_bits(wanted))

    def drug_code(self, name: str) -> int:
        """Code of the drug called ``name``.

        Raises:
            UnknownNameError: with the nearest names.
        """
        return code_of(self.drug_labels, name, what="drug")

    def event_code(self, name: str) -> int:
        """Code of the event called ``name``.

        Raises:
            UnknownNameError: with the nearest names.
        """
        return code_of(self.event_labels, name, what="event")

    def cases_with(self, *, drug: str | None = None, event: str | None = None) -> np.ndarray:
        """Mask of the cases with ``drug`` and ``event``, bool, shape (n_cases,)."""
        mask = np.ones(len(self), bool)
        if drug is not None:
            mask &= self.drugs.cases_of(self.drug_code(drug))
        if event is not None:
            mask &= self.events.cases_of(self.event_code(event))
        return mask

    def case_mask(self, ids: Iterable[Any]) -> np.ndarray:
        """Mask of the cases in a list of ids, bool, shape (n_cases,).

        Raises:
            InputError: if no id of the list is a case here.
        """
        wanted = pa.chunked_array([pa.array(list(ids))])
        found = positions(wanted, self.case_ids) if len(wanted) else np.zeros(0, np.int32)
        if not (found >= 0).any():
            raise InputError(
                f"none of the {len(wanted)} ids of the case list is a case of these reports",
                expected=f"ids like {self.case_ids.slice(0, 3).to_pylist()}",
            )
        mask = np.zeros(len(self), bool)
        mask[found[found >= 0]] = True
        return mask


def read_reports(
    drugs: Any,  # noqa: ANN401 - frames of four libraries
    reactions: Any,  # noqa: ANN401
    cases: Any = None,  # noqa: ANN401
    *,
    columns: ReportColumns | None = None,
    facts: Iterable[str] | None = None,
) -> CaseReports:
    """Build :class:`CaseReports` from a drug table, a reaction table and, if there is one, a case table.

    The order of rows and repeated rows do not matter. Rows with a null case, drug or event are set aside and counted.

    Args:
        drugs: Columns case, drug and optionally role; Arrow, Polars or pandas.
        reactions: Columns case and event.
        cases: One row a case with further columns (age, sex, date, …); None if there is none.
        columns: Names of the columns.
        facts: Columns of ``cases`` to keep; None keeps all.

    Raises:
        ColumnError: if a column is missing.
        InputError: if the case table repeats a case.
        ConfigError: if there are more than eight roles.
    """
    names = columns or ReportColumns()
    drug_table = to_arrow(drugs, _drug_columns(drugs, names), what="drug table")
    event_table = to_arrow(reactions, [names.case_id, names.event], what="reaction table")
    case_table = None if cases is None else _case_table(cases, names, facts)
    tables = [drug_table, event_table] + ([] if case_table is None else [case_table])
    ids = distinct_ids([table[names.case_id] for table in tables])
    bits, roles = _role_bits(drug_table, names)
    drug_part = _incidence(drug_table, names.case_id, names.drug, ids=ids, bits=bits)
    no_bits = np.zeros(event_table.num_rows, np.uint8)
    event_part = _incidence(event_table, names.case_id, names.event, ids=ids, bits=no_bits)
    set_aside = {"drug rows without case or drug": drug_part[2], "reaction rows without case or event": event_part[2]}
    return CaseReports(
        ids, drug_part[0], event_part[0], drug_part[1], event_part[1],
        (drug_part[0].sizes > 0) & (event_part[0].sizes > 0), roles,
        facts=MappingProxyType({} if case_table is None else _facts(case_table, names.case_id, ids)),
        set_aside=MappingProxyType(set_aside),
    )  # fmt: skip


def reports_of_lists(
    exposures: Mapping[str, Iterable[Any]], events: Mapping[str, Iterable[Any]], universe: Iterable[Any]
) -> CaseReports:
    """Build reports from arbitrary case lists: each named list of case ids is an exposure or an event.

    Args:
        exposures: Name to case ids; for example the result of any query.
        events: Name to case ids.
        universe: All case ids; ids of the lists that are not in it are not counted.
    """
    all_ids = pa.table({"case_id": pa.array(list(universe))})
    parts = []
    for lists, name in ((exposures, "drug"), (events, "event")):
        pairs = [(case, label) for label, ids in lists.items() for case in ids]
        case_column = pa.array([case for case, _ in pairs], all_ids["case_id"].type)
        known = pc.is_in(case_column, value_set=all_ids["case_id"].combine_chunks())
        table = pa.table({"case_id": case_column, name: pa.array([label for _, label in pairs], pa.string())})
        parts.append(table.filter(known))
    return read_reports(parts[0], parts[1], all_ids)


def _drug_columns(drugs: Any, names: ReportColumns) -> list[str]:  # noqa: ANN401
    have = getattr(drugs, "column_names", None) or list(
        drugs.collect_schema().names() if hasattr(drugs, "collect_schema") else drugs.columns
    )
    return [names.case_id, names.drug] + ([names.role] if names.role in have else [])


def _case_table(cases: Any, names: ReportColumns, facts: Iterable[str] | None) -> pa.Table:  # noqa: ANN401
    if facts is None:
        schema_names = getattr(cases, "column_names", None)
        facts = [c for c in (schema_names or list(cases.collect_schema().names() if hasattr(cases, "collect_schema")
                                                  else cases.columns)) if c != names.case_id]  # fmt: skip
    return to_arrow(cases, [names.case_id, *facts], what="case table")


def _role_bits(table: pa.Table, names: ReportColumns) -> tuple[np.ndarray, tuple[str, ...]]:
    if names.role not in table.column_names:
        return np.zeros(table.num_rows, np.uint8), ()
    codes, labels = encode_labels(table[names.role])
    if len(labels) > MAX_ROLES:
        raise ConfigError(
            f"the column {names.role!r} holds {len(labels)} roles", expected=f"at most {MAX_ROLES}",
            remedy="map the roles to PS, SS, C and I first",
        )  # fmt: skip
    shifted = np.append(1 << np.arange(len(labels)), 0).astype(np.uint8)  # code -1 has no role
    return shifted[codes], tuple(labels.to_pylist())


def _incidence(
    table: pa.Table, case_column: str, item_column: str, *, ids: pa.Array, bits: np.ndarray
) -> tuple[Incidence, pa.Array, int]:
    codes, labels = encode_labels(table[item_column])
    cases = positions(table[case_column], ids)
    usable = (codes >= 0) & (cases >= 0)
    lost = int(len(usable) - usable.sum())
    if lost:
        codes, cases, bits = codes[usable], cases[usable], bits[usable]
    return build_incidence(cases, codes, bits, n_cases=len(ids), n_items=len(labels)), labels, lost


def _facts(table: pa.Table, case_column: str, ids: pa.Array) -> dict[str, pa.Array]:
    where = positions(table[case_column], ids)
    rows = np.flatnonzero(where >= 0)
    row_of_case = np.full(len(ids), -1, np.int64)
    row_of_case[where[rows]] = rows
    if len(np.unique(where[rows])) != len(rows):
        raise InputError(
            "the case table lists a case more than once", expected="one row a case",
            remedy="keep the latest version of each case before counting",
        )  # fmt: skip
    index = pa.array(row_of_case, mask=row_of_case < 0)
    return {name: table[name].combine_chunks().take(index) for name in table.column_names if name != case_column}
