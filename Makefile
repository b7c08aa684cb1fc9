# Short words for everyday work. `make run` and `make test` need only Python (>= 3.11) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run test check lint format docs bench lock clean help sbom audit
.DEFAULT_GOAL := help
.SILENT:

# Hashed requirements first, then the project itself from this folder: nothing unpinned is ever fetched.
define install
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	echo "Installing $(1)"
	$(PIP) install --require-hashes -r $(1)
	$(PIP) --quiet install --no-build-isolation --no-deps -e .
	touch $@
endef

$(VENV)/.run: requirements.txt pyproject.toml
	$(call install,requirements.txt)

$(VENV)/.dev: requirements-dev.txt pyproject.toml
	$(call install,requirements-dev.txt)
	touch $(VENV)/.run

run: $(VENV)/.run  ## the upstream on http://localhost:8080 and the local service on http://localhost:8081
	exec $(BIN)/webpubsub dev

test: $(VENV)/.dev  ## every test; the browser tests want chromium
	$(BIN)/python -m pytest

lint: $(VENV)/.dev  ## style, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint audit test  ## what CI runs

format: $(VENV)/.dev  ## let ruff put things right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.dev  ## the site, in build/site/index.html
	$(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev  ## this app beside Express, Flask and bare uvicorn
	$(BIN)/python -m bench.run

sbom: $(VENV)/.dev  ## what the image is made of, in build/sbom.json (CycloneDX)
	mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file build/sbom.json

audit: $(VENV)/.dev  ## does a dependency have a known vulnerability?
	.ci/audit $(BIN)/pip-audit requirements.txt

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links

lock: $(VENV)/.dev  ## pin what pyproject.toml asks for, hashes included, for every platform
	echo 'setuptools>=77' | $(COMPILE) pyproject.toml - -o requirements.txt
	echo 'setuptools>=77' | $(COMPILE) --extra dev -c requirements.txt pyproject.toml - -o requirements-dev.txt

clean:  ## remove the virtual environment
	rm -rf $(VENV)

help:  ## this list
	sed -n 's/^\([a-z]*\):.*##/make \1 -/p' Makefile
