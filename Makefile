# Short names for the real commands. `make help` lists them; each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
RUN := .venv/bin/python
READY := .venv/ready
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.DEFAULT_GOAL := help

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(READY)  ## make .venv from requirements.lock

$(READY): requirements.lock pyproject.toml tools/setup_env.py
	@$(PYTHON) tools/setup_env.py
	@touch $@

book: $(READY)  ## run every chapter and build the book: _build/html/index.html
	@$(RUN) tools/build_book.py --profile poster

smoke: $(READY)  ## the same with small numbers, in minutes: _build/smoke/html/index.html
	@$(RUN) tools/build_book.py --profile smoke

test: $(READY)  ## prove it: lint, unit tests, all chapters with small numbers, the book
	@$(RUN) tools/run_tests.py

reference: $(READY)  ## store anew the outputs that make test compares, after a result moved
	@$(RUN) tools/run_chapters.py --profile smoke
	@$(RUN) tools/references.py

lock: $(READY)  ## write requirements.lock from what is installed in .venv
	@$(RUN) tools/lock.py

clean:  ## remove what make built, but not .venv
	rm -rf _build .cache .pytest_cache .ruff_cache notebooks/*.ipynb book/_generated

.PHONY: help setup book smoke test reference lock clean
