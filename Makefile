# Every target does its own set-up: a virtual environment in the checkout, packages from the package index.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve demo test check format bench torture simulate clean

serve: .venv/ready  ## run the server on http://127.0.0.1:8071 (HOOKWRIGHT_* are honoured)
	$(BIN)/hookwright serve

demo: .venv/ready  ## a server, three receivers, a hundred events, and what became of them
	$(BIN)/hookwright demo

test: .venv/dev  ## all checks and tests
	$(MAKE) check
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

check: .venv/dev  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev  ## write the code as `check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

simulate: .venv/dev  ## a thousand simulated schedules of crashes and failures; SEED=N replays one
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds 1000)

torture: .venv/dev  ## every harm under load: kills, zombies, outages, power cuts, ...; HARM=outage for one of them
	$(BIN)/python -m tests.torture $(HARM)

bench: .venv/dev  ## rates, latencies, CPU and memory; BASE=main~5 compares that commit with HEAD; ARGS="--database postgres"
	$(BIN)/python -m bench $(if $(BASE),compare $(BASE) $(HEAD)) $(ARGS)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Hookwright needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null || { scripts/system-packages python3-venv && $(PYTHON) -m venv .venv; }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@$(BIN)/python -m tests.postgres >/dev/null 2>&1 || scripts/system-packages postgresql pgbouncer
	@touch $@
