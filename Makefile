# Two commands: `make demo` and `make test`. Each sets up .venv by itself, once.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
SEED ?= 1
CASES ?= 100000
BIN := .venv/bin
# uv fetches PyTorch's many packages side by side: a third of the time that pip takes.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --editable

.PHONY: demo test lint fuzz screenshots clean
.DELETE_ON_ERROR:

demo: .venv/.demo
	HOST=$(HOST) PORT=$(PORT) $(BIN)/python demo/app.py

test: .venv/.test lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not timing"
	$(BIN)/python -m pytest -m timing

lint: .venv/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright

# More damaged files than `make test` tries, of another SEED: what goes wrong is told and kept.
fuzz: .venv/.test
	cd tests && for target in pictures weights configs; do \
		../$(BIN)/python -m fuzzing $$target --seed $(SEED) --cases $(CASES) --finds ../runs/fuzz \
		|| failed=1; done; test -z "$$failed"

screenshots: .venv/.test
	$(BIN)/python tests/demo_screenshots.py runs/screenshots --readme

.venv/bin/uv:
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/.demo: pyproject.toml | .venv/bin/uv
	@echo "Setting up .venv, once: a minute or some, most of it PyTorch ..."
	$(INSTALL) '.[demo]'
	touch $@

.venv/.test: pyproject.toml | .venv/bin/uv
	@echo "Setting up .venv for tests, once: a minute or some, most of it PyTorch ..."
	$(INSTALL) '.[test]'
	touch $@ .venv/.demo

clean:
	rm -rf .venv runs dist .pytest_cache .ruff_cache
