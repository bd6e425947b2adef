# Two commands for a newcomer: `make demo` and `make test`. Each does all of its own set-up.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help demo test lab check bench interop reference constraints clean
help: ## what can be made here
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED) ## the main job end to end on the demo shop; ends with the paths of the reports
	@scripts/system-packages
	$(BIN)/workbench demo

test: $(INSTALLED) ## everything: style, types, all tests
	@scripts/system-packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --durations 15

lab: $(INSTALLED) ## JupyterLab on the notebooks
	$(BIN)/workbench lab

check: $(INSTALLED) ## the two-minute inner loop: no slow and no browser tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile -q -m "not slow and not browser"

bench: $(INSTALLED) ## all benchmarks; rewrites the tables in benchmarks/README.md
	$(BIN)/python -m benchmarks

interop: $(INSTALLED) ## Node's exporters and a real OpenTelemetry Collector in front of the receiver
	$(BIN)/python -m benchmarks.interop

reference: $(INSTALLED) ## write docs/cli.md and docs/lake-columns.md from the code
	PYTHONPATH=. $(BIN)/python scripts/write_reference.py

constraints: $(INSTALLED) ## write constraints.txt from what is installed
	$(BIN)/python scripts/write_constraints.py

clean: ## remove the environment
	rm -rf .venv

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@echo "installing Python packages (about a minute)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[shop,dev]'
	@touch $@
