# Short names for the real commands. `make help` lists them; each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
RUN := .venv/bin/python
READY := .venv/ready
PROFILE ?= smoke

.DEFAULT_GOAL := help

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

setup: $(READY)  ## make .venv from requirements.lock

$(READY): requirements.lock pyproject.toml tools/setup_env.py
	@$(PYTHON) tools/setup_env.py
	@touch $@

book: $(READY)  ## run every chapter and build the book: _build/html/index.html
	@$(RUN) tools/build_book.py --profile poster

smoke: $(READY)  ## the same with small numbers, in minutes: _build/smoke/_build/html/index.html
	@$(RUN) tools/build_book.py --profile smoke

test: $(READY)  ## prove it: lint, unit tests, all chapters with small numbers, the book
	@$(RUN) tools/run_tests.py

try: $(READY)  ## one chapter, other parameters: CHAPTER=01_potential SET="beta=0.05"
	@$(RUN) tools/try_chapter.py $(CHAPTER) $(SET)

test-slow: $(READY)  ## slow tests: long ensembles; processes that are killed, forked or shared
	@$(RUN) -m pytest -q -m slow

test-browser: $(READY)  ## open every page in Chromium without network; PROFILE=poster for the book
	@$(RUN) tools/run_browser_tests.py --profile $(PROFILE)

compare: $(READY)  ## build twice and compare every file; PROFILE=poster for the book itself
	@$(RUN) tools/compare_builds.py --profile $(PROFILE)

poster: $(READY)  ## the poster regenerated, as one A0 page: _build/poster.pdf
	@$(RUN) tools/print_book.py poster

pdf: $(READY)  ## the whole book on A4: _build/book.pdf
	@$(RUN) tools/print_book.py book

train: $(READY)  ## rebuild every training and the checkpoints from nothing (many hours; resumable)
	@$(RUN) -m mb_support.training --all
	@$(RUN) -m mb_support.training.causal
	@echo "Checkpoints: $(CURDIR)/checkpoints"

study: $(READY)  ## measure what chapters keep anew, where settings or weights changed (hours)
	@$(RUN) -m mb_support.studies
	@echo "Results: $(CURDIR)/results"

benchmark: $(READY)  ## repeat the measured comparisons of speed (minutes)
	@for script in benchmarks/*.py; do echo "== $$script"; $(RUN) $$script || exit 1; done
	@echo "Results: $(CURDIR)/results"

reference: $(READY)  ## store anew the outputs that make test compares, after a result moved
	@$(RUN) tools/run_chapters.py --profile smoke
	@$(RUN) tools/references.py

molecule: $(READY)  ## simulate the molecule and measure it anew (an hour or more; resumable)
	@$(RUN) -c "import openmm" 2>/dev/null || $(RUN) -m pip install "openmm>=8.2"
	@nice -n 10 $(RUN) -m mb_support.studies.molecule.simulation
	@$(RUN) -m mb_support.studies molecule
	@echo "Results: $(CURDIR)/results/molecule"

explorable: $(READY)  ## what the explorable page ships, after checkpoints/small changed
	@$(RUN) -c "import onnx, onnxscript" 2>/dev/null || $(RUN) -m pip install onnx onnxscript
	@$(RUN) tools/explorable_files.py

readme-figure: $(READY)  ## the figure of README.md, from the chapters as last executed
	@$(RUN) tools/readme_figure.py

notebooks-branch: $(READY)  ## push the executed notebooks to the branch that Binder and Colab open
	@$(RUN) tools/notebooks_branch.py

lock: $(READY)  ## write requirements.lock from what is installed in .venv
	@$(RUN) tools/lock.py

clean:  ## remove what make built; keeps .venv, interrupted trainings and notebooks you edited
	@rm -rf _build .pytest_cache .ruff_cache book/_generated
	@find notebooks -name '*.ipynb' ! -name '*.edited*' -delete
	@rm -rf mb_support/__pycache__ "$${TMPDIR:-/tmp}/mb_support-$$(id -u)"
	@[ ! -d .cache ] || find .cache -mindepth 1 -maxdepth 1 ! -name 'training*' -exec rm -rf {} +

.PHONY: help setup book smoke test test-slow try test-browser compare poster pdf train study benchmark molecule explorable reference readme-figure notebooks-branch lock clean
