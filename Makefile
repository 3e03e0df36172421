# Everything from a bare machine: Python >= 3.11 (with venv and pip) and make. No other tool, key or server is needed.
#
#   make run     set up, then run the engine on the embedded sandbox     ARGS="--for 30s --seed 7"
#   make dev     set up what tests, report pages and exports need
#   make unit    the fast tests: no network, process, database        ARGS="-k pair" WORKERS=4
#   make test    set up what tests need, then run them all              ARGS="tests/unit -k pair" WORKERS=4 SEED=random
#   make thorough  the long tests, and those that prove that a test can fail   ARGS="--lf"
#   make properties  the property tests alone, each searching far       EXAMPLES=30000 ARGS="-k book --lf"
#   make check   format, lint, strict types, house rules, known weaknesses of packages
#   make faultsim  the whole house from seeds, faults and kills included  SEEDS=200
#   make inventory  what bands of the inventory change where funds are scarce   ARGS="--seeds 5"
#   make mutants safety rules broken one by one, resumable              ARGS="--only one-query --resume FILE --jobs 2"
#   make proof   kills and faults on real sockets, resumable            ARGS="kills --times 5 --only ledger"
#   make companion-day    `arb watch` over a day of virtual time: storms, kills, failing receivers
#   make soak    half an hour, 200 symbols, one fault after another     ARGS="--minutes 5 --symbols 50"
#   make same    compiled, plain and compared books on one run    ARGS="--minutes 10 --symbols 200 --folder DIR" (resumable)
#   make fuzz    a million frames that no venue should send, to compiled books   ARGS="--frames 50000 --jobs 2 --resume FILE"
#   make feeds   our feeds for half an hour on venues that misbehave    ARGS="--for 600 --symbols 100 --seed 3"
#   make paper   paper trading for half an hour on venues that misbehave  ARGS="--minutes 5 --symbols 100 --seed 3"
#   make strangers  trading programs of others against the sandbox      STRANGERS_PYTHON=python3.13
#   make bench   the speed table, as ratios to the peers
#   make notebook  set up JupyterLab and open the notebooks in it      ARGS="--port 8899 --no-browser"
#   make docs    build the site in build/docs, with tables and outcome codes, every link checked
#   make pictures  draw docs/live.svg, the moving picture of the screen
#   make screenshots  take the pictures of page and report in docs/ (needs Chromium)
#   make lock    resolve the dependencies anew into the six hashed locks (needs uv)
#
# Another interpreter: make run PYTHON=python3.13

PYTHON ?= python3
ARGS ?=
# Tests that start processes wait for them much of their time; those of `make unit` wait for nothing, and each worker first
# collects them all. `make test` adds the workers of `make unit`.
WORKERS ?= $(if $(filter unit,$(MAKECMDGOALS)),$(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 4),3)
SEEDS ?= 200
EXAMPLES ?= 30000
# The same commit gets the same answer: what `make unit` and `make test` draw begins here. All other proofs draw anew each time.
SEED ?= 20261123
SEEDED = ARB_TEST_SEED=$(SEED) $(BIN)/python -m

# What is compiled once need not be compiled by each process of a test, or by each start.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
LAB_READY := $(VENV)/.ready-lab
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run dev unit test thorough properties check audit bench faultsim mutants inventory proof companion-day soak feeds fuzz paper same notebook docs pictures screenshots lock strangers

help:
	@sed -n 's/^#   /  /p' Makefile

run: $(RUN_READY)
	@$(BIN)/arb run $(ARGS)

dev: $(DEV_READY)

unit: $(DEV_READY)
	@$(SEEDED) pytest --hypothesis-seed=$(SEED) -n $(WORKERS) --dist worksteal --durations 15 --lane inside -m "not thorough" \
	  --examples-max 15 tests/unit $(ARGS)

test: $(DEV_READY)
	@$(SEEDED) tests.support.lanes $(WORKERS) --hypothesis-seed=$(SEED) --durations 15 -m "not thorough" --examples-max 40 $(ARGS)

thorough: $(DEV_READY)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations 15 -m thorough $(ARGS)
	@echo "[arb] the store behind a pooler in transaction mode (PgBouncer where it is installed)"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --through-pooler tests/unit/store

properties: $(DEV_READY)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --timeout 3600 --durations 10 --examples $(EXAMPLES) $(ARGS)

check: $(DEV_READY)
	@echo "[arb] format"
	@$(BIN)/ruff format --check .
	@echo "[arb] lint"
	@$(BIN)/ruff check --output-format concise .
	@echo "[arb] types (mypy --strict)"
	@$(BIN)/mypy
	@echo "[arb] house rules"
	@$(BIN)/python -m pytest -q tests/test_house.py
	@$(MAKE) -s audit

# Known weaknesses of the locked packages, where an index answers. What asks is in an environment of its own.
AUDIT := build/audit-env

audit: $(DEV_READY)
	@test -e $(AUDIT)/.ready -a ! requirements-audit.lock -nt $(AUDIT)/.ready || { rm -rf $(AUDIT) && mkdir -p build && \
	  $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip --disable-pip-version-check -q install --require-hashes \
	  -r requirements-audit.lock 2>$(AUDIT)/log && touch $(AUDIT)/.ready; } || true
	@if test -e $(AUDIT)/.ready; then $(BIN)/python -m tests.support.audit $(AUDIT)/bin/python requirements-dev.lock $(TRIED); \
	  else tail -1 $(AUDIT)/log; echo "[arb] audit: pip-audit cannot be installed here, not checked"; fi

bench: $(DEV_READY)
	@$(BIN)/python -m proofs.bench $(ARGS)

faultsim: $(DEV_READY)
	@$(BIN)/python -m proofs.faultsim --seeds $(SEEDS) $(ARGS)

inventory: $(DEV_READY)
	@$(BIN)/python -m proofs.inventory_effect --jobs $(WORKERS) $(ARGS)

mutants: $(DEV_READY)
	@$(BIN)/python -m proofs.mutants $(ARGS)

proof: $(DEV_READY)
	@$(BIN)/python -m proofs.proof $(ARGS)

same: $(DEV_READY)
	@$(BIN)/python -m proofs.same_decisions $(ARGS)

fuzz: $(DEV_READY)
	@$(BIN)/python -m proofs.fuzz $(ARGS)

feeds: $(DEV_READY)
	@$(BIN)/python -m proofs.feeds $(ARGS)

paper: $(DEV_READY)
	@$(BIN)/python -m proofs.paper $(ARGS)

companion-day: $(DEV_READY)
	@$(BIN)/python -m proofs.companion_day $(ARGS)

soak: $(DEV_READY)
	@$(BIN)/python -m proofs.soak $(ARGS)

# Each program in an environment of its own; one that cannot be installed is skipped, and pytest says so. hummingbot, which is no
# package, runs as well where it was compiled by the recipe in tests/contract/test_strangers.py.
STRANGERS := build/strangers
STRANGERS_PYTHON ?= $(or $(shell for p in python3.13 python3.12; do $$p -c "" 2>/dev/null && echo $$p && break; done),$(PYTHON))

strangers: $(DEV_READY) $(STRANGERS)/nautilus_trader/tried $(STRANGERS)/freqtrade/tried $(STRANGERS)/pybit/tried \
  $(STRANGERS)/binance-sdk-spot/tried
	@$(BIN)/python -m pytest -rs --durations 5 tests/contract/test_strangers.py $(ARGS)

$(STRANGERS)/%/tried:
	@echo "[arb] installing $* (once; some minutes)"
	@rm -rf $(@D) && mkdir -p $(STRANGERS) && $(STRANGERS_PYTHON) -m venv $(@D)
	@if $(@D)/bin/python -m pip --disable-pip-version-check -qq install $*; then touch $(@D)/installed; else \
	  echo "[arb] $* cannot be installed here: its test is skipped; to try again: rm -r $(@D)"; fi
	@touch $@

# Two settings keep JupyterLab from asking elsewhere for news and for newer versions.
notebook: $(LAB_READY)
	@$(BIN)/jupyter lab --LabApp.news_url= --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --ServerApp.root_dir=notebooks $(ARGS)

# The builder has its own environment: arb imports none of it. Three pages are made from the code first.
DOCS := build/docs-env

docs: $(DOCS)/.ready $(RUN_READY)
	@$(BIN)/python -m tests.support.outcome_page build/pages/OUTCOMES.md
	@$(BIN)/python -m tests.support.dictionary build/pages/SCHEMA.md
	@$(BIN)/python -c "from arb.watch.desk_files import list_of_metrics; print(list_of_metrics())" >build/pages/METRICS.md
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict $(ARGS)
	@echo "[arb] build/docs/index.html (its search needs a server: $(PYTHON) -m http.server --directory build/docs)"

$(DOCS)/.ready: requirements-docs.lock | $(BIN)/python
	@echo "[arb] installing the locked packages of requirements-docs.lock (once)"
	@rm -rf $(DOCS) && mkdir -p build && $(SHOWN) $(PYTHON) -m venv $(DOCS)
	@$(SHOWN) $(DOCS)/bin/python -m pip --disable-pip-version-check install --progress-bar off --require-hashes -r $<
	@touch $@

pictures: $(DEV_READY)
	@$(BIN)/python -m tests.support.pictures docs $(ARGS)

screenshots: $(DEV_READY)
	@$(BIN)/python -m tests.support.page_pictures docs

# The environment, made once. Stamps remember what is installed; a changed lock, pyproject.toml or setup.py installs again.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "[arb] no '$(PYTHON)' found: install Python >= 3.11, or name one: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; v = "%d.%d.%d" % sys.version_info[:3]; \
	  sys.exit(0 if sys.version_info >= (3, 11) else "[arb] %s is Python %s and arb needs >= 3.11: name a newer one: make PYTHON=python3.12" % (sys.executable, v))' || exit 2
	@echo "[arb] making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c "$$SHOW_PROGRESS" $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "[arb] '$(PYTHON) -m venv' failed: install the venv module (on Debian and Ubuntu: the package python3-venv)" >&2; exit 2; }

# What a run, and what the tests, import: loaded once at the end of the installation, so that byte code lies ready even
# where the environment forbids writing it later (ccxt alone costs some five seconds without).
RUN_IMPORTS := arb.app.run, arb.app.watch, arb.sandbox.__main__, alembic.command
LAB_IMPORTS := $(RUN_IMPORTS), ipykernel.kernelapp, jupyterlab.labapp, matplotlib.pyplot, pandas, pyarrow.parquet
DEV_IMPORTS := $(RUN_IMPORTS), gate_api, hypothesis, ipykernel.kernelapp, matplotlib.pyplot, nbclient, pandas, pyarrow.parquet

# Runs a command with its output kept back, and says every few seconds how far it is: of pip, how many packages it has looked at
# and what it does. What a command that fails has said is shown.
define SHOW_PROGRESS
import subprocess, sys, threading, time
command, said, began = sys.argv[1:], [], time.monotonic()
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
def say():
    while not ended.wait(4):
        found = sum(line.startswith("Collecting ") for line in said)
        doing = "unpacking" if any(line.startswith("Installing collected") for line in said) else "fetching"
        print(f"[arb]   {time.monotonic() - began:3.0f} s" + f": {doing} {found} packages" * bool(found), flush=True)
ended = threading.Event()
threading.Thread(target=say, daemon=True).start()
for line in process.stdout:
    said.append(line)
ended.set()
if process.wait():
    sys.stderr.writelines(said)
    sys.exit(process.returncode)
endef
export SHOW_PROGRESS
SHOWN := $(BIN)/python -c "$$SHOW_PROGRESS"

# Not every system has a wheel of what compiles: there, and nowhere else, it is done without.
TRIED := requirements-compiled.lock
define compiled
	@echo "[arb] installing the locked packages of $(TRIED), which compile the books"
	@$(SHOWN) $(PIP) install --progress-bar off --no-compile --no-deps --only-binary :all: --require-hashes -r $(TRIED) \
	  2>$(VENV)/tried.log || grep -q "No matching distribution found" $(VENV)/tried.log || { cat $(VENV)/tried.log >&2; exit 1; }
	@$(BIN)/python -c "import numba" 2>/dev/null || \
	  echo "[arb] no compiled books here: there is no wheel of numba for this system, and plain code keeps them (docs/SETTINGS.md)"
endef

# $(1): a lock file; $(2): what to import once. --no-compile: not everything that ccxt ships is compiled, only what is used.
define install
	@echo "[arb] installing the locked packages of $(1) (once; a minute or so)"
	@$(SHOWN) $(PIP) install --progress-bar off --no-compile --require-hashes -r $(1)
	@$(SHOWN) $(PIP) install --progress-bar off --no-compile --no-deps --no-build-isolation --editable .
	$(compiled)
	@echo "[arb] compiling what is imported"
	@$(SHOWN) $(BIN)/python -c "import $(2)"
	@echo "[arb] compiling what keeps the books"
	@$(SHOWN) $(BIN)/python -c "from arb.venues.books.compiled.loading import is_available, load_blocks; is_available() and load_blocks()"
	@echo "[arb] ready"
endef

$(RUN_READY): requirements.lock $(TRIED) pyproject.toml setup.py | $(BIN)/python
	$(call install,requirements.lock,$(RUN_IMPORTS))
	@touch $@

# The second lock holds the first, so what serves tests serves `make run` too.
$(DEV_READY): requirements-dev.lock $(TRIED) pyproject.toml setup.py | $(BIN)/python
	$(call install,requirements-dev.lock,$(DEV_IMPORTS))
	@touch $@ $(RUN_READY)

# Its packages of the second lock have the same versions, so it serves beside that one.
$(LAB_READY): requirements-lab.lock $(TRIED) pyproject.toml setup.py | $(BIN)/python
	$(call install,requirements-lab.lock,$(LAB_IMPORTS))
	@touch $@ $(RUN_READY)

# Universal (Python 3.11 to 3.14, every platform), hashed, and without a line about where packages come from.
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet
LOCK := $(COMPILE) pyproject.toml --extra build

lock:
	@test -x "$(UV)" || { echo "[arb] make lock needs uv: $(BIN)/python -m pip install uv" >&2; exit 2; }
	@echo "[arb] resolving requirements.lock and those of compiled books, tests, notebooks, docs and the audit"
	@$(LOCK) --output-file requirements.lock
	@$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(LOCK) --extra lab --constraint requirements-dev.lock --output-file requirements-lab.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["compiled"])' | \
	  $(COMPILE) - --constraint requirements.lock --no-emit-package numpy --output-file $(TRIED)
	@$(COMPILE) --group docs --output-file requirements-docs.lock
	@$(COMPILE) --group audit --output-file requirements-audit.lock
