# Every target sets up .venv by itself: uv when it is there, else python3 -m venv and pip. The lock
# files are complete, so nothing is resolved: older pips cannot match hashes with `name[extra]`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.bench-installed
PYTEST_ARGS ?=

.PHONY: help up demo test check format lint bench bench-peers faults soak cluster-test conformance lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'InfraGate needs Python 3.11 or newer; name one: make PYTHON=python3.12'; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.lock && \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

up: $(STAMP) ## everything on this machine; Ctrl-C stops it
	@$(BIN)/infragate up $(ARGS)

demo: $(STAMP) ## the whole story with a real MCP client, shown step by step
	@$(BIN)/infragate demo $(ARGS)

test: $(STAMP) ## all tests that this machine can run, but the faults
	$(BIN)/python -m pytest --ignore=tests/faults $(PYTEST_ARGS)

check: $(STAMP) ## format, lint, types, layers, tests
	$(MAKE) lint
	$(MAKE) test

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BENCH_STAMP) ## measure beside references: make bench ARGS="--only queue --quick"
	$(BIN)/python -m bench $(ARGS)

faults: $(STAMP) ## everything that a stack leans on goes wrong, under traffic; measures the table of docs/operations.md anew
	INFRAGATE_FAULTS_REPORT=tests/faults/measured.json $(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)
	$(BIN)/python -m tests.faults.measured

soak: $(STAMP) ## half an hour at 70 % of capacity, nothing may grow: make soak ARGS="--seconds 600"
	$(BIN)/python -m bench.soak $(ARGS)

bench-peers: $(BENCH_STAMP) ## the same beside other MCP servers for Kubernetes, installed for that
	bench/install-peers $(VENV)/peers
	$(BIN)/python -m bench --only peers --peers $(VENV)/peers $(ARGS)

$(BENCH_STAMP): $(STAMP) requirements/bench.lock
	@if command -v uv >/dev/null; then \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench.lock ; \
	else \
	  $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/bench.lock ; \
	fi
	@touch $@

cluster-test: $(STAMP) ## the cluster suite on a real cluster: make cluster-test KUBECONFIG=...
	INFRAGATE_TEST_KUBECONFIG="$${INFRAGATE_TEST_KUBECONFIG:-$(KUBECONFIG)}" $(BIN)/python -m pytest tests/cluster $(PYTEST_ARGS)

conformance: $(STAMP) ## the official MCP conformance suite against two replicas
	@tests/npm $(VENV)/conformance @modelcontextprotocol/conformance@0.2.0-alpha.12
	INFRAGATE_TEST_CONFORMANCE=$(VENV)/conformance $(BIN)/python -m pytest tests/conformance $(PYTEST_ARGS)

lock: ## resolve the dependencies anew
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --group dev --extra api --extra worker --extra otel pyproject.toml -o requirements/dev.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --extra api --extra otel pyproject.toml -c requirements/dev.lock -o requirements/api.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --extra worker --extra otel pyproject.toml -c requirements/dev.lock -o requirements/worker.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --group bench -c requirements/dev.lock -o requirements/bench.lock

clean: ## forget the environment and the local state
	rm -rf $(VENV) .infragate
