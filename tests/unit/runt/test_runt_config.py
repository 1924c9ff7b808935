"""`runt config`: without a daemon, and with one that is of another mind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.config import settings
from tests.harness.fake_daemon import Refuse

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve


def file_of(run: Run) -> Path:
    return Path(run.env["RUNTIMED_CONFIG"])


def in_force(run: Run, *, file: str | None = None, **values: tuple[Any, str]) -> dict[str, Any]:
    """Return what a daemon answers to `daemon.config`."""
    return {
        "file": file or str(file_of(run)),
        "settings": [
            {
                "name": name,
                "value": values[name][0] if name in values else setting.default,
                "source": values[name][1] if name in values else "default",
                "needs_restart": setting.needs_restart,
            }
            for name, setting in settings().items()
        ],
    }


def rows(text: str) -> dict[str, list[str]]:
    lines = [line.split("\t") for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_it_lists_values_and_where_they_are_from(run: Run) -> None:
    run("config", "set", "record", "off")
    done = run("config", "list", env={"RUNTIMED_MAX_BATCH": "7"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = rows(done.stdout)
    assert shown["Setting"] == ["Value", "Source", "Changes at", ""]
    assert (shown["max_batch"][2], shown["log_level"][2]) == ("restart", "once")
    assert shown["record"][:2] == ["off", "file"]
    assert shown["max_batch"][:2] == ["7", "RUNTIMED_MAX_BATCH"]
    assert shown["max_request_bytes"][:2] == ["64 MiB", "default"]
    assert len(shown) == len(settings()) + 1
    assert run("config", "list", "-q").stdout.split() == list(settings())


def test_the_list_as_json(run: Run) -> None:
    run("config", "set", "probe_interval_s", "2 min")
    documents = json.loads(run("config", "list", "--json").stdout)["settings"]
    (interval,) = [one for one in documents if one["name"] == "probe_interval_s"]
    assert interval == {
        "name": "probe_interval_s",
        "value": 120.0,
        "unit": "s",
        "source": "file",
        "default": 10.0,
        "variable": "RUNTIMED_PROBE_INTERVAL_S",
        "needs_restart": False,
        "about": settings()["probe_interval_s"].about,
        "daemon": None,
    }


def test_it_marks_what_the_daemon_has_otherwise(serve: Serve, run: Run) -> None:
    answer = in_force(
        run, record=("off", "file"), max_batch=(5, "default"), log_level=("DEBUG", "environment")
    )
    serve(daemon__config=lambda c, p: answer)
    shown = rows(run("config", "list").stdout)
    assert shown["Setting"] == ["Value", "Source", "Changes at", "Daemon", ""]
    assert shown["record"][3] == "off (reload)"
    assert shown["max_batch"][3] == "5 (restart)"
    assert shown["log_level"][3] == "DEBUG (its RUNTIMED_LOG_LEVEL)"
    assert shown["probe_interval_s"][3] == "-"
    listed = json.loads(run("config", "list", "--json").stdout)["settings"]
    assert {one["name"]: one["daemon"] for one in listed}["record"] == {
        "value": "off",
        "source": "file",
    }


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [
        ("record", "off", "off"),
        ("max_request_bytes", "1 MiB", "1048576"),
        ("probe_interval_s", "90", "90"),
        ("probe_interval_s", "100ms", "0.1"),
        ("implicit_idle_stop_s", "3650 d", "315360000"),
        ("runtime_dirs", "/a:/b", "/a:/b"),
    ],
)
def test_it_gets_what_was_set(run: Run, key: str, value: str, got: str) -> None:
    done = run("config", "set", key, value)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{key} is set\n", "")
    assert run("config", "get", key).stdout == f"{got}\n"
    document = json.loads(run("config", "get", key, "--json").stdout)["setting"]
    assert (document["name"], document["source"]) == (key, "file")
    assert str(document["value"]).removesuffix(".0") == got
    assert run("config", "unset", key, "-q").stdout == f"{key}\n"
    assert run("config", "unset", key).stdout == f"{key} was not set\n"
    default = settings()[key].default
    assert run("config", "get", key).stdout == f"{str(default).removesuffix('.0')}\n"


def test_its_path(run: Run) -> None:
    assert run("config", "path").stdout == f"{file_of(run)}\n"
    assert json.loads(run("config", "path", "--json").stdout)["path"] == str(file_of(run))
    assert not file_of(run).exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["set", "recrod", "off"], "there is no setting 'recrod' (did you mean record?)"),
        (["get", "recrod"], "did you mean record?"),
        (["unset", "recrod"], "did you mean record?"),
        (["set", "record", "al"], "record must be all, metadata or off, not 'al'"),
        (["set", "max_batch", "-1"], "max_batch must be a whole number from 1"),
        (["set", "max_batch"], "Missing argument 'VALUE'"),
        (["sett"], "No such command 'sett'"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(run: Run, argv: list[str], words: str) -> None:
    done = run("config", *argv)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert not file_of(run).exists()


def test_a_bad_file_is_said_by_all_but_path(run: Run) -> None:
    file_of(run).parent.mkdir()
    file_of(run).write_text("recrod = 1\n")
    for argv in (["list"], ["get", "record"], ["set", "record", "off"]):
        done = run("config", *argv)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{file_of(run)} has what is no setting: 'recrod'" in done.stderr
    assert run("config", "path").returncode == 0
    assert run("config", "unset", "recrod").stdout == "recrod is unset\n"
    assert run("config", "list").returncode == 0


def test_where_it_cannot_be_written(run: Run) -> None:
    done = run("config", "set", "record", "off", env={"RUNTIMED_CONFIG": "/proc/none/c.toml"})
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("runt: /proc/none/c.toml was not written: ")


def reloading(run: Run, serve: Serve, config: Any = None, **answer: Any) -> Any:
    whole = {"file": str(file_of(run)), "changed": [], "needs_restart": [], **answer}
    return serve(
        daemon__reload=lambda c, p: whole, daemon__config=lambda c, p: config or in_force(run)
    )


def test_a_daemon_is_told(serve: Serve, run: Run) -> None:
    daemon = reloading(run, serve, changed=["record"])
    done = run("config", "set", "record", "off")
    assert (done.stdout, done.stderr) == ("record is set\n", "")
    assert daemon.params("daemon.reload") == [{}]
    run("config", "unset", "record")
    assert daemon.params("daemon.reload") == [{}, {}]
    document = json.loads(run("config", "set", "record", "off", "--json").stdout)["changed"]
    assert document["name"] == "record"
    assert document["daemon"]["changed"] == ["record"]


def test_that_a_restart_is_needed_is_said(serve: Serve, run: Run) -> None:
    reloading(run, serve, needs_restart=["max_batch"])
    done = run("config", "set", "max_batch", "7")
    assert done.returncode == 0
    assert done.stderr == "runt: it takes effect when the daemon is restarted\n"


def test_that_its_environment_overrides_the_file_is_said(serve: Serve, run: Run) -> None:
    reloading(run, serve, in_force(run, record=("all", "environment")))
    done = run("config", "set", "record", "off")
    assert done.stderr == "runt: RUNTIMED_RECORD in the daemon's environment overrides it\n"


def test_that_it_reads_another_file_is_said(serve: Serve, run: Run) -> None:
    reloading(run, serve, file="/etc/other.toml")
    assert "reads another file: /etc/other.toml" in run("config", "set", "record", "off").stderr


def test_that_our_own_environment_overrides_the_file_is_said(run: Run) -> None:
    done = run("config", "set", "record", "off", env={"RUNTIMED_RECORD": "all"})
    assert done.stderr == "runt: RUNTIMED_RECORD is set here, and overrides the file\n"


def test_a_daemon_that_refuses_the_file_fails_the_verb(serve: Serve, run: Run) -> None:
    def refuse(c: Any, p: Any) -> Any:
        raise Refuse("BadConfiguration", 2, "The settings stay as they are: it is bad")

    serve(daemon__reload=refuse)
    done = run("config", "set", "record", "off")
    assert done.returncode == 2
    assert "record is set, but the daemon does not take it: The settings stay" in done.stderr
    assert file_of(run).read_text() == 'record = "off"\n'


def test_a_daemon_of_before_is_told_of(serve: Serve, run: Run) -> None:
    def unknown(c: Any, p: Any) -> Any:
        raise Refuse("MethodNotFound", 2)

    serve(daemon__reload=unknown, daemon__config=unknown)
    done = run("config", "set", "record", "off")
    assert done.returncode == 0
    assert "knows no settings' file; restart it" in done.stderr


def test_keys_are_completed(run: Run) -> None:
    done = run("__complete", "config", "set", "probe")
    words = [line.split("\t")[1] for line in done.stdout.splitlines()]
    assert words == ["probe_interval_s", "probe_timeout_s"]
    assert not os.path.exists(file_of(run).parent)


def test_the_choices_of_a_setting_are_completed(run: Run) -> None:
    def completed(*words: str) -> list[str]:
        lines = run("__complete", "config", "set", *words).stdout.splitlines()
        return [line.split("\t")[1] for line in lines]

    assert completed("record", "") == ["all", "metadata", "off"]
    assert completed("log_level", "wa") == ["WARNING"]
    assert completed("max_batch", "") == []
    assert completed("nonsense", "") == []
