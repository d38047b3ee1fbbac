"""A library that is the training set has not drifted; one of strangers has, and the report says how."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rdkit import Chem

from cinchona.datasets.binarycodes import codes_of_many
from cinchona.models.domain import drift as drifting
from cinchona.models.domain.drift import Drift
from cinchona.models.domain.fitting import fit_domain
from cinchona.models.domain.folding import Folding
from cinchona.models.domain.measure import DomainMeasure
from cinchona.records import Endpoint

STRANGERS = ["FC(F)=C(F)F", "C1CC2CC1C1CC2O1", "[O-][Cl+3]([O-])([O-])O", "FC(F)(F)C(F)(F)C(F)(F)F"]


@pytest.fixture(scope="module")
def domain(small_molecules: list[str]) -> DomainMeasure:
    return fit_domain(small_molecules, endpoints=[Endpoint("pIC50")], folding=Folding.of("drift"), seed=1)


def measured(domain: DomainMeasure, *batches: list[str]) -> Drift:
    drift = Drift(domain, ["pIC50"], seed=4)
    for batch in batches:
        drift.add(codes_of_many([Chem.MolFromSmiles(text) for text in batch]), batch)
    return drift


def test_the_training_set_has_not_drifted(domain: DomainMeasure, small_molecules: list[str]) -> None:
    found = measured(domain, small_molecules[:20], small_molecules[20:]).report()
    assert found.compounds == found.known == found.library[0] == 60
    assert found.targets[0].outside == 0
    assert found.unseen == 0
    assert found.with_rings == 48
    for shift in found.shifts:
        assert shift.shift == pytest.approx(0.0, abs=1e-6)
        assert shift.beyond <= 0.06
    assert sum(found.training) == 60


def test_strangers_have(domain: DomainMeasure) -> None:
    found = measured(domain, STRANGERS).report()
    assert found.targets[0].share == 1.0
    assert found.known == 0
    assert (found.with_rings, found.unseen) == (1, 1)
    assert found.share_unseen == 1.0
    assert max(abs(shift.shift) for shift in found.shifts) > 1
    assert json.loads(json.dumps(found.to_json()))["distances"]["library"] == list(found.library)


def test_batches_do_not_matter(domain: DomainMeasure, small_molecules: list[str]) -> None:
    whole = measured(domain, small_molecules + STRANGERS).report()
    parts = measured(domain, small_molecules[:1], small_molecules[1:33], [], small_molecules[33:] + STRANGERS).report()
    assert whole == parts


def test_nothing_gives_no_figures(domain: DomainMeasure) -> None:
    found = measured(domain).report()
    assert found.compounds == 0
    assert np.isnan(found.targets[0].share)
    assert np.isnan(found.share_unseen)


def test_every_compound_has_the_same_chance_to_be_sampled(
    domain: DomainMeasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "SAMPLE", 10)
    seen = np.zeros(40)
    for seed in range(400):
        drift = Drift(domain, ["pIC50"], seed=seed)
        for start in (0, 7, 25):
            stop = {0: 7, 7: 25, 25: 40}[start]
            drift._keep([str(k) for k in range(start, stop)])
            drift.compounds += stop - start
        assert len(set(drift._sample)) == 10
        seen[[int(text) for text in drift._sample]] += 1
    # Each is drawn in a quarter of 400 samples: 100, standard deviation below 9.
    assert seen.sum() == 4000
    assert seen.min() > 60
    assert seen.max() < 140
