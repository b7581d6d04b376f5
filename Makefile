# Lectern's commands. Every target does its own set-up, once: a virtual environment in .venv and the pinned versions of
# constraints.txt. It needs make (GNU, 3.81 or later) and Python 3.11 to 3.14, nothing else.
#
#   PYTHON=/path/to/python   the interpreter that makes the virtual environment (found by itself otherwise)
#   EXTRA=gpu                onnxruntime-gpu instead of onnxruntime, in .venv-gpu instead of .venv
#   EXTRA=openvino           onnxruntime-openvino, in .venv-openvino
#   TEST_IMAGE=gpu           make test-image also builds the image for GPUs, for which it downloads gigabytes
#   PROVIDERS="..."          what make gpu-check measures beside the CPU (cuda tensorrt); openvino runs without a GPU
#   ARGS="..."               further arguments for lectern serve, pytest, lectern-train, the benchmark

EXTRA ?= cpu
VENV  ?= .venv$(if $(filter-out cpu,$(EXTRA)),-$(EXTRA))
ARGS  ?=
TEST_IMAGE ?= 1
PROVIDERS  ?= cuda tensorrt
CHECK_EXTRA = $(if $(filter openvino,$(PROVIDERS)),openvino,gpu)
GPU_TORCH_INDEX ?= https://download.pytorch.org/whl/cu130
PY    := $(VENV)/bin/python
PIP   := $(PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# PyTorch's own index has builds without CUDA; elsewhere a plain `pip install torch` on Linux brings gigabytes of it.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# The alarm ends even a look-up of the name that hangs.
reachable = $(PY) -c 'import signal, urllib.request as r; signal.alarm(10); r.urlopen("$(1)", timeout=5)' 2>/dev/null

# A stamp records that an install is done; it is stale when a dependency or a pin has changed. A wider install is also
# the narrower ones.
SERVE_STAMP   := $(VENV)/.lectern-serve-$(EXTRA)
SERVICE_STAMP := $(VENV)/.lectern-service-$(EXTRA)
FULL_STAMP    := $(VENV)/.lectern-full-$(EXTRA)
INPUTS        := pyproject.toml constraints.txt

# The documentation has an environment of its own: its tools are no part of the tests' set-up.
DOCS_VENV  := .venv-docs
DOCS_PY    := $(DOCS_VENV)/bin/python
DOCS_STAMP := $(DOCS_VENV)/.lectern-docs

# So has schemathesis, which `make fuzz` runs as a program.
FUZZ_VENV  := .venv-fuzz
FUZZ_PY    := $(FUZZ_VENV)/bin/python
FUZZ_STAMP := $(FUZZ_VENV)/.lectern-fuzz

# So have other people's clients; MLServer's asks for versions that the others do not take. Their pins are apart from
# the server's.
CLIENTS       := tests/clients
CLIENTS_VENV  := .venv-clients
CLIENTS_PY    := $(CLIENTS_VENV)/bin/python
CLIENTS_STAMP := $(CLIENTS_VENV)/.lectern-clients
MLSERVER_VENV  := .venv-clients-mlserver
MLSERVER_PY    := $(MLSERVER_VENV)/bin/python
MLSERVER_STAMP := $(MLSERVER_VENV)/.lectern-clients
# Compiling modules of which most are never imported would take longer than all else.
CLIENTS_PIP    := -m pip --disable-pip-version-check install --quiet --no-compile
CLIENT_TESTS   := -m pytest -c $(CLIENTS)/pytest.ini --lectern $(VENV)/bin/lectern
# pytest's status is 5 where ARGS chooses tests of the other environment only.
or_none_chosen = $(if $(ARGS),|| test $$? -eq 5)

# So has OpenVINO, whose onnxruntime shares its module with the others; `make serve EXTRA=openvino` uses it too.
OPENVINO_VENV  := .venv-openvino
OPENVINO_PY    := $(OPENVINO_VENV)/bin/python
OPENVINO_STAMP := $(OPENVINO_VENV)/.lectern-test

# So has each server that `make bench-peers` measures; PEERS="triton ray" chooses some. What cannot be installed leaves
# its reason in a log, which the benchmark prints as its row.
PEERS         ?= fastapi litserve mlserver bentoml ray triton
PEERS_VENV    := .venv-peers
PEERS_PINS    := tests/benchmarks/peers/requirements
PEERS_STAMPS  := $(PEERS:%=$(PEERS_VENV)/%/.lectern-peer)

# So has spaCy, with the tagger that `make bench-taggers` trains once.
SPACY_VENV  := .venv-spacy
SPACY_PY    := $(SPACY_VENV)/bin/python
SPACY_STAMP := $(SPACY_VENV)/.lectern-spacy
SPACY_MODEL := $(SPACY_VENV)/ewt
newest       = $(lastword $(shell ls -d models/$(1)/* 2>/dev/null | sort -V))

# So have the page's tests: Playwright, which drives the Chromium of the system, and what npm has (tests/page/package.json).
PAGE       := tests/page
PAGE_VENV  := .venv-page
PAGE_PY    := $(PAGE_VENV)/bin/python
PAGE_STAMP := $(PAGE_VENV)/.lectern-page
PAGE_NPM   := $(PAGE)/node_modules/.lectern-page

# So has the compiler of gRPC's messages, which only `make protos` needs.
PROTO_PY := .venv-protos/bin/python
PROTOS   := service/grpc_api/protocol

.DEFAULT_GOAL := help
.PHONY: help serve test test-service test-clients test-openvino test-image test-page page-vendor check format bench bench-peers bench-page bench-vectors bench-taggers bench-translators chaos fuzz docs protos openapi constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { sub("%", "<family>", $$1); printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(SERVE_STAMP) ## Serve ./models on http://127.0.0.1:8080 (LECTERN_* variables set everything; installs no PyTorch)
	@exec $(VENV)/bin/lectern serve $(ARGS)

# Each process begins with a stretch of tests of its own (worksteal): some wait for servers while others compute, and
# most of what a module's tests share is made once.
test: $(FULL_STAMP) ## Run every test, on all cores (installs PyTorch's CPU build; ARGS="-n 0" runs them in one process)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist worksteal $(ARGS)

test-service: $(SERVICE_STAMP) ## Run the server's tests, without PyTorch
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist worksteal -m "not torch" $(wildcard tests/service tests/contract tests/architecture tests/deploy tests/docs) $(ARGS)

test-clients: $(SERVICE_STAMP) $(CLIENTS_STAMP) $(MLSERVER_STAMP) ## Run other people's clients, as they come, against a server (in .venv-clients*)
	$(CLIENTS_PY) $(CLIENT_TESTS) --ignore $(CLIENTS)/test_mlserver.py $(CLIENTS) $(ARGS) $(or_none_chosen)
	$(MLSERVER_PY) $(CLIENT_TESTS) $(CLIENTS)/test_mlserver.py $(ARGS) $(or_none_chosen)

test-openvino: $(OPENVINO_STAMP) ## Run every shipped model on OpenVINO, against a server (in .venv-openvino; x86-64)
	$(OPENVINO_PY) -m pytest -c tests/openvino/pytest.ini tests/openvino $(ARGS)

test-image: $(SERVICE_STAMP) ## Do the image's install steps here and serve from them read-only, as a user without rights (Linux; slow; TEST_IMAGE=gpu: that for GPUs too)
	TEST_IMAGE=$(TEST_IMAGE) $(PY) -m pytest tests/deploy/test_image.py -v $(ARGS)

test-page: $(SERVE_STAMP) $(PAGE_STAMP) $(PAGE_NPM) ## Check the page's types, and use it in Chromium (needs node, npm and chromium)
	cd $(PAGE) && node vendor.js --check && node_modules/.bin/tsc --project .
	$(PAGE_PY) -m pytest -c $(PAGE)/pytest.ini --lectern $(VENV)/bin/lectern $(PAGE) $(ARGS)

page-vendor: $(PAGE_NPM) ## Write the page's libraries, in the versions of tests/page/package.json (needs node and npm)
	node $(PAGE)/vendor.js

check: $(FULL_STAMP) ## Lint, formatting, types and import contracts
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict service training
	$(VENV)/bin/lint-imports

format: $(FULL_STAMP) ## Format the code and repair what ruff can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

train-%: $(FULL_STAMP) ## Train a family, as in: make train-lenet ARGS="--device cpu --export"
	$(VENV)/bin/lectern-train $* train $(ARGS)

bench: $(SERVE_STAMP) ## Measure the server against a bare inline floor (needs wrk)
	$(PY) -m tests.benchmarks.http_floor $(ARGS)

.PHONY: gpu-check gpu-check-here
gpu-check: ## Measure every model on a GPU beside the CPU, and train every family there, as Markdown (PROVIDERS=openvino: no GPU)
	$(if $(filter-out cuda tensorrt,$(PROVIDERS)),$(if $(filter-out openvino,$(PROVIDERS)),$(error PROVIDERS=$(PROVIDERS): write cuda, tensorrt or both, or openvino alone)))
	@$(MAKE) --no-print-directory EXTRA=$(CHECK_EXTRA) VENV=.venv-$(CHECK_EXTRA) TORCH_INDEX=$(GPU_TORCH_INDEX) gpu-check-here

gpu-check-here: $(if $(filter openvino,$(PROVIDERS)),$(SERVE_STAMP),$(FULL_STAMP))
	@$(PY) -m tests.benchmarks.gpu_check --providers $(PROVIDERS) $(if $(filter openvino,$(PROVIDERS)),--no-training) $(ARGS)

bench-peers: $(SERVE_STAMP) $(PEERS_STAMPS) ## Measure the server against Triton, MLServer, Ray Serve and others (needs wrk; in .venv-peers)
	$(PY) -m tests.benchmarks.peers --only lectern lectern-2 $(PEERS) $(ARGS)

bench-vectors: $(FULL_STAMP) ## Measure neighbors and similarity of words beside gensim (ARGS="--bundle MODELS/million/1")
	$(PY) tests/benchmarks/vectors.py $(ARGS)

bench-page: $(SERVE_STAMP) $(PAGE_STAMP) ## Measure what a person waits for on the page: paint, shift, bytes, stroke to bars (needs chromium)
	PYTHONPATH=. $(PAGE_PY) -m tests.page.bench --lectern $(VENV)/bin/lectern $(ARGS)

bench-taggers: $(FULL_STAMP) $(SPACY_STAMP) ## Measure pos-en against spaCy's tagger, which is trained first (in .venv-spacy)
	test -d $(SPACY_MODEL)/model-best || $(PY) tests/benchmarks/tagging.py train-spacy $(SPACY_MODEL) --spacy-python $(SPACY_PY)
	$(PY) tests/benchmarks/tagging.py measure --bundle $(call newest,pos-en) --spacy $(SPACY_MODEL) --spacy-python $(SPACY_PY) $(ARGS)

bench-translators: $(FULL_STAMP) ## Measure translate-en-de against its weights in PyTorch, eager and compiled
	$(PY) tests/benchmarks/translation.py --bundle $(call newest,translate-en-de) --compile $(ARGS)

chaos: $(SERVICE_STAMP) ## Measure what must not stop the server: overload, killed workers, full disks ... (slow; ARGS=--full)
	$(PY) -m tests.chaos $(ARGS)

fuzz: $(SERVICE_STAMP) $(FUZZ_STAMP) ## Send hostile input of every kind to a server (ARGS="--quick --seed 3"; schemathesis is in .venv-fuzz)
	$(PY) -m tests.fuzz --schemathesis $(FUZZ_VENV)/bin/schemathesis $(ARGS)

docs: $(DOCS_STAMP) ## Build the documentation site into site/; a broken link fails it (in .venv-docs)
	NO_MKDOCS_2_WARNING=1 $(DOCS_PY) -m mkdocs build --strict $(ARGS)
	@echo "The site is in site/: open site/index.html, or: $(DOCS_PY) -m http.server -d site 8000"

protos: $(PROTO_PY) ## Compile the definitions of gRPC's messages (in .venv-protos)
	@$(PROTO_PY) -m pip --disable-pip-version-check install --quiet 'grpcio-tools==1.81.1'
	$(PROTO_PY) -m grpc_tools.protoc -I$(PROTOS) --include_imports --descriptor_set_out=$(PROTOS)/descriptors.binpb $(PROTOS)/grpc_service.proto

openapi: $(SERVE_STAMP) ## Write service/api/openapi.json
	$(VENV)/bin/lectern openapi > $(VENV)/openapi.json
	mv $(VENV)/openapi.json service/api/openapi.json

constraints: $(PY) ## Pin what pyproject.toml asks for and constraints.txt lacks (ARGS=--upgrade renews every pin)
	$(PY) -m pip --disable-pip-version-check install --quiet uv
	sed '/^#/!d' constraints.txt > $(VENV)/constraints.head
	sed '/^#/d' constraints.txt > $(VENV)/constraints.pins
	$(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
	    docs/requirements.txt tests/fuzz/requirements.txt --all-extras --no-annotate --no-header --output-file $(VENV)/constraints.pins $(ARGS)
	cat $(VENV)/constraints.head $(VENV)/constraints.pins > constraints.txt
	@for name in "" -mlserver; do \
	    $(VENV)/bin/uv pip compile $(CLIENTS)/requirements$$name.txt --quiet --universal --python-version 3.11 --fork-strategy fewest \
	        --no-annotate --no-header --output-file $(CLIENTS)/constraints$$name.txt $(ARGS) || exit 1; \
	done
	$(VENV)/bin/uv pip compile $(PAGE)/requirements.txt --quiet --universal --python-version 3.11 --fork-strategy fewest \
	    --no-annotate --no-header --output-file $(PAGE)/constraints.txt $(ARGS)
	@for name in $(PEERS); do \
	    $(VENV)/bin/uv pip compile $(PEERS_PINS)/$$name.in --quiet --universal --python-version 3.11 --fork-strategy fewest \
	        --no-annotate --no-header --output-file $(PEERS_PINS)/$$name.txt $(ARGS) || exit 1; \
	done

clean: ## Remove the virtual environments, caches and build output (never runs/ or models/)
	rm -rf .venv .venv-gpu .venv-openvino .venv-docs .venv-fuzz .venv-protos .venv-clients .venv-clients-mlserver .venv-peers .venv-spacy .venv-page $(PAGE)/node_modules fuzz-failures site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find service training tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. The build backend is installed first and used without isolation, so that its version is pinned too.

$(sort $(PY) $(OPENVINO_PY)) $(DOCS_PY) $(FUZZ_PY) $(CLIENTS_PY) $(MLSERVER_PY) $(SPACY_PY) $(PAGE_PY) $(PROTO_PY) $(PEERS:%=$(PEERS_VENV)/%/bin/python):
	@python=; \
	for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	    test -z "$$python" || break; \
	    "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	        && python=$$candidate; \
	done; \
	if test -z "$$python"; then \
	    echo "Lectern needs Python 3.11 to 3.14 and found none$(if $(PYTHON), at $(PYTHON), on the PATH)." \
	         "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Creating $(@:/bin/python=) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(@:/bin/python=)

$(SERVE_STAMP): $(INPUTS) $(PY)
	@echo "Installing lectern[$(EXTRA)] into $(VENV) (once)"
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable '.[$(EXTRA)]'
	@touch $@

$(SERVICE_STAMP): $(INPUTS) $(PY)
	@echo "Installing lectern[$(EXTRA),dev] into $(VENV) (once)"
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable '.[$(EXTRA),dev]'
	@touch $(SERVE_STAMP) $@

$(FULL_STAMP): $(INPUTS) $(PY)
	@echo "Installing lectern[$(EXTRA),train,dev] into $(VENV) (once)"
	@$(PIP) setuptools
	@if $(call reachable,$(TORCH_INDEX)/torch/) && $(PIP) --no-deps --index-url $(TORCH_INDEX) torch; then :; else \
	    echo "$(TORCH_INDEX) is out of reach: PyTorch comes from pip's own index (on Linux that may bring CUDA along)"; \
	fi
	@$(PIP) --no-build-isolation --editable '.[$(EXTRA),train,dev]'
	@touch $(SERVE_STAMP) $(SERVICE_STAMP) $@

$(DOCS_STAMP): docs/requirements.txt constraints.txt $(DOCS_PY)
	@echo "Installing the documentation's tools into $(DOCS_VENV) (once)"
	@$(DOCS_PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt --requirement docs/requirements.txt
	@touch $@

$(FUZZ_STAMP): tests/fuzz/requirements.txt constraints.txt $(FUZZ_PY)
	@echo "Installing schemathesis into $(FUZZ_VENV) (once)"
	@$(FUZZ_PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt --requirement tests/fuzz/requirements.txt
	@touch $@

$(PAGE_STAMP): $(PAGE)/requirements.txt $(PAGE)/constraints.txt $(PAGE_PY)
	@echo "Installing Playwright into $(PAGE_VENV) (once)"
	@$(PAGE_PY) -m pip --disable-pip-version-check install --quiet --constraint $(PAGE)/constraints.txt --requirement $(PAGE)/requirements.txt
	@touch $@

$(PAGE_NPM): $(PAGE)/package.json $(PAGE)/package-lock.json
	@command -v npm > /dev/null || { echo "npm is not installed: apt-get install npm (or from https://nodejs.org)" >&2; exit 1; }
	@echo "Installing the page's type checker and libraries into $(PAGE)/node_modules (once)"
	@cd $(PAGE) && npm ci --silent --no-audit --no-fund
	@touch $@

$(OPENVINO_STAMP): $(INPUTS) $(OPENVINO_PY)
	@echo "Installing lectern[openvino] and pytest into $(OPENVINO_VENV) (once)"
	@$(OPENVINO_PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt setuptools
	@$(OPENVINO_PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt --no-build-isolation \
	    --editable '.[openvino,grpc,documents]' pytest onnx
	@touch $@

$(CLIENTS_STAMP): $(CLIENTS)/requirements.txt $(CLIENTS)/constraints.txt $(CLIENTS_PY)
	@echo "Installing LangChain, LlamaIndex, LiteLLM, KServe and others into $(CLIENTS_VENV) (once)"
	@$(CLIENTS_PY) $(CLIENTS_PIP) --constraint $(CLIENTS)/constraints.txt --requirement $(CLIENTS)/requirements.txt
	@touch $@

$(MLSERVER_STAMP): $(CLIENTS)/requirements-mlserver.txt $(CLIENTS)/constraints-mlserver.txt $(MLSERVER_PY)
	@echo "Installing MLServer into $(MLSERVER_VENV) (once)"
	@$(MLSERVER_PY) $(CLIENTS_PIP) --constraint $(CLIENTS)/constraints-mlserver.txt --requirement $(CLIENTS)/requirements-mlserver.txt
	@touch $@

$(SPACY_STAMP): $(SPACY_PY)
	@echo "Installing spaCy into $(SPACY_VENV) (once)"
	@$(SPACY_PY) -m pip --disable-pip-version-check install --quiet 'spacy==3.8.18'
	@touch $@

$(PEERS_STAMPS): $(PEERS_VENV)/%/.lectern-peer: $(PEERS_PINS)/%.txt $(PEERS_VENV)/%/bin/python
	@echo "Installing $* into $(PEERS_VENV)/$* (once)"
	@if $(PEERS_VENV)/$*/bin/python -m pip --disable-pip-version-check install --quiet --requirement $< > $(PEERS_VENV)/$*.log 2>&1; then \
	    touch $@; \
	else \
	    echo "$* cannot be installed: see $(PEERS_VENV)/$*.log"; rm -rf $(PEERS_VENV)/$*; \
	fi
