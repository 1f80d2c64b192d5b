.DEFAULT_GOAL := help
.PHONY: help install lab test lint bench crd kind clean
SHELL := bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.lab ## Set up .venv with what the lab needs, pinned and hashed

lab: $(VENV)/.lab ## Run everything here until Ctrl-C; ONCE=1 runs both scenarios and ends (ARGS="--port 8001 --home .lab2")
	@$(BIN)/atomictickets lab $(if $(ONCE),--once) $(ARGS)

test: $(VENV)/.dev ## Run the tests against real servers (ARGS="-k name" narrows them)
	@$(BIN)/pytest $(ARGS)

lint: $(VENV)/.dev ## Check style, types and who imports whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.lab ## Measure the engine against its floors on this machine (ARGS="...": see atomictickets bench --help)
	@$(BIN)/atomictickets bench $(ARGS)

crd: $(VENV)/.dev ## Write k8s/crd.yaml anew from the models of the operator
	@$(BIN)/python -m flashsale_operator.resource.crd > k8s/crd.yaml.new && mv k8s/crd.yaml.new k8s/crd.yaml

kind: ## Run it on a local Kubernetes cluster
	@echo "make kind is not there yet: the chart and the operator are still to come"

clean: ## Remove .venv, the lab's data and caches
	@# As root the lab may keep PostgreSQL's data elsewhere and link to it.
	@if [ -L .lab/postgres ]; then rm -rf "$$(readlink .lab/postgres)"; fi
	rm -rf $(VENV) .lab .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# A stamp is newer than what it was made from; a changed requirements file or pyproject.toml installs again.
$(VENV)/.lab: requirements/lab.txt pyproject.toml | $(BIN)/pip
	$(PIP) install --quiet --require-hashes -r requirements/lab.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.lab
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# pip comes last when a venv is made: one that was cut short, or lacks ensurepip, is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
