"""The environments that were built for packages that somebody named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runt.doctor.finding import Finding
from runt.outputs import size
from runt.render import home
from runtimed.environment_cache import Cache
from runtimed.paths import UnsafePath, cache_dir, check_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runt.doctor.examination import Examination

_CHECK = "environment-cache"


def cached(e: Examination) -> Iterator[Finding]:
    """Look at how many there are, how large they are, and what builds have left."""
    cache = Cache(cache_dir())
    try:
        check_private(cache.directory)
    except FileNotFoundError:
        yield Finding(_CHECK, "ok", "no environments are cached")
        return
    except UnsafePath as unsafe:
        remedy = "close it to others, or set RUNTIMED_CACHE_DIR to a place of yours"
        yield Finding(_CHECK, "problem", str(unsafe), remedy)
        return
    found = list(cache.all())
    records = [one.record for one in found if one.record is not None]
    total_bytes = sum(record.size_bytes for record in records)
    data = {"environments": len(records), "size_bytes": total_bytes, "path": cache.directory}
    prune = "`runt environments prune` removes those that were not used for 30 days"
    text = f"{len(records)} in {home(cache.directory)}, {size(total_bytes)}; {prune}"
    yield Finding(_CHECK, "ok", text if records else "no environments are cached", data=data)
    left = [one.path for one in found if one.record is None and _is_free(cache, one.path)]
    if left:
        text = f"{len(left)} in {home(cache.directory)} are of builds that did not come to an end"
        yield Finding(_CHECK, "note", text, "`runt environments prune`", {"paths": left})
    whole = [one for one in found if one.record is not None]
    damaged = [f"{one.name}: {damage}" for one in whole if (damage := one.damage)]
    if damaged:
        text = f"{len(damaged)} cannot start: {damaged[0]}"
        remedy = "the next start with its packages makes it anew, `runt environments prune` removes"
        yield Finding(_CHECK, "note", text, f"{remedy} what is not used", {"damaged": damaged})


def _is_free(cache: Cache, path: str) -> bool:
    """Return whether nobody builds it now."""
    return cache.is_free(path.rpartition("/")[2])
