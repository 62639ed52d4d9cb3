# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
PIP = $(VENV)/bin/python -m pip install -qq --disable-pip-version-check -c $(CONSTRAINTS)
# Threads that wait for work sleep: others on the machine run faster, and ours hardly slower.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: run demo test lint benchmark benchmark-quick clean
.DELETE_ON_ERROR:

run: $(VENV)/installed
	$(VENV)/bin/python -m spacy project run all

demo: $(VENV)/installed
	$(VENV)/bin/python -m spacy project run demo

test: $(VENV)/installed-test
	$(VENV)/bin/python -m pytest $(PYTEST)

lint: $(VENV)/installed-test
	$(PIP) -e '.[dev]'
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Threads wait as they do without this file, so that peers are measured as users have them.
benchmark benchmark-quick: $(VENV)/installed
	$(PIP) accelerate pandas -e '.[onnx]'
	$(VENV)/bin/python -m spacy project run verify
	$(VENV)/bin/python -m spacy project run encoder
	env -u OMP_WAIT_POLICY $(VENV)/bin/python benchmarks/run.py $(if $(filter %-quick,$@),quick,full)

$(VENV)/installed: setup.cfg pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[project]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) corpus metrics packages training project.lock
