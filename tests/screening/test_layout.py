"""Columns of the score table: learned from the scorer, never clashing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from cheap_scorer import CheapScorer

from cinchona.errors import ContractError
from cinchona.protocols import Requirement
from cinchona.records import CompoundBatch, Endpoint
from cinchona.screening.layout import BASE_FIELDS, TableLayout


@dataclass(frozen=True)
class Named(CheapScorer):
    names: tuple[str, ...] = ()

    @property
    def endpoints(self):
        return tuple(Endpoint(name) for name in self.names)

    def score(self, batch):
        from cinchona.records import Scores

        n, t = len(batch), len(self.names)
        value = np.zeros((n, t), np.float32)
        return Scores(
            row_ids=batch.row_ids,
            endpoints=self.endpoints,
            value=value,
            score=value[:, 0].copy(),
            lower=value,
            status=np.zeros((n, t), np.int8),
        )


def test_plain_scorer():
    layout = TableLayout.probe(CheapScorer())
    assert layout.arrow_schema().names == [f.name for f in BASE_FIELDS] + ["pX", "endpoint_score"]


def test_detailed_scorer():
    layout = TableLayout.probe(CheapScorer(detailed=True))
    assert layout.details == ("uncertainty", "in_domain")
    assert layout.arrow_schema().names[-7:] == [
        "pX", "pX_uncertainty", "pX_in_domain",
        "endpoint_score", "endpoint_score_uncertainty", "endpoint_score_in_domain", "nearest_train_id",
    ]  # fmt: skip
    assert TableLayout.model_validate_json(layout.model_dump_json()) == layout
    assert layout.digest() != TableLayout.probe(CheapScorer()).digest()


def test_names_never_clash():
    layout = TableLayout.probe(Named(names=("score", "row_id", "a", "a_lower", "a", "", "smiles")))
    names = layout.arrow_schema().names
    assert len(set(names)) == len(names) == len(BASE_FIELDS) + 7 * 3


def test_what_the_scorer_leaves_out_later_is_null():
    layout = TableLayout.probe(CheapScorer(detailed=True))
    columns = layout.columns(CheapScorer().score(CompoundBatch.of(["C", "N"])))
    assert columns["pX_uncertainty"].null_count == columns["nearest_train_id"].null_count == 2


def test_a_scorer_that_fails_on_everything_is_refused():
    with pytest.raises(ContractError, match=r"fails on every probe: ValueError"):
        TableLayout.probe(CheapScorer(raises=""))


def test_one_probe_that_works_is_enough():
    assert TableLayout.probe(CheapScorer(raises="CCO")).details == ()


def test_wishes_that_a_screen_cannot_fulfil_are_refused():
    class WantsConformers(CheapScorer):
        requires = frozenset({Requirement.CONFORMER})

    with pytest.raises(ContractError, match="requires conformer"):
        TableLayout.probe(WantsConformers())
