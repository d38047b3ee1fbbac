"""Why two reports were linked: both values of every field, the bits that each gives, and the terms that they share."""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cinchona.errors import UsageError
from cinchona.pharmacovigilance.lazy_table import LazyTable
from cinchona.pharmacovigilance.linking.kernels import FIELDS
from cinchona.pharmacovigilance.runs import Run, latest_run
from cinchona.pharmacovigilance.sql import literal

if TYPE_CHECKING:
    from cinchona.pharmacovigilance.store import ReportStore

_SHOWN: Final = 10
_VALUES: Final = {"sex": "sex", "age": "age_years", "country": "country", "date": "event_date"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one field says."""

    field: str
    """sex, age, country, date, drugs, reactions or guard."""
    left: str
    """Value of the first report."""
    right: str
    """Value of the second."""
    bits: float
    """Weight; positive speaks for one event, negative against, 0 says nothing."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why two reports were linked."""

    report_keys: tuple[int, int]
    """Keys of the two."""
    kinds: tuple[str, ...]
    """exact, manufacturer_number, hit_miss."""
    counts: bool
    """True when the link counts, False when it is only a suspicion."""
    posterior: float
    """Probability that both are one event."""
    evidence: tuple[Evidence, ...]
    """One entry per field; their bits and the guard add up to the score."""
    shared: tuple[tuple[str, str, int, float], ...]
    """Shared terms: kind, name, cases that have it, bits before the guard."""

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def text(self) -> str:
        """Lay the explanation out for people."""
        state = "linked" if self.counts else "suspected only"
        lines = [f"{state} by {', '.join(self.kinds)}; probability {self.posterior:.4f}"]
        lines += [f"  {e.field:<10} {e.left:<28} {e.right:<28} {e.bits:+6.1f} bits" for e in self.evidence]
        rarest = sorted(self.shared, key=lambda term: term[2])
        lines += [
            f"  both: {name} ({kind}, in {cases} cases) {bits:+.1f} bits" for kind, name, cases, bits in rarest[:_SHOWN]
        ]
        if len(rarest) > _SHOWN:
            lines.append(f"  and {len(rarest) - _SHOWN} commoner terms")
        return "\n".join(lines)


def links(store: ReportStore) -> LazyTable:
    """Return the links of the newest duplicate run, best first.

    Raises:
        UsageError: if there is none.
    """
    source = literal(str(_run(store).folder / "links.parquet"))
    return LazyTable(
        store.connection,
        f"SELECT * FROM read_parquet({source}) ORDER BY score DESC, report_key_a, report_key_b",
        "links",
    )


def _run(store: ReportStore) -> Run:
    run = latest_run(store.root, "duplicates")
    if run is None:
        raise UsageError("the store has no duplicate run", remedy="run: cinchona signals dedupe STORE")
    return run


def explain(store: ReportStore, left: int, right: int) -> Explanation:
    """Explain the link between two reports, given by their keys.

    Raises:
        UsageError: if they are not linked.
    """
    run = _run(store)
    found = (
        links(store)
        .where("(report_key_a = ? AND report_key_b = ?) OR (report_key_a = ? AND report_key_b = ?)",
               [left, right, right, left])
        .arrow()
        .to_pylist()
    )  # fmt: skip
    if not found:
        raise UsageError(f"reports {left} and {right} are not linked", remedy="list the links of the newest run first")
    row = found[0]
    a, b = row["report_key_a"], row["report_key_b"]
    values = _values(store, a, b)
    evidence = [Evidence(f, *values[f], round(row[f"bits_{f}"], 2)) for f in FIELDS]
    evidence.append(Evidence("guard", "", "", round(row["bits_guard"], 2)))
    kinds = tuple(dict.fromkeys(str(r["kind"]) for r in found))
    shared = _shared(store, a, b, run)
    return Explanation((a, b), kinds, any(r["counts"] for r in found), row["posterior"], tuple(evidence), shared)


def _values(store: ReportStore, a: int, b: int) -> dict[str, tuple[str, str]]:
    view = store.analysis_view(duplicates="keep")
    rows = {r["report_key"]: r for r in view.cases.where("report_key IN (?, ?)", [a, b]).arrow().to_pylist()}
    out = {f: (_shown(rows[a][c]), _shown(rows[b][c])) for f, c in _VALUES.items()}
    for table, names, code in (("drugs", "drug_names", "drug"), ("reactions", "reaction_names", "reaction")):
        sizes = [
            view.sql(
                f"SELECT count(DISTINCT {code}_id) AS n FROM {table} WHERE report_no = {rows[k]['report_no']}"
            ).arrow()[0][0].as_py()
            for k in (a, b)
        ]  # fmt: skip
        out[table] = (f"{sizes[0]} {names.split('_')[0]}s", f"{sizes[1]} {names.split('_')[0]}s")
    return out


def _shown(value: Any) -> str:  # noqa: ANN401 - a value of any column
    return "not given" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _shared(store: ReportStore, a: int, b: int, run: Run) -> tuple[tuple[str, str, int, float], ...]:
    view, rates = store.analysis_view(duplicates="keep"), run.header["rates"]
    out: list[tuple[str, str, int, float]] = []
    for table, kind in (("drugs", "drug"), ("reactions", "reaction")):
        rows = view.sql(
            f"WITH mine AS (SELECT {kind}_id FROM {table} JOIN cases USING (report_no) "
            f"WHERE report_key IN ({a}, {b}) GROUP BY {kind}_id HAVING count(DISTINCT report_no) = 2) "
            f"SELECT {kind}, count(DISTINCT report_no) AS n FROM mine JOIN {kind}_names USING ({kind}_id) "
            f"JOIN {table} USING ({kind}_id) GROUP BY {kind} ORDER BY n, {kind}"
        ).arrow()
        for row in rows.to_pylist():
            share = row["n"] / view.n_cases
            bits = float(np.log2((1 - rates[kind] * (1 - share)) / share))
            out.append((kind, row[kind], row["n"], round(bits, 2)))
    return tuple(out)
