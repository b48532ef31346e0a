# make          install, run the whole pipeline, print the comparison
# make quick    the same pipeline in about two minutes, as an experiment beside the results
# make test     lint, types and tests
# make bench    how fast all this is here, beside what one would use instead
# make bench-pipeline    where the time of the whole pipeline goes; it runs all of it
# make logits   train all networks with the textbook's loss too, and keep that beside the results
# make verify   run everything in a clean clone and compare each hash with the committed ones;
#               SIZE=quick does so with what make quick runs
# make audit    look the locked packages up in the database of known vulnerabilities
# make lock     resolve the dependencies of pyproject.toml anew into requirements.txt
# Nothing has to be activated: every recipe finds the environment's commands first.

PYTHON ?= python3.11
VENV := .venv
READY := $(VENV)/.ready
UV_COMPILE := $(VENV)-lock/bin/uv pip compile --quiet pyproject.toml --universal \
  --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

QUICK := -S 'seeds=[0]' -S num_epochs=3 -S train_size=6000
SIZE ?= full
VERIFY_full :=
VERIFY_quick := --lock quick.lock $(QUICK)

.PHONY: all install test quick logits verify quick.lock audit bench bench-pipeline lock

all: $(READY)
	dvc repro
	fashionbench table

install: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "make: $(PYTHON) is not Python 3.11; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --require-hashes -r requirements.txt
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

test: $(READY)
	ruff check .
	ruff format --check .
	mypy
	pytest

# In a copy of its own, so that the workspace and its results stay as they are.
quick: $(READY)
	@! dvc exp list --name-only | grep -qw quick || dvc exp remove quick
	dvc exp run --temp --name quick $(QUICK)
	fashionbench table --rev quick

# The study that the report page compares with: as long as a run of the whole pipeline.
logits: $(READY)
	@! dvc exp list --name-only | grep -qw logits || dvc exp remove logits
	dvc exp run --temp --name logits -S loss_input=logits compare
	fashionbench keep logits studies/logits
	dvc repro report

verify: $(READY)
	fashionbench verify $(VERIFY_$(SIZE))

# What SIZE=quick is compared with: to be made anew, and committed, after a change of the code.
quick.lock: $(READY)
	fashionbench verify --write --lock $@ $(QUICK)

# pip-audit is no dependency of the project: it comes and goes with the command.
audit:
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet pip-audit
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.txt
	rm -r $(VENV)-audit

bench: $(VENV)/.bench
	python benchmarks/bench.py

bench-pipeline: $(VENV)/.bench
	python benchmarks/pipeline.py

$(VENV)/.bench: $(READY) requirements-bench.txt
	python -m pip install --quiet --require-hashes -r requirements-bench.txt
	touch $@

# For Linux and macOS, x86-64 and arm64 alike; pins that still fit stay.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(UV_COMPILE) --extra dev --output-file requirements.txt
	$(UV_COMPILE) --extra bench --constraint requirements.txt --output-file requirements-bench.txt
	rm -r $(VENV)-lock
