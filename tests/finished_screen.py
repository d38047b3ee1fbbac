"""A small finished screen, written without scoring anything: real structures, names that try to do harm."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cinchona.datasets.config import ReaderConfig, StandardizeConfig
from cinchona.digests import digest_file, digest_json
from cinchona.manifest import Manifest
from cinchona.records import Direction
from cinchona.screening.config import ScreenConfig
from cinchona.screening.folder import RunFolder
from cinchona.screening.histogram import ScoreHistogram
from cinchona.screening.layout import EndpointColumn, TableLayout
from cinchona.screening.plan import Plan, PlanInput, PlanModel
from cinchona.screening.receipt_book import commit_receipt
from cinchona.screening.receipts import Receipt

DRUGS = (
    ("aspirin", "CC(=O)Oc1ccccc1C(=O)O"),
    ("caffeine", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"),
    ("lidocaine", "CCN(CC)CC(=O)Nc1c(C)cccc1C"),
    ("ibuprofen", "CC(C)Cc1ccc(C(C)C(=O)O)cc1"),
    ("quinine", "C=C[C@H]1CN2CC[C@H]1C[C@H]2[C@H](O)c1ccnc2ccc(OC)cc12"),
    ("carbamazepine", "NC(=O)N1c2ccccc2C=Cc2ccccc21"),
    ("propranolol", "CC(C)NCC(O)COc1cccc2ccccc12"),
    ("warfarin", "CC(=O)CC(c1ccccc1)c1c(O)c2ccccc2oc1=O"),
    ("diazepam", "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21"),
    ("mexiletine", "CC(N)COc1c(C)cccc1C"),
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table></script><svg onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe\u0007",
    "Ünïcødé ⚗ 薬",
    "a" * 300,
)
LAYOUT = TableLayout(
    endpoints=(
        EndpointColumn(column="pIC50", name="pIC50", unit="log M", direction=Direction.HIGHER, kind="regression"),
    ),
    details=("uncertainty", "lower", "upper", "in_domain"),
    nearest=True,
)
REJECTS = [("parse", "SMILES cannot be parsed: <b>bold</b>")] * 7 + [("standardize", "no parent is left")] * 3


TRUST = {
    "data": {
        "name": "nav17<b>", "digest": "12" * 32, "rows": 1017, "compounds": 980, "decisions": ["median of replicates"],
        "targets": [{"name": "pIC50", "unit": "log M", "labels": 980, "lowest": 4.0, "highest": 9.1, "mean": 6.2}],
    },
    "split": {"kind": "scaffold", "seed": 7, "train": 784, "valid": 98, "test": 98},
    "leakage": {"duplicates": 0, "twins": 3, "shared_scaffolds": 0},
    "metrics": [
        {"model": m, "target": "pIC50", "metric": k, "estimate": e, "lower": e - 0.1, "upper": e + 0.1, "n": 98, "note": ""}
        for m, rmse, rho in (("graph network", 0.71, 0.76), ("forest", 0.68, 0.74), ("mean", 1.13, None))
        for k, e in (("rmse", rmse), ("spearman", rho)) if e is not None
    ] + [{"model": "mean", "target": "pIC50", "metric": "spearman", "estimate": None, "n": 98, "note": "constant"}],
}  # fmt: skip
"""What a model folder says of its model, as training writes it."""


def write_model(folder: Path) -> str:
    """Save a small forest with :data:`TRUST` and return its fingerprint."""
    from cinchona.models.folder import save_model
    from cinchona.models.forest import ForestScorer
    from cinchona.records import Endpoint

    smiles = [s for _, s in DRUGS]
    values = np.linspace(4, 9, len(smiles))[:, None]
    model = ForestScorer.fit(smiles, values, endpoints=(Endpoint("pIC50", unit="log M"),), seed=1, n_trees=10)
    save_model(model, folder, trust=TRUST)
    return model.fingerprint


def write_finished_screen(
    root: Path, *, n_hits: int = 60, rejects=REJECTS, model_path: str = "", fingerprint: str = "ef" * 32
) -> RunFolder:
    """Write a finished screen with ``n_hits`` hits; the first few have hostile names."""
    folder = RunFolder(root)
    root.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"record": pa.array([], pa.string())}), folder.partitions)
    model = PlanModel(name="nav17 & friends", fingerprint=fingerprint, objective="pIC50", path=model_path)
    plan = _plan(folder, model, rows=n_hits * 5 + len(rejects))
    folder.plan.write_text(plan.model_dump_json())
    hits = hits_table(n_hits)
    pq.write_table(hits, folder.hits)
    scores = np.random.default_rng(1).normal(5.5, 0.8, n_hits * 5)
    commit_receipt(folder, _receipt(plan, scores, len(rejects)))
    columns = {"row_id": range(len(rejects)), "compound_id": [str(i) for i in range(len(rejects))]}
    stages, reasons = [r[0] for r in rejects], [r[1] for r in rejects]
    pq.write_table(
        pa.table({**columns, "smiles": ["?"] * len(rejects), "stage": stages, "reason": reasons}), folder.rejects
    )
    counts = {"rows": plan.rows, "scored": n_hits * 5, "rejected": len(rejects), "duplicates": 3, "hits": n_hits}
    counts |= {f"rejected_at_{s}": stages.count(s) for s in sorted(set(stages))}
    config = {"screen": {"top_k": n_hits}, "note": "</script><script>alert(1)</script>"}
    Manifest(kind="screen", seed=7, counts=counts, outputs={"scores": "ab" * 32}, config=config).write(folder.manifest)
    return folder


def hits_table(n: int) -> pa.Table:
    """Hits in order, as ``hits.parquet`` has them; two kinds of flags, some out of domain, one score missing."""
    rng = np.random.default_rng(0)
    score = np.sort(rng.normal(8, 0.3, n).astype(np.float32))[::-1]
    names = [HOSTILE[i] if i < len(HOSTILE) else f"{DRUGS[i % len(DRUGS)][0]}-{i}" for i in range(n)]
    smiles = [DRUGS[i % len(DRUGS)][1] for i in range(n)]
    return pa.table({
        "rank": range(1, n + 1), "row_id": rng.permutation(n), "compound_id": names,
        "smiles": smiles, "parent_smiles": smiles, "score": score, "pIC50": score,
        "pIC50_uncertainty": np.full(n, 0.31, np.float32), "pIC50_lower": score - 0.6, "pIC50_upper": score + 0.6,
        "pIC50_in_domain": pa.array([(i % 3 != 0) * 1 for i in range(n)], pa.int8()),
        "nearest_train_id": ["CHEMBL25"] * n,
        "flags": ["salt_removed" if i % 5 == 0 else "" for i in range(n)],
        "n_duplicates": [2 if i == 9 else 0 for i in range(n)], "duplicate_ids": ["x;y" if i == 9 else "" for i in range(n)],
        "mw": np.full(n, 300.5, np.float32), "logp": np.full(n, 2.1, np.float32), "tpsa": np.full(n, 50.0, np.float32),
    })  # fmt: skip


def _plan(folder: RunFolder, model: PlanModel, *, rows: int) -> Plan:
    library = PlanInput(
        name="library<i>.smi", path="x", format="smi", rows=rows, digest="cd" * 32, stored_digest="cd" * 32, bytes=1, modified=1
    )  # fmt: skip
    plan = Plan(
        fingerprint="", created=datetime.now(UTC), rows=rows, partitions=1, layout=LAYOUT, inputs=(library,),
        partitions_digest=digest_file(folder.partitions), screen=ScreenConfig(), standardize=StandardizeConfig(),
        reader=ReaderConfig(), versions={"cinchona": "0"}, model=model,
    )  # fmt: skip
    return plan.model_copy(update={"fingerprint": digest_json(plan.identity)})


def _receipt(plan: Plan, scores: np.ndarray, rejected: int) -> Receipt:
    return Receipt(
        plan=plan.fingerprint, partition_id=0, first_row=0, rows=plan.rows, scored=len(scores), rejected=rejected,
        duplicates=3, best=float(scores.max()), histogram=ScoreHistogram.of(scores), file="x", bytes=1, digest="",
        content="", epoch=1, seconds={"score": 0.5},
    )  # fmt: skip
