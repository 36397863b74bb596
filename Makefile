# `make help` lists the targets. Each sets up what it needs; the next call finds it in place.

MAKEFLAGS += --no-print-directory

# Set up an environment with the first Python that fits, preferring the one that made it last time.
install = $(or $(PYTHON),$(shell for python in $(2)/bin/python python3.11 python3.12 python3.10 python3; do \
	"$$python" requirements/install.py $(1) --fits 2>/dev/null && break; done; echo "$$python")) \
	requirements/install.py $(1)
default = $(call install,default,.venv)
openmmlab = $(call install,openmmlab,.venv-openmmlab)
lint = $(call install,lint,.venv-lint)
schema = .venv-lint/bin/check-jsonschema --quiet --builtin-schema vendor.
docs = $(call install,docs,.venv-docs)

.PHONY: help quickstart downstream test test-openmmlab reliability benchmark lint docs clean

help: ## list the targets
	@echo 'make [PYTHON=python3.11] TARGET'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 20

quickstart: ## pre-train a small model on built-in images and evaluate it, on any CPU (ARGS for the tool)
	@$(default)
	@.venv/bin/python tools/quickstart.py $(ARGS)

downstream: ## train classification, segmentation and detection from its checkpoint, on any CPU (ARGS for the tool)
	@$(default) --ops
	@.venv/bin/python tools/downstream.py $(ARGS)

# The tests are small: two processes of a thread each are faster than one of two threads.
# Half of the tests is for each, and half of what the other has left when it has done its own.
test test-openmmlab: export OMP_NUM_THREADS ?= 1
reliability: export OMP_NUM_THREADS ?= 2
# One machine is like another without GPUs; what needs one has a target of its own.
test test-openmmlab: export CUDA_VISIBLE_DEVICES =
parallel = -n 2 --dist worksteal

test: ## run all tests on the default stack with compiled operators (ARGS for pytest)
	@$(default) --ops
	@.venv/bin/python -m pytest $(parallel) $(ARGS)

test-gpu: ## run the tests that need a GPU (ARGS for pytest)
	@$(default)
	@.venv/bin/python -m pytest -m gpu $(ARGS)

test-openmmlab: ## run the tests that do not need compiled operators on the last OpenMMLab releases (ARGS for pytest)
	@$(openmmlab)
	@.venv-openmmlab/bin/python -m pytest $(parallel) $(ARGS)

reliability: ## kill runs, damage images and time the checks at length (ARGS such as --images DIR)
	@$(default) --ops
	@.venv/bin/python -m tests.reliability $(ARGS)

benchmark: ## measure the data path and the training step on idle cores; fails if a ratio has fallen
	@$(default) --ops
	@.venv/bin/python -m pytest -m benchmark -s $(ARGS)

lint: ## check style, format, types and the files that GitHub reads
	@$(lint)
	@.venv-lint/bin/ruff check --output-format=concise .
	@.venv-lint/bin/ruff format --check .
	@.venv-lint/bin/mypy
	@$(schema)github-workflows .github/workflows/*.yml
	@$(schema)github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	@$(schema)citation-file-format CITATION.cff
	@.venv-lint/bin/hadolint Dockerfile

docs: ## build the documentation into docs/_build/html; a warning is an error
	@$(docs)
	@.venv-docs/bin/python -m sphinx --builder html --fail-on-warning --keep-going --quiet $(ARGS) docs docs/_build/html
	@echo 'Documentation: docs/_build/html/index.html'

clean: ## remove environments and caches; keep data, runs and compiled operators
	rm -rf .venv .venv-openmmlab .venv-lint .venv-docs .venv*.lock *.egg-info build docs/_build .pytest_cache .ruff_cache .mypy_cache
	find cmae_mm configs requirements tools tests -name __pycache__ -prune -exec rm -rf {} +
