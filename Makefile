# Everything a person or CI runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv/bin
export PYTHONPATH := $(CURDIR)
.DEFAULT_GOAL := help
.PHONY: help up down reset test test-slow lint types fmt lock eval tune bench bench-sync bench-query tick venv venv-dev browser password preflight bench-api bench-webhooks notebooks

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

up: venv ## start Control Tower with its demo; Ctrl-C stops it (PORT, DEMO_PASSWORD, DATA_DIR …: docs/configuration.md)
	@exec $(VENV)/python -m deploy.up

down: venv ## stop what a `make up` of this directory left running
	@exec $(VENV)/python -m deploy.down

reset: venv ## stop, and forget the demo and everything in .data but the built front end
	@exec $(VENV)/python -m deploy.down reset

test: venv-dev browser ## unit, database, queue, API and browser tests (under 15 minutes on 2 cores)
	@$(VENV)/python -m pytest -n 2 --dist loadscope -m "not slow"

test-slow: venv-dev ## long property, fault and life-cycle tests (under 25 minutes)
	@$(VENV)/python -m pytest -n 2 --dist loadscope -m slow

lint: venv-dev ## formatting, rules, types, import contracts
	@$(VENV)/ruff format --check --quiet .
	@$(VENV)/ruff check --quiet .
	@$(VENV)/lint-imports --cache-dir .import_linter_cache
	@$(VENV)/pyright

types: venv-dev ## types alone
	@$(VENV)/pyright

fmt: venv-dev ## format and fix what can be fixed
	@$(VENV)/ruff format --quiet .
	@$(VENV)/ruff check --fix --quiet .

lock: venv-dev ## compile requirements*.in into the lock files, with hashes and without addresses
	@$(PYTHON) deploy/lock.py

eval: venv-dev ## measure every mode and the predecessor on every judged set (SET=world, SETS_DIR=…, QUESTIONS=100, PAGES=300)
	@$(VENV)/python -m deploy.evaluate $(if $(SET),--set $(SET)) $(if $(SETS_DIR),--sets-dir $(SETS_DIR)) $(if $(QUESTIONS),--questions $(QUESTIONS)) $(if $(PAGES),--pages $(PAGES))

tune: venv-dev ## choose the ranking's weights and the refusal threshold on the development questions; prints them
	@$(VENV)/python -m deploy.evaluate --fit $(if $(SETS_DIR),--sets-dir $(SETS_DIR)) $(if $(PAGES),--pages $(PAGES))

notebooks: venv-dev ## open the notebooks in JupyterLab with their data ready (RUN=1: run them all; SMALL=1: on a part of it)
	@$(VENV)/python -m deploy.notebooks $(if $(RUN),--run) $(if $(SMALL),--small) $(if $(PROMOTE),--promote $(PROMOTE))

bench: bench-sync bench-query bench-api bench-webhooks ## everything that is measured against a promised time

bench-query: venv-dev ## time a question with 20,000 and 200,000 chunks beside the predecessor's SQL (LARGE=1: 1,000,000 too)
	@$(VENV)/python -m deploy.bench_query $(if $(LARGE),--large) $(if $(KEEP),--keep $(KEEP))

bench-sync: venv ## measure the sync against a generated account: rows/s, memory, requests (docs/sync.md)
	@$(VENV)/python -m deploy.bench_sync

bench-api: venv ## measure the API on the data set of BENCH_SHAPE: latency, throughput, what the cache saves (ONLY=case,…)
	@$(VENV)/python -m deploy.bench_api $(if $(ONLY),--only $(ONLY)) $(if $(KEEP),--keep $(KEEP))

bench-webhooks: venv ## measure how soon deliveries are answered while many come at once: p50, p95, p99, max
	@$(VENV)/python -m deploy.bench_webhooks

tick: venv ## move the running demo world one step
	@exec $(VENV)/python -m deploy.tick

password: venv ## ask for the login's password twice and print the AUTH_CREDENTIALS line for .env
	@exec $(VENV)/python -m deploy.password

preflight: venv ## check what production needs before it may be served; says what to do about each line
	@exec $(VENV)/python -m deploy.preflight

venv:
	@$(PYTHON) deploy/bootstrap.py requirements.lock

venv-dev:
	@$(PYTHON) deploy/bootstrap.py requirements-dev.lock

browser:
	@$(PYTHON) deploy/browser.py
