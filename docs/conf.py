"""Settings of the documentation. Warnings are errors: see scripts/check_docs.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import cinchona

project = "Cinchona"
author = "The Cinchona maintainers"
copyright = author
release = version = cinchona.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "api_pages",
]
exclude_patterns = ["_build", "_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist", "substitution"]
myst_heading_anchors = 3

napoleon_google_docstring = True
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Libraries of extras that the developers' environment does not install.
autodoc_mock_imports = ["FPSim2", "captum", "dask_jobqueue", "dask_kubernetes", "meeko", "posebusters", "vina"]

suppress_warnings = [
    "ref.python",  # a short type name in a signature may fit attributes of several classes; the text is right
    "toc.empty_glob",  # a section without pages yet
]

html_theme = "furo"
html_title = f"Cinchona {release}"
html_show_sourcelink = False
