# Two commands do everything: `make demo` and `make test`. Each sets up its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
# Two processes have the tests that need Ray, which wait more than they compute, and one the rest (tests/scheduling.py).
TEST_PROCESSES ?= 3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo playground test bench lint format typecheck install clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: install ## train an Open App agent from CLIP rewards alone, and show the proof
	$(BIN)/python -m experiments.train --preset demo

playground: install ## your words, your pictures: what a model pays for them, in the browser; until Ctrl-C
	@exec $(BIN)/vlm-rewards playground --env envs.android:android/OpenApp-v0 --env envs.playhouse:playhouse/Find-v0

test: install ## run every test
	@$(PYTHON) scripts/check_machine.py --rendering
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder --durations=20

bench: install ## measure encoders, service, scaling and faults: one table, in docs/results/bench.md
	$(BIN)/python -m benchmarks

lint: install ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install ## ruff: rewrite in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: install ## mypy, strict, over every room but the tests
	$(BIN)/mypy

install: $(INSTALLED) ## virtual environment with pinned dependencies

# The stamp is renewed whenever a dependency file changes, so that `make test` never runs on a stale install.
$(INSTALLED): pyproject.toml constraints.txt scripts/check_machine.py
	@command -v $(PYTHON) >/dev/null || { echo "No '$(PYTHON)' found: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11 demo" >&2; exit 1; }
	@$(PYTHON) scripts/check_machine.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[all,dev]"
	@touch $(INSTALLED)

clean: ## remove the virtual environment (runs/ stays)
	rm -rf $(VENV)
