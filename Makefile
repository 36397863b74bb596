# `make help` lists the targets. Each sets up what it needs; a second call finds it in place.

MAKEFLAGS += --no-print-directory

# setup: of the Pythons at hand the first that fits, beginning with the one an environment was made with.
install = $(or $(PYTHON),$(shell for python in $(2)/bin/python python3.11 python3.12 python3.10 python3; do \
	"$$python" requirements/install.py $(1) --fits 2>/dev/null && break; done; echo "$$python")) \
	requirements/install.py $(1)
default = $(call install,default,.venv)
openmmlab = $(call install,openmmlab,.venv-openmmlab)
lint = $(call install,lint,.venv-lint)

.PHONY: help quickstart downstream test test-openmmlab lint clean

help: ## list the targets
	@echo 'make [PYTHON=python3.11] TARGET'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 20

quickstart: ## pre-train a small model on built-in images and evaluate it, on any CPU
	@$(default)
	@.venv/bin/python tools/quickstart.py $(ARGS)

downstream: ## its checkpoint through classification, segmentation and detection, on any CPU
	@$(default) --ops
	@.venv/bin/python tools/downstream.py $(ARGS)

# The tests are small: more threads than this cost them more than they bring.
test test-openmmlab: export OMP_NUM_THREADS ?= 2

test: ## all tests, on the default stack with compiled operators (ARGS for pytest)
	@$(default) --ops
	@.venv/bin/python -m pytest $(ARGS)

test-openmmlab: ## the tests that need no compiled operators, on the last OpenMMLab releases (ARGS for pytest)
	@$(openmmlab)
	@.venv-openmmlab/bin/python -m pytest $(ARGS)

lint: ## style and format
	@$(lint)
	@.venv-lint/bin/ruff check --output-format=concise .
	@.venv-lint/bin/ruff format --check .

clean: ## remove environments and caches, but no data, no runs and no compiled operators
	rm -rf .venv .venv-openmmlab .venv-lint .venv*.lock *.egg-info build .pytest_cache .ruff_cache
	find cmae_mm configs tools tests -name __pycache__ -prune -exec rm -rf {} +
