# make                 install, run the whole pipeline, print the comparison
# make quick           the same pipeline as a preview of minutes, beside the results
# make test            lint, types and the fast tests: a few minutes
# make test-all        the same, then the slow tests
# make test-packages   what asks a package registry: locks, audit, release; two or three minutes
# make test-emulated   what other processors compute, by qemu-user: minutes, on some machines ten
# make study NAME=name run a study, such as logits, and print its verdicts; SIZE=quick is a preview
# make verify          remake everything in a clean clone and compare it with the committed hashes;
#                      SIZE=quick does so for what make quick runs, STUDY=name for a study. It leaves
#                      a receipt in rebuilds/, which names BY=mailto:me@example.org;
#                      EMULATED=EPYC-Milan runs all of its Python on that processor, by qemu-user
# make quick.lock      renew the hashes that make verify SIZE=quick compares with
# make docs            renew the generated blocks of README.md and docs/
# make simulations     renew the simulated tables of docs/statistics.md: a few minutes
# make rescore         renew the table of docs/data.md on images that nearly repeat others, or have wrong
#                      labels: a minute, after make
# make screenshots     renew the pictures of the page and of MLflow, with chromium
# make deps            renew the code dependencies in dvc.yaml from the imports, and the pipelines
#                      of all studies
# make bench           measure the speed here, beside what one would use instead;
#                      BENCH=--small=FOLDER is a short trial that overwrites nothing
# make bench-pipeline  run the whole pipeline and measure where its time goes
# make audit           look for known vulnerabilities of the locked packages
# make sbom.cdx.json   write the bill of materials of the locked packages, in CycloneDX's form
# make release         gather results, weights and metadata into one archive in release/;
#                      KEY=private.pem signs the champion
# make torch VERSION=2.13.0
#                      print which operations have other bits under that version of torch
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
PYTHON_VERSION := 'import sys; print("%d.%d" % sys.version_info[:2])'

# "anew" if the environment is missing or broken, else empty. $(READY) holds the folder it was made in:
# after a move, its scripts would look for Python in the old place.
ANEW := $(shell \
  test "$$(cat $(READY) 2>/dev/null)" = '$(CURDIR)' && test -x $(VENV)/bin/python \
  $(if $(PYTHON),&& test -d $(VENV)/lib/python$$('$(PYTHON)' -c $(PYTHON_VERSION) 2>/dev/null)) \
  || echo anew)

export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PATH := $(VIRTUAL_ENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# DVC asks for the name of the user, and in many containers there is none.
export LOGNAME ?= $(shell id -un 2>/dev/null)

QUICK_VALUES := seeds=[0] num_epochs=3 train_size=6000
QUICK := $(QUICK_VALUES:%=-S '%')
# The preview of this very commit with these values, its message; empty unless there is one.
PREVIEW = $(shell test -z "$$(git status --porcelain)" && git for-each-ref --format='%(refname) %(subject)' \
  refs/exps | grep -xF "refs/exps/$$(git rev-parse HEAD | sed 's|..|&/|')/quick $(QUICK_VALUES)")
SIZE ?= full
VERIFY_full :=
VERIFY_quick := --lock quick.lock $(QUICK)
STUDY :=
EMULATED :=
# What the table of portable operations and the self-test import.
FOR_TORCH := numpy pydantic ruamel.yaml safetensors
BY :=
KEY :=
VERSION :=

.PHONY: all install test test-all test-packages test-emulated quick study verify quick.lock audit release \
  torch bench bench-pipeline lock docs simulations rescore screenshots deps repository anew

all: repository $(READY)
	dvc repro
	fashionbench table

install: $(READY)

# $(READY) is written last, so an interrupted installation starts over. --use-pep517 is for the one
# package that comes as source without a pyproject.toml. Nothing is executable on a noexec disk.
$(READY): requirements.txt pyproject.toml $(ANEW)
	$(if $(ANEW),"$(FITTING_PYTHON)" -m venv --clear $(or $(realpath $(VENV)),$(VENV)),rm $@)
	@test -x $(VENV)/bin/pip || { rm -r $(VENV) && echo >&2 'this disk forbids to execute files; name a' \
	  'folder on another for the environment: ln -s /path/to/folder $(VENV)' && false; }
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
	pytest -m slow --dist load --maxschedchunk 1

test-packages: $(READY)
	pytest -m packages

test-emulated: $(READY)
	pytest -m emulated

# --temp: in a copy, so the workspace and its results stay as they are. dvc.yaml: without studies.
quick: repository $(READY)
	@$(if $(PREVIEW),,! dvc exp list --name-only | grep -qx quick || dvc exp remove quick)
	$(if $(PREVIEW),@echo 'Nothing has changed since this preview. To make it again: dvc exp remove quick',\
	  dvc exp run --temp --name quick --message '$(QUICK_VALUES)' $(QUICK) dvc.yaml)
	fashionbench table --rev quick
	@echo "The page of this preview: $$(fashionbench page --rev quick)"

# A pipeline of its own, which DVC knows from now on: see .dvcignore. The project's page shows the study
# after the next dvc repro.
study: repository $(READY)
	$(if $(wildcard studies/$(NAME)/dvc.yaml),,$(error name a study, such as make study NAME=logits: \
	  $(patsubst studies/%/dvc.yaml,%,$(wildcard studies/*/dvc.yaml))))
	python tools/write_studies.py $(NAME)
	@grep -qsx '!/$(NAME)/dvc.yaml' studies/.dvcignore || echo '!/$(NAME)/dvc.yaml' >> studies/.dvcignore
	$(STUDY_$(SIZE))
	cd studies/$(NAME) && fashionbench verdicts $(if $(filter quick,$(SIZE)),--rev quick-$(NAME))

STUDY_full = dvc repro studies/$(NAME)/dvc.yaml
define STUDY_quick
@! dvc exp list --name-only | grep -qx quick-$(NAME) || dvc exp remove quick-$(NAME)
dvc exp run --temp --copy-paths studies/.dvcignore --name quick-$(NAME) $(QUICK) \
  $(QUICK_VALUES:%=-S 'studies/$(NAME)/params.yaml:%') studies/$(NAME)/dvc.yaml
endef

verify: repository $(READY) $(if $(EMULATED),$(VENV)-emulated/bin/python)
	$(if $(EMULATED),QEMU_CPU=$(EMULATED) $(CURDIR)/$(VENV)-emulated/bin/)python -m fashionbench verify \
	  $(if $(STUDY),--study $(STUDY),$(VERIFY_$(SIZE))) $(if $(BY),--by '$(BY)')

# The environment once more, with a Python that qemu runs; DVC, which computes nothing, runs as it is.
$(VENV)-emulated/bin/python: $(READY)
	mkdir -p $(@D)
	cp $(VENV)/pyvenv.cfg $(VENV)-emulated
	ln -sfn '$(CURDIR)/$(VENV)/lib' $(VENV)-emulated/lib
	ln -sf '$(CURDIR)/$(VENV)/bin/dvc' $(@D)
	printf '#!/bin/sh\nexec qemu-x86_64 -0 "$$0" "%s" "$$@"\n' "$$(readlink -f $(VENV)/bin/python)" > $@
	chmod +x $@

# Commit it after each change of the code.
quick.lock: repository $(READY)
	fashionbench verify --write --lock $@ $(QUICK)

# From the committed results, params.yaml and dvc.yaml.
docs: $(READY)
	python tools/write_docs.py

screenshots: $(READY)
	python tools/screenshots.py

rescore: $(READY)
	python tools/rescore.py

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

sbom.cdx.json: requirements.txt pyproject.toml
	"$(FITTING_PYTHON)" -m venv --clear $(VENV)-sbom
	$(VENV)-sbom/bin/python -m pip install --quiet cyclonedx-bom
	$(VENV)-sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --of JSON --validate -o $@ requirements.txt
	rm -r $(VENV)-sbom

# model_signing imports pyopenssl without saying so.
release: repository $(READY) sbom.cdx.json
	$(if $(KEY),"$(FITTING_PYTHON)" -m venv --clear $(VENV)-sign)
	$(if $(KEY),$(VENV)-sign/bin/python -m pip install --quiet model_signing pyopenssl)
	python tools/release.py $(if $(KEY),$(VENV)-sign/bin/model_signing '$(KEY)')
	$(if $(KEY),rm -r $(VENV)-sign)

# layers.py has the cases: it is the tests'.
torch: export PYTHONPATH := src:tests/support
torch: $(READY)
	$(if $(VERSION),,$(error name a version of torch, such as make torch VERSION=2.13.0))
	"$(FITTING_PYTHON)" -m venv --clear $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install --quiet torch==$(VERSION) $(FOR_TORCH)
	python tools/other_torch.py > $(VENV)-torch/locked.json
	$(VENV)-torch/bin/python tools/other_torch.py > $(VENV)-torch/other.json
	python tools/other_torch.py $(VENV)-torch/locked.json $(VENV)-torch/other.json
	rm -r $(VENV)-torch

bench: $(VENV)/.bench
	python benchmarks/bench.py $(BENCH)

bench-pipeline: repository $(VENV)/.bench
	python benchmarks/pipeline.py

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
