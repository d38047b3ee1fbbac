"""Which version of which case counts: latest version, deletion lists, withdrawn cases.

The rule is the one that the FAERS documentation gives: of the rows of one case the latest ``fda_dt``, and of those
the highest id (U.S. FDA, "Asc_nts.pdf" in every quarterly zip).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What a report version is worth in an analysis."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    DELETED = "deleted"
    NULLIFIED = "nullified"


STATUS_SQL: Final = """
WITH numbered AS (
    SELECT report_key, source, quarter, case_id, nullified,
           row_number() OVER (
               PARTITION BY source, case_id
               ORDER BY received_date DESC NULLS LAST, version DESC NULLS LAST,
                        try_cast(report_id AS BIGINT) DESC NULLS LAST, report_id DESC, quarter DESC, report_key DESC
           ) AS place
    FROM cases
), lists AS (
    SELECT source, case_id, max(CASE WHEN quarter = 'unknown' THEN '9999Q4' ELSE quarter END) AS upto
    FROM deletions GROUP BY source, case_id
)
SELECT n.report_key, n.source, n.quarter, n.case_id,
       CASE WHEN n.place > 1 THEN 'superseded'
            WHEN l.upto IS NOT NULL AND (n.quarter <= l.upto OR n.quarter = 'unknown') THEN 'deleted'
            WHEN n.nullified THEN 'nullified'
            ELSE 'current' END AS status
FROM numbered n LEFT JOIN lists l USING (source, case_id)
"""
"""One row per stored report version: report_key, source, quarter, case_id, status.

A case that comes back in a quarter after its deletion list counts again; of a withdrawn case no older version counts.
"""
