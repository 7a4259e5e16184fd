# Everything a newcomer needs; `make help` tells each verb.
SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
# the first interpreter that is new enough; PYTHON=... chooses another
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
READY := $(VENV)/ready

.PHONY: help demo playground test coverage matrix chaos mutants bench fuzz docs linkcheck pictures lint format hooks dist clean

help: ## Show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r verb text; do printf '  make %-12s %s\n' "$$verb" "$$text"; done

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON); this happens once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY) ## File sample manifests by real Airflow to the embedded gateway, and show what became of each
	@$(BIN)/icsftps demo

playground: $(READY) ## The same with Airflow's UI on loopback, until Ctrl-C
	@$(BIN)/icsftps playground

# most tests wait for a server or for Airflow, so three at a time fit on two cores; a file's tests stay together
JOBS ?= 3
test: $(READY) ## Run all tests, from JOBS=3 files at a time
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# what runs each line and branch of the core; no more, for it takes long enough
CORE_TESTS ?= tests/unit/gateway $(addprefix tests/unit/test_,exceptions.py public_surface.py regressions.py) tests/hostile \
	$(addprefix tests/integration/test_,archive.py archive_edges.py client.py concluding.py filing.py fleet.py \
	ownership.py reconciling.py reconciling_deletes.py certificate_life.py::TestFacts)
coverage: $(READY) ## Run the tests of the core, and show what they leave out of it
	@mkdir -p .coverage
	@$(BIN)/coverage run -m pytest -q $(CORE_TESTS)
	@$(BIN)/coverage report

matrix: $(READY) ## Run all tests on every Airflow and Python, with the oldest and the newest dependencies; hours
	@$(BIN)/nox

N ?= 500
SEED ?= 1
chaos: $(READY) ## Break N=500 filings at random places (SEED=1), and count what was filed twice or lost
	@$(BIN)/python -W ignore tests/chaos/long_run.py $(N) $(SEED)

mutants: $(READY) ## Change the rules on names, status files and verdicts one place at a time; some test must notice
	@$(BIN)/python tests/unit/gateway/surviving_mutants.py

bench: $(READY) ## Measure waits and transfers against the usual ways; about an hour
	@$(BIN)/python benchmarks/transfer.py
	@$(BIN)/python benchmarks/waiting.py
	@$(BIN)/python benchmarks/outbox.py

SECONDS ?= 3600
fuzz: $(READY) ## Fuzz all that reads bytes from outside for SECONDS=3600
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,fuzz]'
	@$(BIN)/python tests/fuzz/run.py $(SECONDS)

docs: $(READY) ## Build the pages into docs/_build/html; a warning is an error
	@$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

linkcheck: $(READY) ## Follow the links that lead out of the pages; needs a network
	@$(BIN)/python -m sphinx -b linkcheck -q docs docs/_build/linkcheck

pictures: $(READY) ## Take the pictures in the pages anew, of a real Airflow in Chromium
	@ICSFTPS_PICTURES=docs/pictures $(BIN)/python -m pytest -q tests/system/test_pictures.py

lint: $(READY) ## ruff, mypy strict, import-linter, codespell
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell

hooks: $(READY) ## Have git run the checks of `make lint` at each commit
	@$(BIN)/pre-commit install

format: $(READY) ## Put the code into its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

dist: $(READY) ## Build the wheel and the sdist into dist/, and check them as the index does
	@rm -rf dist
	@$(BIN)/uv build --quiet
	@$(BIN)/twine check --strict dist/*

clean: ## Remove what these verbs made
	rm -rf $(VENV) .nox .demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage mutants docs/_build
