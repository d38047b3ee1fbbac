"""Reading two public samples in Parquet: 5,000 FAERS reports of 2014, and the cleaned DiAna sample of 1,000.

Both name suspects in their own way: the first numbers roles as E2B does (1 suspect, 2 concomitant, 3 interacting; the
first suspect gets PS), DiAna keeps the codes of FAERS.
"""

from __future__ import annotations

# ruff: noqa: S608 - every value that enters a query is spelled by cinchona.pharmacovigilance.sql
import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from cinchona.pharmacovigilance import failpoints
from cinchona.pharmacovigilance.intake.arrow_blocks import Part
from cinchona.pharmacovigilance.intake.columns import TextKeys
from cinchona.pharmacovigilance.intake.filesets import FileSet
from cinchona.pharmacovigilance.intake.layout import FileLayout, Kind, Source
from cinchona.pharmacovigilance.intake.sink import Sink
from cinchona.pharmacovigilance.sql import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinchona.pharmacovigilance.intake.archives import Member
    from cinchona.pharmacovigilance.intake.writer import SetWriter
    from cinchona.progress import Progress

_SAMPLE: Final = re.compile(r"^(reports|drugs|reactions)\.parquet$")
_DIANA: Final = re.compile(r"^\w*?_?(Demo|Demo_Supp|Drug|Drug_Name|Drug_Supp|Doses|Reac|Outc|Indi|Ther)\.parquet$")
_DIANA_NEEDED: Final = ("Demo", "Demo_Supp", "Drug", "Drug_Name", "Drug_Supp", "Doses", "Reac", "Outc", "Indi", "Ther")

_SAMPLE_SQL: Final = {
    "cases": (
        "reports",
        """SELECT file_row_number + 1 AS row, safetyreportid AS report_id, receivedate AS received_date,
            CASE primarysource_qualifier WHEN 1 THEN 'MD' WHEN 2 THEN 'PH' WHEN 3 THEN 'HP' WHEN 4 THEN 'LW'
            WHEN 5 THEN 'CN' END AS reporter_occupation FROM reports ORDER BY row""",
    ),
    "drugs": (
        "drugs",
        """SELECT file_row_number + 1 AS row, safetyreportid AS report_id, drug_name AS name,
            row_number() OVER (PARTITION BY safetyreportid ORDER BY file_row_number) AS drug_seq,
            CASE role WHEN 1 THEN CASE row_number() OVER (PARTITION BY safetyreportid, role ORDER BY file_row_number)
            WHEN 1 THEN 'PS' ELSE 'SS' END WHEN 2 THEN 'C' WHEN 3 THEN 'I' ELSE CAST(role AS VARCHAR) END AS role
            FROM drugs ORDER BY row""",
    ),
    "reactions": (
        "reactions",
        "SELECT file_row_number + 1 AS row, safetyreportid AS report_id, meddra_pt AS term FROM reactions ORDER BY row",
    ),
}
_ID: Final = "CAST(CAST({0}primaryid AS BIGINT) AS VARCHAR) AS report_id"
_DIANA_SQL: Final = {
    "cases": (
        "Demo",
        f"""SELECT d.file_row_number + 1 AS row, {_ID.format("d.")}, s.caseid AS case_id, s.caseversion AS version,
            s.i_f_cod AS initial_or_followup, d.event_dt AS event_date, d.fda_dt AS received_date,
            d.init_fda_dt AS first_received_date, s.mfr_dt AS manufacturer_date, s.rept_dt AS report_date,
            d.rept_cod AS report_kind, s.mfr_sndr AS manufacturer, s.mfr_num AS manufacturer_number,
            s.auth_num AS authority_number, s.lit_ref AS literature, d.age_in_days AS _age, 'DY' AS _age_unit,
            d.sex, d.wt_in_kgs AS _weight, d.occp_cod AS reporter_occupation, d.reporter_country,
            d.occr_country AS event_country, s.e_sub AS electronic
        FROM Demo d LEFT JOIN (SELECT * FROM Demo_Supp QUALIFY row_number() OVER (
            PARTITION BY primaryid ORDER BY file_row_number) = 1) s USING (primaryid) ORDER BY row""",
    ),
    "drugs": (
        "Drug_Name",
        f"""SELECT n.file_row_number + 1 AS row, {_ID.format("n.")}, n.drug_seq, r.role_cod AS role, n.drugname AS name,
            coalesce(n.prod_ai, r.substances) AS substance, n.val_vbm AS verbatim, n.nda_num AS application, s.route,
            s.dose_form, s.dechal AS dechallenge, s.rechal AS rechallenge, s.lot_num AS lot, s.exp_dt AS expiry,
            o.dose_vbm AS dose_text, o.dose_amt AS dose_amount, o.dose_unit, o.dose_freq AS dose_frequency,
            o.cum_dose_chr AS cumulative_dose, o.cum_dose_unit AS cumulative_unit
        FROM Drug_Name n
        LEFT JOIN (SELECT primaryid, drug_seq, min(role_cod) AS role_cod, string_agg(substance, '\\') AS substances
                   FROM Drug GROUP BY ALL) r USING (primaryid, drug_seq)
        LEFT JOIN (SELECT DISTINCT ON (primaryid, drug_seq) * FROM Drug_Supp) s USING (primaryid, drug_seq)
        LEFT JOIN (SELECT DISTINCT ON (primaryid, drug_seq) * FROM Doses) o USING (primaryid, drug_seq)
        ORDER BY row""",
    ),
    "reactions": (
        "Reac",
        f"SELECT file_row_number + 1 AS row, {_ID.format('')}, pt AS term, drug_rec_act AS recurred FROM Reac ORDER BY row",
    ),
    "outcomes": (
        "Outc",
        f"SELECT file_row_number + 1 AS row, {_ID.format('')}, outc_cod AS outcome FROM Outc ORDER BY row",
    ),
    "indications": (
        "Indi",
        f"SELECT file_row_number + 1 AS row, {_ID.format('')}, drug_seq, indi_pt AS term FROM Indi ORDER BY row",
    ),
    "therapies": (
        "Ther",
        f"""SELECT file_row_number + 1 AS row, {_ID.format("")}, drug_seq, start_dt AS start_date, end_dt AS end_date,
            dur_in_days AS _duration, 'DY' AS _duration_unit FROM Ther ORDER BY row""",
    ),
    "reporters": (
        "Demo_Supp",
        f"""SELECT file_row_number + 1 AS row, {_ID.format("")}, rpsr_cod AS reporter FROM Demo_Supp
            WHERE rpsr_cod IS NOT NULL ORDER BY row""",
    ),
}
"""By table: the file whose rows become its rows, and how."""

_KINDS: Final[dict[str, Kind]] = {
    "case_id": "text", "manufacturer_number": "text", "authority_number": "text", "literature": "text", "lot": "text",
    "version": "integer", "drug_seq": "integer", "sex": "sex", "role": "role", "electronic": "flag",
    "_age": "decimal", "_weight": "decimal", "_duration": "decimal",
}  # fmt: skip


class ParquetSampleReader:
    """Reads one sample with SQL over its files."""

    def __init__(self, version: str, queries: dict[str, tuple[str, str]]) -> None:
        self.version = version
        self._queries = queries

    def new_keys(self) -> TextKeys:
        """Return an empty map of report ids."""
        return TextKeys()

    def read(self, file_set: FileSet, writer: SetWriter, bar: Progress) -> None:
        """Read the files."""
        import duckdb

        connection = duckdb.connect()
        for name, members in file_set.files.items():
            path = literal(str(members[0].path))
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({path}, file_row_number = true)")
        for table, (main, query) in self._queries.items():
            part = _part(connection.sql(query).to_arrow_table())
            names = part.table.column_names
            columns = (Source(n, (n,), _kind(n)) for n in names if n != "report_id")
            layout = FileLayout(main, table, tuple(columns))
            sink = Sink(layout, file_set.files[main][0].name, writer, names=names, bar=bar)
            sink.add(part)
            sink.close()
            failpoints.reach("ingest.between-files")


def find_samples(members: Sequence[Member]) -> list[FileSet]:
    """Find the two samples by the names of their files."""
    found = []
    for pattern, needed, source, reader in (
        (_SAMPLE, ("reports", "drugs", "reactions"), "sample", ParquetSampleReader("sample-1", _SAMPLE_SQL)),
        (_DIANA, _DIANA_NEEDED, "faers", ParquetSampleReader("diana-1", _DIANA_SQL)),
    ):
        files = {match[1]: [m] for m in members if not m.inner and (match := pattern.match(m.base))}
        if set(needed) <= set(files):
            found.append(FileSet(source, "unknown", reader, {name: files[name] for name in needed}))
    return found


def _kind(name: str) -> Kind:
    return "date" if name.endswith("_date") else _KINDS.get(name, "category")


def _part(table: pa.Table) -> Part:
    return Part(table.drop_columns(["row"]), np.asarray(table.column("row").to_numpy(), np.int64))
