# Everything runs in .venv, which is made when missing and brought up to date when pyproject.toml
# changes. A conda user can do without make: the commands below work in any environment that has
# the package installed.
#
#   make demo PYTHON=python3.12      another Python for the environment (3.10 or newer)
#   make lab ARGS="--no-browser"     further options for the command
#   make install PIP_ARGS="..."      further options for pip

PYTHON ?= python3
PIP_ARGS ?=
ARGS ?=
WORKERS ?= 2

BIN := .venv/bin/python
STAMP := .venv/.installed
# Present while an installation is under way: found at the start, it means one was cut off.
UNFINISHED := .venv/.installing

.DEFAULT_GOAL := help
.PHONY: help install demo lab book test test-fast mutations lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## make .venv and install the package, once

demo: $(STAMP) ## train a small FineGAN and show what its codes do (it says first how long that takes)
	$(BIN) -m finegan_lib demo $(ARGS)

# GOMP_SPINCOUNT: see share_processors in finegan_lib/speed/threads.py.
lab: $(STAMP) ## open the course's notebooks in JupyterLab
	GOMP_SPINCOUNT=$${GOMP_SPINCOUNT:-3000} $(BIN) -m jupyterlab $(ARGS) notebooks

book: $(STAMP) ## write the rendered notebooks as web pages, runs/book/index.html
	$(BIN) -m finegan_lib.course book $(ARGS)

# One thread per worker: torch would otherwise start one per core in each of them. A notebook's cells
# need each other, so --dist loadfile keeps them on one worker.
test: lint ## check style, run the tests, then every notebook
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN) -m pytest -n $(WORKERS) $(ARGS)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONPATH=tests \
	    $(BIN) -m pytest -n $(WORKERS) --dist loadfile -p nbval_hooks --nbval-lax \
	    --nbval-current-env --nbval-cell-timeout=300 \
	    --nbval-sanitize-with=tests/nbval.cfg notebooks solutions

test-fast: $(STAMP) ## run the quick tests only (under two minutes on two cores)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN) -m pytest -n $(WORKERS) -m "not slow" $(ARGS)

mutations: $(STAMP) ## break the library in 34 ways; every time a notebook must fail (20 minutes)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN) tests/mutations.py $(ARGS)

lint: $(STAMP) ## check style, layout and types, change nothing
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy

format: $(STAMP) ## mend style and layout
	$(BIN) -m ruff check --fix .
	$(BIN) -m ruff format .

clean: ## remove .venv and caches; runs/ and data/ stay
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip downloads everything before it installs anything. When it fails on the way (no network, say)
# and what is installed still fits together, the environment is kept; otherwise the marker stays
# and the next make starts afresh.
$(STAMP): pyproject.toml
	@command -v "$(PYTHON)" > /dev/null || { \
	    echo "No Python found as '$(PYTHON)'. Install Python 3.10 or newer," \
	        "or name one: make PYTHON=python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "Python 3.10 or newer is needed; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1)." \
	        "Name another: make PYTHON=python3.12"; exit 1; }
	@if [ -e $(UNFINISHED) ]; then \
	    echo "The last installation was cut off: starting afresh."; rm -rf .venv; fi
	@mkdir -p .venv && touch $(UNFINISHED)
	@$(BIN) -c 'import pip' 2> /dev/null || { \
	    echo "Making .venv with $$("$(PYTHON)" -V 2>&1)"; "$(PYTHON)" -m venv .venv; }
	@echo "Installing what pyproject.toml lists (PyTorch is several GB; this happens once) ..."
	@$(BIN) -m pip install --disable-pip-version-check $(PIP_ARGS) -e '.[dev]' || { \
	    ! $(BIN) -m pip check > /dev/null 2>&1 || rm -f $(UNFINISHED); exit 1; }
	@mv $(UNFINISHED) $(STAMP)
