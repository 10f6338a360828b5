# `make` lists the targets. They run in .venv, which has the package versions of constraints.txt.

VENV := .venv
READY := $(VENV)/.ready
JOBS ?= 0
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# The first of these that exists and is new enough; `make PYTHON=/path/to/python3` names another one.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help install repro test ui smoke bench gpu-check lint clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-9s %s\n' "$$name" "$$text"; done

install: $(READY)  ## create .venv with the pinned versions; other targets do so first if it is missing

repro: $(READY)  ## run the whole pipeline and print the leaderboard (JOBS=n: stages at once; PROFILE=name: a profile)
ifdef PROFILE
	@anamnesis profile $(PROFILE)
endif
	@anamnesis $(if $(PROFILE),--profile $(PROFILE)) repro --jobs $(JOBS)

# Each process imports all libraries and needs more than a gigabyte, so more than eight gain little.
test: $(READY)  ## run the test suite, on up to eight cores
	@python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

ui: $(READY)  ## open MLflow with the runs and models
	@anamnesis ui

smoke: $(READY)  ## run every stage and experiment with tiny budgets in a temporary clone
	@python scripts/smoke.py

bench: $(READY)  ## measure the speed relative to plain PyTorch and plain DVC
	@python benchmarks/bench.py

gpu-check:  ## check everything on a GPU, also without a network (docs/gpu.md; DEVICE=cpu WHEELS= MIRROR= OUT=)
	@$(if $(filter file,$(origin PYTHON)),$(or $(wildcard $(VENV)/bin/python),$(PYTHON)),$(PYTHON)) scripts/gpu_check.py $(if $(DEVICE),--device $(DEVICE)) \
		$(if $(WHEELS),--wheels $(WHEELS)) $(if $(MIRROR),--mirror $(MIRROR)) $(if $(OUT),--out $(OUT)) $(if $(MINUTES),--minutes $(MINUTES))

lint: $(READY)  ## check style and types
	@ruff check . && ruff format --check . && mypy

clean:  ## remove working state and caches; results, runs and .venv stay
	rm -rf .anamnesis profiles/*/.anamnesis .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed, and none is on PATH; make PYTHON=/path/to/it" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11 or does not start; make PYTHON=/path/to/a/newer/one" >&2; exit 2; }
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV), once: a minute or two, and 2 GB."
	@$(VENV)/bin/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt -e '.[development]'
	@$(VENV)/bin/python -m anamnesis.report.plots_template
	@touch $(READY)
	@echo "Installed. Next: . $(VENV)/bin/activate"
