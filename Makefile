# The README's two commands are `make demo` and `make test`; each installs what it needs first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml constraints.txt

.PHONY: install demo test lint types layers suite faults nightly cuda clean

install: $(VENV)/.installed

$(VENV)/.installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test-installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,ann]'
	$(BIN)/python -m pip install --quiet --no-deps rectools==0.19.0 pm-implicit==0.7.3
	touch $@ $(VENV)/.installed

demo: install
	$(BIN)/negatives demo

test: $(VENV)/.test-installed
	$(MAKE) --no-print-directory lint types layers suite faults

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test-installed
	$(BIN)/mypy

layers: $(VENV)/.test-installed
	$(BIN)/lint-imports

suite: $(VENV)/.test-installed
	$(BIN)/python -m pytest -n 2 -q

# Another thirtieth of the planted faults each day; FAULTS_PART=3 chooses.
faults: $(VENV)/.test-installed
	$(BIN)/python tests/faults/run.py --trust --part today/30

nightly: $(VENV)/.test-installed
	$(BIN)/python -m pytest -q -m nightly
	$(BIN)/python tests/faults/run.py

# Where there is a GPU, in under eight minutes: figures, a loop, then kernels and the contract of every table. Elsewhere
# its first command says so in one line and ends with code 2. What was measured stands in build/device at once.
cuda: $(VENV)/.test-installed
	$(BIN)/python benchmarks/device.py --out build/device
	$(BIN)/python examples/own_loop.py
	NEGATIVES_DEVICE=cuda $(BIN)/python -m pytest -n 8 -q --durations=20 tests/device

clean:
	rm -rf $(VENV) build dist src/*.egg-info
