# The targets that people use. `make help` lists them.

PYTHON ?= python3
PORT ?= 8000
TEXT ?= Hello from the sandbox
VENV := .venv
BIN := $(VENV)/bin
# A marker inside the environment: a changed pin rebuilds it.
INSTALLED := $(VENV)/.installed
# Until it has its own handler, Ctrl-C ends it without Python's traceback.
SANDBOX := $(BIN)/python -c 'import runpy, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); \
    runpy.run_module("app.sandbox", run_name="__main__", alter_sys=True)'
RIVALS := $(VENV)/bench

.DEFAULT_GOAL := help
.PHONY: help install run send curls test chaos attack bench audit check format lint types contracts lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## create .venv with everything needed to run and test

$(INSTALLED): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	@test ! -L $(VENV) || { echo "$(VENV) is a link, and installing would empty what it leads to: remove the link first."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: $(INSTALLED)  ## start sandbox and service on 127.0.0.1:8000 (or PORT=…) and print a curl command that sends
	@exec $(SANDBOX) run --port $(PORT)

send: $(INSTALLED)  ## send TEXT="…" through the running service and show the response
	@exec $(SANDBOX) send --text="$$TEXT"

curls: $(INSTALLED)  ## print a curl command for each response that the API can give
	@exec $(SANDBOX) curls

# Verbatim: make would expand a `$` in it as one of its own variables.
send: override export TEXT := $(value TEXT)

test: $(INSTALLED)  ## run all tests, many of them against real processes
	$(BIN)/python -m pytest $(PYTEST)

chaos: $(INSTALLED)  ## break the chat service, the store and the workers, and check what callers are told and which alerts fire (40 min)
	$(BIN)/python -m tests.system.faults.chaos $(CHAOS)

attack: $(INSTALLED)  ## send hostile requests to a real service, and check that none gets through (5 min)
	$(BIN)/python -m tests.system.attacks.siege $(ATTACK)

bench: $(INSTALLED) $(RIVALS)/.installed  ## measure the service against alternative implementations, into docs/performance.md (25 min)
	@command -v wrk >/dev/null || { echo "wrk is needed: apt-get install wrk"; exit 1; }
	@exec $(BIN)/python -m tests.bench.run $(BENCH)

$(RIVALS)/.installed: tests/bench/requirements.txt
	$(PYTHON) -m venv --clear $(RIVALS)
	$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

audit: $(INSTALLED)  ## look the pins up among the known vulnerabilities; fails if it cannot
	@$(BIN)/pip-audit -r requirements.txt --disable-pip --require-hashes -f json --progress-spinner off | $(BIN)/python -m tests.conventions.audit

check: $(INSTALLED) lint types contracts  ## everything CI does
	$(BIN)/python -m coverage erase
	$(MAKE) --no-print-directory test PYTEST="--cov --cov-report="
	$(BIN)/python -m coverage report

lint: $(INSTALLED)  ## check the formatting and lint rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)  ## check the types
	$(BIN)/mypy

contracts: $(INSTALLED)  ## check the import rules
	$(BIN)/lint-imports

format: $(INSTALLED)  ## format the code and fix what lint can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(INSTALLED)  ## pin the newest releases that setup.cfg allows, with hashes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@sed -n '/^install_requires/,/^$$/s/^    //p' setup.cfg > $(VENV)/run.in
	@{ sed -n '/^dev =/,/^$$/s/^    //p' setup.cfg; echo "-r $(CURDIR)/requirements.txt"; } > $(VENV)/dev.in
	$(BIN)/uv pip compile $(LOCK) --output-file requirements.txt $(VENV)/run.in
	$(BIN)/uv pip compile $(LOCK) --output-file requirements-dev.txt $(VENV)/dev.in
	$(BIN)/uv pip compile $(LOCK) --output-file tests/bench/requirements.txt tests/bench/requirements.in

LOCK := --quiet --upgrade --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-config

clean:  ## remove what was installed, cached or kept by the sandbox
	rm -rf $(VENV) var .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
