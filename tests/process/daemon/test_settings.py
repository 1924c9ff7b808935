"""Settings in a real daemon: its file at the start, and what it reads again while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import Daemon, runt
from tests.process.daemon.test_startup import runtimed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.daemon import State


@pytest.fixture
def file(state: State) -> Path:
    """The settings' file, at the place where nothing says another."""
    path = state.home / ".config" / "runtimed" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def in_force(daemon: Daemon) -> dict[str, tuple[Any, str]]:
    settings = daemon.call("daemon.config")["settings"]
    return {setting["name"]: (setting["value"], setting["source"]) for setting in settings}


def test_the_file_is_read_at_the_start(state: State, file: Path) -> None:
    file.write_text('max_batch = 2\nlog_level = "DEBUG"\nsubscriber_events = 9\n')
    daemon = Daemon(state, {"RUNTIMED_SUBSCRIBER_EVENTS": "8"}).start()
    assert daemon.call("daemon.config")["file"] == str(file)
    found = in_force(daemon)
    assert found["max_batch"] == (2, "file")
    assert found["log_level"] == ("DEBUG", "file")
    assert found["subscriber_events"] == (8, "environment")
    assert found["record"] == ("all", "default")
    daemon.stop()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recrod = 1", "has what is no setting: 'recrod' (did you mean record?)"),
        ("max_batch = 0", ": max_batch must be a whole number from 1 to 1000000, not 0"),
        ("max_batch", "is not TOML: "),
    ],
)
def test_a_bad_file_ends_the_start_with_one_sentence(
    state: State, file: Path, text: str, words: str
) -> None:
    file.write_text(text)
    refused = runtimed(state)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"runtimed: {file}")
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_is_set_while_it_runs(state: State, file: Path) -> None:
    daemon = Daemon(state).start()
    assert runt(state, "config", "set", "log_level", "DEBUG").stderr == ""
    done = runt(state, "config", "set", "max_batch", "2")
    assert "takes effect when the daemon is restarted" in done.stderr
    found = in_force(daemon)
    assert found["log_level"] == ("DEBUG", "file")
    assert found["max_batch"] == (10_000, "default")
    listed = runt(state, "config", "list").stdout
    assert "max_batch\t2\tfile\trestart\t10000 (restart)\t" in listed
    assert "log_level\tDEBUG\tfile\tonce\t-\t" in listed
    daemon.stop()
    daemon.start()
    assert in_force(daemon)["max_batch"] == (2, "file")
    assert runt(state, "config", "unset", "max_batch").returncode == 0
    daemon.stop()


def test_with_a_bad_file_the_old_settings_stay(state: State, file: Path) -> None:
    file.write_text('record = "off"\n')
    daemon = Daemon(state).start()
    file.write_text('record = "al"\nlog_level = "DEBUG"\n')
    with pytest.raises(CallFailed) as failed:
        daemon.call("daemon.reload")
    assert (failed.value.name, failed.value.exit_code) == ("BadConfiguration", 2)
    assert f"{file}: record must be all, metadata or off, not 'al'" in str(failed.value)
    assert in_force(daemon)["record"] == ("off", "file")
    assert in_force(daemon)["log_level"] == ("INFO", "default")
    file.unlink()
    assert daemon.call("daemon.reload")["changed"] == ["record"]
    assert in_force(daemon)["record"] == ("all", "default")
    daemon.stop()


def test_what_is_set_counts_from_then_on(state: State, file: Path) -> None:
    """As one example of many: how long a runtime that was begun implicitly may be idle."""
    daemon = Daemon(state).start()
    assert runt(state, "config", "set", "implicit_idle_stop_s", "2 h").returncode == 0
    done = daemon.call(
        "execution.eval", project=str(state.project), code="1", kernel_name="python3"
    )
    runtime = daemon.call("runtime.get", runtime=done["runtime"]["id"])
    assert runtime["idle_stop_s"] == 7200
    daemon.stop(kernels=True)
