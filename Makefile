# The words people type. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
STAMP := $(VENV)/.ready

.PHONY: setup demo test test-long lint wheel-check bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(if $(UV),$(UV) venv --seed $(VENV),$(PYTHON) -m venv $(VENV))
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --constraint constraints.txt --group test --editable .
else
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group test --editable .
endif
	@touch $@

demo: setup
	@$(BIN)/vectopt demo

test: setup
	$(BIN)/python -m pytest

test-long: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group long
	VECTOPT_LONG=1 VECTOPT_KILLS=$${VECTOPT_KILLS:-2000} $(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Build the wheel, install it in a venv of its own, and run the smoke tests from outside the checkout:
# an editable install hides missing files.
wheel-check: setup
	rm -rf dist build/wheel-check
	$(BIN)/python -m build --quiet --wheel --no-isolation
	$(if $(UV),$(UV) venv --seed build/wheel-check,$(PYTHON) -m venv build/wheel-check)
	build/wheel-check/bin/python -m pip install --quiet --constraint constraints.txt pytest "$$(ls dist/*.whl)[langchain,langgraph,llama-index,local,cli]"
	outside=$$(mktemp -d) && here=$$(pwd) && cp tests/smoke/*.py "$$outside" && cd "$$outside" && \
	"$$here/build/wheel-check/bin/python" -m pytest -q -p no:cacheprovider . && rm -rf "$$outside"
	rm -rf build/wheel-check

bench: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	mkdir -p benchmarks/results
	$(BIN)/python benchmarks/store.py --json benchmarks/results/store.json
	$(BIN)/python benchmarks/intake.py --json benchmarks/results/intake.json
	$(BIN)/python benchmarks/index.py --json benchmarks/results/index.json
	$(BIN)/python benchmarks/dedup.py --json benchmarks/results/dedup.json
	$(BIN)/python benchmarks/embedding.py --json benchmarks/results/embedding.json
	$(BIN)/python benchmarks/adapters.py --json benchmarks/results/adapters.json
	$(BIN)/python benchmarks/outside.py --json benchmarks/results/outside.json
	$(BIN)/python benchmarks/capacity.py --json benchmarks/results/capacity.json

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
