# make study   install, run the embedded study, render the reports, say where they are
# make test    install, check, run every notebook
# make help    the rest
#
# Both do all the set-up themselves and are quick the second time.

PYTHON ?= python3
VENV   ?= .venv
CORES  ?= 2
# PyTorch goes first, at one pinned version that suits a machine without a GPU; the second command finds it in place and
# does not pull a newer, much larger one. For a GPU, name another release or any pip arguments:
# make study TORCH='torch>=2.6'
TORCH  ?= torch==2.13.0

BIN   := $(VENV)/bin
READY := $(VENV)/.dfkd_nb-installed
# rules find the environment's commands first
IN    := PATH="$(abspath $(BIN)):$$PATH"
# one run at a time: our lock goes with the process, snakemake's own would outlive a kill
ALONE := $(IN) $(if $(LOCKED),,flock -n -E 75 $(READY))
GRAPH := snakemake --nolock -s workflow/Snakefile -c $(CORES) --rerun-incomplete --rerun-triggers mtime params
# one line of progress; what snakemake and its jobs say is in the log
SNAKE := $(ALONE) python workflow/progress.py runs/snakemake.log $(GRAPH) --configfile
PLAN  := $(ALONE) $(GRAPH) --quiet rules --dry-run --configfile
WAIT  := error: another run is at work in this checkout; wait for it, or stop it
BUSY  := || { code=$$?; [ $$code != 75 ] || echo '$(WAIT)' >&2; exit $$code; }
OF = $(1:%=workflow/config/%.yaml)
CHECK := $(IN) python workflow/check.py

# Modules are compiled when they are first imported, and kept: where this is set, as in many containers, every job of a
# study would compile torch and its like again, which doubles their start
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help env study study-full study-classifiers study-guidance study-poor-prior study-autoencoder \
        study-families study-student run plan bench attack test \
        smoke check lint pretrain lab site prepare readme clean distclean
.DELETE_ON_ERROR:

help:
	@echo 'make study       run the embedded study (shipped data and weights) and render the reports, in runs/study'
	@echo 'make study-full  the same with five seeds and a second student width: hours; resumes where it was stopped'
	@echo 'make study-classifiers  Hinton, Lopes, DeepInversion, DAFL and DiffDFKD on equal terms, three seeds: hours'
	@echo 'make study-guidance  what to match, how to take the step, what it costs, what leaks, up to five seeds: hours'
	@echo 'make study-poor-prior  the sources of images again, for a teacher whose own samples are poor, five seeds: hours'
	@echo 'make study-families  one way of distilling without data, tried on every family, three to five seeds'
	@echo 'make study-student  what makes a student good, one trained to the end and out of torch: hours; resumes'
	@echo 'make study-autoencoder  shrink an autoencoder, and the one of the shipped pipeline, five seeds: hours'
	@echo 'make run CONFIG=my.yaml   a study of your own, or several; make plan CONFIG=… says what it would run'
	@echo 'make bench       time the metric suite and the distillation step against plain ones'
	@echo 'make attack      damage, kill, starve and mislead it, in small; SIZE=full writes reports/reliability.html'
	@echo 'make env         only set up the environment'
	@echo 'make lab         open the notebooks in JupyterLab'
	@echo 'make site        every notebook with its outputs, the interface and the reports as one site: runs/site'
	@echo 'make pretrain    train all shipped weights again from scratch: hours'
	@echo 'make test        everything below, then the tests of every library notebook'
	@echo 'make smoke         the experiments and reports at their smallest size'
	@echo 'make check         modules, notebooks, README and wheel in step; short lines (make lint: only these)'
	@echo 'make prepare     export modules, clean notebooks, write README.md; before each commit'
	@echo 'make clean       remove work folders, results of make study and caches; make distclean the environment too'

OTHER := name another, e.g. make PYTHON=python3.12
env: $(READY)
$(READY): settings.ini setup.py
	@command -v $(PYTHON) >/dev/null || \
	  { echo 'error: $(PYTHON) is not installed; $(OTHER)' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3,11))' || \
	  { echo "error: $$($(PYTHON) --version) is too old, 3.11 or later is needed; $(OTHER)" >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) || \
	  { echo 'error: $(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv' >&2; exit 1; }
	@# modules are compiled when they are first imported: most never are
	@echo 'installing into $(VENV) (about 2.5 GB and a few minutes, once)'
	@$(BIN)/python -m pip install --quiet --no-compile $(TORCH)
	@$(BIN)/python -m pip install --quiet --no-compile -e '.[study,deploy,dev]'
	@touch $@

# where `make study` writes: not over the committed results; `make study INTO=` does, to publish new ones
INTO ?= runs/study
THERE := $(if $(INTO),$(INTO)/)reports

# one graph: no core waits, and what is timed has the machine to itself
study: $(READY)
	@$(SNAKE) $(call OF,embedded autoencoder-small $(FAMILIES:%=family-%-small)) \
	  $(if $(INTO),--config root=$(INTO)) $(BUSY)
	@$(ALONE) python -m dfkd_nb.study.runs nbs/reports/families.ipynb $(THERE)/families-small/families.html \
	  study=families-small small=true $(if $(INTO),root=$(INTO)) $(BUSY)
	@printf '\nThe reports; begin with comparison.html:\n'
	@realpath $(THERE)/embedded/*.html $(THERE)/autoencoder-small/*.html $(THERE)/families-small/*.html | sed 's/^/  /'

# each has a small configuration as well
FAMILIES := helmholtz vrnn continual gan ddpm

# a study for every family, one page; what was interrupted goes on where it was
study-families: $(READY)
	@$(SNAKE) $(call OF,$(FAMILIES:%=family-%) family-depth) $(BUSY)
	@$(ALONE) python -m dfkd_nb.study.runs nbs/reports/families.ipynb reports/families/families.html $(BUSY)
	@printf '\nThe report:\n  %s\n' "$(CURDIR)/reports/families/families.html"

study-full: $(READY)
	@$(SNAKE) workflow/config/embedded-full.yaml $(BUSY)
	@printf '\nThe reports; begin with comparison.html:\n'; printf '  %s\n' "$(CURDIR)"/reports/embedded-full/*.html

# what makes a student good, then one trained to the end: one page
study-student: $(READY)
	@$(SNAKE) $(call OF,student-levers student) $(BUSY)
	@printf '\nThe report:\n  %s\n' "$(CURDIR)/reports/student/deploy.html"

study-classifiers: $(READY)
	@$(SNAKE) workflow/config/classifiers.yaml $(BUSY)
	@printf '\nThe report:\n  %s\n' "$(CURDIR)/reports/classifiers/classifiers.html"

study-guidance: $(READY)
	@$(SNAKE) workflow/config/guidance.yaml $(BUSY)
	@printf '\nThe report:\n  %s\n' "$(CURDIR)/reports/guidance/guidance.html"

# its summary stands in the guidance page, which is drawn again with it
study-poor-prior: $(READY)
	@$(SNAKE) workflow/config/poor-prior.yaml $(BUSY)
	@$(ALONE) python -m dfkd_nb.study.runs nbs/reports/guidance.ipynb reports/guidance/guidance.html study=guidance $(BUSY)
	@printf '\nThe reports; the claims stand in guidance.html:\n'
	@printf '  %s\n' "$(CURDIR)"/reports/guidance/guidance.html "$(CURDIR)"/reports/poor-prior/*.html

# two studies, one page: a teacher trained on private images, and the pipeline's own
study-autoencoder: $(READY)
	@$(SNAKE) $(call OF,autoencoder pipeline-vae autoencoder-control) $(BUSY)
	@$(ALONE) python -m dfkd_nb.study.runs nbs/reports/autoencoder.ipynb reports/autoencoder/autoencoder.html \
	  study=autoencoder second=pipeline-vae $(BUSY)
	@printf '\nThe report:\n  %s\n' "$(CURDIR)/reports/autoencoder/autoencoder.html"

# refused before anything is installed
ifneq ($(filter run plan,$(MAKECMDGOALS)),)
ifeq ($(strip $(CONFIG)),)
$(error say which study: make $(MAKECMDGOALS) CONFIG=workflow/config/NAME.yaml)
endif
endif
run: $(READY)
	@$(SNAKE) $(CONFIG) $(BUSY)

plan: $(READY)
	@$(PLAN) $(CONFIG)

bench: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/metrics.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/distil_step.py

# small, it is a part of `make test`; `SIZE=full` writes table and page anew
SIZE ?= small
attack: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python workflow/attack.py $(SIZE); code=$$?; \
	if [ $(SIZE) = full ]; then $(ALONE) python -m dfkd_nb.study.runs nbs/reports/reliability.ipynb \
	  reports/reliability.html || code=$$?; fi; exit $$code

# timings of so small a study say nothing: they need not have the machine to themselves
SMOKE := $(call OF,smoke smoke-autoencoder $(FAMILIES:%=family-%-small)) \
         --set-threads evaluate=1 in_pipeline=1 deploy=1
smoke: $(READY)
	@$(SNAKE) $(SMOKE) $(BUSY)

check: $(READY)
	@$(CHECK) sync

lint: $(READY)
	@$(CHECK) lint

# studies that no test runs: only their plan is made
DRY := emoji cifar10 cifar10-dkdm celebahq classifiers cifar10-classifiers cifar100-classifiers guidance poor-prior \
       autoencoder pipeline-vae embedded-full student student-levers iam-vrnn family-depth $(FAMILIES:%=family-%)

# one recipe, so that the order holds under `make -j` and the count of tests is the last line
test: $(READY)
	@$(CHECK) sync
	@$(SNAKE) $(SMOKE) $(BUSY)
	@$(PLAN) $(call OF,$(DRY))
	@$(IN) PYTHONPATH="$(CURDIR)" python workflow/site/test.py
	@OMP_NUM_THREADS=1 $(BIN)/python workflow/attack.py small
	@OMP_NUM_THREADS=1 $(CHECK) notebooks

pretrain: $(READY)
	@( for k in autoencoder $(FAMILIES:%=family-%); do \
	  $(SNAKE) workflow/config/$$k.yaml -- ship_teacher || exit $$?; done ) $(BUSY)
	@$(SNAKE) workflow/config/embedded.yaml -- pretrain $(BUSY)

lab: $(READY)
	@$(IN) jupyter lab nbs

# what only the site needs is installed when it is first built
site: $(READY)
	@$(BIN)/python -c 'import furo, myst_nb, latex2mathml' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --no-compile -e '.[site]'
	@$(IN) PYTHONPATH="$(CURDIR)" CORES=$(CORES) python workflow/site/build.py
	@printf '\nThe site:\n  %s\n' "$(CURDIR)/runs/site/index.html"

prepare: $(READY)
	@$(IN) nbdev_export
	@$(IN) nbdev_clean
	@$(CHECK) readme

readme: $(READY)
	@$(CHECK) readme

clean:
	rm -rf runs .snakemake build dist *.egg-info
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -exec rm -rf {} +
	find nbs reports \( -name '*.failed.ipynb' -o -name '*.running.ipynb' \) -delete

distclean: clean
	rm -rf $(VENV)
