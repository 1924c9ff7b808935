"""Whatever lies in Jupyter's runtime directories: every living kernel once, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.kernels.launch import CHANNELS, tcp_address, write_connection_file
from tests.harness import connection_file
from tests.harness.daemon import Daemon
from tests.harness.jupyter import write_kernelspec
from tests.process.daemon.adoption.waiting import adopted, execution, until

if TYPE_CHECKING:
    from tests.harness.daemon import State
    from tests.harness.foreign import KernelNamed
    from tests.process.daemon.adoption.conftest import Fakes

LONG_AGO_S = 1_000_000_000
STALE = 500


def listed(daemon: Daemon) -> list[Any]:
    """Return all runtimes, dead ones too."""
    found = daemon.call("runtime.list", all=True)
    assert isinstance(found, list)
    return found


def files_of(runtimes: list[Any]) -> set[str]:
    return {runtime["connection_file"] for runtime in runtimes}


def evaluate(daemon: Daemon, runtime: Any) -> int:
    """Evaluate something, and say how often that was done there."""
    done = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1", wait_s=60)
    assert done["status"] == "done", done
    return int(done["execution_count"])


def test_a_file_is_whole_before_it_counts(daemon: Daemon, fakes: Fakes) -> None:
    """Written in two parts, cut off, and written again: as jupyter_client does, in place."""
    content = json.dumps(fakes.listening())
    fakes.directory.mkdir()
    path = fakes.directory / "kernel-slow.json"
    path.write_text(content[: len(content) // 2])
    # What is adopted after it shows that it was looked at.
    other = adopted(daemon, fakes.kernel("other"))
    assert listed(daemon) == [daemon.call("runtime.get", runtime=other["id"])]
    with path.open("a") as rest:
        rest.write(content[len(content) // 2 :])
    found = adopted(daemon, path)
    for cut in ("", content[:-1]):
        path.write_text(cut)
        adopted(daemon, fakes.kernel(f"after-{len(cut)}"))
        assert daemon.call("runtime.get", runtime=found["id"])["status"] == "alive"
    path.write_text(content)
    adopted(daemon, fakes.kernel("last"))
    assert adopted(daemon, path)["id"] == found["id"]
    assert len(listed(daemon)) == 5
    assert evaluate(daemon, found) == 1


def test_files_that_vanish_at_once_leave_nothing(state: State, fakes: Fakes) -> None:
    """By their events: nobody looks again by himself."""
    daemon = Daemon(state, {"RUNTIMED_RESCAN_INTERVAL_S": "1000"}).start()
    try:
        kernel = fakes.kernel("here")
        found = adopted(daemon, kernel)
        for number in range(50):
            fakes.file(tcp_address("fake"), f"gone-{number}").unlink()
        seen = [fakes.file(tcp_address("fake"), f"seen-{number}") for number in range(20)]
        until(lambda: set(map(str, seen)) <= files_of(listed(daemon)), "what could come yet")
        for file in seen:
            file.unlink()
        until(lambda: files_of(listed(daemon)) == {str(kernel)}, "the end of all that went")
        kernel.unlink()
        adopted(daemon, fakes.kernel("after"))
        assert evaluate(daemon, found) == 1
    finally:
        daemon.dispose()


def test_stale_files_are_listed_as_dead_and_pruned(state: State) -> None:
    directory = state.root / "jr"
    directory.mkdir()
    # Names of this test's own: what another's command line names may be booting.
    names = [f"kernel-{state.root.name}-{number}.json" for number in range(STALE)]
    files = {connection_file.write(directory / name, LONG_AGO_S, key=name) for name in names}
    daemon = Daemon(state).start()
    try:
        until(lambda: len(listed(daemon)) == STALE, "all that is stale")
        assert daemon.call("runtime.list") == []
        stale = listed(daemon)
        assert {runtime["status"] for runtime in stale} == {"dead"}
        assert files_of(stale) == files
        assert files_of(daemon.call("runtime.prune", dry_run=True)) == files
        assert files_of(listed(daemon)) == files
        with state.connection() as client:
            prune, status = client.send_many([("runtime.prune", {}), ("daemon.status", {})])
            answered = client.receive() or []
            # It takes a while, and others do not wait for it.
            assert [answer["id"] for answer in answered] == [status] != [prune]
            while not (pruned := client.receive()):
                pass
        assert files_of(pruned[0]["result"]) == files
        assert listed(daemon) == []
        assert list(directory.iterdir()) == []
    finally:
        daemon.dispose()


def test_two_files_of_one_kernel_are_one_runtime(daemon: Daemon, fakes: Fakes) -> None:
    info = fakes.listening()
    first = fakes.file(info, "first")
    found = adopted(daemon, first)
    fakes.file(info | {"ip": "localhost"}, "second")
    (fakes.directory / "kernel-link.json").symlink_to(first)
    os.link(first, fakes.directory / "kernel-hard.json")
    adopted(daemon, fakes.kernel("last"))
    assert len(listed(daemon)) == 2
    first.unlink()
    adopted(daemon, fakes.kernel("after"))
    assert len(listed(daemon)) == 3
    assert evaluate(daemon, found) == 1
    daemon.stop()
    daemon.start()
    adopted(daemon, fakes.kernel("next"))
    assert len(listed(daemon)) == 4
    assert evaluate(daemon, found) == 2


@pytest.mark.parametrize("status", ["alive", "dead"])
def test_a_file_that_is_moved_is_followed(daemon: Daemon, fakes: Fakes, status: str) -> None:
    found = adopted(daemon, path := fakes.kernel("one"))
    if status == "dead":
        os.kill(found["pid"], signal.SIGKILL)
        adopted(daemon, path, "dead")
    moved = path.rename(path.with_name("kernel-moved.json"))
    adopted(daemon, moved, status, id=found["id"])
    if status == "alive":
        assert evaluate(daemon, found) == 1
        os.kill(found["pid"], signal.SIGKILL)
        adopted(daemon, moved, "dead", id=found["id"])
    daemon.call("runtime.remove", runtime=found["id"])
    assert not moved.exists()


def test_our_own_kernels_are_never_adopted(state: State, fakes: Fakes) -> None:
    elsewhere = state.root / "elsewhere"
    daemon = Daemon(state, {"RUNTIMED_RUNTIME_DIRS": str(elsewhere)}).start()
    try:
        ours = daemon.call("runtime.start", kernel_name="python3", env=state.env)
        info = json.loads(Path(ours["connection_file"]).read_text())
        fakes.file(info, "copy")
        fakes.file(info, "copy", elsewhere)
        for number in range(2):
            adopted(daemon, fakes.kernel(str(number)))
            assert len(listed(daemon)) == 2 + number
            assert evaluate(daemon, ours) == number + 1
            if number == 0:
                daemon.stop()
                daemon.start()
        assert daemon.call("runtime.get", runtime=ours["id"])["origin"] == "launched"
        daemon.call("runtime.stop", runtime=ours["id"])
        adopted(daemon, fakes.kernel("last"))
        assert [r["status"] for r in listed(daemon) if r["origin"] == "launched"] == ["dead"]
        assert len(listed(daemon)) == 4
    finally:
        daemon.dispose()


@pytest.mark.parametrize("transport", ["tcp", "ipc", "curve"])
def test_each_transport(
    state: State, daemon: Daemon, kernel_named: KernelNamed, transport: str
) -> None:
    name = "python3"
    traits: dict[str, Any] = {"transport": "tcp"}
    if transport == "ipc":
        traits = {"transport": "ipc", "ip": str(state.root / "k")}
    elif transport == "curve":
        name, traits = "curved", {"transport_encryption": "required"}
        metadata = {"supported_encryption": ["curve"]}
        write_kernelspec(state.home / ".local/share/jupyter", name, metadata=metadata)
    kernel = kernel_named(name, **traits)
    runtime = adopted(daemon, kernel.connection_file)
    has_keys = "curve_secretkey" in json.loads(kernel.connection_file.read_text())
    assert has_keys is (transport == "curve")
    assert runtime["transport"] == ("ipc" if transport == "ipc" else "tcp")
    assert runtime["private"] is (transport != "tcp")
    assert runtime["pid"] == kernel.pid
    assert evaluate(daemon, runtime) == 1
    kernel.client().execute("'theirs'", reply=True)
    execution(daemon, runtime, "'theirs'", "done")


def test_sockets_that_are_named_from_where_the_kernel_was(
    state: State, daemon: Daemon, kernel_named: KernelNamed
) -> None:
    """jupyter_client's own name for them is relative; two kernels may have the same one."""
    runtimes = []
    for name in ("one", "two"):
        (directory := state.root / name).mkdir()
        kernel = kernel_named("python3", cwd=directory, transport="ipc", ip="kernel-ipc")
        runtimes.append(adopted(daemon, kernel.connection_file))
        assert (runtimes[-1]["pid"], runtimes[-1]["ip"]) == (kernel.pid, f"{directory}/kernel-ipc")
        assert evaluate(daemon, runtimes[-1]) == 1
    code = "import os; os.chdir('/')"  # from where nothing leads to them any more
    daemon.call("execution.eval", runtime=runtimes[1]["id"], code=code, wait_s=60)
    before = daemon.call("daemon.status")["keeper_pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: daemon.call("daemon.status")["keeper_pid"] not in (None, before), "a keeper")
    for runtime in runtimes:
        file = Path(runtime["connection_file"])
        adopted(daemon, file, pid=runtime["pid"], id=runtime["id"], incarnation=2)
        assert evaluate(daemon, runtime) >= 2
    daemon.stop()
    daemon.start()
    for runtime in runtimes:
        adopted(daemon, Path(runtime["connection_file"]), pid=runtime["pid"], id=runtime["id"])
        assert evaluate(daemon, runtime) >= 3
    kernel.restart()
    adopted(daemon, kernel.connection_file, pid=kernel.pid, id=runtimes[1]["id"])
    kernel.kill_owner()
    kernel.kill()
    adopted(daemon, kernel.connection_file, "dead")


def test_a_stale_file_whose_path_is_relative_says_so(daemon: Daemon, fakes: Fakes) -> None:
    fakes.directory.mkdir()
    path = fakes.directory / "kernel-stale.json"
    ports = {f"{channel}_port": number for number, channel in enumerate((*CHANNELS, "hb"), 1)}
    facts = {"transport": "ipc", "ip": f"k-{os.getpid()}", **ports}
    found = adopted(daemon, Path(connection_file.write(path, LONG_AGO_S, **facts)), "dead")
    assert "relative" in found["notices"][0]
    daemon.call("runtime.remove", runtime=found["id"])
    assert not path.exists()


def test_what_is_not_adopted_is_logged_once(state: State, daemon: Daemon, fakes: Fakes) -> None:
    fakes.directory.mkdir()
    path = fakes.directory / "kernel-far.json"
    connection_file.write(path, ip="192.0.2.1", key="not to be told")
    until(lambda: "not on this machine" in state.logs(), "a line in the log")
    adopted(daemon, fakes.kernel("one"))
    adopted(daemon, fakes.kernel("two"))
    assert state.logs().count("not on this machine") == 1
    assert "not to be told" not in state.logs()
    connection_file.write(path, transport="udp", key="not to be told")
    until(lambda: "neither tcp nor ipc" in state.logs(), "another line in the log")


def test_a_directory_that_comes_later_and_is_replaced(daemon: Daemon, fakes: Fakes) -> None:
    info = fakes.listening()
    assert not fakes.directory.exists()
    found = adopted(daemon, fakes.file(info, "first"))
    shutil.rmtree(fakes.directory)
    second = adopted(daemon, fakes.kernel("second"))
    assert evaluate(daemon, found) == 1
    fakes.file(info, "again")
    adopted(daemon, fakes.kernel("last"))
    assert len(listed(daemon)) == 3
    assert [evaluate(daemon, runtime) for runtime in (found, second)] == [2, 1]


def test_more_directories_than_jupyters_own(state: State, fakes: Fakes) -> None:
    extra = [state.root / "a", state.root / "b"]
    extra[0].mkdir()
    daemon = Daemon(state, {"RUNTIMED_RUNTIME_DIRS": os.pathsep.join(map(str, extra))}).start()
    try:
        # One that is there, one that comes, Jupyter's own, and the platform's default.
        default = state.home / ".local/share/jupyter/runtime"
        for number, directory in enumerate((*extra, fakes.directory, default)):
            adopted(daemon, fakes.kernel(str(number), directory))
        assert len(listed(daemon)) == 4
    finally:
        daemon.dispose()


def other_things(directory: Path) -> None:
    """Fill a directory with what is no kernel's connection file, or not one of ours."""
    directory.mkdir(exist_ok=True)
    complete = json.dumps(connection_file.COMPLETE)
    contents = {
        "list": "[]",
        "text": '"kernel"',
        "null": "null",
        "empty": "",
        "binary": "\0\1\2",
        "deep": "[" * 100_000,
        "cut": complete[:-1],
        "long": " " * 2_000_000 + complete,  # in this order: half of it is not a kernel's
        "remote": complete.replace("127.0.0.1", "192.0.2.1"),
        "ports": complete.replace("50001", "70001"),
        "nameless": json.dumps(connection_file.COMPLETE | {"transport": "ipc", "ip": ""}),
        "other": json.dumps({"url": "http://localhost:8888", "port": 8888, "pid": 1}),
    }
    for name, content in contents.items():
        (directory / f"kernel-{name}.json").write_text(content)
    connection_file.write(directory / "jpserver-1.json", LONG_AGO_S)
    connection_file.write(directory / "kernel-a.json.tmp", LONG_AGO_S)
    os.mkfifo(directory / "kernel-fifo.json")
    (directory / "kernel-directory.json").mkdir()
    (directory / "kernel-loop.json").symlink_to("kernel-loop.json")
    (directory / "kernel-nowhere.json").symlink_to("/nowhere/at.json")
    (directory / "kernel-device.json").symlink_to("/dev/zero")
    unusable = Path(connection_file.write(directory / "kernel-unusable.tmp", LONG_AGO_S))
    if os.getuid() == 0:  # who may read anything: another user's
        os.chown(unusable, 65534, 65534)
    else:
        unusable.chmod(0)
    unusable.rename(unusable.with_suffix(".json"))


@pytest.mark.parametrize("first", ["things", "daemon"])
def test_what_is_no_kernels_file(state: State, fakes: Fakes, first: str) -> None:
    if first == "things":
        other_things(fakes.directory)
    daemon = Daemon(state).start()
    try:
        other_things(fakes.directory) if first == "daemon" else None
        kernel = fakes.kernel("real")
        adopted(daemon, kernel)
        assert files_of(listed(daemon)) == {str(kernel)}
    finally:
        daemon.dispose()


def test_a_file_that_becomes_another_kernels(daemon: Daemon, fakes: Fakes) -> None:
    old = adopted(daemon, path := fakes.kernel("one"))
    new = fakes.listening()
    fakes.file(new, "one")
    found = until(lambda: [r for r in listed(daemon) if r["id"] != old["id"]], "the new one")
    new_runtime = adopted(daemon, path, pid=found[0]["pid"], id=found[0]["id"])
    assert new_runtime["pid"] != old["pid"]
    assert [evaluate(daemon, runtime) for runtime in (old, new_runtime)] == [1, 1]
    os.kill(old["pid"], signal.SIGKILL)
    adopted(daemon, path, "dead", id=old["id"])
    daemon.call("runtime.remove", runtime=old["id"])
    assert path.exists()
    assert evaluate(daemon, new_runtime) == 2


@pytest.mark.parametrize("taken", [["shell"], CHANNELS], ids=["shell", "all"])
def test_ports_that_a_stranger_has_by_now(
    state: State, daemon: Daemon, fakes: Fakes, taken: list[str]
) -> None:
    """A program that is no kernel and accepts everything: dead, and never unresponsive."""
    info = fakes.listening()
    found = adopted(daemon, path := fakes.file(info, "dead"))
    with state.connection() as client, ExitStack() as strangers:
        client.call("events.subscribe", {"runtime": found["id"]})
        os.kill(found["pid"], signal.SIGKILL)
        adopted(daemon, path, "dead")
        for channel in taken:
            stranger = strangers.enter_context(socket.socket())
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind((info["ip"], info[f"{channel}_port"]))
            stranger.listen()
        path.touch()
        until(lambda: f"to process {os.getpid()} now" in state.logs(), "a look at who listens")
        daemon.stop()
        daemon.start()
        adopted(daemon, fakes.kernel("last"))
        assert daemon.call("runtime.get", runtime=found["id"])["status"] == "dead"
        heard = [event["params"]["data"].get("status") for event in client.notifications()]
    assert "dead" in heard
    assert not {"unresponsive", "alive"} & set(heard[heard.index("dead") :])


def test_ports_that_a_kernel_of_ours_has_by_now(state: State, fakes: Fakes) -> None:
    """The other way to see it: a dead kernel's file names the ports of one that we started."""
    daemon = Daemon(state, {"RUNTIMED_RESCAN_INTERVAL_S": "0.2"}).start()
    try:
        ours = daemon.call("runtime.start", kernel_name="deno", env=state.env)
        info = json.loads(Path(ours["connection_file"]).read_text())
        assert info["transport"] == "tcp"
        stale = fakes.directory / "kernel-stale.json"
        write_connection_file(str(stale), info | {"key": "a dead kernel's"})
        adopted(daemon, stale, "dead")
        adopted(daemon, fakes.kernel("last"))
        assert len(listed(daemon)) == 3
        assert evaluate(daemon, ours) == 1
    finally:
        daemon.dispose()
