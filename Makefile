# make run   set up, then run the registry that ships
# make test  set up, then run every test
# make check  what is fast: style, types, the order of the rooms
# make hooks  have git run that before each commit
# make coverage  every test, and which branches of the code none of them takes
# make lineage  trace the models' column lineage again (after a change of the models)
# make lock  resolve requirements.lock again from pyproject.toml

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: run test check hooks coverage lock lineage clean
run: .venv/.ready
	@$(BIN)/myositis run

test: check
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: .venv/.ready
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.sql_lines

hooks: .venv/.ready
	@$(BIN)/pre-commit install

coverage: .venv/.ready
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --cov --cov-branch --cov-report=term:skip-covered

lineage: .venv/.ready
	$(BIN)/myositis ingest
	$(BIN)/python -m orchestration.warehouse.trace_lineage registry

lock: .venv/.ready
	$(BIN)/uv pip compile --quiet --generate-hashes --extra test --no-header --no-annotate pyproject.toml -o requirements.lock

# Bytecode is compiled and the models are parsed here, once, so that the first run does not have to: together half a minute.
# uv installs the whole stack in seconds where pip takes over a minute; it comes from the same index.
.venv/.ready: requirements.lock pyproject.toml
	@echo "setting up .venv (first time, or requirements.lock changed)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m orchestration.warehouse.dbt
	@touch $@

clean:
	rm -rf .venv dbt_project/target dbt_project/logs
