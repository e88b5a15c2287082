# `make demo` and `make test` are all a newcomer needs: Python 3.11+ and a package index.
# With uv installed they use it and its lock file; without it, venv and pip.

VENV := .venv
UV := $(shell command -v uv 2>/dev/null)
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help demo test lint env dev clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: env ## Train the embedded model and watch it learn
	@$(VENV)/bin/cockpit demo

test: dev ## Run every test, on every core
	@$(VENV)/bin/python -m pytest -q -n logical --dist worksteal

lint: dev ## Style, types and import contracts
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

env: $(VENV)/.cockpit ## Make the environment
dev: $(VENV)/.cockpit-dev ## The environment with the development tools

$(VENV)/.cockpit: pyproject.toml
ifneq ($(UV),)
	@uv sync --quiet --frozen --no-dev
else
	@test -n "$(PYTHON)" || { echo "MLX Cockpit needs Python 3.11 or newer: install it, or run make PYTHON=/path/to/python3"; exit 2; }
	@echo "Making the environment in $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
endif
	@touch $@

$(VENV)/.cockpit-dev: $(VENV)/.cockpit
ifneq ($(UV),)
	@uv sync --quiet --frozen
else
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --group dev
endif
	@touch $@

clean: ## Remove the environment (runs are kept)
	@rm -rf $(VENV)
