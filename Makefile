# Two commands: `make demo` and `make test`. Each sets up .venv by itself, once.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
BIN := .venv/bin

.PHONY: demo test lint clean
.DELETE_ON_ERROR:

demo: .venv/.demo
	HOST=$(HOST) PORT=$(PORT) $(BIN)/python demo/app.py

test: .venv/.test lint
	$(BIN)/python -m pytest

lint: .venv/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright

.venv/bin/python:
	$(PYTHON) -m venv --clear .venv

.venv/.demo: pyproject.toml | .venv/bin/python
	@echo "Setting up .venv, once: some minutes, most of it PyTorch ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

.venv/.test: pyproject.toml | .venv/bin/python
	@echo "Setting up .venv for tests, once: some minutes, most of it PyTorch ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ .venv/.demo

clean:
	rm -rf .venv runs dist .pytest_cache .ruff_cache
