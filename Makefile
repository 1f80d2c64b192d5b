.DEFAULT_GOAL := help
.PHONY: help install assets lab test test-thorough lint format lock bench pictures crd chart wheel image kind clean
SHELL := bash

CLUSTER := atomictickets
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.lab assets ## Create .venv with the dependencies of the lab, pinned and hashed

lab: $(VENV)/.lab assets ## Run everything here until Ctrl-C; ONCE=1 sells by naive and by atomic, and exits (ARGS="--port 8001 --home .lab2")
	@$(BIN)/atomictickets lab $(if $(ONCE),--once) $(ARGS)

test: $(VENV)/.dev assets ## Run the tests that need no pods, against real servers (ARGS="tests/gate -k name" narrows them)
	@# Two at a time, because tests mostly wait. An empty PYTHONDONTWRITEBYTECODE enables bytecode; without it, each
	@# process that a test starts would compile the project.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 -m "not pods" $(ARGS)

test-thorough: $(VENV)/.dev assets ## Run all tests, with repetitions and whole matrices, and on a cluster with killed pods
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --thorough $(ARGS)

lint: $(VENV)/.dev ## Check style, types and imports between layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if $(MAKE) --silent node_modules/.checks; then node_modules/.bin/biome check --error-on-warnings app/static && node_modules/.bin/tsc --project app/static; fi

format: $(VENV)/.dev ## Format the code, and fix what the linter can fix
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format
	@if [ -x node_modules/.bin/biome ]; then node_modules/.bin/biome check --write app/static; fi

lock: $(VENV)/.dev ## Compile requirements/*.txt again from pyproject.toml, pinned with hashes; UPGRADE=1 takes newer versions
	@$(PIP) install --quiet uv
	@$(BIN)/python tools/lock.py $(if $(UPGRADE),--upgrade)

bench: $(VENV)/.lab ## Measure the service against a plain FastAPI application (ARGS="...": see atomictickets bench --help)
	@$(BIN)/atomictickets bench $(ARGS)

pictures: $(VENV)/.dev assets ## Take the pictures of docs/images from a real run; needs a Chromium on the PATH
	@$(BIN)/python tools/take_pictures.py

crd: $(VENV)/.dev ## Generate k8s/crd.yaml from the operator's models
	@$(BIN)/python -m flashsale_operator.resource.crd > k8s/crd.yaml.new && mv k8s/crd.yaml.new k8s/crd.yaml
	@cp k8s/crd.yaml charts/atomictickets/files/crd.yaml

chart: $(VENV)/.dev ## Generate the chart's schema and tables from values.yaml and the settings
	@$(BIN)/python tools/document_chart.py

wheel: $(VENV)/.lab assets ## Build the wheel, which runs without the checkout, into dist/
	@[ -f app/static/vendor/chart.js ] || { echo "the dashboard of the wheel would have no charts: npm is needed"; exit 1; }
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

image: ## Build the image atomictickets:dev, with the version and the commit in its labels
	docker build --tag atomictickets:dev --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) .

kind: ## Install the chart on a local kind cluster and buy two tickets there
	@missing=; for tool in docker kind kubectl helm; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then echo "make kind needs$$missing: not found on the PATH"; exit 1; fi
	@docker info >/dev/null 2>&1 || { echo "make kind needs Docker running: docker info fails"; exit 1; }
	@kind get clusters 2>/dev/null | grep -qx $(CLUSTER) || kind create cluster --config kind-config.yaml
	@$(MAKE) image
	@# The tag is derived from the image's id, so that a changed image replaces the pods.
	tag=$$(docker image inspect --format '{{slice .Id 7 19}}' atomictickets:dev) && \
	docker tag atomictickets:dev atomictickets:$$tag && \
	kind load docker-image --name $(CLUSTER) atomictickets:$$tag && \
	helm --kube-context kind-$(CLUSTER) upgrade --install atomictickets charts/atomictickets \
		--values charts/atomictickets/ci/kind-values.yaml --set-string image.tag=$$tag --wait --wait-for-jobs --timeout 5m
	kubectl --context kind-$(CLUSTER) apply --filename k8s/exact-drop.yaml
	helm --kube-context kind-$(CLUSTER) test atomictickets
	@echo "The API is at http://127.0.0.1:8080/docs; kubectl --context kind-$(CLUSTER) get flashsales; kind delete cluster --name $(CLUSTER)"

clean: ## Remove .venv, the lab's data and caches
	@# If it runs as root, the lab may keep PostgreSQL's data elsewhere, behind a link.
	@for data in .lab*/postgres; do if [ -L "$$data" ]; then rm -rf "$$(readlink "$$data")"; fi; done
	rm -rf $(VENV) .lab* node_modules app/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# .lab and .dev are stamps: if a requirements file or pyproject.toml is newer, the packages are installed again.
$(VENV)/.lab: requirements/lab.txt pyproject.toml | $(BIN)/pip
	@echo "Downloading and installing packages into $(VENV): about a minute, in silence."
	$(PIP) install --quiet --require-hashes -r requirements/lab.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# The dashboard's libraries. If npm or its registry is not available, the script prints one line and the build goes on.
assets: $(VENV)/.lab
	@[ app/static/vendor/chart.js -nt package-lock.json ] || $(BIN)/python tools/dashboard_assets.py || true

node_modules/.checks: package-lock.json
	@$(BIN)/python tools/dashboard_assets.py --dev
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.lab
	@echo "Downloading and installing the packages of the tests: about a minute, in silence."
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# pip is installed last into a new venv, so a venv without it was interrupted or lacks ensurepip, and is created again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
