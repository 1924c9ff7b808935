from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runt.doctor.environment_cache import cached
from runt.doctor.examination import Examination
from runtimed.environment_cache import Cache, Record, take
from tests.harness.jupyter import write_ipykernel

if TYPE_CHECKING:
    from runt.doctor.finding import Finding


WHOLE, HALF, BUILDING = "0" * 20, "1" * 20, "2" * 20


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("RUNTIMED_CACHE_DIR", str(tmp_path / "c"))
    return Cache(str(tmp_path / "c"))


def look() -> list[Finding]:
    return list(cached(Examination()))


def test_nothing_is_cached(cache: Cache) -> None:
    (finding,) = look()
    assert (finding.status, finding.text) == ("ok", "no environments are cached")


def test_what_is_cached_has_a_size_and_what_is_half_a_remedy(cache: Cache) -> None:
    cache.create()
    for key in (WHOLE, HALF, BUILDING, "of-others"):
        Path(cache.path(key), "bin").mkdir(parents=True)
    Path(cache.path(WHOLE), "bin", "python").symlink_to("/bin/sh")
    write_ipykernel(Path(cache.path(WHOLE)))
    cache.mark_ready(WHOLE, Record(["six"], "3.12.1", "uv", 2_000_000))
    lock = take(cache.lock_path(BUILDING), is_shared=False, waits=False)
    assert lock is not None
    with lock:
        size, half = look()
    assert size.status == "ok"
    assert size.text.startswith(f"1 in {cache.directory}, 2.0 MB; ")
    assert (half.status, half.remedy) == ("note", "`runt environments prune`")
    assert half.data == {"paths": [cache.path(HALF)]}


def test_what_it_is_started_by_is_gone(cache: Cache) -> None:
    cache.create()
    Path(cache.path(WHOLE), "bin").mkdir(parents=True)
    cache.mark_ready(WHOLE, Record(["six"], "3.12.1", "uv", 1))
    _, gone = look()
    assert gone.text == "1 cannot start: six: its Python is gone"
    Path(cache.path(WHOLE), "bin", "python").symlink_to("/bin/sh")
    _, gone = look()
    assert gone.text == "1 cannot start: six: ipykernel is gone from it"


def test_a_cache_that_others_may_write_to(cache: Cache) -> None:
    cache.create()
    os.chmod(cache.directory, 0o777)
    (finding,) = look()
    assert finding.status == "problem"
    assert f"chmod 700 {cache.directory}" in finding.text
