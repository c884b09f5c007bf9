# Two commands: `make lab` to use it, `make test` to check it. `make help` lists the rest.

# The first one that runs and is new enough (a version manager's shim may exist and not run).
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $$name && break; done)
NO_PYTHON := echo "Byzer Lab needs Python 3.11 or newer, and none was found; install it first." >&2; exit 1;
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help lab demo test lint format python-test web-test benchmark down clean environment dev-environment

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

lab: environment ## install, build, start the cluster, open JupyterLab on the quickstart
	@$(BIN)/python tools/lab.py

demo: environment ## run the quickstart notebook without a screen and print its outputs
	@$(BIN)/python tools/demo.py notebooks/00_quickstart.ipynb

test: dev-environment lint web-test python-test ## all checks: lint, types, TypeScript, Python, browser

lint: dev-environment ## ruff, mypy, eslint, prettier
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/jlpm lint:check

format: dev-environment ## let ruff and prettier write
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/jlpm lint:fix

web-test: dev-environment
	$(BIN)/jlpm test

# On a quiet machine two processes, each with a cluster of its own, are quicker:
# make test PYTEST_OPTIONS="--numprocesses 2 --dist loadfile"
PYTEST_OPTIONS ?=

python-test: dev-environment
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

benchmark: dev-environment ## measure; see benchmarks/README.md
	$(BIN)/python -m benchmarks

down: ## stop the cluster
	@$(BIN)/byzer-lab down

clean: ## stop the cluster, remove the environment and everything built
	@if test -x $(BIN)/byzer-lab; then $(BIN)/byzer-lab down; fi
	rm -rf $(VENV) node_modules byzer_lab/labextension labextension/lib

environment:
	@$(or $(PYTHON),$(NO_PYTHON)) tools/environment.py lab

dev-environment:
	@$(or $(PYTHON),$(NO_PYTHON)) tools/environment.py dev
