"""Reports of a report store, ready for counting."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cinchona.errors import ConfigError
from cinchona.pharmacovigilance.signals.counting.columns import encode_labels
from cinchona.pharmacovigilance.signals.counting.incidence import Incidence, build_incidence
from cinchona.pharmacovigilance.signals.counting.reports import MAX_ROLES, CaseReports

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.analysis import AnalysisView

FACT_COLUMNS: Final = (
    "source", "quarter", "received_date", "event_date", "age_years", "sex", "country", "reporter_occupation", "serious",
)  # fmt: skip
"""Columns of the view's cases that become facts."""


def reports_of_view(view: AnalysisView) -> CaseReports:
    """Read the analysis view of a store: current distinct cases, one drug or reaction once a case.

    Case ids are the store's ``report_key``, so any query on the store can name a case list.
    """
    columns = ["report_no", "report_key", *FACT_COLUMNS]
    cases = pq.read_table(view.path("cases"), columns=[c for c in columns if c in _names(view, "cases")])
    cases = cases.sort_by("report_no")
    n_cases = cases.num_rows
    drugs, drug_labels, roles = _drugs(view, n_cases)
    table = pq.read_table(view.path("reactions"), columns=["report_no", "reaction_id"])
    order, labels = _name_order(view, "reaction_names", "reaction_id", "reaction")
    events = _incidence(table, "reaction_id", order, np.zeros(table.num_rows, np.uint8), n_cases)
    facts = {name: cases[name].combine_chunks() for name in cases.column_names if name in FACT_COLUMNS}
    keys = cases["report_key"].combine_chunks()
    complete = (drugs.sizes > 0) & (events.sizes > 0)
    return CaseReports(keys, drugs, events, drug_labels, labels, complete, roles, facts=MappingProxyType(facts))


def _drugs(view: AnalysisView, n_cases: int) -> tuple[Incidence, pa.Array, tuple[str, ...]]:
    table = pq.read_table(view.path("drugs"), columns=["report_no", "drug_id", "role"])
    codes, role_labels = encode_labels(table["role"])
    if len(role_labels) > MAX_ROLES:
        raise ConfigError(f"the store holds {len(role_labels)} drug roles", expected=f"at most {MAX_ROLES}")
    bits = np.append(1 << np.arange(len(role_labels)), 0).astype(np.uint8)[codes]
    order, labels = _name_order(view, "drug_names", "drug_id", "drug")
    return _incidence(table, "drug_id", order, bits, n_cases), labels, tuple(role_labels.to_pylist())


def _name_order(view: AnalysisView, table: str, key: str, name: str) -> tuple[np.ndarray, pa.Array]:
    """Code of each id, int32, and the names in the order of the codes (by bytes)."""
    names = pq.read_table(view.path(table), columns=[key, name])
    labels = names[name].combine_chunks().cast(pa.string())
    order = pc.sort_indices(labels).to_numpy()
    code = np.empty(int(pc.max(names[key]).as_py() or 0) + 1 if len(names) else 0, np.int32)
    code[names[key].to_numpy()[order]] = np.arange(len(order), dtype=np.int32)
    return code, labels.take(pa.array(order))


def _incidence(table: pa.Table, key: str, code: np.ndarray, bits: np.ndarray, n_cases: int) -> Incidence:
    items = code[table[key].to_numpy()]
    return build_incidence(table["report_no"].to_numpy(), items, bits, n_cases=n_cases, n_items=len(code))


def _names(view: AnalysisView, table: str) -> Any:  # noqa: ANN401 - a list of names
    return pq.read_schema(view.path(table)).names
