# make                 install, run the whole pipeline, print the comparison
# make quick           the same pipeline as a preview of minutes, beside the results
# make test            lint, types and the fast tests: a few minutes
# make test-all        the same, then the slow tests
# make study NAME=name run a study, such as logits, and show it on the page
# make verify          remake everything in a clean clone and compare it with the committed hashes;
#                      SIZE=quick does so for what make quick runs, STUDY=name for a study
# make quick.lock      renew the hashes that make verify SIZE=quick compares with
# make docs            renew the generated blocks of README.md and docs/
# make simulations     renew the simulated tables of docs/statistics.md: a few minutes
# make screenshots     renew the README's pictures of the page and of MLflow, with chromium
# make deps            renew the code dependencies in dvc.yaml from the imports, and the pipelines
#                      of all studies
# make bench           measure the speed here, beside what one would use instead;
#                      BENCH="--small --output=FOLDER" is a short trial that overwrites nothing
# make bench-pipeline  run the whole pipeline and measure where its time goes
# make audit           look for known vulnerabilities of the locked packages
# make lock            resolve the dependencies of pyproject.toml into requirements*.txt
# make install         only make the environment
# No environment has to be activated: every recipe finds its commands first.

# The environment is made with the first of these that is 3.11 or later; PYTHON=... names another.
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3 python
VENV := .venv
READY := $(VENV)/.ready
UV_COMPILE := $(VENV)-lock/bin/uv pip compile --quiet --system-certs pyproject.toml --universal \
  --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

# The path of a suitable Python. Each is started, since version managers have commands even for
# versions that are not installed.
FITTING_PYTHON = $(or $(shell \
  for name in $(if $(PYTHON),'$(PYTHON)',$(PYTHONS)); do \
    path=$$(command -v "$$name") && "$$path" -c $(IS_FITTING) 2>/dev/null && echo "$$path" && break; \
  done),$(error found no Python 3.11 or later: looked for $(or $(PYTHON),$(PYTHONS)) \
  (to name one: make PYTHON=/path/to/python3.11)))
IS_FITTING := 'import sys; sys.exit(sys.version_info < (3, 11))'
VERSION := 'import sys; print("%d.%d" % sys.version_info[:2])'

# "anew" if the environment is missing or broken, else empty. $(READY) holds the folder it was made in:
# after a move, its scripts would look for Python in the old place.
ANEW := $(shell \
  test "$$(cat $(READY) 2>/dev/null)" = '$(CURDIR)' && test -x $(VENV)/bin/python \
  $(if $(PYTHON),&& test -d $(VENV)/lib/python$$('$(PYTHON)' -c $(VERSION) 2>/dev/null)) \
  || echo anew)

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(VIRTUAL_ENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

QUICK := -S 'seeds=[0]' -S num_epochs=3 -S train_size=6000
SIZE ?= full
VERIFY_full :=
VERIFY_quick := --lock quick.lock $(QUICK)
STUDY :=

.PHONY: all install test test-all quick study verify quick.lock audit bench bench-pipeline lock \
  docs simulations screenshots deps repository anew

all: repository $(READY)
	dvc repro
	fashionbench table

install: $(READY)

# $(READY) is written last, so an interrupted installation starts over. --use-pep517 is for the one
# package that comes as source without a pyproject.toml.
$(READY): requirements.txt pyproject.toml $(ANEW)
	$(if $(ANEW),"$(FITTING_PYTHON)" -m venv --clear $(VENV),rm $@)
	python -m pip install --use-pep517 --require-hashes -r requirements.txt
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo '$(CURDIR)' > $@

# DVC stores experiments as commits. Without this check it would use a repository further up.
repository:
	@$(if $(shell test -e .git && git rev-parse --quiet --verify HEAD),,$(error type this first: \
	  git init && git add --all && git commit --message fashionbench \
	  (DVC needs a git repository of this very folder, with a commit)))

test: $(READY)
	ruff check .
	ruff format --check .
	mypy
	pytest

test-all: test
	pytest -m slow

# --temp: in a copy, so the workspace and its results stay as they are. dvc.yaml: without the studies,
# or DVC warns of each output of one that has not run.
quick: repository $(READY)
	@! dvc exp list --name-only | grep -qx quick || dvc exp remove quick
	dvc exp run --temp --name quick $(QUICK) dvc.yaml
	fashionbench table --rev quick

# A pipeline of its own, and then the project's: its page shows the study.
study: repository $(READY)
	$(if $(NAME),,$(error name a study: make study NAME=logits))
	dvc repro studies/$(NAME)/dvc.yaml
	dvc repro

verify: repository $(READY)
	fashionbench verify $(if $(STUDY),--study $(STUDY),$(VERIFY_$(SIZE)))

# Commit it after each change of the code.
quick.lock: repository $(READY)
	fashionbench verify --write --lock $@ $(QUICK)

# From the committed results, params.yaml, dvc.yaml and the modules' docstrings.
docs: $(READY)
	python tools/write_docs.py

screenshots: $(READY)
	python tools/screenshots.py

simulations: $(READY)
	python tools/simulate_statistics.py

deps: $(READY)
	python tools/write_dependencies.py
	python tools/write_studies.py

# pip-audit is not a dependency of the project: it gets an environment of its own, then removed.
audit:
	"$(FITTING_PYTHON)" -m venv --clear $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet pip-audit
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.txt
	rm -r $(VENV)-audit

bench: $(VENV)/.bench
	python benchmarks/bench.py $(BENCH)

bench-pipeline: repository $(VENV)/.bench
	python benchmarks/pipeline.py $(BENCH)

$(VENV)/.bench: $(READY) requirements-bench.txt
	python -m pip install --use-pep517 --require-hashes -r requirements-bench.txt
	touch $@

# One lock for Python 3.11 and later, Linux and macOS, x86-64 and arm64. Pins that still fit stay.
lock:
	"$(FITTING_PYTHON)" -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv
	$(UV_COMPILE) --extra dev --output-file requirements.txt
	$(UV_COMPILE) --extra cluster --constraint requirements.txt --output-file requirements-cluster.txt
	$(UV_COMPILE) --extra bench --constraint requirements.txt --output-file requirements-bench.txt
	rm -r $(VENV)-lock
