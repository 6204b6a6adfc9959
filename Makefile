# Two commands: `make demo` and `make test`. Each sets up .venv by itself, once.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
SEED ?= 1
CASES ?= 100000
BIN := .venv/bin
# uv fetches PyTorch's many packages side by side: a third of the time that pip takes.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --editable

.PHONY: demo test test-slow test-release lint docs fuzz screenshots clean
.DELETE_ON_ERROR:

demo: .venv/.demo
	exec env HOST=$(HOST) PORT=$(PORT) $(BIN)/python demo/app.py

test: .venv/.test lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not timing and not slow"
	$(BIN)/python -m pytest -m "timing and not slow"

# What takes minutes: 20,000 damaged files, load tests, several processes, installs from scratch.
test-slow: .venv/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "slow and not timing and not release"
	$(BIN)/python -m pytest -m "slow and timing"

# What rarely breaks and takes minutes more: other Pythons, further moments of Ctrl-C.
test-release: .venv/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m release

lint: .venv/.test docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright

# The documentation site, in site/. Broken links, anchors and missing pages are errors.
# Not --quiet: it drops the warnings that --strict counts.
docs: .venv/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# More damaged files than the tests try, of another SEED; failures are printed and kept.
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
	@echo "Setting up .venv, once: about a minute, most of it for PyTorch ..."
	$(INSTALL) '.[demo]'
	touch $@

.venv/.test: pyproject.toml | .venv/bin/uv
	@echo "Setting up .venv for tests, once: about a minute, most of it for PyTorch ..."
	$(INSTALL) '.[test]'
	touch $@ .venv/.demo

clean:
	rm -rf .venv dist site .pytest_cache .ruff_cache
