# Each target works alone and first, from a fresh clone. PYTHON names another interpreter: make demo PYTHON=python3.12
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
BIN := .venv/bin
TWO := --numprocesses=2 --dist=loadfile --no-loadscope-reorder # many tests wait; tests/conftest.py shares them out
.PHONY: help demo test test-all bench lint setup setup-tests clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 20

demo: setup ## set everything up and run the main job on the Python documentation (runs/demo)
	$(BIN)/synthmill experiment=demo

# Hundreds of processes would compile our sources again where a variable forbids Python to keep what it compiled.
test test-all: export PYTHONDONTWRITEBYTECODE :=

test: lint ## set everything up; ruff, mypy --strict and the tests
	$(BIN)/pytest -m "not soak" $(TWO)

test-all: lint ## the same with the tests that take minutes
	$(BIN)/pytest $(TWO)

bench: setup ## run every benchmark and collect the lines of its table (runs/bench.txt)
	@mkdir -p runs
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python "$$script" || echo "$$script: a budget is missed, or it failed"; done \
		| tee runs/bench.log
	@echo "== all" && (grep -E ' (ratio|value) ' runs/bench.log || true) | tee runs/bench.txt

lint: setup-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict engine training eval benchmarks pins install.py

setup:
	@$(PYTHON) install.py

setup-tests:
	@$(PYTHON) install.py --tests

clean: ## remove the environment, build leftovers and caches; runs/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
