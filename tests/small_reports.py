"""Small report files in the agencies' layouts, made by hand where a test needs to know every row."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

DEMO = (
    "primaryid$caseid$caseversion$i_f_code$event_dt$mfr_dt$init_fda_dt$fda_dt$rept_cod$auth_num$mfr_num$mfr_sndr$"
    "lit_ref$age$age_cod$age_grp$sex$e_sub$wt$wt_cod$rept_dt$to_mfr$occp_cod$reporter_country$occr_country"
)
DRUG = (
    "primaryid$caseid$drug_seq$role_cod$drugname$prod_ai$val_vbm$route$dose_vbm$cum_dose_chr$cum_dose_unit$dechal$"
    "rechal$lot_num$exp_dt$nda_num$dose_amt$dose_unit$dose_form$dose_freq"
)
REAC = "primaryid$caseid$pt$drug_rec_act"
OUTC = "primaryid$caseid$outc_cod"
INDI = "primaryid$caseid$indi_drug_seq$indi_pt"
THER = "primaryid$caseid$dsg_drug_seq$start_dt$end_dt$dur$dur_cod"
RPSR = "primaryid$caseid$rpsr_cod"
HEADERS = {"DEMO": DEMO, "DRUG": DRUG, "REAC": REAC, "OUTC": OUTC, "INDI": INDI, "THER": THER, "RPSR": RPSR}


def line(header: str, **values: object) -> str:
    """One row of a file with ``header``; columns that are not named stay empty."""
    names = header.split("$")
    unknown = set(values) - set(names)
    assert not unknown, unknown
    return "$".join(str(values.get(name, "")) for name in names)


def demo(case: int, version: int = 1, **values: object) -> str:
    """One row of DEMO."""
    fixed = {"primaryid": case * 10 + version, "caseid": case, "caseversion": version, "fda_dt": 20170401 + version}
    return line(DEMO, **{**fixed, "sex": "F", "age": 50, "age_cod": "YR", "rept_cod": "EXP", **values})


def drug(case: int, name: str, version: int = 1, **values: object) -> str:
    """One row of DRUG."""
    fixed = {"primaryid": case * 10 + version, "caseid": case, "drug_seq": 1, "role_cod": "PS", "drugname": name}
    return line(DRUG, **{**fixed, **values})


def reac(case: int, term: str, version: int = 1) -> str:
    """One row of REAC."""
    return line(REAC, primaryid=case * 10 + version, caseid=case, pt=term)


def plain_quarter(cases: Sequence[int] = (101, 102, 103)) -> dict[str, list[str]]:
    """Rows of all seven files for a few sound cases."""
    rows: dict[str, list[str]] = {kind: [] for kind in HEADERS}
    for n, case in enumerate(cases):
        key = {"primaryid": case * 10 + 1, "caseid": case}
        rows["DEMO"].append(demo(case, mfr_num=f"US-ACME-2017{case:06d}", occr_country="US", event_dt=20170101 + n))
        rows["DRUG"] += [drug(case, "LIPITOR 10 MG"), drug(case, "ASPIRIN.", drug_seq=2, role_cod="C")]
        rows["REAC"] += [reac(case, "Nausea"), reac(case, "Headache")]
        rows["OUTC"].append(line(OUTC, **key, outc_cod="HO"))
        rows["INDI"].append(line(INDI, **key, indi_drug_seq=1, indi_pt="Blood cholesterol increased"))
        rows["THER"].append(line(THER, **key, dsg_drug_seq=1, start_dt="201612", dur=3, dur_cod="MON"))
        rows["RPSR"].append(line(RPSR, **key, rpsr_cod="HP"))
    return rows


def texts_of(rows: Mapping[str, Sequence[str]], quarter: str = "17Q2", newline: str = "\r\n") -> dict[str, bytes]:
    """Files of a quarter by their name in the zip."""
    return {
        f"ascii/{kind}{quarter}.txt": (newline.join([HEADERS[kind], *lines]) + newline).encode("latin-1")
        for kind, lines in rows.items()
    }


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write ``files`` into a zip at ``path``; equal files give equal bytes, whatever the clock says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def quarter_zip(
    folder: Path, rows: Mapping[str, Sequence[str]] | None = None, quarter: str = "17Q2", **extra: bytes
) -> Path:
    """Write a quarter as the agency packs it; ``extra`` are further members by name with ``__`` for ``/``."""
    files = texts_of(plain_quarter() if rows is None else rows, quarter)
    files |= {name.replace("__", "/") + ".txt": data for name, data in extra.items()}
    return write_zip(folder / f"faers_ascii_20{quarter.lower()}.zip", files)
