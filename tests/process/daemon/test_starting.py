"""Starting kernels: private by default, tcp where it must be, clear words where it fails."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import final

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State

#: A kernel that cannot do ipc, as some really cannot: it says so and exits.
TCP_ONLY = """
import json, os, sys
if json.load(open(sys.argv[1]))["transport"] != "tcp":
    sys.exit("only tcp is known here")
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1]])
"""


def kernelspec(state: State, name: str, argv: list[str], **more: Any) -> Path:
    """Install a kernelspec for the test's user."""
    folder = state.home / ".local" / "share" / "jupyter" / "kernels" / name
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": name, "language": "python", **more}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return folder


def start(daemon: Daemon, kernel: str, **more: Any) -> Any:
    return daemon.call("runtime.start", kernel_name=kernel, env=daemon.env, **more)


def two(daemon: Daemon, runtime: Any) -> None:
    """Have it add one and one."""
    done = daemon.call("execution.eval", runtime=runtime["id"], code="1 + 1", wait_s=60)
    assert done["outputs"][0]["data"]["text/plain"] == "2"


def test_a_kernel_listens_where_only_its_owner_reaches_it(daemon: Daemon) -> None:
    runtime = start(daemon, "python3")
    assert (runtime["transport"], runtime["private"]) == ("ipc", True)
    assert runtime["notices"] == [] or "own Python" in runtime["notices"][0]
    file = Path(runtime["connection_file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    info = json.loads(file.read_text())
    folder = Path(info["ip"]).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert Path(f"{info['ip']}-{info['shell_port']}").is_socket()


def test_public_sockets_that_another_client_removed_come_back(state: State) -> None:
    """Another Jupyter client's clean-up deletes ipc files; ours stays connected, and mends it."""
    from tests.harness.daemon import Daemon

    daemon = Daemon(state, {"RUNTIMED_PROBE_INTERVAL_S": "0.2"}).start()
    runtime = start(daemon, "python3")
    info = json.loads(Path(runtime["connection_file"]).read_text())
    shell = Path(f"{info['ip']}-{info['shell_port']}")
    shell.unlink()
    two(daemon, runtime)
    deadline = time.monotonic() + 30
    while not shell.exists():
        assert time.monotonic() < deadline, "the public socket was not restored"
        time.sleep(0.05)
    context = zmq.Context()
    with context.socket(zmq.DEALER) as dealer:
        monitor = dealer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        dealer.connect(f"ipc://{shell}")
        assert monitor.poll(10_000), "nobody listens at the restored socket"
        monitor.close()
    context.destroy(linger=0)
    daemon.stop(kernels=True)


def test_a_kernel_that_cannot_do_ipc_is_started_over_tcp_and_remembered(
    daemon: Daemon, tmp_path: Path
) -> None:
    script = tmp_path / "tcp_only.py"
    script.write_text(TCP_ONLY)
    folder = kernelspec(daemon.state, "tcponly", [sys.executable, str(script), "{connection_file}"])
    first = start(daemon, "tcponly")
    assert (first["transport"], first["private"]) == ("tcp", False)
    assert any("readable by other local users" in notice for notice in first["notices"])
    two(daemon, first)
    assert attempts(daemon, first) == 2
    second = start(daemon, "tcponly")
    assert attempts(daemon, second) == 1
    two(daemon, second)
    # What was found of the kernelspec holds for as long as it is the same.
    spec = folder / "kernel.json"
    spec.write_text(spec.read_text() + " ")
    assert attempts(daemon, start(daemon, "tcponly")) == 2


def attempts(daemon: Daemon, runtime: Any) -> int:
    """Count how often the keeper has spawned the runtime's process."""
    log = Path(daemon.state.files.keeper_log).read_text()
    return log.count(f"[{runtime['id']}] spawned")


def test_a_kernel_that_declares_curve_is_encrypted_over_tcp(daemon: Daemon, tmp_path: Path) -> None:
    script = tmp_path / "tcp_only.py"
    script.write_text(TCP_ONLY)
    kernelspec(
        daemon.state,
        "curved",
        [sys.executable, str(script), "{connection_file}"],
        metadata={"supported_encryption": ["curve"]},
    )
    runtime = start(daemon, "curved")
    assert (runtime["transport"], runtime["private"]) == ("tcp", True)
    assert not any("readable" in notice for notice in runtime["notices"])
    info = json.loads(Path(runtime["connection_file"]).read_text())
    assert info["curve_publickey"] and info["curve_secretkey"]
    two(daemon, runtime)
    again = daemon.call("runtime.restart", runtime=runtime["id"])["runtime"]
    assert again["private"] is True
    two(daemon, runtime)
    # Without the key nobody is let in.
    context = zmq.Context()
    with context.socket(zmq.SUB) as stranger:
        stranger.setsockopt(zmq.SUBSCRIBE, b"")
        stranger.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
        two(daemon, runtime)
        assert not stranger.poll(500)
    context.destroy(linger=0)


def test_a_kernel_that_exits_at_once(daemon: Daemon) -> None:
    kernelspec(
        daemon.state,
        "broken",
        [sys.executable, "-c", "import sys; sys.exit('no licence found')", "{connection_file}"],
    )
    with pytest.raises(CallFailed) as failure:
        start(daemon, "broken")
    assert failure.value.name == "KernelDidNotStart"
    assert failure.value.exit_code == 6
    assert "no licence found" in failure.value.message
    assert "status 1" in failure.value.message
    assert daemon.call("runtime.list") == []


def test_a_kernel_whose_program_is_missing(daemon: Daemon) -> None:
    kernelspec(daemon.state, "gone", ["/nowhere/kernel", "{connection_file}"])
    with pytest.raises(CallFailed) as failure:
        start(daemon, "gone")
    assert failure.value.name == "KernelProgramMissing"
    assert "/nowhere/kernel" in failure.value.message


def test_a_kernel_that_never_answers(state: State) -> None:
    from tests.harness.daemon import Daemon

    daemon = Daemon(state, {"RUNTIMED_IPC_SILENCE_S": "0.3"}).start()
    kernelspec(
        state,
        "silent",
        [sys.executable, "-c", "import time; time.sleep(600)", "{connection_file}"],
    )
    with pytest.raises(CallFailed) as failure:
        start(daemon, "silent", start_timeout_s=0.5)
    assert "did not answer within" in failure.value.message
    dead = daemon.call("runtime.list", all=True)
    assert [runtime["status"] for runtime in dead] == ["dead"]
    daemon.stop(kernels=True)


def test_all_attempts_have_the_time_of_one_start(daemon: Daemon) -> None:
    """Silent over ipc for all the time that there is: then there is none for tcp."""
    kernelspec(
        daemon.state,
        "silent",
        [sys.executable, "-c", "import time; time.sleep(600)", "{connection_file}"],
    )
    with pytest.raises(CallFailed) as failure:
        start(daemon, "silent", start_timeout_s=1.5)
    assert "did not answer within 1.5 s" in failure.value.message
    (dead,) = daemon.call("runtime.list", all=True)
    assert dead["transport"] == "ipc"
    assert attempts(daemon, dead) == 1


def test_an_unknown_kernelspec(daemon: Daemon) -> None:
    with pytest.raises(CallFailed) as failure:
        start(daemon, "cobol")
    assert (failure.value.name, failure.value.exit_code) == ("KernelNotFound", 3)


def test_a_path_too_long_for_ipc_means_tcp_and_says_so(state: State) -> None:
    from tests.harness.daemon import Daemon

    long = state.root / ("j" * 90)
    daemon = Daemon(state, {"JUPYTER_RUNTIME_DIR": str(long)}).start()
    runtime = start(daemon, "python3")
    assert runtime["transport"] == "tcp"
    assert any("too long" in notice for notice in runtime["notices"])
    two(daemon, runtime)
    daemon.stop(kernels=True)


def test_a_stopped_kernel_is_unresponsive_until_it_goes_on(state: State) -> None:
    from tests.harness.daemon import Daemon

    daemon = Daemon(
        state, {"RUNTIMED_PROBE_INTERVAL_S": "0.2", "RUNTIMED_PROBE_TIMEOUT_S": "0.3"}
    ).start()
    runtime = start(daemon, "python3")
    os.kill(runtime["pid"], 19)
    wait_for_state(daemon, runtime, "unresponsive")
    os.kill(runtime["pid"], 18)
    wait_for_state(daemon, runtime, "alive")
    two(daemon, runtime)
    daemon.stop(kernels=True)


def wait_for_state(daemon: Daemon, runtime: Any, status: str) -> None:
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"runtime": runtime["id"], "types": ["runtime"]})
        if client.call("runtime.get", {"runtime": runtime["id"]})["status"] == status:
            return
        for notification in client.notifications():
            if notification["params"]["data"]["status"] == status:
                return


def test_a_busy_kernel_is_alive(state: State) -> None:
    from tests.harness.daemon import Daemon

    daemon = Daemon(
        state, {"RUNTIMED_PROBE_INTERVAL_S": "0.1", "RUNTIMED_PROBE_TIMEOUT_S": "0.2"}
    ).start()
    runtime = start(daemon, "python3")
    cell = daemon.call("execution.submit", runtime=runtime["id"], code="import time; time.sleep(2)")
    final(daemon, cell["id"])
    with daemon.state.connection() as client:
        client.call("events.subscribe", {"since": "start", "types": ["runtime"]})
        client.call("runtime.rename", {"runtime": runtime["id"], "name": "done"})
        statuses = []
        for notification in client.notifications():
            data = notification["params"]["data"]
            statuses.append(data["status"])
            if data["name"] == "done":
                break
    assert "unresponsive" not in statuses
    daemon.stop(kernels=True)


def test_an_idle_runtime_stops_when_it_was_told_to(state: State) -> None:
    from tests.harness.daemon import Daemon

    daemon = Daemon(state, {"RUNTIMED_PROBE_INTERVAL_S": "0.2"}).start()
    runtime = start(daemon, "python3", idle_stop_s=0.5)
    cell = daemon.call(
        "execution.eval", runtime=runtime["id"], code="import time; time.sleep(2); 'worked'"
    )
    assert cell["status"] == "done", "it was stopped while it was at work"
    wait_for_state(daemon, runtime, "dead")
    daemon.stop(kernels=True)
