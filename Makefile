# Two commands are enough: `make demo` and `make test`. Each builds .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check
WORKERS ?= 2

.PHONY: demo test quick lint types contracts system screens clean
.DEFAULT_GOAL := test

demo: .venv/.ready
	$(BIN)/evsctl demo

test: .venv/.ready system lint types contracts
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# What takes seconds: no real SLURM, no real weights, no marked slow test.
quick: .venv/.ready lint types contracts
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow and not slurm and not weights"

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready
	$(BIN)/mypy

contracts: .venv/.ready
	$(BIN)/lint-imports

# SLURM, munge and MariaDB for the tests, where this may be installed; otherwise those tests are skipped and counted.
system:
	sh scripts/system_packages.sh slurm

# The pictures in docs/screens, from a made-up week of the study.
screens: .venv/.ready
	$(BIN)/python docs/make_screenshots.py

# The whole environment is pinned: a plain `pip install torch` would take another build than the tests ran on.
.venv/.ready: pyproject.toml constraints.txt
	sh scripts/system_packages.sh venv
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "evsctl needs Python 3.11 or newer; say which with make PYTHON=…")'
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet pip==25.3
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt -e '.[all]' --group dev
	touch $@

clean:
	rm -rf .venv build dist evsctl-demo
