"""What the child that builds makes of installers that say one thing and do another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runtimed.environment_cache import Cache, take
from runtimed.kernels.dependencies import builder
from runtimed.kernels.dependencies.builder import Plan, build
from runtimed.kernels.dependencies.explanation import sentence
from tests.harness.jupyter import write_program

if TYPE_CHECKING:
    import pytest

#: An installer that makes what it is told to, and writes what its variables were.
UV = """#!/bin/sh
if [ "$1" = venv ]; then
    for path; do :; done
    mkdir -p "$path/bin" "$path/lib/python3.12/site-packages"
    ln -s /bin/sh "$path/bin/python"
    echo "version = 3.12.1" > "$path/pyvenv.cfg"
else
    env > "${4%/bin/python}/variables"
    cd "${4%/bin/python}/lib/python3.12/site-packages"
    [ -n "$LIES" ] || { touch ipykernel_launcher.py; mkdir ipykernel; }
fi
"""


def plan(tmp_path: Path, *, uv: str = UV, **env: str) -> Plan:
    cache = Cache(str(tmp_path / "c"))
    cache.create()
    return Plan(
        cache_dir=str(tmp_path / "c"),
        key="k",
        requirements=["ipykernel", "six"],
        python="/bin/sh",
        requires_python=None,
        uv=str(write_program(tmp_path / "uv", uv)),
        env={"PATH": os.defpath, **env},
    )


def test_what_would_be_another_for_others_is_not_passed_on(tmp_path: Path) -> None:
    wanted = plan(tmp_path, PIP_CONSTRAINT="c.txt", UV_OVERRIDE="o.txt", UV_INDEX_URL="mine")
    assert build(wanted)["outcome"] == "built"
    cache = Cache(wanted.cache_dir)
    assert cache.is_ready("k")
    seen = Path(cache.path("k"), "variables").read_text()
    assert "UV_INDEX_URL=mine" in seen
    assert "PIP_CONSTRAINT" not in seen
    assert "UV_OVERRIDE" not in seen


def test_what_has_no_ipykernel_is_not_whole(tmp_path: Path) -> None:
    wanted = plan(tmp_path, LIES="1")
    said = build(wanted)
    assert said["outcome"] == "failed"
    assert "ipykernel is not there" in said["log"]
    assert os.listdir(Cache(wanted.cache_dir).directory) == []


def test_a_lock_that_cannot_be_had_is_a_sentence(tmp_path: Path) -> None:
    wanted = plan(tmp_path)
    os.mkdir(Cache(wanted.cache_dir).lock_path("k"))
    said = build(wanted)
    assert said["outcome"] == "failed"
    assert "Is a directory" in said["log"]


def test_what_a_killed_build_has_started_keeps_others_out(tmp_path: Path) -> None:
    begun, goes_on = tmp_path / "begun", tmp_path / "goes-on"
    os.mkfifo(begun)
    os.mkfifo(goes_on)
    wanted = plan(tmp_path, uv=f"#!/bin/sh\necho > {begun}\nread x < {goes_on}\n")
    lock_path = Cache(wanted.cache_dir).lock_path("k")
    command = [sys.executable, "-m", builder.__name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(wanted._asdict()).encode())
        child.stdin.close()
        begun.read_text()
        child.kill()
    assert take(lock_path, is_shared=False, waits=False) is None
    goes_on.write_text("\n")
    lock = take(lock_path, is_shared=False, waits=True)
    assert lock is not None
    lock.close()


def test_a_disk_that_is_full_is_said_where_the_installer_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = plan(tmp_path, uv="#!/bin/sh\necho error: ensurepip ended with status 1\nexit 1\n")
    assert sentence(build(wanted)["log"]) == "error: ensurepip ended with status 1"
    usage = type(shutil.disk_usage(tmp_path))(1 << 30, 1 << 30, 4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert sentence(build(wanted)["log"]) == "there is no room left on the disk"
