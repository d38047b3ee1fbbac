# Every target sets up what it needs; 'make demo' and 'make test' work on a fresh clone.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The versions in constraints.txt were tested on Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first imported: a tenth of what is installed is ever used.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --no-compile -c constraints.txt

# With the repository root on the path, 'import datasets' would find our folder instead of the library of that name.
export PYTHONSAFEPATH := 1
# Parallelism is by processes: one thread each, or the threads fight for the cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export MLFLOW_DISABLE_TELEMETRY := true
# Compiled modules are kept: without them every process that tests start spends ten seconds on compiling PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

# Tests run in this many processes; extra arguments for pytest: make test PYTEST_ARGS='-k screening'
JOBS ?= 2
PYTEST_ARGS ?=

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

# ------------------------------------------------------------------------------------------------- environment
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cinchona needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# molsets, and for the tests admet-ai: only the files inside their wheels are used, never their code, so their
# dependencies stay away.
$(VENV)/.installed-all: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing Cinchona into $(VENV); the first time takes minutes"
	$(INSTALL) -e '.[all]'
	$(INSTALL) --no-deps molsets
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-all
	@echo "installing the tools of developers into $(VENV)"
	$(INSTALL) -e '.[all,dev]'
	$(INSTALL) --no-deps admet-ai || echo 'admet-ai is not at hand: its notebook will be skipped'
	@touch $@

.PHONY: install
install: $(VENV)/.installed-all ## Install Cinchona into .venv with the tested versions

.PHONY: install-dev
install-dev: $(VENV)/.installed-dev ## Install also what developers need

.PHONY: constraints
constraints: $(VENV)/.installed-dev ## Write the installed versions to constraints.txt
	$(BIN)/python scripts/write_constraints.py

# ------------------------------------------------------------------------------------------------- use
.PHONY: demo
demo: $(VENV)/.installed-all ## Train on measured data, screen a library, show the hits
	$(BIN)/cinchona demo

# ------------------------------------------------------------------------------------------------- tests
.PHONY: test
test: $(VENV)/.installed-dev ## Run every test, with coverage
	$(BIN)/pytest -n $(JOBS) --dist loadscope --cov --cov-report=term:skip-covered --cov-fail-under=90 $(PYTEST_ARGS)

.PHONY: test-slurm
test-slurm: $(VENV)/.installed-dev ## Run the tests on a real SLURM of one node, which they start (Debian: slurm-wlm, munge)
	$(BIN)/pytest tests/slurm $(PYTEST_ARGS)

.PHONY: faults
faults: $(VENV)/.installed-dev ## Run the long set of injected faults and print what was measured (half an hour)
	$(BIN)/pytest tests/faults -m long --timeout 1800 -p no:randomly $(PYTEST_ARGS)

# ------------------------------------------------------------------------------------------------- checks
CHECKS := check-lint check-types check-imports check-layout check-tree check-wheel check-docs
# The code beside this file is checked, whatever is installed.
HERE := PYTHONPATH="src:scripts$${PYTHONPATH:+:$$PYTHONPATH}"
CHECK := $(HERE) $(BIN)/python -m

.PHONY: check $(CHECKS)
check: $(CHECKS) ## Run every check that is no test

check-lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-types: $(VENV)/.installed-dev
	$(CHECK) check_types

check-imports: $(VENV)/.installed-dev
	$(HERE) $(BIN)/lint-imports --no-logo --no-cache

check-layout: $(VENV)/.installed-dev
	$(CHECK) check_layout

check-tree: $(VENV)/.installed-dev
	$(CHECK) check_tree

check-wheel: $(VENV)/.installed-dev
	$(CHECK) check_wheel

check-docs: $(VENV)/.installed-dev
	$(CHECK) check_docs

.PHONY: format
format: $(VENV)/.installed-dev ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: docs
docs: check-docs ## Build the documentation
	@echo "open docs/_build/html/index.html"

# ------------------------------------------------------------------------------------------------- tidy
.PHONY: clean
clean: ## Remove the environment, builds and caches; results of runs stay
	rm -rf $(VENV) build dist docs/_build docs/reference/generated htmlcov .coverage .coverage.*
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache src/*.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
