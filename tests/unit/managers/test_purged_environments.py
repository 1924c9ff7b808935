"""The cache of environments goes with --purge, but for what somebody uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.environment_cache import Cache, Record, take
from runtimed.managers import data

if TYPE_CHECKING:
    from runtimed.managers.instance import Instance

KEYS = ("a" * 20, "b" * 20)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(str(tmp_path / "runtimed-cache"))
    cache.create()
    for key in KEYS:
        Path(cache.path(key), "bin").mkdir(parents=True)
        cache.mark_ready(key, Record(["six"], "3.12.1", "uv", 1))
    return cache


def test_they_go(own: Instance, cache: Cache) -> None:
    place = Path(cache.directory).parent
    done = data.remove(own, "/nowhere/config.toml", str(place))
    assert done == ["removed 2 cached environments"]
    assert not place.exists()
    assert data.remove(own, "/nowhere/config.toml", str(place)) == []


def test_what_is_not_ours_stays(own: Instance, cache: Cache) -> None:
    place = Path(cache.directory).parent
    Path(cache.path("mythesis")).mkdir()
    Path(cache.lock_path(KEYS[0])).touch()
    assert data.remove(own, "/nowhere/config.toml", str(place)) == ["removed 2 cached environments"]
    assert [path.name for path in Path(cache.directory).iterdir()] == ["mythesis"]


def test_one_that_a_kernel_is_started_from_stays(own: Instance, cache: Cache) -> None:
    place = Path(cache.directory).parent
    lock = take(cache.lock_path(KEYS[1]), is_shared=True, waits=False)
    assert lock is not None
    with lock:
        done = data.remove(own, "/nowhere/config.toml", str(place))
    left = f"left {cache.path(KEYS[1])}, which something runs in"
    assert done == ["removed 1 cached environments", left]
    assert cache.look(KEYS[1]).record is not None
