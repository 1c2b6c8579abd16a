# One menu for everything. `make` shows it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# the first that runs: a version manager's name may stand for a Python that is not there
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c "" 2> /dev/null && { command -v $$p; break; }; done)
RECIPE ?= default
SPLIT ?= validation
DATASET ?= complete_journey
NAME ?=
FILE ?=
CURRENCY ?=
OPTIONS ?=
REPOSITORY ?= model_repository
PROCESSES ?= 2
TEST_PROCESSES ?=
GATEWAY_PORT ?= 50051
METRICS_PORT ?= 8502
SHOP := $(or $(NAME),shop)
BIN := .venv/bin
VAR := var
RUN := $(VAR)/run
DATA := $(VAR)/data/$(DATASET)
RELEASES := $(VAR)/releases
EXPORTER := $(BIN)/onshelf-exporter
export PYTHONUNBUFFERED := 1
export TOKENIZERS_PARALLELISM := false

##@ Use
.PHONY: help run shop demo replay stop
help: ## Show this menu
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ports setup publish gateway demo replay ## Set up, train, export, serve, plan a launch, replay ten real ones; leaves the servers running
	@echo; $(MAKE) addresses

shop: shop-arguments ports setup .venv/.evaluate ## Your own files: FILE=path CURRENCY=EUR [NAME=shop] [OPTIONS="--timezone=..."]: read, train, measure, serve, plan
	@$(EXPORTER) shop "$(FILE)" --currency "$(CURRENCY)" --name "$(SHOP)" --root $(VAR)/shops --recipe $(RECIPE) $(OPTIONS)
	@$(MAKE) stop
	@$(MAKE) gateway RELEASES=$(VAR)/shops/$(SHOP)/releases REPOSITORY=$(VAR)/shops/$(SHOP)/repository
	@echo; mapfile -t product < $(VAR)/shops/$(SHOP)/example.args; echo "A product like the newest launch:"; $(BIN)/onshelf plan "$${product[@]}"
	@echo; $(MAKE) addresses

.PHONY: shop-arguments
shop-arguments:
	@[ -n "$(FILE)" ] && [ -n "$(CURRENCY)" ] || { echo "make shop needs FILE=a file or a folder of files, and CURRENCY=the ISO 4217 code of its amounts" >&2; exit 2; }

demo: ## Plan the launch of a product on the running gateway
	@$(BIN)/onshelf plan --title "Kettle cooked potato chips, sea salt and vinegar" --category "Grocery > Bag snacks > Potato chips" \
		--size "8.5 oz" --price 3.49 --unit-cost 1.90 --population-scale 100 --coupon-cost 60 \
		--channel-cost mailer_front_feature=150 --channel-cost mailer_interior_feature=60 --channel-cost display_front_end_cap=80 \
		--channel-cost display_rear_end_cap=40 --channel-cost display_in_aisle=30

demo-loop: ## Plan three products on the running gateway, decide two, send eight weeks of simulated events, read the reports
	@$(BIN)/onshelf demo-loop

replay: ## Replay ten real launches blind: the plan, then what happened
	@$(BIN)/onshelf replay --launches $(VAR)/replay/launches.json -n 10

.PHONY: addresses
addresses:
	@$(BIN)/python -c 'import json; a = json.load(open("$(RUN)/gateway.address")); print("Gateway  ", a["address"], "  (gRPC, health, reflection)\nMetrics   http://" + a["metrics"] + "/metrics")'
	@$(BIN)/onshelf-local-triton status --run-dir $(RUN)/triton
	@echo "Ask it:  $(BIN)/onshelf plan --title \"...\" --category \"...\" --price 3.99     End it:  make stop"

stop: stop-gateway ## Stop the gateway and the local Triton
	@if [ -x $(BIN)/onshelf-local-triton ]; then $(BIN)/onshelf-local-triton stop --run-dir $(RUN)/triton; fi

.PHONY: stop-gateway
stop-gateway:
	@if [ -f $(RUN)/gateway.pid ]; then \
		pid=$$(cat $(RUN)/gateway.pid); \
		if tr '\0' ' ' 2>/dev/null < /proc/$$pid/cmdline | grep -q onshelf-gateway; then \
			kill -TERM $$pid; while kill -0 $$pid 2>/dev/null; do sleep 0.1; done; echo "gateway stopped"; fi; \
		rm -f $(RUN)/gateway.pid $(RUN)/gateway.address; fi

##@ Stages
.PHONY: chaos-events demo-loop setup data train train-distributed evaluate study export publish triton gateway tensorrt-engines bench bench-peers perf-analyzer bench-retrieval bench-shop bench-gpu
setup: .venv/.run .venv-triton/.installed ## Create the two environments of `make run`

# One stamp a part: what runs, evaluates, tests, measures. Nothing is installed anew until a file that says what changes.
.venv/.run: requirements.txt requirements-data.txt constraints.txt setup/install.py $(wildcard */pyproject.toml)
	@"$(PYTHON)" setup/preflight.py --install run --install triton
	@"$(PYTHON)" setup/install.py run
	@touch $@

.venv/.evaluate .venv/.test .venv/.bench: .venv/.%: requirements-%.txt .venv/.run
	@"$(PYTHON)" setup/preflight.py --install $*
	@"$(PYTHON)" setup/install.py $*
	@touch $@

.venv-triton/.installed: local_triton/src/onshelf_local_triton/constraints.txt .venv/.run
	@$(BIN)/onshelf-local-triton install --venv .venv-triton
	@touch $@

.PHONY: ports
ports:
	@"$(PYTHON)" setup/preflight.py --port $(GATEWAY_PORT) --port $(METRICS_PORT) --address-file $(RUN)/gateway.address

data: setup ## Prepare the data: canonical tables and weekly features
	@$(EXPORTER) data --dataset $(DATASET) --adapter complete_journey --out $(VAR)/data $(if $(STORE),--store $(STORE))

train: data ## Train the models (RECIPE=default|test|full)
	@$(EXPORTER) train --data $(DATA) --recipe $(RECIPE) --runs $(VAR)/runs

evaluate: data .venv/.evaluate ## Measure the models beside the baselines (SPLIT=validation|test) into reports/
	@$(EXPORTER) evaluate --data $(DATA) --split $(SPLIT) --recipe $(RECIPE) --runs $(VAR)/runs --out reports

study: data .venv/.evaluate ## Run a study of the models (NAME=...; its table joins the report), kept in reports/studies
	@$(EXPORTER) study $(NAME) --data $(DATA)

train-distributed: data ## Train on several processes by PyTorch's DDP (PROCESSES=2)
	@$(BIN)/torchrun --standalone --nproc-per-node $(PROCESSES) -m onshelf_exporter train --data $(DATA) --recipe $(RECIPE) --runs $(VAR)/runs

export: train ## Export the trained models to ONNX and check them against PyTorch
	@$(EXPORTER) export --data $(DATA) --recipe $(RECIPE) --runs $(VAR)/runs

publish: data ## Publish a model release into model_repository/ and var/releases/; trains and exports what is not yet
	@url=$$($(BIN)/onshelf-local-triton status --run-dir $(RUN)/triton --field http_url 2> /dev/null || true); \
	$(EXPORTER) publish --train --data $(DATA) --recipe $(RECIPE) --runs $(VAR)/runs --releases $(RELEASES) \
		--repository $(REPOSITORY) $${url:+--triton-http $$url}

triton: setup ## Start the local Triton on the model repository
	@mkdir -p $(RUN)
	@serves=$$($(BIN)/onshelf-local-triton status --run-dir $(RUN)/triton --field repository 2> /dev/null || true); \
	[ -z "$$serves" ] || [ "$$serves" = "$$(realpath -sm $(REPOSITORY))" ] || $(BIN)/onshelf-local-triton stop --run-dir $(RUN)/triton
	@$(BIN)/onshelf-local-triton start --model-repository $(REPOSITORY) --run-dir $(RUN)/triton

gateway: ports triton stop-gateway ## Start the gateway in front of it
	@triton=$$($(BIN)/onshelf-local-triton status --run-dir $(RUN)/triton --field grpc_url); \
	setsid nohup $(BIN)/onshelf-gateway --releases $(RELEASES) --triton $$triton --listen 127.0.0.1:$(GATEWAY_PORT) --metrics-port $(METRICS_PORT) \
		--address-file $(RUN)/gateway.address > $(RUN)/gateway.log 2>&1 < /dev/null & \
	echo $$! > $(RUN)/gateway.pid
	@for _ in $$(seq 150); do \
		kill -0 $$(cat $(RUN)/gateway.pid) 2>/dev/null || { tail -n 20 $(RUN)/gateway.log; echo "the gateway did not start; see $(RUN)/gateway.log" >&2; exit 1; }; \
		if [ -s $(RUN)/gateway.address ] && $(BIN)/onshelf health > /dev/null 2>&1; then echo "gateway is ready"; exit 0; fi; \
		sleep 0.2; done; tail -n 20 $(RUN)/gateway.log; echo "the gateway is not healthy after 30 s; see $(RUN)/gateway.log" >&2; exit 1

tensorrt-engines: setup ## Build native TensorRT engines into a sibling repository (needs a GPU and the pinned container)
	@$(EXPORTER) tensorrt-engines --repository model_repository

bench: setup .venv/.bench ## Measure serving on this machine beside its limits and alternatives (PARTS="tax seed" for some, QUICK=1 to check)
	@$(BIN)/python -m onshelf_benchmarks.bench $(if $(PARTS),--parts $(PARTS)) $(if $(QUICK),--quick)

perf-analyzer: setup .venv/.bench ## Measure Triton's models and the running gateway by NVIDIA's perf_analyzer
	@triton=$$($(BIN)/onshelf-local-triton status --run-dir $(RUN)/triton --field grpc_url); \
	$(BIN)/python -m onshelf_benchmarks.perf_analyzer.run --triton $$triton --address-file $(RUN)/gateway.address

bench-peers: setup .venv/.bench ## Measure the running gateway (start it with its cache off) beside what a user would pick instead
	@$(BIN)/python -m onshelf_benchmarks.peers.run --gateways ours=127.0.0.1:$(GATEWAY_PORT)

bench-retrieval: setup .venv/.bench ## Measure exact retrieval over a million vectors beside the memory's bandwidth
	@$(BIN)/python -m onshelf_benchmarks.retrieval

chaos-events: setup .venv/.bench ## Kill a gateway 100 times while events flow: nothing acknowledged may be lost or doubled (STORE=URL)
	@$(BIN)/python -m onshelf_benchmarks.chaos_events $(if $(STORE),--store $(STORE))

bench-shop: setup .venv/.evaluate .venv/.bench ## Time `make shop` on 500,000 generated lines, and compare what was learned with the truth
	@$(BIN)/python -m onshelf_benchmarks.shop

bench-gpu: setup .venv/.bench ## Measure the models on this machine's GPU, beside its limits
	@$(BIN)/python -m onshelf_benchmarks.gpu

##@ Check
.PHONY: test fresh lint types imports fix proto repository docs verify verify-proto verify-repository verify-docs clean
test: setup .venv/.test ## Run the tests on a real local Triton; slow ones once for the same code (ALL=1: again; TEST_PROCESSES=1: less memory)
	@$(BIN)/pytest tests -n $(or $(TEST_PROCESSES),$$($(BIN)/python setup/preflight.py --test-processes)) --dist loadfile --no-loadscope-reorder $(if $(ALL),,--slow-once)

lint: setup .venv/.test ## Check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup .venv/.test ## Check types
	@$(BIN)/mypy client/src/onshelf exporter/src gateway/src local_triton/src release/src research/src benchmarks/src benchmarks/peers/servers

imports: setup .venv/.test ## Check which part imports which
	@$(BIN)/lint-imports --no-logo

fix: setup .venv/.test ## Mend what lint can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

proto: setup .venv/.test ## Generate stubs and docs/contract.md from the contract
	@$(BIN)/python proto/generate.py && $(BIN)/python proto/document.py

repository: setup ## Generate the models' config.pbtxt from their signatures
	@$(BIN)/python -m onshelf_exporter.release.repository --write model_repository

docs: setup .venv/.test ## Generate docs/configuration.md and the tables of docs/data.md
	@$(BIN)/python -m onshelf_gateway.settings > docs/configuration.md
	@$(BIN)/python -m onshelf_exporter.data.schema_document --write docs/data.md

fresh: ## Do what a new user does in a new clone, and time it (PARTS="install run again stop test retest" for some, WHY="why not the rest")
	@"$(PYTHON)" setup/fresh.py $(if $(PARTS),--parts $(PARTS)) $(if $(WHY),--why "$(WHY)")
	@"$(PYTHON)" setup/fresh.py --copy

verify: lint types imports verify-proto verify-repository verify-docs ## Check everything that needs no server

verify-proto: setup .venv/.test ## Stubs and reference are fresh; buf lint; nothing incompatible since the last tag
	@$(BIN)/python proto/generate.py --check --lint --breaking && $(BIN)/python proto/document.py --check

verify-repository: setup ## The models' config.pbtxt are fresh
	@$(BIN)/python -m onshelf_exporter.release.repository --check model_repository

verify-docs: setup .venv/.test ## Generated documents are fresh
	@$(BIN)/python -m onshelf_benchmarks.readme --check
	@$(BIN)/python setup/fresh.py --check
	@$(BIN)/python -m onshelf_gateway.settings | diff - docs/configuration.md || { echo "stale: docs/configuration.md: run \`make docs\`" >&2; exit 1; }
	@$(BIN)/python -m onshelf_exporter.data.schema_document --check docs/data.md

clean: stop ## Remove everything generated: environments, data, releases, reports
	rm -rf .venv .venv-triton $(VAR) $(filter-out reports/studies,$(wildcard reports/*)) model_repository/*/[0-9]*
