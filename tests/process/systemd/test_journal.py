"""Daemon and keeper write to the journal, with priorities and fields, and it is read back."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.systemd import USER_IDS, USERS

if TYPE_CHECKING:
    from tests.harness.systemd import Manager

pytestmark = pytest.mark.parametrize("manager", USERS, indirect=True, ids=USER_IDS)


def entries(manager: Manager, unit: str) -> list[dict[str, Any]]:
    """Return what the journal has of a unit's processes themselves."""
    lines = manager.journal(unit, "-o", "json").splitlines()
    found = [json.loads(line) for line in lines]
    return [each for each in found if each.get("_SYSTEMD_USER_UNIT") == unit]


def test_entries_have_priority_role_and_what_they_concern(service: Manager) -> None:
    started = service.runt("start", "python3", "--name", "lab", "--json")
    runtime = json.loads(started.stdout)["runtime"]
    assert service.runt("kill", "lab").returncode == 0
    daemon = entries(service, "runtimed.service")
    keeper = entries(service, "runtimed-keeper.service")
    answering = next(each for each in daemon if "answering at" in each["MESSAGE"])
    assert answering["PRIORITY"] == "6"
    assert answering["SYSLOG_IDENTIFIER"] == "runtimed"
    assert answering["RUNTIMED_ROLE"] == "daemon"
    assert answering["_TRANSPORT"] == "journal"
    spawned = next(each for each in keeper if "spawned pid" in each["MESSAGE"])
    assert spawned["RUNTIMED_RUNTIME"] == runtime["id"]
    assert spawned["SYSLOG_IDENTIFIER"] == "runtimed-keeper"
    assert spawned["RUNTIMED_ROLE"] == "keeper"
    # There is a journal: there is no file.
    logs = ("runtimed.log", "keeper.log")
    assert not any((service.state_dir / name).exists() for name in logs)


def test_how_an_execution_ended_that_did_not_end_by_itself(service: Manager) -> None:
    runtime = service.call("runtime.start", kernel_name="python3")["id"]
    fatal = "import os, sys; sys.stderr.flush(); os.write(2, b'fatal: sesame\\n'); os.abort()"
    codes = ("import time; time.sleep(600)", fatal, "'never'")
    sent = [service.call("execution.submit", runtime=runtime, code=c)["id"] for c in codes]
    fine = service.call("execution.submit", runtime=runtime, code="'never'")["id"]
    service.call("execution.cancel", execution=fine)
    service.call("execution.interrupt", execution=sent[0])
    for id in sent:
        service.call("execution.wait", execution=id, wait_s=60)
    found = {
        each["RUNTIMED_EXECUTION"]: (each["RUNTIMED_RUNTIME"], each["MESSAGE"])
        for each in entries(service, "runtimed.service")
        if "RUNTIMED_EXECUTION" in each
    }
    ended = "the execution ended as"
    died = "the kernel was ended by SIGABRT"
    assert found == {
        fine: (runtime, f"{ended} cancelled: it was cancelled"),
        sent[0]: (runtime, f"{ended} interrupted: asked for"),
        sent[1]: (runtime, f"{ended} kernel_died: {died}"),
        sent[2]: (runtime, f"{ended} cancelled: {died}"),
    }
    logs = json.loads(service.runt("service", "logs", "--json").stdout)["logs"]
    assert {each["execution"] for each in logs if "execution" in each} == {fine, *sent}


def test_runt_service_logs_reads_it_and_follows_it(service: Manager) -> None:
    reload = ("call", "daemon.reload")
    (service.home / ".config/runtimed").mkdir(exist_ok=True)
    follower = service.popen(
        "runt", "service", "logs", "-f", "-n", "5", "--json", stdout=-1, stderr=-1
    )
    with follower:
        assert follower.stdout is not None
        seen = ""
        while "answering at" not in seen:
            seen = json.loads(follower.stdout.readline())["log"]["message"]
        assert service.runt(*reload).returncode == 0
        while "settings read again" not in seen:
            seen = json.loads(follower.stdout.readline())["log"]["message"]
        follower.terminate()
    bad = service.write(service.home / ".config/runtimed/config.toml", "lok_level = 1\n")
    assert service.runt(*reload).returncode != 0
    service.run("journalctl", "--sync", uid=0)
    said = service.runt("service", "logs", "-n", "20")
    pid = service.main_pid("runtimed.service")
    assert f" runtimed[{pid}] error: the settings stay as they are: {bad}" in said.stdout
    document = json.loads(service.runt("service", "logs", "--since", "1h", "--json").stdout)
    wrong = [each for each in document["logs"] if each["priority"] == "error"]
    assert [each["identifier"] for each in wrong] == ["runtimed"]
    both = service.runt("service", "logs", "--since", "1h", "-n", "2", "--json")
    assert json.loads(both.stdout)["logs"] == document["logs"][-2:]
    nothing = service.runt("service", "logs", "--since", "2101-01-01", "--json")
    assert json.loads(nothing.stdout) == {"schema": 1, "logs": []}


def test_the_last_lines_since_then_are_followed(service: Manager) -> None:
    command = ("runt", "service", "logs", "--since", "1h", "-n", "1", "-f")
    with service.popen(*command, stdout=-1, stderr=-1) as follower:
        assert follower.stdout is not None
        last = follower.stdout.readline()
        (service.home / ".config/runtimed").mkdir(exist_ok=True)
        assert service.runt("call", "daemon.reload").returncode == 0
        while "settings read again" not in (seen := follower.stdout.readline()):
            assert seen
        follower.terminate()
    printed = service.runt("service", "logs", "-n", "20").stdout.splitlines(True)
    assert printed.count(last) == 1


def test_what_a_crash_leaves_is_in_the_journal(service: Manager) -> None:
    os.kill(service.main_pid("runtimed.service"), signal.SIGABRT)
    service.systemctl("start", "runtimed.service")
    said = [each["MESSAGE"] for each in entries(service, "runtimed.service")]
    assert any("Fatal Python error: Aborted" in line for line in said)
