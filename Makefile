PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.set-up
DOCS := .venv-docs
DOCS_STAMP := $(DOCS)/.set-up

# On a terminal pip shows what it downloads, with a bar; into a file it would write hundreds of lines.
PIP = $(BIN)/python -m pip install $$(test -t 2 || echo --quiet) --disable-pip-version-check -c constraints.txt

.PHONY: setup demo docs test lint types layers tests tests-ray tests-sklearn tests-arm tests-processors fuzz
.PHONY: bench bench-peers bench-fit clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV), once: 1.7 GB, minutes"
	$(PYTHON) -m venv $(VENV)
	@echo "1/3 PyTorch, which is most of it"
	@$(PIP) torch
	@echo "2/3 the other packages"
	@$(PIP) -e '.[dev]'
	@echo "3/3 compiling the native kernels"
	@$(BIN)/python -m dadarts.engines.native
	touch $@

demo: setup
	$(BIN)/dadarts demo

test: lint types layers tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

# Where bytecode is not to be written, every worker and every process compiles all again; and NumPy's threads wait for
# one another, spinning, where both workers compute.
tests: setup
	PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

# The site, in build/site: what a page links to that is not there is an error.
docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo "build/site/index.html"

# The reference is read from sources: nothing of it is imported, and neither torch nor dadarts is installed.
$(DOCS_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		mkdocs-material "mkdocstrings[python]"
	touch $@

# On a Ray cluster of two nodes on this machine; without Ray `make tests` leaves these out.
tests-ray: setup
	$(PIP) -e '.[dev,ray]'
	$(BIN)/pytest tests/compare/test_ray.py

# All of scikit-learn's checks of an estimator, a minute or two; `make tests` runs those that fit little.
tests-sklearn: setup
	$(BIN)/pytest tests/estimator/all_checks.py

# The native kernels on processors that this machine has not got: on 64-bit Arm under an emulator; with and without AVX.
# What has no compiler or emulator here is skipped, with a word.
tests-arm: setup
	$(BIN)/python -m tests.engines.kernels arm64

tests-processors: setup
	$(BIN)/python -m tests.engines.kernels

# An hour of damaged and hostile input; `make fuzz MINUTES=5` is shorter. Failing inputs are kept in fuzz-found.
MINUTES ?= 60

fuzz: setup
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

bench: setup
	$(BIN)/python -m benchmarks.engine

bench-peers: setup $(PEERS_STAMP)
	$(BIN)/python -m benchmarks.peers --python $(PEERS)/bin/python

# FOLDER is where cifar10 lies; seven tasks of 3 and 10 minutes, for hours, and what is in the results is not run again.
FOLDER ?= datasets

bench-fit: setup
	$(BIN)/python -m benchmarks.fit.contest $(FOLDER)
	$(BIN)/python -m benchmarks.fit.contest $(FOLDER) --minutes 3 --tasks cifar-200 cifar-1000 cats-dogs \
		animals-vehicles unequal --max_parameters 60000

# nni 3.0 imports pkg_resources, which setuptools 81 no longer has.
$(PEERS_STAMP):
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
		nni==3.0 torch==2.13.0 "setuptools<81" pytorch_lightning
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) $(DOCS)
