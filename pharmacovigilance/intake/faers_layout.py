"""The columns of FAERS and legacy AERS files by table, under every name that they had since 2004.

Names changed with the eras: legacy AERS (2004Q1 to 2012Q3) is keyed by ISR; FAERS (from 2012Q4) by primaryid; sex was
``gndr_cod`` until 2014Q2, ``lot_nbr`` became ``lot_num``, ``outc_code`` became ``outc_cod``, and ``prod_ai``,
``age_grp``, ``lit_ref`` and ``auth_num`` came in 2014Q3. Source: the ``Asc_nts`` and readme files in the quarterly zips.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cinchona.pharmacovigilance.intake.layout import FileLayout, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_NAMES: Final = ("primaryid", "isr")
"""Column that keys a row to its report: FAERS, legacy AERS."""
DELIMITER: Final = "$"
_SILENT: Final = frozenset({"caseid", "case"})

DEMO: Final = FileLayout(
    "DEMO",
    "cases",
    (
        Source("case_id", ("caseid", "case"), "text"),
        Source("version", ("caseversion",), "integer"),
        Source("initial_or_followup", ("i_f_code", "i_f_cod")),
        Source("event_date", ("event_dt",), "date"),
        Source("received_date", ("fda_dt",), "date"),
        Source("first_received_date", ("init_fda_dt",), "date"),
        Source("manufacturer_date", ("mfr_dt",), "date"),
        Source("report_date", ("rept_dt",), "date"),
        Source("death_date", ("death_dt",), "date"),
        Source("report_kind", ("rept_cod",)),
        Source("manufacturer", ("mfr_sndr",)),
        Source("manufacturer_number", ("mfr_num",), "text"),
        Source("authority_number", ("auth_num",), "text"),
        Source("literature", ("lit_ref",), "text"),
        Source("_age", ("age",), "decimal"),
        Source("_age_unit", ("age_cod",)),
        Source("age_group", ("age_grp",)),
        Source("sex", ("sex", "gndr_cod"), "sex"),
        Source("_weight", ("wt",), "decimal"),
        Source("_weight_unit", ("wt_cod",)),
        Source("reporter_occupation", ("occp_cod",)),
        Source("reporter_country", ("reporter_country",)),
        Source("event_country", ("occr_country",)),
        Source("electronic", ("e_sub",), "flag"),
    ),
    ID_NAMES,
)

DRUG: Final = FileLayout(
    "DRUG",
    "drugs",
    (
        Source("drug_seq", ("drug_seq",), "integer"),
        Source("role", ("role_cod",), "role", required=True),
        Source("name", ("drugname",), required=True),
        Source("substance", ("prod_ai",)),
        Source("route", ("route",)),
        Source("dose_text", ("dose_vbm",)),
        Source("dose_amount", ("dose_amt",)),
        Source("dose_unit", ("dose_unit",)),
        Source("dose_form", ("dose_form",)),
        Source("dose_frequency", ("dose_freq",)),
        Source("cumulative_dose", ("cum_dose_chr",)),
        Source("cumulative_unit", ("cum_dose_unit",)),
        Source("dechallenge", ("dechal",)),
        Source("rechallenge", ("rechal",)),
        Source("lot", ("lot_num", "lot_nbr"), "text"),
        Source("expiry", ("exp_dt",)),
        Source("application", ("nda_num",)),
        Source("verbatim", ("val_vbm",)),
    ),
    ID_NAMES,
    silent=_SILENT,
)

REAC: Final = FileLayout(
    "REAC",
    "reactions",
    (Source("term", ("pt",), required=True), Source("recurred", ("drug_rec_act",))),
    ID_NAMES,
    silent=_SILENT,
)
OUTC: Final = FileLayout(
    "OUTC",
    "outcomes",
    (Source("outcome", ("outc_cod", "outc_code"), required=True),),
    ID_NAMES,
    silent=_SILENT,
)
INDI: Final = FileLayout(
    "INDI",
    "indications",
    (Source("drug_seq", ("indi_drug_seq", "drug_seq"), "integer"), Source("term", ("indi_pt",), required=True)),
    ID_NAMES,
    silent=_SILENT,
)
THER: Final = FileLayout(
    "THER",
    "therapies",
    (
        Source("drug_seq", ("dsg_drug_seq", "drug_seq"), "integer"),
        Source("start_date", ("start_dt",), "date", required=True),
        Source("end_date", ("end_dt",), "date"),
        Source("_duration", ("dur",), "decimal"),
        Source("_duration_unit", ("dur_cod",)),
    ),
    ID_NAMES,
    silent=_SILENT,
)
RPSR: Final = FileLayout(
    "RPSR", "reporters", (Source("reporter", ("rpsr_cod",), required=True),), ID_NAMES, silent=_SILENT
)

LAYOUTS: Final[Mapping[str, FileLayout]] = MappingProxyType(
    {layout.prefix: layout for layout in (DEMO, DRUG, REAC, OUTC, INDI, THER, RPSR)}
)
"""File kinds in the order in which they are read: cases first."""

_TABLE_FILE: Final = re.compile(
    r"^(DEMO|DRUG|REAC|OUTC|INDI|THER|RPSR)[-_]?(\d{2}|\d{4})Q([1-4])\w*\.(?:txt|asc)$", re.I
)
_DELETION_FILE: Final = re.compile(
    r"^(?:(?:ADR)?DELE(?:TED?)?[-_]?(?P<a>\d{2}|\d{4})Q(?P<b>[1-4])|(?P<c>\d{2}|\d{4})Q(?P<d>[1-4])[-_]?DELETED?\w*)\w*\.txt$",
    re.I,
)


def classify(name: str) -> tuple[str, str] | None:
    """Say which kind of FAERS file ``name`` is, and of which quarter.

    >>> classify("DEMO17Q2.txt"), classify("DELETE21Q4.txt"), classify("readme.pdf")
    (('DEMO', '2017Q2'), ('DELETE', '2021Q4'), None)
    """
    if match := _TABLE_FILE.match(name):
        return match[1].upper(), _quarter(match[2], match[3])
    if match := _DELETION_FILE.match(name):
        return "DELETE", _quarter(match["a"] or match["c"], match["b"] or match["d"])
    return None


def _quarter(year: str, quarter: str) -> str:
    full = int(year) if len(year) == 4 else 2000 + int(year)
    if full > 2085:
        full -= 100
    return f"{full}Q{quarter}"
