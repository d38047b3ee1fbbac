# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A space of products that nobody has built
#
# Acids and amines make amides. Here every amide of two small lists is scored by a graph network without building one, and
# then checked by building all of them.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
from rdkit import Chem, RDConfig

import cinchona

work = Path(os.environ.get("CINCHONA_NOTEBOOK_FOLDER") or tempfile.mkdtemp(prefix="space-"))

# %% [markdown]
# ## Reagents from a real library
#
# RDKit ships 5,000 compounds of the NCI. Those with one carboxylic acid or one primary amine are our reagents.

# %%
library = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text().splitlines()
acid, amine = Chem.MolFromSmarts("[CX3](=O)[OX2H1]"), Chem.MolFromSmarts("[NX3;H2;!$(NC=[O,S,N]);!$(N[!#6])]")
found = {"acids": [], "amines": []}
for line in library:
    smiles, name = line.split()[:2]
    mol = Chem.MolFromSmiles(smiles)
    if mol is None or "." in smiles or mol.GetNumHeavyAtoms() > 16:
        continue
    kinds = [len(mol.GetSubstructMatches(p)) for p in (acid, amine)]
    if kinds in ([1, 0], [0, 1]):
        found["acids" if kinds[0] else "amines"].append(f"{Chem.MolToSmiles(mol)} NCI-{name}")
for kind, lines in found.items():
    (work / f"{kind}.smi").write_text("\n".join(lines[:60]) + "\n")
(work / "amides.yaml").write_text("""
reactions:
  - name: amide
    smarts: "[C:3](=[O:4])[OH].[NH2:1]>>[C:3](=[O:4])[NH:1]"
    reagents: [acids.smi, amines.smi]
""")
{kind: len(lines) for kind, lines in found.items()}

# %% [markdown]
# ## A model
#
# A small network on the Nav1.7 series that RDKit ships.

# %%
small = ["training.ensemble_size=2", "training.epochs=8", "training.pretrained=none", "network.hidden=64"]
model = cinchona.train("catalogue:nav17", target="pIC50", out=work / "model", settings=small, seed=7)

# %% [markdown]
# ## The whole space

# %%
chosen = ["executor.kind=serial", "screen.top_k=200"]
result = cinchona.screen_space(work / "amides.yaml", model=model, out=work / "screen", settings=chosen)
assert result.offered == result.scored + result.rejected
result

# %%
result.hits.select(["rank", "compound_id", "parent_smiles", "score", "score_built"]).slice(0, 5).to_pandas()

# %% [markdown]
# ## Is that right?
#
# All products are built by RDKit and scored one by one.

# %%
from cinchona.models.folder import open_scorer
from cinchona.screening.synthons.ordinary import score_products
from cinchona.screening.synthons.space import SynthonSpace

space = SynthonSpace.load(work / "amides.yaml")
built = score_products(space, open_scorer(work / "model"), range(len(space)))
best = np.sort(built.scores.score)[::-1][: result.hits.num_rows]
difference = np.abs(best - result.hits["score"].to_numpy()).max()
assert difference < 1e-5
print(f"{len(space):,} products, largest difference {difference:.1g}")
