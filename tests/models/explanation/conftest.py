"""Small networks for explanations: one whose answer is known in closed form, one that has learnt something."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from explained_models import ensemble_of
from rdkit import Chem
from small_screens import NCI

from cinchona.datasets.assay import read_assay_table
from cinchona.datasets.config import SplitConfig
from cinchona.datasets.molgraph import ELEMENTS
from cinchona.datasets.splits import make_split
from cinchona.models.config import GraphNetConfig, TrainingConfig
from cinchona.models.ensemble import GraphEnsemble
from cinchona.models.train import fit_ensemble


@pytest.fixture(scope="module")
def nitrogen_counter() -> GraphEnsemble:
    """A network that answers 2 + 3 times the number of nitrogens, whatever else is there."""
    column = ELEMENTS.index(7)

    def count(net):
        for parameter in net.parameters():
            parameter.zero_()
        net.encoder.W_o.weight[0, column] = 1.0
        net.head[0].weight[0, 0] = 1.0

    config = GraphNetConfig(hidden=4, depth=2, readout="sum", head_layers=0)
    return ensemble_of(config, members=2, edit=count)


@pytest.fixture(scope="module")
def learnt() -> tuple[GraphEnsemble, list[str]]:
    """A network that has learnt to count nitrogen and oxygen, and molecules that it has not seen."""
    smiles = []
    for line in NCI.read_text().splitlines():
        mol = Chem.MolFromSmiles(line.split()[0], sanitize=True)
        if mol is not None and 6 <= mol.GetNumAtoms() <= 20 and "." not in line:
            smiles.append(Chem.MolToSmiles(mol))
        if len(smiles) == 240:
            break
    counts = [sum(text.upper().count(element) for element in "NO") for text in smiles]
    table = read_assay_table(
        pa.table({"smiles": smiles, "heteroatoms": np.array(counts, float)}), targets=["heteroatoms"]
    )
    split = make_split(table, SplitConfig(kind="random"), seed=0)
    training = TrainingConfig(ensemble_size=1, epochs=25, workers=1, pretrained="none", batch_size=32)
    network = GraphNetConfig(hidden=24, head_hidden=24, depth=2)
    scorer = fit_ensemble(table, split, network=network, training=training, seed=0)
    return scorer, [table.smiles[row] for row in split.test]
