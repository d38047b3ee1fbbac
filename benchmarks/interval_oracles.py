"""Our conformal intervals and sets beside those of MAPIE and crepes, on the same drawn predictions.

    python benchmarks/interval_oracles.py ORACLE_PYTHON
    python benchmarks/interval_oracles.py ORACLE_PYTHON --record tests/models/calibration/recorded_oracles.json

ORACLE_PYTHON is the interpreter of an environment of its own with ``pip install mapie crepes``; neither is a dependency. The
calibration set has 500 compounds, the test set 2,000; the level is 0.9. Prints Markdown: the largest difference of any end of
any interval, and how many sets of classes differ. With ``--record`` a smaller draw and what both packages say of it are written to a
file that the tests read, so that they need neither package.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LEVEL = 0.9
N_CALIBRATION, N_TEST, N_RECORDED, BINS = 500, 2_000, 63, 4


def main() -> None:
    if sys.argv[1] == "--inside":
        inside(Path(sys.argv[2]))
        return
    if "--record" in sys.argv:
        record(Path(sys.argv[-1]))
        return
    drawn = draw(N_CALIBRATION, N_TEST)
    theirs, own = asked(drawn), ours(drawn)
    print(
        "| what | peer | mean width or share of single labels, ours | theirs | largest difference |\n|---|---|---|---|---|"
    )
    for name, peers in theirs["found"].items():
        for peer, values in peers.items():
            mine, other = np.array(own[name]), np.array(values)
            gap = float(np.abs(mine.astype(float) - other.astype(float)).max())
            print(f"| {name} | {peer} | {summary(mine):.6f} | {summary(other):.6f} | {gap:.2g} |")
    print("\n" + ", ".join(f"{k} {v}" for k, v in theirs["versions"].items()))


def asked(drawn: dict[str, np.ndarray]) -> dict[str, dict]:
    """What the packages say of the draw."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch, "drawn.npz")
        np.savez(place, **drawn)
        told = subprocess.run(
            [sys.argv[1], __file__, "--inside", str(place)], check=True, capture_output=True, text=True
        )
    return json.loads(told.stdout.splitlines()[-1])


def record(target: Path) -> None:
    drawn = {name: np.round(values, 6) for name, values in draw(N_RECORDED, N_RECORDED // 3).items()}
    plain = {name: values.tolist() for name, values in drawn.items()}
    target.write_text(
        json.dumps({"level": LEVEL, "bins": BINS, "calibration": N_RECORDED, "drawn": plain, **asked(drawn)}) + "\n"
    )


def draw(calibration: int, test: int) -> dict[str, np.ndarray]:
    """Predictions and labels, the calibration set first."""
    rng = np.random.default_rng(0)
    n = calibration + test
    value, sigma, p = rng.normal(6, 1, n), rng.uniform(0.2, 1.5, n), rng.beta(0.7, 0.9, n)
    return {
        "value": value,
        "sigma": sigma,
        "truth": value + sigma * rng.standard_t(5, n),
        "p": p,
        "label": (rng.random(n) < p) * 1.0,
    }


def summary(ends: np.ndarray) -> float:
    return float(np.mean(ends[:, 1] - ends[:, 0])) if ends.dtype != bool else float((ends.sum(axis=1) == 1).mean())


def ours(d: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from cinchona.models.calibration.config import CalibrationConfig
    from cinchona.models.calibration.endpoint import ClassTrust, RegressionTrust

    head, tail = slice(0, N_CALIBRATION), slice(N_CALIBRATION, None)
    found = {}
    for name in ("split", "normalised", "mondrian"):
        config = CalibrationConfig(intervals=name, spread="scale", bins=BINS)
        part = RegressionTrust.fit(d["truth"][head], d["value"][head], d["sigma"][head], more={}, config=config)
        found[name] = np.stack(part.judge(d["value"][tail], d["sigma"][tail], None, LEVEL)[2:], axis=1)
    config = CalibrationConfig(probabilities="none")
    sets = ClassTrust.fit(d["label"][head], d["p"][head], config=config).judge(d["p"][tail], None, None, LEVEL)
    found["sets"] = np.stack([sets[2] == 0, sets[3] == 1], axis=1)
    return found


def inside(place: Path) -> None:
    from importlib.metadata import version

    import crepes
    from mapie.regression import SplitConformalRegressor

    d = dict(np.load(place))
    cut_at = N_CALIBRATION if len(d["p"]) == N_CALIBRATION + N_TEST else N_RECORDED
    head, tail = slice(0, cut_at), slice(cut_at, None)
    value, error = d["value"], d["truth"] - d["value"]

    class Known:
        """An estimator whose predictions are the only column of its input."""

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, *_: object) -> Known:
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            return x[:, 0]

    split = SplitConformalRegressor(Known(), confidence_level=LEVEL, prefit=True)
    split.conformalize(value[head, None], d["truth"][head])
    mapie_ends = split.predict_interval(value[tail, None])[1][:, :, 0]

    def ends(sigmas: np.ndarray | None = None, bins: np.ndarray | None = None) -> np.ndarray:
        def cut(x: np.ndarray | None, where: slice) -> np.ndarray | None:
            return None if x is None else x[where]

        part = crepes.ConformalRegressor().fit(error[head], sigmas=cut(sigmas, head), bins=cut(bins, head))
        return part.predict_int(value[tail], sigmas=cut(sigmas, tail), bins=cut(bins, tail), confidence=LEVEL)

    edges = np.quantile(value[head], np.linspace(0, 1, BINS + 1)[1:-1])
    wrong = np.column_stack([d["p"], 1 - d["p"]])
    label = d["label"].astype(int)
    classes = crepes.ConformalClassifier().fit(wrong[np.arange(len(label)), label][head], bins=label[head])
    per_label = [
        classes.predict_set(wrong[tail], bins=np.full(len(label) - cut_at, c), confidence=LEVEL, smoothing=False)[:, c]
        for c in (0, 1)
    ]
    sets = np.column_stack(per_label).astype(bool)
    empty = ~sets.any(axis=1)
    sets[empty, (d["p"][tail][empty] >= 0.5).astype(int)] = True  # ours never leave a compound without a label
    found = {
        "split": {"MAPIE": mapie_ends.tolist(), "crepes": ends().tolist()},
        "normalised": {"crepes": ends(sigmas=d["sigma"]).tolist()},
        "mondrian": {"crepes": ends(bins=np.searchsorted(edges, value, side="right")).tolist()},
        "sets": {"crepes": sets.tolist()},
    }
    print(json.dumps({"found": found, "versions": {name: version(name) for name in ("mapie", "crepes", "numpy")}}))


if __name__ == "__main__":
    main()
