"""The child program that builds a cached environment, while it alone holds the lock on it.

``python -m runtimed.kernels.dependencies.builder`` reads a `Plan` as JSON from stdin and writes one
JSON object to stdout: ``{"outcome": "built"|"there"|"failed", "log": …}``. A process of its own, so
that it can wait for the lock of another daemon's build, and can be ended with all that it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import Any, NamedTuple

from runtimed.environment_cache import Cache, Cached, Lock, Record, take
from runtimed.kernels.pythons import version_of

_LOG_BYTES = 64 * 1024
#: A step that fails where there is less room than this has failed of that.
_ROOM_BYTES = 1024 * 1024
#: What would have an installer put things elsewhere, or install something else.
_DROPPED = frozenset(
    (
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONSAFEPATH"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__"),
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_SRC"),
        *("PIP_REQUIRE_VIRTUALENV", "PIP_REQUIREMENT", "PIP_EDITABLE", "PIP_GROUP"),
        *("PIP_DRY_RUN", "PIP_NO_DEPS", "PIP_REPORT", "PIP_QUIET", "PIP_VERBOSE", "PIP_LOG"),
        *("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_TARGET", "UV_PREFIX"),
        # Others get it, too, who asked for the same packages and have not set these.
        *("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_PRE"),
        *("UV_CONSTRAINT", "UV_BUILD_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_NO_DEPS"),
        *("UV_RESOLUTION", "UV_PRERELEASE", "UV_EXCLUDE_NEWER", "UV_FORK_STRATEGY"),
        *("PIP_NO_BINARY", "PIP_IGNORE_REQUIRES_PYTHON", "PIP_UPLOADED_PRIOR_TO"),
        *("UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_PYTHON_PLATFORM"),
        "UV_LINK_MODE",  # as symlink, to clean uv's cache would empty it
        *("UV_PROJECT", "UV_WORKING_DIRECTORY", "UV_VENV_SEED", "UV_VENV_CLEAR", "UV_REQUIREMENT"),
    )
)
_QUIET = {
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_PROGRESS_BAR": "off",
    "PYTHONNOUSERSITE": "1",
    "UV_NO_PROGRESS": "1",
    "NO_COLOR": "1",
}


class Plan(NamedTuple):
    """What to build. Where ``python`` is None, uv finds one that satisfies ``requires_python``."""

    cache_dir: str
    key: str
    requirements: list[str]
    python: str | None
    requires_python: str | None
    uv: str | None
    env: dict[str, str]


class _Failed(Exception):
    """A step failed; the text is what it wrote."""


def build(plan: Plan) -> dict[str, str]:
    """Build it, unless it is there. Return what is written to stdout."""
    cache = Cache(plan.cache_dir)
    try:
        lock = take(cache.lock_path(plan.key), is_shared=False, waits=True)
    except OSError as error:
        return {"outcome": "failed", "log": f"error: {error}"}
    assert lock is not None  # noqa: S101 - it waits
    with lock:
        if cache.is_ready(plan.key):
            return {"outcome": "there", "log": ""}
        path = cache.path(plan.key)
        is_whole = False
        try:
            _remove(path)
            tool = _make(plan, path, lock)
            _check(path)
            record = Record(plan.requirements, version_of(path) or "", tool, _size_bytes(path))
            cache.mark_ready(plan.key, record)
            is_whole = True
        except _Failed as failure:
            # What pip is made to run says it to nobody.
            full = "\nerror: No space left on device" if _is_full(cache.directory) else ""
            return {"outcome": "failed", "log": f"{failure}{full}"}
        except OSError as error:
            return {"outcome": "failed", "log": f"error: {error}"}
        finally:
            if not is_whole:
                with contextlib.suppress(OSError):
                    _remove(path)
                lock.discard()
    return {"outcome": "built", "log": ""}


def _remove(path: str) -> None:
    if os.path.lexists(path):
        shutil.rmtree(path)


def _is_full(directory: str) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(directory).free < _ROOM_BYTES
    return False


def _make(plan: Plan, path: str, lock: Lock) -> str:
    """Make it and install what it is to have; return with what. Raises `_Failed`."""
    env = {name: value for name, value in plan.env.items() if name not in _DROPPED} | _QUIET
    # With none at all pip keeps to itself that the index was not to be reached.
    if env.get("PIP_RETRIES", "0") == "0":
        env["PIP_RETRIES"] = "1"
    python = os.path.join(path, "bin", "python")
    if plan.uv is not None:
        wanted = plan.python or f"{plan.requires_python}"
        _run([plan.uv, "venv", "--no-project", "--python", wanted, path], env, plan, lock)
        # pip too: `%pip install` in a cell is what people, and models, know.
        install = [plan.uv, "pip", "install", "--python", python, "--", "pip"]
        _run([*install, *plan.requirements], env, plan, lock)
        return "uv"
    assert plan.python is not None  # noqa: S101 - only uv finds one
    _run([plan.python, "-I", "-m", "venv", path], env, plan, lock)
    install = [python, "-I", "-m", "pip", "install", "--no-warn-script-location", "--"]
    _run([*install, *plan.requirements], env, plan, lock)
    return "pip"


def _check(path: str) -> None:
    """Raise `_Failed` unless a kernel can be started from it, whatever the installer has said."""
    if not Cached(path, None, None).has_ipykernel:
        raise _Failed(
            "error: what installs the packages has said that all is well, and ipykernel is not"
            " there: look at its settings (pip.conf, uv.toml), as for dry-run, target, no-deps"
        )


def _run(argv: list[str], env: dict[str, str], plan: Plan, lock: Lock) -> None:
    """Run one step, in a directory where no name of a package is a file's. Raises `_Failed`.

    It holds the lock too: should we be killed, nobody builds where it still writes.
    """
    directory = Cache(plan.cache_dir).directory
    try:
        child = subprocess.Popen(
            argv,
            env=env,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lock.fileno(),),
        )
    except OSError as error:
        raise _Failed(f"error: {argv[0]}: {error.strerror}") from error
    log = b""
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    with child:
        while piece := os.read(child.stdout.fileno(), 65_536):
            log = (log + piece)[-_LOG_BYTES:]
    if child.returncode != 0:
        text = log.decode("utf-8", "replace")
        if child.returncode < 0:
            text += f"\nerror: {os.path.basename(argv[0])} was ended by signal {-child.returncode}"
        raise _Failed(text)


def _size_bytes(path: str) -> int:
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(directory, name)).st_size
    return total


def main() -> int:
    """Run the child program. SIGTERM ends it in order: nothing that is not whole stays."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    facts: dict[str, Any] = json.load(sys.stdin)
    said = build(Plan(**facts))
    with contextlib.suppress(BrokenPipeError):  # the daemon has gone; the next one finds it
        sys.stdout.write(json.dumps(said))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
