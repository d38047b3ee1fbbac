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
# # A drug's safety profile
#
# From reports to a page about one drug: what was counted, which pairs stand out and by which rule, whether subgroups
# and time tell the same story, and how far any of it can be trusted.
#
# The reports are simulated, so that the truth is known: twenty pairs of drug and event are truly associated. With
# reports of your own, replace the first cell by `pv.open("store")` or by your own tables. Needs only the extra `pv`.

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from IPython.display import SVG

from cinchona.pharmacovigilance import signals
from cinchona.pharmacovigilance.signals.counting.timeline import timeline
from cinchona.pharmacovigilance.signals.pictures.forest import forest
from cinchona.pharmacovigilance.signals.pictures.scatter import volcano
from cinchona.pharmacovigilance.signals.pictures.style import svg_text
from cinchona.pharmacovigilance.signals.pictures.time import ic_over_time
from cinchona.pharmacovigilance.signals.report.page import write_report
from cinchona.pharmacovigilance.signals.report.profile import profile
from cinchona.pharmacovigilance.signals.view import SignalSettings, SignalView

work = Path(os.environ.get("CINCHONA_NOTEBOOK_FOLDER") or tempfile.mkdtemp(prefix="safety-profile-"))
size = signals.ReportSimulation(reports=20_000, drugs=120, events=200, signals=20)
data = signals.simulate_reports(size, seed=1)
reports = signals.read_reports(data.drugs, data.reactions, data.cases)
len(reports), reports.roles, dict(reports.set_aside)

# %% [markdown]
# ## Count
#
# A report counts once for a pair, however often it repeats it. Here only suspect drugs make a report exposed; a report
# that lists the drug as concomitant stays in the universe and belongs to the comparator.

# %%
settings = SignalSettings(
    count=signals.CountConfig(roles=("PS", "SS")), measures=("rrr", "prr", "ror", "chi2_yates", "fisher", "ic", "gps")
)
view = SignalView(reports, settings)
view.counts.definition

# %% [markdown]
# The prior of the gamma-Poisson shrinker is fitted to all cells of the table, zeros included. Look at its status before
# its scores: a fit on a bound would leave the EBGM columns empty.

# %%
prior = view.prior
{
    k: v
    for k, v in prior.summary().items()
    if k in {"status", "explanation", "n_cells", "grouping", "alpha1", "alpha1_se"}
}

# %% [markdown]
# ## One drug

# %%
drug = data.truth.filter(pl.col("label") == 1)["drug"][0]
table = view.table(drug=drug)
rule = signals.rule_sets()["ema_ror"]
ranked = signals.rank_signals(table.frame, rule)
ranked.select("rank", "event", "n", "expected", "ror", "ror025", "ic025", "eb05", "sparse", "reason").head(10)

# %%
is_signal = np.isin(table.frame["event"].to_numpy(), ranked["event"].to_numpy())
SVG(svg_text(volcano(table.frame, is_signal, title=drug), name="volcano"))

# %%
rows = ranked.head(12).select(label="event", n="n", value="ror", lower="ror025", upper="ror975")
SVG(svg_text(forest(rows, title=f"{drug}: pairs that meet the rule"), name="forest"))

# %% [markdown]
# Every column has a convention, and the table carries them. Two packages that print "IC" need not mean the same.

# %%
table.conventions().select("title", "formula", "convention", "citation")

# %% [markdown]
# ## Does it hold in subgroups and over time?
#
# Each stratum has its own universe and comparator. Cases that do not tell are a stratum of their own.

# %%
event = ranked["event"][0]
view.signals(drug, event, by="sex").select("sex", "n", "n_drug", "n_total", "ror", "ror025", "ror975")

# %%
course = timeline(reports, drug, event, config=settings.count)
SVG(svg_text(ic_over_time(course, title=f"{drug} and {event}"), name="time"))

# %% [markdown]
# Expected counts can be stratified: what is left of the excess when age and sex are held fixed?

# %%
adjusted = SignalView(reports, settings.model_copy(update={"strata": ("age", "sex")}))
crude, held = (v.signals(drug, event)["expected"].item() for v in (view, adjusted))
{"expected": round(crude, 2), "expected, by age and sex": round(held, 2)}

# %% [markdown]
# ## How good is the list?
#
# Here the truth is known, so the rule can be judged. With real reports this takes a reference set, and the frequency
# baselines must stand beside: see the page on evaluation.

# %%
everything = view.table().frame
truth = data.truth.filter(pl.col("label") == 1).select("drug", "event", hit=pl.lit(1))
labels = everything.join(truth, on=["drug", "event"], how="left")["hit"].fill_null(0).to_numpy()
figures = signals.evaluate(everything, labels, config=signals.EvaluationConfig(at=(20,), resamples=50))
figures.filter(pl.col("metric") == "precision_at_20").select("column", "kind", "value", "lower", "upper")

# %%
first_20 = everything.sort("ic025", descending=True).head(20).join(truth, on=["drug", "event"], how="semi")
assert first_20.height >= 10, "at least half of the first twenty pairs must be true"

# %% [markdown]
# ## The page
#
# One file, nothing loaded from anywhere, every name escaped; fit for a mail or an archive.

# %%
page = write_report(profile(view, drug=drug, rule=rule), work / "profile.html", source="simulated reports")
page.name
