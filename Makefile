# Each target works on a fresh machine: what it needs, it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test cov lint format bench venv clean
help:
	@echo "make demo    redact two samples into out/"
	@echo "make test    every test that this machine can run"
	@echo "make cov     the same, with what of the code they reach"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make format  let ruff lay out the code"
	@echo "make bench   short runs of every benchmark"
	@echo "make venv    just the virtual environment"

venv: $(STAMP)
$(STAMP): setup.py pyproject.toml Makefile
	@packaging/make_venv.sh "$(PYTHON)" "$(VENV)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/python examples/demo.py --out out

test: $(STAMP)
	@packaging/test_tools.sh
	$(BIN)/faceguard models pull --for-tests
	$(BIN)/python -m pytest

# Apart, since it makes much of the tests three times as slow.
cov: $(STAMP)
	$(BIN)/python -m pytest --cov --cov-report=term

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p benchmarks
	$(BIN)/mypy examples/demo.py
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks.recall --quick
	$(BIN)/python -m benchmarks.redetected --quick
	$(BIN)/python -m benchmarks.redact --quick
	$(BIN)/python -m benchmarks.daemon --quick
	$(BIN)/python -m benchmarks.thermal --quick
	$(BIN)/python -m benchmarks.upscale --quick

clean:
	rm -rf $(VENV) out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
