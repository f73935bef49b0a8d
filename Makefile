# Two commands are enough: `make play` and `make test`. Both need python3 (3.11 or newer) and make, nothing else.
#   make play ARGS="--seed 7"      installs on the first run, then plays; ARGS go to `playground play`
#   make test                      lint, import contracts, types and tests
#   make worlds                    adds the games that `playground collect` draws clips from
#   make clean                     removes the environment and every cache
# PYTHON=/path/to/python3.12 chooses an interpreter; VENV=folder another environment.

VENV ?= .venv
ARGS ?=
PYTEST_ARGS ?=
TEST_EXTRAS ?= dev,play,video,text,worlds,train,eval,fast,onnx

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install -c constraints/tested.txt
INPUTS := Makefile pyproject.toml constraints/tested.txt constraints/procgen.txt

# The first interpreter that runs, is new enough and can make environments. A name on the PATH proves nothing: version
# managers leave launchers there for versions that are not active.
FIND_PYTHON = for name in $(or $(PYTHON),python3 python3.12 python3.11 python3.13 python3.14); do \
	if $$name -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	echo $$name; break; fi; done

.PHONY: play test lint venv worlds clean help
.DELETE_ON_ERROR:

play: $(VENV)/.play
	@$(BIN)/playground play $(ARGS)

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

venv: $(VENV)/.venv

$(VENV)/.venv:
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
	echo "error: no Python 3.11 or newer with the venv module found;" \
	"install one (Debian: apt-get install python3 python3-venv) or pass PYTHON=/path/to/python3.12" >&2; exit 2; fi; \
	echo "Making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV)
	@touch $@

$(VENV)/.play: $(VENV)/.venv $(INPUTS)
	@echo "Installing what playing needs (a few minutes on the first run)"
	@$(INSTALL) -e ".[play,video,text]"
	@touch $@

$(VENV)/.test: $(VENV)/.venv $(INPUTS)
	@echo "Installing what the tests need (a few minutes on the first run)"
	@$(INSTALL) -e ".[$(TEST_EXTRAS)]"
	@$(PIP) install --no-deps -r constraints/procgen.txt
	@touch $@

$(VENV)/.worlds: $(VENV)/.venv $(INPUTS)
	@echo "Installing the games"
	@$(INSTALL) -e ".[video,worlds]"
	@$(PIP) install --no-deps -r constraints/procgen.txt
	@touch $@

worlds: $(VENV)/.worlds

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
