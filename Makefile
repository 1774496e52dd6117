# The doors of the project. `make` alone lists them. Each installs what it needs, no more, and
# only once: a stamp file `ready` in a virtual environment is newer than the lock it came from.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := doors
.DELETE_ON_ERROR:
.SILENT: check-lock .venv-run/ready .venv/ready .venv-sam/ready .venv-aws/ready .venv-api/ready .venv-mutants/ready
.PHONY: doors setup run run-lambda demo observe test quick check check-lock check-template check-dashboards fix smoke clients lists api exact crash fuzz mutants bench load lock prices build deploy

# Any Python from 3.11 on; asked for only when an environment is made.
PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
UV_ON_PATH := $(shell command -v uv)
UV := $(or $(UV_ON_PATH),.uv/bin/uv)
UV_FILE := $(if $(UV_ON_PATH),,.uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
# The machine's own certificates where it has a store: a proxy with its own authority may stand before it.
CERTIFICATES := /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem
export UV_SYSTEM_CERTS ?= $(if $(wildcard $(CERTIFICATES)),true,false)
export PATH := $(PATH):$(CURDIR)/.uv/bin

CODE := $(wildcard layers local cli functions bench tests)
DEV := PYTHONPATH="$(CURDIR)/layers/gateway:$(CURDIR)/layers/runtime:$(CURDIR)" .venv/bin/python
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam

doors:  # this list
	@sed -n 's/^\([a-z-]*\):.*  # \(.*\)$$/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: .venv-run/ready  # install what `make run` and bin/aigw need, and nothing else

# Ctrl-C ends the gateway with status 0; make, which hears the signal too, then says 130 for itself.
run: .venv-run/ready  # gateway, API, store and a scripted provider on this machine, in the foreground
	@exec bin/aigw run

run-lambda: .venv-run/ready .venv-aws/ready  # the same as deployed: functions in sandboxes, a table, on this machine
	@exec bin/aigw run-lambda

demo: .venv-run/ready  # a scripted coding session through a running `make run`, or one of its own, printed
	@exec bin/aigw demo

observe: .venv-run/ready  # make run with Prometheus, Alertmanager and a Pushgateway of this machine beside it
	@exec bin/aigw observe

test: .venv/ready .venv-run/ready .venv-sam/ready .venv-aws/ready prometheus  # every test but those of clients, api and a deployment
	$(DEV) -m pytest -n auto --dist loadfile --ignore tests/clients --ignore tests/schema -m 'not deployed'

quick: .venv/ready  # unit, golden and house tests
	$(DEV) -m pytest $(wildcard tests/unit tests/golden tests/house)

check: .venv/ready check-lock check-template check-dashboards  # format, lint, types, imports, template, dashboards, alert rules and lock; lists what grew long
	.venv/bin/ruff format --check $(CODE) .ci
	.venv/bin/ruff check $(CODE) .ci
	.venv/bin/mypy $(CODE) .ci/lengths.py .ci/prices.py
	PYTHONPATH=layers/gateway:layers/runtime:. .venv/bin/lint-imports
	@.venv/bin/python .ci/lengths.py $(CODE)

check-template: .venv-sam/ready
	$(SAM) validate --lint

check-dashboards: .venv/ready prometheus
	$(DEV) -m pytest -q $(wildcard tests/house/test_*dashboards.py tests/house/test_*rules.py tests/monitoring/test_*rules.py)

fix: .venv/ready  # format, and repair what the linter can repair safely
	.venv/bin/ruff check --fix-only $(CODE) .ci
	.venv/bin/ruff format $(CODE) .ci

smoke: .venv/ready .venv-run/ready .venv-sam/ready .venv-aws/ready nginx  # deploy into a local stand-in of AWS, use it, update it; a short benchmark, a short load
	$(DEV) -m pytest -m deployed tests/deploy
	$(DEV) -m bench --smoke
	$(DEV) -m bench.load --smoke

bench: .venv/ready .venv-aws/ready $(UV_FILE) nginx  # the benchmark with nginx as its measure; writes docs/performance.md
	$(DEV) -m bench

load: .venv/ready  # 200 streams at once for ten minutes: memory flat, no record lost; also with LOAD_SECONDS=… LOAD_STREAMS=…
	$(DEV) -m bench.load

AGENTS := tests/clients/node_modules/.package-lock.json
clients: .venv/ready .venv-run/ready .venv-aws/ready $(AGENTS)  # real coding agents from npm through both compositions (large downloads)
	$(DEV) -m pytest -n 2 tests/clients

TABLE := tests/lists/node_modules/.package-lock.json
LONG_LISTS := tests/lists tests/unit/ledger/sqlite/test_bounds.py tests/property/test_long_lists.py
lists: .venv/ready $(TABLE)  # lists of 20,000 and of 100,000 records: nothing lost, and what a page costs
	LISTING_ROWS=100000 $(DEV) -m pytest $(LONG_LISTS)

api: .venv/ready .venv-api/ready  # the API's OpenAPI document against the running API
	$(DEV) -m pytest tests/schema

exact: .venv/ready .venv-run/ready .venv-aws/ready prometheus  # 2,000 requests through 20 sandboxes, some of them killed: metrics against records; 10,000 invented names
	EXACT_REQUESTS=2000 EXACT_SANDBOXES=20 EXACT_NAMES=10000 \
		$(DEV) -m pytest tests/monitoring/test_exact.py tests/acceptance/test_cardinality.py

CRASHES := 2000
CRASH_RESULTS := .crash/results.ndjson
crash: .venv/ready .venv-aws/ready  # kill processes at every step, 2,000 times: nothing is lost, nothing doubled; writes docs/reliability.md
	@mkdir -p $(dir $(CRASH_RESULTS)) && rm -f $(CRASH_RESULTS)
	CRASH_RUNS=$(CRASHES) CRASH_RESULTS="$(CURDIR)/$(CRASH_RESULTS)" $(DEV) -m pytest -q -n auto --dist loadfile tests/crash
	$(DEV) -m tests.crash.page $(CRASH_RESULTS)

# Each kind of conversation is made so often: three dialects, streaming and blocking, make six.
FUZZED_CONVERSATIONS := 1700
FUZZED_STREAMS := 1000000
fuzz: .venv/ready  # 10,000 made-up conversations and 1,000,000 damaged byte streams
	FUZZ_CONVERSATIONS=$(FUZZED_CONVERSATIONS) FUZZ_STREAMS=$(FUZZED_STREAMS) \
		$(DEV) -m pytest -n auto tests/property/test_conversations.py tests/property/test_byte_streams.py

mutants: .venv-mutants/ready  # change the code of transcript/ and caller/ bit by bit: which test notices?
	.venv-mutants/bin/python .ci/mutants.py

# The layer's packages and the functions' parameters name one target here, so they cannot disagree.
RUNTIME := python3.13
ARCHITECTURE := arm64
BUILD := .aws-sam/build
build: .venv-sam/ready $(UV_FILE)  # functions and layers as deployed, in .aws-sam/; also with RUNTIME=… ARCHITECTURE=… BUILD=…
	LAYER_CACHE="$(CURDIR)/.uv/layers" LAYER_PYTHON=$(RUNTIME:python%=%) \
		LAYER_PLATFORM=$(if $(filter arm64,$(ARCHITECTURE)),aarch64,x86_64)-manylinux2014 \
		$(SAM) build --build-dir $(BUILD) --parameter-overrides Runtime=$(RUNTIME) Architecture=$(ARCHITECTURE)

deploy: build .venv-run/ready  # build, `sam deploy --guided`, and the settings of clients; needs an AWS account
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam deploy --guided --template-file $(BUILD)/template.yaml --config-file "$(CURDIR)/samconfig.toml"
	@PYTHONPATH=layers/gateway .venv-run/bin/python -m local.client_settings

lock: $(UV_FILE)  # requirements/ from pyproject.toml; `make lock UPGRADE=--upgrade` takes newer versions
	@$(call lock_into,requirements,$(UPGRADE))
	cp requirements/gateway.txt layers/gateway/requirements.txt
	cp requirements/trace.txt layers/tracing/requirements.txt

prices: .venv/ready  # what models cost, from the package genai-prices (newer: `make lock UPGRADE='-P genai-prices'`)
	.venv/bin/python .ci/prices.py

# The files are one resolution: what dev.txt pins holds in the smaller ones. Pins already there are
# kept, so this gives the same files on any day.
LOCK = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock_into = $(LOCK) $(2) --group dev -o $(1)/dev.txt \
	&& $(LOCK) $(2) --group run -c $(1)/dev.txt -o $(1)/run.txt \
	&& $(LOCK) $(2) --group gateway -c $(1)/dev.txt -o $(1)/gateway.txt \
	&& $(LOCK) $(2) --group trace -c $(1)/dev.txt -o $(1)/trace.txt \
	&& $(LOCK) $(2) --group sam -o $(1)/sam.txt \
	&& $(LOCK) $(2) --group aws -o $(1)/aws.txt \
	&& $(LOCK) $(2) --group api -o $(1)/api.txt \
	&& $(LOCK) $(2) --group mutants -c $(1)/dev.txt -o $(1)/mutants.txt \
	&& $(LOCK) $(2) --group uv -o $(1)/uv.txt

# From what is cached where that is enough: quicker, and it works without a network.
check-lock: $(UV_FILE)
	rm -rf .uv/lock && mkdir -p .uv/lock && cp requirements/*.txt .uv/lock/
	{ $(call lock_into,.uv/lock,--offline); } 2>/dev/null || { $(call lock_into,.uv/lock); }
	diff -r requirements .uv/lock && diff requirements/gateway.txt layers/gateway/requirements.txt \
		&& diff requirements/trace.txt layers/tracing/requirements.txt \
		|| { echo 'the lock does not fit pyproject.toml: make lock' >&2; exit 1; }
	! grep -in 'http[s]*:\|file:' requirements/*.txt

.uv/bin/uv: requirements/uv.txt
	@rm -rf .uv
	@python3 -m pip install -q --require-hashes --target .uv -r $< 2>/dev/null \
		|| { python3 -m venv --clear .uv && .uv/bin/python -m pip install -q --require-hashes -r $<; } \
		|| { echo 'uv could not be installed: it needs pip (on Debian: apt-get install python3-pip)' >&2; exit 1; }
	@touch $@

define environment
[ -n "$(PYTHON)" ] || { echo 'Python 3.11 or later is needed' >&2; exit 1; }
$(UV) venv -q --allow-existing --python $(PYTHON) $(@D)
$(UV) pip sync -q --python $(@D)/bin/python --require-hashes $(1) $<
touch $@
endef

# Compiled at once, so that the first start does not do it in three processes.
.venv-run/ready: requirements/run.txt | $(UV_FILE)
	$(call environment,--compile-bytecode)

.venv/ready: requirements/dev.txt | $(UV_FILE)
	$(call environment)

.venv-sam/ready: requirements/sam.txt | $(UV_FILE)
	$(call environment)

.venv-aws/ready: requirements/aws.txt | $(UV_FILE)
	$(call environment)

.venv-api/ready: requirements/api.txt | $(UV_FILE)
	$(call environment)

.venv-mutants/ready: requirements/mutants.txt | $(UV_FILE)
	$(call environment)

$(AGENTS): tests/clients/package-lock.json
	@command -v npm >/dev/null || { echo 'make clients needs Node.js and npm' >&2; exit 1; }
	cd tests/clients && npm install --no-save --no-audit --no-fund  # not ci: it wants every platform's package to exist
	@touch $@

$(TABLE): tests/lists/package-lock.json
	@command -v npm >/dev/null || { echo 'make lists needs Node.js and npm' >&2; exit 1; }
	cd tests/lists && npm install --no-save --no-audit --no-fund
	@touch $@

.PHONY: nginx
nginx:
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null || { [ "$$(id -u)" = 0 ] \
		&& apt-get update -q && RUNLEVEL=1 apt-get install -q -y --no-install-recommends nginx; } \
		|| { echo 'this door needs nginx (on Debian: apt-get install nginx)' >&2; exit 1; }

# RUNLEVEL=1 keeps the packages from starting services. Where nobody may install, the tests that
# need them are skipped, or fail in CI.
.PHONY: prometheus
prometheus:
	@{ command -v promtool && command -v prometheus-pushgateway && command -v prometheus-alertmanager; } >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && apt-get update -q && RUNLEVEL=1 apt-get install -q -y --no-install-recommends \
			prometheus prometheus-pushgateway prometheus-alertmanager; } \
		|| echo 'tests of Prometheus need it (on Debian: apt-get install prometheus prometheus-pushgateway prometheus-alertmanager)' >&2
