# make demo: set up, then run every stage on the shipped capture. make test: the whole test suite.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: demo test lint format clean
.DEFAULT_GOAL := demo

$(VENV)/.ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q -r requirements.txt -r requirements-dev.txt
	touch $@

demo: $(VENV)/.ready
	$(RUN) check_data.py --data_path demo_data --scan_id 1
	$(RUN) pose_optim.py --data_path demo_data --scan_id 1
	$(RUN) mano_optim.py --data_path demo_data --scan_id 1
	$(RUN) mesh_sfs_optim.py --data_path demo_data --scan_id 1

test: $(VENV)/.ready
	$(RUN) -m pytest

lint: $(VENV)/.ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/.ready
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf demo_out .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
