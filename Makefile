# Two commands matter: `make demo` and `make test`. Both create .venv and install what is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo install test test-slow test-reliability check-system lint audit docs format clean

help: ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

demo: $(INSTALLED) ## The hybrid GAN at laptop scale, on embedded images: about four minutes on two cores
	@echo "the demo: a classifier of the drawn digits, 600 steps of training, scores and pictures; about four minutes"
	$(BIN)/kedro run --pipelines hybrid_cifar10 --env demo

install: $(INSTALLED) ## Create .venv and install the project in it

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "papergan needs Python 3.11 or newer, got $$($(PYTHON) --version); try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "creating $(VENV) and installing papergan and what it needs: a few gigabytes, three to five minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,viz,onnx,serve,hub,sweeps]"
	@touch $@

# Style, types and layers beside the tests, told where they fail. Tests go by file, since fixtures are a file's: a trained
# run, two processes; in the order of tests/conftest.py, longest first: the default, files of most tests first, begins
# the longest ones last.
test: $(INSTALLED) ## The whole test suite, and `make lint`: about six minutes on two cores
	@$(MAKE) --no-print-directory lint >$(VENV)/lint.txt 2>&1 & lint=$$!; \
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow and not reliability and not every_system"; \
	tests=$$?; wait $$lint && exit $$tests || { cat $(VENV)/lint.txt; exit 1; }

test-slow: $(INSTALLED) ## Tests that take minutes each
	$(BIN)/python -m pytest -m "slow or every_system" --timeout 3600

test-reliability: $(INSTALLED) ## Faults injected at random moments: under twenty minutes on two cores
	$(BIN)/python -m pytest -m reliability --timeout 1200

check-system: $(INSTALLED) ## Every test of one system: make check-system NAME=dcgan
	@test -n "$(NAME)" || { echo "which system? make check-system NAME=<a file in src/papergan/systems, without .py>"; exit 1; }
	$(BIN)/python -m pytest -m "not slow and not reliability" --system $(NAME)

lint: $(INSTALLED) ## Style, types and layers (also part of `make test`)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

audit: $(INSTALLED) ## Known holes in the pinned versions; needs a network and pip-audit
	@$(BIN)/python -m pip_audit --version >/dev/null || \
		{ echo "make audit needs pip-audit: $(BIN)/python -m pip install --constraint constraints.txt pip-audit"; exit 1; }
	$(BIN)/python -m pip_audit --requirement constraints.txt --no-deps --disable-pip --vulnerability-service osv

docs: $(INSTALLED) ## The documentation site, in site/; opens from the disk
	@$(BIN)/python -c 'import material, mkdocs, mkdocstrings_handlers.python' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "open site/index.html; the search needs a server: $(BIN)/python -m mkdocs serve"

format: $(INSTALLED) ## Put the code into house style
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean: ## Remove the environment and caches; data and results stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build site
