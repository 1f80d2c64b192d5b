.DEFAULT_GOAL := help
.PHONY: help install assets lab test test-thorough lint bench crd chart kind clean
SHELL := bash

CLUSTER := atomictickets
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.lab assets ## Set up .venv with what the lab needs, pinned and hashed

lab: $(VENV)/.lab assets ## Run everything here until Ctrl-C; ONCE=1 runs both scenarios and ends (ARGS="--port 8001 --home .lab2")
	@$(BIN)/atomictickets lab $(if $(ONCE),--once) $(ARGS)

test: $(VENV)/.dev assets ## Run the tests that need no pods, against real servers (ARGS="tests/gate -k name" narrows them)
	@# Two at a time, since they mostly wait. Without bytecode each process that they start would compile the project.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 -m "not pods" $(ARGS)

test-thorough: $(VENV)/.dev assets ## Run all tests: repeats, whole matrices, and on a cluster pods that are killed one by one
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --thorough $(ARGS)

lint: $(VENV)/.dev ## Check style, types and who imports whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if $(MAKE) --silent node_modules/.checks; then node_modules/.bin/biome check --error-on-warnings app/static && node_modules/.bin/tsc --project app/static; fi

bench: $(VENV)/.lab ## Measure the engine against its floors on this machine (ARGS="...": see atomictickets bench --help)
	@$(BIN)/atomictickets bench $(ARGS)

crd: $(VENV)/.dev ## Write k8s/crd.yaml anew from the models of the operator
	@$(BIN)/python -m flashsale_operator.resource.crd > k8s/crd.yaml.new && mv k8s/crd.yaml.new k8s/crd.yaml
	@cp k8s/crd.yaml charts/atomictickets/files/crd.yaml

chart: $(VENV)/.dev ## Write the chart's schema and tables anew from values.yaml and the settings
	@$(BIN)/python tools/document_chart.py

kind: ## Install it on a local Kubernetes cluster, and buy a ticket there
	@missing=; for tool in docker kind kubectl helm; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then echo "make kind needs$$missing: not found on the PATH"; exit 1; fi
	@docker info >/dev/null 2>&1 || { echo "make kind needs Docker running: docker info fails"; exit 1; }
	@kind get clusters 2>/dev/null | grep -qx $(CLUSTER) || kind create cluster --config kind-config.yaml
	docker build --tag atomictickets:dev .
	@# A tag made from the image's id: after a change of the source the pods have another image, and are replaced.
	tag=$$(docker image inspect --format '{{slice .Id 7 19}}' atomictickets:dev) && \
	docker tag atomictickets:dev atomictickets:$$tag && \
	kind load docker-image --name $(CLUSTER) atomictickets:$$tag && \
	helm --kube-context kind-$(CLUSTER) upgrade --install atomictickets charts/atomictickets \
		--values charts/atomictickets/ci/kind-values.yaml --set-string image.tag=$$tag --wait --wait-for-jobs --timeout 5m
	kubectl --context kind-$(CLUSTER) apply --filename k8s/atomic-drop.yaml
	helm --kube-context kind-$(CLUSTER) test atomictickets
	@echo "The API is at http://127.0.0.1:8080/docs; kubectl --context kind-$(CLUSTER) get flashsales; kind delete cluster --name $(CLUSTER)"

clean: ## Remove .venv, the lab's data and caches
	@# As root the lab may keep PostgreSQL's data elsewhere and link to it.
	@if [ -L .lab/postgres ]; then rm -rf "$$(readlink .lab/postgres)"; fi
	rm -rf $(VENV) .lab node_modules app/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# A stamp is newer than what it was made from; a changed requirements file or pyproject.toml installs again.
$(VENV)/.lab: requirements/lab.txt pyproject.toml | $(BIN)/pip
	$(PIP) install --quiet --require-hashes -r requirements/lab.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# What the dashboard loads, and what checks it. Without npm, or a registry, one line says what is missing.
assets: $(VENV)/.lab
	@[ app/static/vendor/chart.js -nt package-lock.json ] || $(BIN)/python tools/dashboard_assets.py || true

node_modules/.checks: package-lock.json
	@$(BIN)/python tools/dashboard_assets.py --dev
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.lab
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# pip comes last when a venv is made: one that was cut short, or lacks ensurepip, is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
