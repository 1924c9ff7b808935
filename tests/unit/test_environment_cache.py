from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtimed.environment_cache import Cache, Cached, Record, name_of, take
from runtimed.paths import UnsafePath
from tests.harness.jupyter import write_ipykernel

RECORD = Record(["ipykernel", "six>=1"], "3.12.1", "uv", 1000)
OLD_S = 1_000_000.0
KEY = "0123456789abcdef0123"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    found = Cache(str(tmp_path / "c"))
    found.create()
    return found


def build(cache: Cache, key: str, *, used_s: float | None = None) -> Path:
    path = Path(cache.path(key))
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(sys.executable)
    write_ipykernel(path)
    cache.mark_ready(key, RECORD)
    if used_s is not None:
        os.utime(path / "runtimed.json", (used_s, used_s))
    return path


def test_it_is_ready_once_it_is_marked_so(cache: Cache) -> None:
    path = build(cache, KEY)
    assert cache.is_ready(KEY)
    (path / "runtimed.json").unlink()
    assert not cache.is_ready(KEY)
    (path / "runtimed.json").write_text('{"requirements": 1')
    assert not cache.is_ready(KEY)
    assert not cache.is_ready("other")


def test_it_is_not_ready_without_its_python(cache: Cache) -> None:
    path = build(cache, KEY)
    (path / "bin" / "python").unlink()
    (path / "bin" / "python").symlink_to("/nowhere/python3.9")
    assert not cache.is_ready(KEY)


def test_it_is_not_ready_where_somebody_has_emptied_it(cache: Cache) -> None:
    path = build(cache, KEY)
    (path / "lib" / "python3.12" / "site-packages" / "ipykernel").rmdir()
    assert not cache.is_ready(KEY)
    assert cache.look(KEY).damage == "ipykernel is gone from it"


def test_what_is_used_is_not_old(cache: Cache) -> None:
    build(cache, KEY, used_s=OLD_S)
    assert [one.name for one in cache.unused_since(OLD_S)] == ["six"]
    assert cache.unused_since(OLD_S - 1) == []
    cache.mark_used(KEY)
    assert cache.unused_since(OLD_S) == []
    assert cache.look(KEY).used_s == pytest.approx(time.time(), abs=100)


def test_what_runs_from_it_keeps_it(cache: Cache) -> None:
    path = build(cache, KEY, used_s=OLD_S)
    program = [str(path / "bin" / "python"), "-c", "print('x', flush=True); input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        assert cache.unused_since(OLD_S) == []
        running.kill()
    assert len(cache.unused_since(OLD_S)) == 1


def test_what_was_started_since_it_was_looked_for_keeps_it(cache: Cache, tmp_path: Path) -> None:
    """By another spelling of the cache, too: another daemon's."""
    path = build(cache, KEY, used_s=OLD_S)
    assert [one.path for one in cache.unused_since(OLD_S)] == [str(path)]
    (tmp_path / "link").symlink_to(tmp_path / "c")
    python = tmp_path / "link" / "environments" / KEY / "bin" / "python"
    program = [str(python), "-c", "print('x', flush=True); input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        assert not cache.remove(KEY, OLD_S)
        assert cache.unused_since(OLD_S) == []
        running.kill()
    cache.mark_used(KEY)
    assert not cache.remove(KEY, OLD_S), "it was used since"
    assert cache.is_ready(KEY)


def test_what_is_odd_in_it_is_not_whole(cache: Cache, tmp_path: Path) -> None:
    text = '{"requirements": "six", "python_version": "3", "tool": "uv", "size_bytes": 1}'
    for content in (text, '{"requirements": 5}', "[" * 5000, "[]", "{}"):
        (build(cache, KEY) / "runtimed.json").write_text(content)
        assert [one.record for one in cache.all()] == [None]
        assert cache.remove(KEY)
    path = build(cache, KEY)
    (path / "runtimed.json").unlink()
    os.mkfifo(path / "runtimed.json")
    assert cache.look(KEY).record is None
    assert cache.remove(KEY)
    (tmp_path / "other").mkdir()
    Path(cache.path("link")).symlink_to(tmp_path / "other")
    assert list(cache.all()) == []


def test_to_look_whether_it_is_free_leaves_nothing(cache: Cache) -> None:
    build(cache, KEY)
    assert cache.is_free(KEY)
    assert os.listdir(cache.directory) == [KEY]


def test_what_somebody_else_has_put_there_is_not_ours(cache: Cache) -> None:
    for name in ("mythesis", KEY.upper(), KEY + "0", f"{KEY}\n"):
        Path(cache.path(name)).mkdir()
    assert list(cache.all()) == []
    assert cache.unused_since(time.time()) == []
    cache.dissolve()
    assert len(os.listdir(cache.directory)) == 4


def test_what_a_build_has_left_is_old(cache: Cache) -> None:
    Path(cache.path(KEY), "bin").mkdir(parents=True)
    assert cache.unused_since(0) == [Cached(cache.path(KEY), None, None)]
    assert cache.remove(KEY)
    assert list(cache.all()) == []


@pytest.mark.parametrize("is_shared", [True, False])
def test_it_is_not_removed_while_somebody_has_it(cache: Cache, is_shared: bool) -> None:
    path = build(cache, KEY)
    lock = take(cache.lock_path(KEY), is_shared=is_shared, waits=False)
    assert lock is not None
    with lock:
        assert not cache.is_free(KEY)
        assert not cache.remove(KEY)
        assert path.exists()
    assert cache.is_free(KEY)
    assert cache.remove(KEY)
    assert os.listdir(cache.directory) == []


def test_starts_share_it(cache: Cache) -> None:
    first = take(cache.lock_path(KEY), is_shared=True, waits=False)
    second = take(cache.lock_path(KEY), is_shared=True, waits=False)
    assert first is not None and second is not None
    first.close()
    assert take(cache.lock_path(KEY), is_shared=False, waits=False) is None
    second.close()


def test_who_waited_for_a_lock_that_was_removed_has_the_one_that_others_see(cache: Cache) -> None:
    """Else two would build it: one with the old file, one with the new one."""
    path = cache.lock_path(KEY)
    held = take(path, is_shared=False, waits=False)
    assert held is not None
    wait = "import sys; from runtimed.environment_cache import take; print('asks', flush=True); "
    wait += "lock = take(sys.argv[1], is_shared=False, waits=True); print('has', flush=True); "
    wait += "input()"
    command = [sys.executable, "-c", wait, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == b"asks\n"
        held.discard()
        held.close()
        assert waiter.stdout.readline() == b"has\n"
        assert take(path, is_shared=False, waits=False) is None
        waiter.kill()


def test_others_may_not_write_there(cache: Cache) -> None:
    assert os.stat(cache.directory).st_mode & 0o777 == 0o700
    os.chmod(cache.directory, 0o777)
    with pytest.raises(UnsafePath):
        cache.create()
    with pytest.raises(UnsafePath):
        cache.check()


def test_what_it_is_called() -> None:
    assert name_of(["ipykernel", "pandas[excel]>=2", "six"]) == "pandas+six"
    assert name_of(["ipykernel<7"]) == "ipykernel"
