# What there is to do with a checkout. Everything runs from .venv, installed from the hash-locked requirements.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test lint bench soak lock clean

help: ## Show this list
	@echo "Hemostat: self-hosted incident response. What you can make:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

demo: $(VENV)/.runtime ## Install and start everything, with a small real shop whose failure you can watch being healed
	@$(BIN)/hemostat demo $(ARGS)

up: $(VENV)/.runtime ## Install and start the product itself
	@$(BIN)/hemostat up $(ARGS)

test: $(VENV)/.dev ## Install what tests need, and run them (ARGS=path or pytest options narrows it)
	@tools/test $(ARGS)

lint: $(VENV)/.dev ## Check style, types, import contracts and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m lints

bench: $(VENV)/.dev ## Measure what the program does, and print the figures
	@$(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.dev ## Run the tests that need long real time: every kill ten times, ten quiet minutes
	@HEMOSTAT_FULL=1 tools/test -m "(story or slow) and not browser" $(ARGS)
	@HEMOSTAT_FULL=1 tools/test -m "story and browser" $(ARGS)

lock: $(VENV)/.dev ## Choose versions anew and write the lock files (needs uv: pip install uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
		--upgrade pyproject.toml --extra lab --group build -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
		--upgrade pyproject.toml --extra lab --group dev -c requirements.lock -o requirements-dev.lock

clean: ## Remove the virtual environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

$(VENV)/.runtime: requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) tools/install $(VENV) requirements.lock .runtime

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) tools/install $(VENV) requirements-dev.lock .runtime .dev
