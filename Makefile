# Two commands do everything: `make demo` and `make test`. Each sets up its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
# One process has the tests that need Ray, the others the rest (tests/scheduling.py): one more than two cores, since tests
# wait, too. One that crashes ends the run: what it leaves behind may keep its successor waiting.
TEST_PROCESSES ?= 3
BIN := $(VENV)/bin
# Two clusters side by side, since their tests mostly wait: the study has one, all else the other.
CLUSTER_TESTS := tests/cluster/test_faults.py tests/cluster/test_study.py tests/cluster/test_rayservice.py
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed

.DEFAULT_GOAL := help
.PHONY: help demo playground test cluster-test bench lint format typecheck docs docs-check notebooks doors-check install clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: install ## train an Open App agent from CLIP rewards alone, and show the proof
	$(BIN)/python -m experiments.train --preset demo

playground: install ## your words, your pictures: what a model pays for them, in the browser; until Ctrl-C
	@exec $(BIN)/vlm-rewards playground --env envs.android:android/OpenApp-v0 --env envs.playhouse:playhouse/Find-v0

test: install ## run every test
	@$(PYTHON) scripts/check_machine.py --rendering
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder --max-worker-restart=0 --durations=20

cluster-test: install ## kill nodes, cut links, take Postgres and S3 away: a cluster of namespaces, for root with iproute2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -r tests/cluster/requirements.txt
	VLM_REWARDS_CLUSTER_TESTS=1 $(BIN)/python -m pytest -rP -n 2 --dist loadgroup --no-loadscope-reorder $(CLUSTER_TESTS)

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

docs: $(DOCS_INSTALLED) ## the documentation site, in build/site; nothing in it is loaded from elsewhere
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet
	@echo "In build/site. To read it with its search: $(BIN)/python -m http.server -b 127.0.0.1 -d build/site 8000"

docs-check: notebooks docs ## run notebooks and tutorials; check the site's links, its reference, and the code in it
	$(BIN)/python scripts/site/check_reference.py
	$(BIN)/python scripts/site/check_blocks.py
	$(BIN)/python scripts/site/run_tutorials.py

doors-check: install ## try LeRobot, TorchRL, Minari and the hub's client against ours, in an environment of their own
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[torchrl]"
	$(BIN)/python scripts/doors_check.py

notebooks: $(DOCS_INSTALLED) ## run the notebooks, for the site: build/notebooks/*.ipynb
	$(BIN)/python scripts/site/run_notebooks.py

install: $(INSTALLED) ## virtual environment with pinned dependencies

# The stamp is renewed whenever a dependency file changes, so that `make test` never runs on a stale install.
$(INSTALLED): pyproject.toml constraints.txt scripts/check_machine.py
	@command -v $(PYTHON) >/dev/null || { echo "No '$(PYTHON)' found: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11 demo" >&2; exit 1; }
	@$(PYTHON) scripts/check_machine.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[all,dev]"
	@touch $(INSTALLED)

$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e ".[docs]"
	@touch $(DOCS_INSTALLED)

clean: ## remove the virtual environment (runs/ stays)
	rm -rf $(VENV)
