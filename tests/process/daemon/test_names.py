"""A name leads to one living runtime: it is not what another one is called by already."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon


def called(runtime: dict[str, Any]) -> list[str]:
    """Return what a runtime may be called by."""
    stem = os.path.basename(runtime["connection_file"]).removesuffix(".json")
    kernel_id = stem.removeprefix("kernel-")
    ids = [runtime["id"], runtime["id"].lower(), runtime["short_id"]]
    return [*ids, runtime["name"], stem, kernel_id, str(runtime["pid"])]


def test_a_name_that_leads_to_another_is_taken(daemon: Daemon) -> None:
    first, second = (
        daemon.call("runtime.start", kernel_name="python3", env=daemon.env, name=name)
        for name in ("first", "second")
    )
    for name in called(first):
        with pytest.raises(CallFailed, match=f"called {name} already: {first['short_id']}") as no:
            daemon.call("runtime.rename", runtime="second", name=name)
        assert (no.value.name, no.value.exit_code) == ("NameTaken", 4)
        with pytest.raises(CallFailed, match=f"called {name} already: {first['short_id']}"):
            daemon.call("runtime.start", kernel_name="python3", env=daemon.env, name=name)
    assert [r["id"] for r in daemon.call("runtime.list")] == [first["id"], second["id"]]
    # Its own names are its own.
    assert daemon.call("runtime.rename", runtime="first", name=first["short_id"])
    daemon.call("runtime.kill", runtime=first["id"])
    assert daemon.call("runtime.rename", runtime="second", name="first")["name"] == "first"
