# The whole operations manual of a checkout. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SQLFLUFF := .venvs/sqlfluff

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-full test test-slow test-faults soak lint types format bench bench-nightly bench-generate bench-mining bench-recommendations bench-clv lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.installed ## make .venv from the lock file

$(VENV)/.installed: requirements/develop.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), f"Regulars is locked for Python 3.11, this is {sys.version.split()[0]}: make PYTHON=/path/to/python3.11"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/develop.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: ## a real grocer's year, from order lines to the published warehouse (1.5 GB of disk, a few minutes)
	@echo "The demo needs about 1.5 GB of disk and a few minutes; everything stays in this folder (.venv, demo)."
	@$(MAKE) --no-print-directory setup
	@$(BIN)/regulars demo

demo-full: setup ## a generated shop of 20,000 customers with every kind of source, and the truth beside it
	@test -f demo/full/regulars.toml || { rm -rf demo/full && $(BIN)/regulars generate --customers 20000 --out demo/full; }
	@$(BIN)/regulars refresh --config demo/full/regulars.toml

test: setup ## pytest, and the dbt tests and unit tests that it drives; not the long runs below
	$(BIN)/pytest --numprocesses 2 --dist loadgroup

test-slow: setup ## longer runs of what `make test` samples: random nights, replays of whole years
	$(BIN)/pytest -m slow

test-faults: setup ## kill, starve and cut off refreshes at hundreds of moments (about two hours)
	$(BIN)/pytest -m faults tests/faults

soak: setup ## four kinds of reader beside fifty publishes
	$(BIN)/pytest -m soak tests/faults

lint: setup $(SQLFLUFF)/.installed ## ruff and sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(SQLFLUFF)/bin/sqlfluff lint models tests/data --processes 2

types: setup ## mypy --strict on our own packages
	$(BIN)/mypy

format: setup $(SQLFLUFF)/.installed ## let ruff and sqlfluff mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(SQLFLUFF)/bin/sqlfluff fix models tests/data --processes 2

# sqlfluff's dependencies fight with dbt's, so it has an environment of its own.
$(SQLFLUFF)/.installed: requirements/sqlfluff.lock
	$(PYTHON) -m venv $(SQLFLUFF)
	$(SQLFLUFF)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/sqlfluff.lock
	@touch $@

bench: setup ## rows per second by stage, beside the same tables in hand-written SQL
	$(BIN)/python -m benchmarks.refresh_stages --lines 10000000

bench-nightly: setup ## a night with one day of new orders beside a full refresh
	$(BIN)/python -m benchmarks.nightly --lines 10000000

bench-generate: setup ## the generated shop: lines a second, and memory that does not grow
	$(BIN)/python -m benchmarks.generated_shop --lines 10000000

bench-mining: setup ## the itemset miner beside mlxtend and PyFIM (PyFIM where it is installed)
	$(BIN)/python -m benchmarks.mining.itemsets

bench-recommendations: setup ## lists of customers beside popularity, item-kNN and ALS, on later purchases
	$(BIN)/python -m benchmarks.mining.recommendations

bench-clv: setup ## forecasts of customers beside lifetimes, and ten million customers scored
	$(BIN)/python -m benchmarks.clv.beside_lifetimes

lock: setup ## resolve the lock files again (needs the package registry)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements/develop.lock
	$(BIN)/uv pip compile requirements/sqlfluff.in --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements/sqlfluff.lock

clean: ## remove environments, the demo and caches; never your landing files or warehouse
	rm -rf $(VENV) .venvs demo target logs .mypy_cache .pytest_cache .ruff_cache .hypothesis
