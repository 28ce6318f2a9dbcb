# All targets do their own set-up on a bare Debian 12. `make test` is what continuous integration runs;
# `make test-long` runs what takes minutes and is covered more cheaply there.

PYTHON ?= python3
DOCKYARD := .venv/bin/dockyard

.PHONY: demo test test-long setup quick lint

demo: setup
	@scripts/demo

test: setup
	@scripts/test

test-long: setup
	@scripts/test long

quick: setup lint
	@.venv/bin/pytest -m "not build and not boot"

lint: setup
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml scripts/prepare-host
	@scripts/prepare-host
	@echo "making .venv, with what requirements.lock pins"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
