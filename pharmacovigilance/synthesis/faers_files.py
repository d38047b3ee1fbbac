"""Writing a batch of cases as one FAERS quarter: seven ``$``-delimited files and a deletion list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from cinchona.pharmacovigilance.synthesis.batch import NO_DATE, CaseBatch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ROLES: Final = ("PS", "SS", "C", "I")
_OUTCOMES: Final = ("OT", "HO", "DE", "LT", "DS", "RI", "CA")
_ROUTES: Final = (None, "Oral", "Subcutaneous", "Intravenous (not otherwise specified)", "Unknown", "Topical")
_DOSES: Final = (
    None,
    "20 MG, ONCE A DAY",
    "40 MG, UNK",
    "UNK",
    "1 DF, DAILY",
    "500 MG, BID",
    "10 MG",
    "UNK UNK, UNKNOWN",
)
_FORMS: Final = (None, "TABLET", "CAPSULE", "SOLUTION FOR INJECTION", "FILM-COATED TABLET")
_SPELLINGS: Final = ("{}", "{}.", "{} TABLETS", "{} 20 MG", "{} /00012345/", "{} HYDROCHLORIDE")
"""Ways that a drug's name is written; the first is the commonest."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names behind the codes of a batch."""

    drugs: Sequence[str]
    """Ingredient of each drug code."""
    reactions: Sequence[str]
    """Term of each reaction code."""
    countries: Sequence[str]
    """ISO code of each country code."""
    senders: Sequence[str]
    """Names of the senders."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Ids of the rows of one quarter."""

    case_id: np.ndarray
    """int64, shape (n,)."""
    version: np.ndarray
    """int32, shape (n,)."""
    first_received: np.ndarray
    """yyyymmdd of the first version, int32, shape (n,)."""

    @property
    def primary_id(self) -> np.ndarray:
        """``caseid`` followed by ``caseversion``, int64, shape (n,)."""
        return np.asarray(self.case_id * 10 + self.version)


def write_quarter(
    folder: Path, quarter: str, batch: CaseBatch, ids: Identity, *, words: Vocabulary, rng: np.random.Generator
) -> dict[str, int]:
    """Write the seven files of ``quarter`` (``2017Q2``) into ``folder``; return the rows of each."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "DEMO": _demo(batch, ids, words, rng),
        "DRUG": _drug(batch, ids, words, rng),
        "REAC": _reac(batch, ids, words),
        "OUTC": _outc(batch, ids, rng),
        "RPSR": _rpsr(ids, rng),
        "THER": _ther(batch, ids, rng),
        "INDI": _indi(batch, ids, words, rng),
    }
    options = pacsv.WriteOptions(delimiter="$", quoting_style="none", quoting_header="none")
    for name, table in tables.items():
        pacsv.write_csv(table, folder / f"{name}{quarter[2:]}.txt", options)
    return {name: table.num_rows for name, table in tables.items()}


def _pick(words: Sequence[str | None], codes: np.ndarray) -> pa.Array:
    return pc.take(pa.array(list(words), pa.string()), pa.array(np.where(codes < 0, 0, codes)), boundscheck=True)


def _masked(array: pa.Array, missing: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(missing), pa.scalar(None, array.type), array)


def _dates(values: np.ndarray) -> pa.Array:
    """Spell yyyymmdd, yyyymm or yyyy."""
    short = np.where(values % 100 > 0, values, np.where(values // 100 % 100 > 0, values // 100, values // 10_000))
    return pa.array(short, mask=values == NO_DATE)


def _demo(batch: CaseBatch, ids: Identity, words: Vocabulary, rng: np.random.Generator) -> pa.Table:
    n = len(batch)
    empty = pa.nulls(n, pa.string())
    kind = rng.random(n)
    direct = kind < 0.05
    number = pc.binary_join_element_wise(
        _pick(words.senders, batch.sender_no % len(words.senders)),
        pc.cast(pa.array(batch.sender_no), pa.string()), "-",
    )  # fmt: skip
    infants = (batch.age < 2) & (rng.random(n) < 0.5)
    age = np.where(infants, np.round(batch.age * 12), np.floor(batch.age))
    heavy = rng.random(n) < 0.7
    columns = {
        "primaryid": ids.primary_id,
        "caseid": ids.case_id,
        "caseversion": ids.version,
        "i_f_code": _pick(("I", "F"), (ids.version > 1).astype(np.int8)),
        "event_dt": _dates(batch.event_date),
        "mfr_dt": pa.array(batch.received, mask=direct),
        "init_fda_dt": ids.first_received,
        "fda_dt": batch.received,
        "rept_cod": _pick(("DIR", "EXP", "PER"), np.where(direct, 0, 1 + (kind > 0.6))),
        "auth_num": empty,
        "mfr_num": _masked(number, direct),
        "mfr_sndr": _masked(_pick(words.senders, batch.sender_no % len(words.senders)), direct),
        "lit_ref": empty,
        "age": pa.array(np.nan_to_num(age).astype(np.int32), mask=np.isnan(age)),
        "age_cod": _masked(_pick(("YR", "MON"), infants.astype(np.int8)), np.isnan(age)),
        "age_grp": empty,
        "sex": _masked(_pick(("F", "M"), batch.sex), batch.sex < 0),
        "e_sub": _pick(("Y", "N"), direct.astype(np.int8)),
        "wt": pa.array(rng.normal(72, 16, n).clip(3, 200).round(1), mask=heavy),
        "wt_cod": _masked(_pick(("KG",), np.zeros(n, np.int8)), heavy),
        "rept_dt": batch.received,
        "to_mfr": empty,
        "occp_cod": _pick(("CN", "MD", "PH", "HP", "LW", None), (rng.random(n) ** 1.5 * 6).astype(np.int8)),
        "reporter_country": _masked(_pick(words.countries, batch.country), batch.country < 0),
        "occr_country": _masked(_pick(words.countries, batch.country), (batch.country < 0) | (rng.random(n) < 0.05)),
    }
    return pa.table(columns)


def _drug(batch: CaseBatch, ids: Identity, words: Vocabulary, rng: np.random.Generator) -> pa.Table:
    lists = batch.drugs
    owners, total = lists.owners, len(lists.values)
    seq = np.arange(total) - lists.offsets[:-1][owners] + 1
    draw = rng.random(total)
    role = np.where(seq == 1, 0, np.where(draw < 0.25, 1, np.where(draw < 0.99, 2, 3)))
    spelling = np.minimum((rng.random(total) ** 3 * len(_SPELLINGS)).astype(np.int32), len(_SPELLINGS) - 1)
    spelled = [form.format(name) for name in words.drugs for form in _SPELLINGS]
    empty = pa.nulls(total, pa.string())
    columns = {
        "primaryid": ids.primary_id[owners],
        "caseid": ids.case_id[owners],
        "drug_seq": seq,
        "role_cod": _pick(_ROLES, role),
        "drugname": _pick(spelled, lists.values.astype(np.int64) * len(_SPELLINGS) + spelling),
        "prod_ai": _masked(_pick(words.drugs, lists.values), rng.random(total) < 0.1),
        "val_vbm": np.where(spelling == 0, 1, 2),
        "route": _pick(_ROUTES, (rng.random(total) * len(_ROUTES)).astype(np.int8)),
        "dose_vbm": _pick(_DOSES, (rng.random(total) ** 2 * len(_DOSES)).astype(np.int8)),
        "cum_dose_chr": empty,
        "cum_dose_unit": empty,
        "dechal": _pick((None, "U", "Y", "N", "D"), (rng.random(total) ** 2 * 5).astype(np.int8)),
        "rechal": _pick((None, "U", "N"), (rng.random(total) ** 2 * 3).astype(np.int8)),
        "lot_num": empty,
        "exp_dt": empty,
        "nda_num": pa.array(20_000 + lists.values % 5000, mask=role > 1),
        "dose_amt": _pick((None, "20", "40", "500", "10"), (rng.random(total) ** 2 * 5).astype(np.int8)),
        "dose_unit": _pick((None, "MG", "DF"), (rng.random(total) ** 2 * 3).astype(np.int8)),
        "dose_form": _pick(_FORMS, (rng.random(total) ** 2 * len(_FORMS)).astype(np.int8)),
        "dose_freq": _pick((None, "QD", "BID"), (rng.random(total) ** 2 * 3).astype(np.int8)),
    }
    return pa.table(columns)


def _reac(batch: CaseBatch, ids: Identity, words: Vocabulary) -> pa.Table:
    owners = batch.reactions.owners
    return pa.table(
        {
            "primaryid": ids.primary_id[owners],
            "caseid": ids.case_id[owners],
            "pt": _pick(words.reactions, batch.reactions.values),
            "drug_rec_act": pa.nulls(len(owners), pa.string()),
        }
    )


def _outc(batch: CaseBatch, ids: Identity, rng: np.random.Generator) -> pa.Table:
    rows = np.flatnonzero(rng.random(len(batch)) < 0.7)
    codes = np.minimum((rng.random(len(rows)) ** 2 * len(_OUTCOMES)).astype(np.int8), len(_OUTCOMES) - 1)
    return pa.table(
        {"primaryid": ids.primary_id[rows], "caseid": ids.case_id[rows], "outc_cod": _pick(_OUTCOMES, codes)}
    )


def _rpsr(ids: Identity, rng: np.random.Generator) -> pa.Table:
    rows = np.flatnonzero(rng.random(len(ids.case_id)) < 0.03)
    codes = (rng.random(len(rows)) * 3).astype(np.int8)
    return pa.table(
        {"primaryid": ids.primary_id[rows], "caseid": ids.case_id[rows], "rpsr_cod": _pick(("HP", "CSM", "FGN"), codes)}
    )


def _first_drugs(batch: CaseBatch, share: float, rng: np.random.Generator) -> np.ndarray:
    return np.flatnonzero((batch.drugs.counts > 0) & (rng.random(len(batch)) < share))


def _ther(batch: CaseBatch, ids: Identity, rng: np.random.Generator) -> pa.Table:
    rows = _first_drugs(batch, 0.4, rng)
    start = batch.received[rows] // 10_000 * 10_000 + 101 - 10_000 * rng.integers(0, 3, len(rows))
    stopped = rng.random(len(rows)) < 0.4
    return pa.table(
        {
            "primaryid": ids.primary_id[rows],
            "caseid": ids.case_id[rows],
            "dsg_drug_seq": np.ones(len(rows), np.int32),
            "start_dt": start,
            "end_dt": pa.array(batch.received[rows], mask=~stopped),
            "dur": pa.nulls(len(rows), pa.string()),
            "dur_cod": pa.nulls(len(rows), pa.string()),
        }
    )


def _indi(batch: CaseBatch, ids: Identity, words: Vocabulary, rng: np.random.Generator) -> pa.Table:
    rows = _first_drugs(batch, 0.8, rng)
    named = batch.drugs.values[batch.drugs.offsets[rows]] % len(words.reactions)
    unknown = rng.random(len(rows)) < 0.3
    terms = pc.if_else(pa.array(unknown), "Product used for unknown indication", _pick(words.reactions, named))
    return pa.table(
        {
            "primaryid": ids.primary_id[rows],
            "caseid": ids.case_id[rows],
            "indi_drug_seq": np.ones(len(rows), np.int32),
            "indi_pt": terms,
        }
    )


def write_deletions(folder: Path, quarter: str, case_ids: np.ndarray) -> Path:
    """Write the deletion list of ``quarter``: one case id a line below an empty line, as the agency does."""
    target = folder / "deleted" / f"DELETE{quarter[2:]}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(" \n" + "".join(f"{c}\n" for c in case_ids), encoding="latin-1")
    return target
