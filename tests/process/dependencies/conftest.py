"""One daemon and one cache for a module's tests; uv, where a build is to take a second."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import pytest

from runtimed.paths import make_dirs
from tests.harness import daemon as harness
from tests.harness.jupyter import write_program
from tests.harness.uv import install_uv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Runt


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real uv, from the index."""
    return install_uv(tmp_path_factory.mktemp("uv"))


@pytest.fixture(scope="session")
def calls(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of what uv was called with, one line each; its directory is to come first on PATH."""
    directory = tmp_path_factory.mktemp("bin")
    log = directory / "calls"
    log.touch()
    write_program(directory / "uv", f'#!/bin/sh\necho "$*" >> {log}\nexec {uv} "$@"\n')
    return log


@pytest.fixture(scope="module")
def state(calls: Path) -> Iterator[harness.State]:
    """An isolated user, with uv on PATH, for all tests of the module."""
    state = harness.State.create()
    state.env["PATH"] = f"{calls.parent}{os.pathsep}{state.env['PATH']}"
    state.env["UV_CACHE_DIR"] = str(calls.parent / "cache")
    try:
        yield state
    finally:
        state.dispose()


@pytest.fixture(scope="module")
def daemon(state: harness.State) -> Iterator[harness.Daemon]:
    daemon = harness.Daemon(state).start()
    try:
        yield daemon
    finally:
        daemon.dispose()


@pytest.fixture(scope="module")
def runt(state: harness.State, daemon: harness.Daemon) -> Runt:
    return functools.partial(harness.runt, state)


@pytest.fixture(scope="module")
def cache(state: harness.State) -> Path:
    directory = state.home / ".cache" / "runtimed" / "environments"
    make_dirs(str(directory))
    return directory
