# `make sweep` runs the main job and its report, `make test` every check. Both need python3 (3.11 or newer) with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SWEEP ?= prompt_curriculum

.PHONY: venv venv-test sweep test lint types contracts clean

$(VENV)/.runtime: pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; assert v >= (3, 11), f"Python must be at least 3.11, but got {v[0]}.{v[1]}; set PYTHON=python3.11."'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

venv: $(VENV)/.runtime

venv-test: $(VENV)/.test

sweep: venv
	@# A sweep with a failed trial (exit status 1) is reported too, and still fails.
	$(BIN)/python -m mflab.sweep +sweep=$(SWEEP); status=$$?; \
	if [ $$status -le 1 ]; then $(BIN)/python analysis/make_report.py $(SWEEP) || exit $$?; fi; exit $$status

test: venv-test lint types contracts
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=20

lint: venv-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv-test
	$(BIN)/pyright

contracts: venv-test
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV)
