# make run    a first look: set up what is missing, evaluate a cell, clean up after itself
# make test   everything that a change must pass, but for lint
# make lint   style, types and layers          make format   put the source into shape
# make bench  the figures                      make clean    remove what make has made

BIN := .venv/bin

.PHONY: run test lint format bench clean

run: .venv/.ready
	@examples/first_run.sh

# The shell's view of the socket is tested with the real tools; npm brings the OpenRPC schema; five
# kernels are spoken to; three shells complete, and two programs read the manual pages.
test: .venv/.ready-test
	@tools/install-kernels
	@tools/install-packages nc=netcat-openbsd socat=socat jq=jq curl=curl npm=npm faketime=faketime tmux=tmux \
		gcc=gcc systemctl=systemd unshare=util-linux bwrap=bubblewrap zsh=zsh fish=fish groff=groff-base mandoc=mandoc
	$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

lint: .venv/.ready-test-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.ready-test-lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/.ready-test
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp says that the environment has the groups in its name.
.venv/.ready: pyproject.toml tools/make-environment
	@tools/make-environment
	@touch $@

.venv/.ready-test: pyproject.toml tools/make-environment
	@tools/make-environment test
	@touch $@ .venv/.ready

.venv/.ready-test-lint: pyproject.toml tools/make-environment
	@tools/make-environment test lint
	@touch $@ .venv/.ready .venv/.ready-test
