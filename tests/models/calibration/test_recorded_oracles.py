"""Intervals and sets beside those that MAPIE and crepes gave for the same predictions (``benchmarks/interval_oracles.py --record``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cinchona.models.calibration.config import CalibrationConfig
from cinchona.models.calibration.endpoint import ClassTrust, RegressionTrust


@pytest.fixture(scope="module")
def recorded():
    return json.loads(Path(__file__).with_name("recorded_oracles.json").read_bytes())


@pytest.fixture(scope="module")
def parts(recorded):
    """Calibration and test part of what was drawn, arrays by name."""
    drawn = {name: np.array(values) for name, values in recorded["drawn"].items()}
    n = recorded["calibration"]
    return ({name: values[:n] for name, values in drawn.items()}, {name: values[n:] for name, values in drawn.items()})


@pytest.mark.parametrize(
    ("kind", "peer", "tolerance"),
    [
        ("split", "MAPIE", 1e-12),
        ("split", "crepes", 1e-12),
        ("mondrian", "crepes", 1e-12),
        ("normalised", "crepes", 1e-4),
    ],
)
def test_intervals_are_theirs(recorded, parts, kind, peer, tolerance):
    known, new = parts
    config = CalibrationConfig(intervals=kind, spread="scale", bins=recorded["bins"])
    fitted = RegressionTrust.fit(known["truth"], known["value"], known["sigma"], more={}, config=config)
    _, _, lower, upper = fitted.judge(new["value"], new["sigma"], None, recorded["level"])
    theirs = np.array(recorded["found"][kind][peer])
    np.testing.assert_allclose(np.column_stack([lower, upper]), theirs, rtol=0, atol=tolerance)


def test_sets_are_theirs(recorded, parts):
    known, new = parts
    fitted = ClassTrust.fit(known["label"], known["p"], config=CalibrationConfig(probabilities="none"))
    _, _, lower, upper = fitted.judge(new["p"], None, None, recorded["level"])
    theirs = np.array(recorded["found"]["sets"]["crepes"])
    np.testing.assert_array_equal(np.column_stack([lower == 0, upper == 1]), theirs)
    assert 0 < theirs.sum() < theirs.size
