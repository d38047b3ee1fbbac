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
# # A first screen
#
# Train a graph network on measured compounds, look at how far it is right, predict a few molecules, and screen a
# library. Everything here runs on a laptop without a network: the data come with installed packages.
#
# The settings are small so that this notebook takes about a minute. For real work leave `settings` out.

# %%
import os
import tempfile
from pathlib import Path

import cinchona

work = Path(os.environ.get("CINCHONA_NOTEBOOK_FOLDER") or tempfile.mkdtemp(prefix="first-screen-"))
small = ["training.epochs=6", "training.ensemble_size=2", "network.hidden=64", "training.forest_trees=50"]

# %% [markdown]
# ## Train
#
# `catalogue:nav17` is a series of 1,017 inhibitors of the sodium channel Nav1.7 (ChEMBL document CHEMBL2321810), which
# RDKit ships. A table of your own is a path or a DataFrame with a SMILES column and a measured column.
#
# Compounds are held out by scaffold, so the test compounds have ring systems that training has not seen.

# %%
model = cinchona.train("catalogue:nav17", target="pIC50", out=work / "model", settings=small, seed=7)
model

# %% [markdown]
# The figures above stand beside those of three baselines: a random forest, the nearest neighbour and the mean. A
# network that does not beat the forest is no reason to use the network.

# %%
figures = model.figures.query("metric == 'rmse'").set_index("model")["estimate"]
assert figures["network"] < figures["mean"], "a model must be better than guessing the mean"
figures.round(2)

# %% [markdown]
# ## Predict
#
# Every molecule gets its row, in order. What cannot be predicted says why.

# %%
drugs = {
    "lidocaine": "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "carbamazepine": "NC(=O)N1c2ccccc2C=Cc2ccccc21",
    "mexiletine hydrochloride": "CC(N)COc1c(C)cccc1C.Cl",
    "a slip of the pen": "CCN(CC)CC(=O",
}
predicted = model.predict(list(drugs.values()))
predicted.insert(0, "name", list(drugs))
assert len(predicted) == len(drugs)
assert predicted["reason"].astype(bool).tolist() == [False, False, False, True]
predicted[["name", "pIC50", "pIC50_uncertainty", "flags", "reason"]].round(2)

# %% [markdown]
# ## Why
#
# Blue atoms raise the prediction, orange ones lower it; dashed rings mark atoms on which the networks do not agree. This explains the model: a
# network that is wrong is explained just as nicely.

# %%
why = cinchona.explain(model, [drugs["lidocaine"], drugs["carbamazepine"]])
assert all(abs(one.shares.gap) < 0.05 for one in why.explanations), "shares add up to the prediction"
why

# %% [markdown]
# ## Screen
#
# The library is the first 1,000 lines of the NCI open collection that RDKit ships; `catalogue:nci5k` is the whole of
# it. A screen of any size works the same way and can be interrupted: the same call goes on where it stopped.

# %%
from cinchona.datasets.catalogue import resolve

nci = resolve("catalogue:nci5k")
library = work / "nci-1000.smi"
library.write_text("".join(nci.read_text().splitlines(keepends=True)[:1000]))

result = cinchona.screen(library, model=model, out=work / "screen", settings=["executor.kind=serial"])
assert result.rows == result.scored + result.rejected == 1000
result

# %% [markdown]
# ## Hits
#
# The hits are a table, best first; `hits.csv`, `hits.sdf` and `report.html` lie in the folder of the run. The report
# opens in any browser, without a network, and shows for the best hits what raises and lowers the prediction.

# %%
hits = result.hits.to_pandas()
assert hits["score"].is_monotonic_decreasing
assert result.report.is_file()
hits[["rank", "compound_id", "score", "mw", "logp", "flags"]].head(10).round(2)

# %% [markdown]
# Rejected rows are not lost: each has its number, the stage where it ended and the reason.

# %%
import pandas as pd

rejects = pd.read_parquet(result.rejects)
assert len(rejects) == result.rejected
rejects.head()

# %% [markdown]
# ## What next
#
# - Give `tracker=cinchona.experiments.open_tracker(...)` to keep a record of the runs in MLflow.
# - The command line does the same: `cinchona train`, `cinchona screen`, `cinchona serve-ui`.
