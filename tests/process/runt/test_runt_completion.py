"""What the Tab key does in a real bash, zsh and fish."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.harness.shell import BIN

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

#: How to start it without anybody's settings, and to have it complete.
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(runt completion bash)"'),
    "zsh": (
        ["-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(runt completion zsh)"',
    ),
    "fish": (["--no-config", "-i"], "runt completion fish | source"),
}
Type = Callable[[str], "pexpect.spawn[str]"]


@pytest.fixture(params=SHELLS)
def typed(request: pytest.FixtureRequest, state: State) -> Iterator[Type]:
    """Type into a shell that completes runt, in the project of the test."""
    arguments, setup = SHELLS[request.param]
    env = state.env | {"PATH": f"{BIN}:{state.env['PATH']}", "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    shell = pexpect.spawn(
        request.param,
        arguments,
        env=env,
        cwd=str(state.project),
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 200),
    )

    def type_(keys: str) -> pexpect.spawn[str]:
        shell.send(keys)
        return shell

    type_(f"{setup}; echo rea''dy\r").expect("ready")
    yield type_
    shell.close(force=True)


@pytest.mark.parametrize("option", ["-r ", "--runtime="])
def test_a_name_is_completed(daemon: Daemon, runt: Runt, typed: Type, option: str) -> None:
    runt("start", "python3", "--name", "laboratory")
    typed(f"runt eval {option}labo\t'print(6 * 7)'\r").expect(r"\b42\b")


def test_an_id_is_completed_where_the_name_would_be_taken_apart(
    daemon: Daemon, runt: Runt, typed: Type
) -> None:
    runtime = json.loads(runt("start", "python3", "--name", "my lab", "--json").stdout)["runtime"]
    typed(f"runt kill {runtime['short_id'][:5]}\t\r").expect(f"killed {runtime['short_id']}")


@pytest.mark.parametrize("option", ["-f ", "--file="])
def test_files_are_completed(daemon: Daemon, state: State, typed: Type, option: str) -> None:
    (state.project / "code of mine.py").write_text("print(6 * 7)")
    typed(f"runt eval {option}co\t\r").expect(r"\b42\b")


def test_verbs_options_and_values_are_completed(daemon: Daemon, typed: Type) -> None:
    typed("runt environm\t--js\t\r").expect('"environments": ')
    typed("runt ps --orig\tado\t--js\t\r").expect('"runtimes": ')
    typed("runt ps --origin=lau\t--js\t\r").expect('"runtimes": ')
    typed("runt config get log_fil\t_b\t\r").expect("10485760")


def test_what_may_follow_is_listed(typed: Type) -> None:
    shell = typed("runt st\t\t")
    for verb in ("start", "stop", "status"):
        shell.expect(verb)


def offered(runt: Runt, *words: str) -> list[str]:
    done = runt("__complete", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t")[1] for line in done.stdout.splitlines()]


def test_only_what_the_verb_is_for_is_offered(daemon: Daemon, runt: Runt) -> None:
    # No short id begins with one of their letters, which Crockford's base32 leaves out.
    for name in ("one", "ultra", "under"):
        runt("start", "python3", "--name", name)
    done = runt("submit", "-r", "one", "1").stdout.strip()
    runt("wait", done)
    asks = runt("submit", "-r", "one", "input()").stdout.strip()
    waits = runt("submit", "-r", "one", "2").stdout.strip()
    runt("kill", "under")
    assert sorted(offered(runt, "stop", "")) == ["one", "ultra"]
    assert offered(runt, "stop", "o") == ["one"]
    assert offered(runt, "rm", "") == ["under"]
    assert sorted(offered(runt, "forget", "u")) == ["ultra", "under"]
    assert offered(runt, "output", "") == [waits, asks, done]
    assert offered(runt, "cancel", "") == [waits, asks]
    assert "one" in offered(runt, "interrupt", "")
    assert "python3" in offered(runt, "start", "pyth")
    assert offered(runt, "call", "runtime.ren") == ["runtime.rename"]


def test_no_daemon_is_started_and_none_is_waited_for(runt: Runt, state: State) -> None:
    assert offered(runt, "stop", "") == []
    assert not state.dir.exists()
    assert not state.socket.exists()
    assert runt("start", "python3", "--name", "lab").returncode == 0
    pid = json.loads(runt("call", "daemon.status").stdout)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert offered(runt, "stop", "") == []
    finally:
        os.kill(pid, signal.SIGCONT)
    assert offered(runt, "stop", "") == ["lab"]


def test_words_before_the_cursor_are_told_apart_as_the_shell_does(
    daemon: Daemon, runt: Runt, typed: Type
) -> None:
    """A space in a word before, an empty one, and quotes, do not shift what is completed."""
    runt("start", "python3", "--name", "laboratory")
    shell = typed("runt eval --cell 'a b/c' --group '' --runt\t labo\t'print(6 * 7)'\r")
    shell.expect(r"\b42\b")
