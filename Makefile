# The developer's commands. A fresh machine needs python3 (3.11 or later) with pip, make and a C compiler.
#   make demo      build, install into .venv and run a million goroutines
#   make test      build and run the tests (ARGS="--slow --million" for all of them)
#   make tools     install Chromium, nginx, curl, wrk and others, for the tests that want them
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORE := setup.py pyproject.toml $(wildcard goish/_runtime/c/*.h goish/_runtime/*.p[yx][xd] goish/_runtime/*/*.p[yx][xd]) \
	$(wildcard $(patsubst %.pxd,%.p[yx]*,$(wildcard goish/_http/*.pxd)))
ARGS ?=
# So that type checkers find it too.
EDITABLE := --config-settings editable_mode=compat

# Each step installs into one environment, where two pips at once disturb one another: make -j builds as make does.
.NOTPARALLEL:

.PHONY: build install demo test pythons tools stress histories mutants conformance lint types docs bench bench-servers debug \
	sanitize sdist wheels clean

build: $(VENV)/.built

# The package alone, and what it needs.
install: $(VENV)/.installed

$(VENV)/.pip:
	$(PY) -m venv $(VENV) || ($(PY) -m pip install --user --break-system-packages virtualenv && $(PY) -m virtualenv $(VENV))
	$(BIN)/python -m pip install -q -U "pip>=25.1"
	touch $@

$(VENV)/.installed: $(VENV)/.pip $(CORE)
	@$(BIN)/python setup.py compiler
	$(BIN)/python -m pip install -q -e . $(EDITABLE)
	touch $@

$(VENV)/.built: $(VENV)/.installed $(VENV)/.test
	touch $@

# A dependency group, installed once: make .venv/.lint
$(VENV)/.%: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install -q --group $*
	touch $@

demo: install $(VENV)/.demo
	$(BIN)/python examples/million_goroutines.py $(ARGS)

test: build
	$(BIN)/python -m tests $(ARGS)

# The whole suite on every Python that goish supports, found on the PATH or by BUILDER, a command that is given a version and
# prints the path of its interpreter. Hours. Fewer: ARGS="3.12 3.15t --tests=--fast".
pythons:
	$(PY) -m tests.pythons $(if $(BUILDER),--builder "$(BUILDER)") $(ARGS)

# From Debian's packages, which takes root. Without them tests are skipped, unless GOISH_REQUIRE names them: "chromium nginx ...".
# Debian starts the nginx that it installs.
TOOLS = ab chromium curl h2load hey nginx siege slowhttptest wrk
tools:
	(for tool in $(TOOLS); do command -v $$tool || exit 1; done) || { apt-get update -q && apt-get install -q -y \
		--no-install-recommends $(patsubst ab,apache2-utils,$(patsubst h2load,nghttp2-client,$(TOOLS))); }

# Threads, loops, channels, close, cancel and select at random, for ARGS="--seconds 60".
stress: build
	$(BIN)/python -m tests.stress_threads $(ARGS)

# A great many random histories of channels on real threads, each looked through: ARGS="--histories 1000000 --seed 1".
histories: build
	$(BIN)/python -m tests.linearizability $(ARGS)

# Is each of a dozen mistakes, planted into the core, caught by the tests of histories? Ten minutes.
mutants: build $(VENV)/.build
	$(BIN)/python -m tests.mutants $(ARGS)

# Suites that others wrote, on goroutines: docs/conformance.md (ARGS="anyio janus" for these two).
conformance: build
	$(BIN)/python -m tests.conformance $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint $(filter %.pyx %.pxd,$(CORE))
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BIN)/zizmor -q --offline .github

types: build $(VENV)/.types
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/python -m mypy.stubtest goish._runtime.core --allowlist tests/typing/stubtest-allowlist.txt
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: build $(VENV)/.docs
	$(BIN)/sphinx-build -q -n -W --keep-going docs build/docs

bench: build $(VENV)/.bench
	$(BIN)/python -m benchmarks.run $(ARGS)

# Servers beside one another, on a CPU of their own: ARGS="--workloads http_hello --rivals goish uvicorn granian".
bench-servers: build $(VENV)/.bench
	$(BIN)/python -m benchmarks.servers $(ARGS)

# Invariants checked at every channel operation, no optimisation; then the tests with Python's own checks on.
debug: $(VENV)/.pip
	GOISH_DEBUG=1 $(BIN)/python -m pip install -q -e . --group test $(EDITABLE)
	$(BIN)/python -X dev -m tests $(ARGS)
	rm -f $(VENV)/.built $(VENV)/.installed

# The whole suite under AddressSanitizer.
sanitize: $(VENV)/.pip
	GOISH_SANITIZE=address GOISH_DEBUG=1 $(BIN)/python -m pip install -q -e . --group test $(EDITABLE)
	PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$$(cc -print-file-name=libasan.so) \
		$(BIN)/python -X faulthandler -m pytest -q -p no:faulthandler $(ARGS)
	rm -f $(VENV)/.built $(VENV)/.installed

# The source distribution, in dist/, and the tests run from it: ARGS=--fast.
sdist: $(VENV)/.package
	$(BIN)/python -m tests.packages.sdist
	$(MAKE) -C build/sdist test PY="$(PY)" VENV=.venv ARGS="$(ARGS)"

# A wheel in dist/ for each Python, each tried where there is no compiler: ARGS="3.11 /path/to/python3.14t" for these two.
wheels: $(VENV)/.package
	$(BIN)/python -m tests.packages.wheels $(if $(BUILDER),--builder "$(BUILDER)") $(ARGS)

clean:
	rm -rf build dist $(VENV) goish/_runtime/core.c goish/_http/*.c goish/*/*.so goish.egg-info
