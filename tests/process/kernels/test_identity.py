"""Which process is the kernel: real kernels, and those that could be taken for one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from runtimed import host
from runtimed.kernels import connection_files, identity
from tests.harness.connection_file import connection_file
from tests.harness.foreign import KernelNamed, kernel_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtimed.kernels.connection_files import ConnectionFile
    from tests.harness.daemon import State
    from tests.harness.foreign import ForeignKernel

#: Listens at the ports that are its first argument (0: any), says which, and waits; what follows
#: is only there to be seen. With "fork" a child holds the sockets as well; with "greets" it says
#: what ZeroMQ says first.
LISTENER = """
import os, socket, sys, threading
servers = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1].split(",")]
child = os.fork() if "fork" in sys.argv else None
if child != 0:
    print(*(server.getsockname()[1] for server in servers), flush=True)
def greet():
    while True:
        servers[0].accept()[0].sendall(b"\\xff" + bytes(8) + b"\\x7f")
if "greets" in sys.argv:
    threading.Thread(target=greet, daemon=True).start()
sys.stdin.read()
"""
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class Listener:
    """A process that listens, and is no kernel."""

    def __init__(self, *arguments: str, ports: str = "0,0,0,0,0", cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LISTENER, ports, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "JPY_SESSION_NAME": "/n/one.ipynb", "JPY_PARENT_PID": "4711"},
            cwd=cwd,
            text=True,
        )
        assert self.process.stdout is not None
        self.ports = [int(port) for port in self.process.stdout.readline().split()]

    @property
    def pid(self) -> int:
        return self.process.pid

    def facts(self) -> dict[str, int]:
        """Return its ports as a connection file names them."""
        return {f"{name}_port": port for name, port in zip(CHANNELS, self.ports, strict=False)}


@contextmanager
def listening(
    *arguments: str, ports: str = "0,0,0,0,0", cwd: Path | None = None
) -> Iterator[Listener]:
    listener = Listener(*arguments, ports=ports, cwd=cwd)
    try:
        yield listener
    finally:
        listener.process.communicate()


def pid_of(file: ConnectionFile) -> int | None:
    """Return the pid of the kernel's process; None for a stranger or nobody."""
    found = identity.find_process(file)
    return found.pid if isinstance(found, identity.Process) else None


def file_of(kernel: ForeignKernel) -> ConnectionFile:
    found = connection_files.read(str(kernel.connection_file))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "transport"), [("python3", "tcp"), ("python3", "ipc"), ("xpython", "tcp")]
)
def test_a_real_kernel(state: State, kernel_named: KernelNamed, name: str, transport: str) -> None:
    traits: dict[str, Any] = {"ip": str(state.root / "k")} if transport == "ipc" else {}
    kernel = kernel_named(name, cwd=state.project, transport=transport, **traits)
    kernel.client()
    found = identity.find_process(file_of(kernel))
    assert isinstance(found, identity.Process)
    assert (found.pid, found.ppid) == (kernel.pid, kernel.owner.pid)
    assert found.start_time == host.process_start_time(kernel.pid)
    assert found.boot_id == host.boot_id()
    assert found.cwd == str(state.project)
    assert any(str(kernel.connection_file) in word for word in found.argv)
    assert found == identity.process(kernel.pid)


def test_a_kernel_that_was_killed(kernel_named: KernelNamed) -> None:
    kernel = kernel_named("python3")
    kernel.client()
    file = file_of(kernel)
    assert identity.is_named(file)
    kernel.kill()
    kernel.kill_owner()  # who would otherwise keep a zombie of that name
    while host.process_state(kernel.pid) not in (None, "Z"):
        pass
    assert identity.find_process(file) is None
    with listening(ports=str(file.ports["shell"])) as stranger:
        found = identity.find_process(file)
    assert isinstance(found, identity.Stranger)
    assert str(stranger.pid) in found.reason


def test_a_kernel_embedded_in_a_program(state: State) -> None:
    """IPython.embed_kernel: the command line says nothing."""
    program = subprocess.Popen(
        [sys.executable, "-c", "import IPython; IPython.embed_kernel()"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=kernel_environment(state),
        cwd=state.project,
        text=True,
    )
    try:
        assert program.stdout is not None
        for line in program.stdout:
            if "--existing" in line:
                break
        (file,) = connection_files.scan([state.env["JUPYTER_RUNTIME_DIR"]]).values()
        assert not identity.is_named(file)
        assert pid_of(file) == program.pid
    finally:
        program.kill()
        program.communicate()


def test_a_wrapper_and_others_that_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kernel-1.json"
    with listening("greets", cwd=tmp_path) as kernel:
        file = connection_file(path, **kernel.facts())
        reader = subprocess.Popen(["tail", "-f", str(path)], stdout=subprocess.PIPE)
        try:
            assert reader.stdout is not None
            reader.stdout.read(1)  # its command line is its own now
            assert identity.is_named(file)
            assert pid_of(file) == kernel.pid
        finally:
            reader.kill()
            reader.communicate()
    assert identity.find_process(file) is None
    assert not identity.is_named(file)
    script = f'"{sys.executable}" -c "$0" 0 unnamed; : {path}'
    wrapper = subprocess.Popen(
        ["sh", "-c", script, LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert wrapper.stdout is not None
        port = int(wrapper.stdout.readline())
        found = identity.find_process(connection_file(path, shell_port=port))
        assert isinstance(found, identity.Process)
        assert found.ppid == wrapper.pid
    finally:
        wrapper.communicate()


def test_what_the_process_tells_of_itself(tmp_path: Path) -> None:
    with listening(str(tmp_path / "kernel-1.json"), cwd=tmp_path) as kernel:
        found = identity.find_process(connection_file(tmp_path / "kernel-1.json", **kernel.facts()))
        assert isinstance(found, identity.Process)
        assert (found.pid, found.cwd) == (kernel.pid, str(tmp_path))
        assert (found.session_name, found.parent_pid) == ("/n/one.ipynb", 4711)


def test_a_forked_child_is_not_the_kernel(tmp_path: Path) -> None:
    with listening(str(tmp_path / "kernel-1.json"), "fork") as kernel:
        assert pid_of(connection_file(tmp_path / "kernel-1.json", **kernel.facts())) == kernel.pid


def test_another_kernel_has_all_the_ports_by_now(tmp_path: Path) -> None:
    """As VS Code's kernels do, whose ports are counted up from 9000."""
    with listening(f"-f={tmp_path / 'kernel-2.json'}") as kernel:
        stale = connection_file(tmp_path / "kernel-1.json", **kernel.facts())
        living = connection_file(tmp_path / "kernel-2.json", key="other", **kernel.facts())
        copy = connection_file(tmp_path / "copy.json", key="other", **kernel.facts())
        assert pid_of(living) == pid_of(copy) == kernel.pid
        found = identity.find_process(stale)
        assert isinstance(found, identity.Stranger)
        assert living.path in found.reason


def test_another_user_has_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(str(tmp_path / "kernel-1.json")) as kernel:
        file = connection_file(tmp_path / "kernel-1.json", **kernel.facts())
        uid = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
        found = identity.find_process(file)
    assert isinstance(found, identity.Stranger)
    assert f"uid {uid}" in found.reason


def test_the_address_counts_and_not_the_port_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.2", 0)) as own:
        port = own.getsockname()[1]
        path = tmp_path / "kernel-1.json"
        assert identity.find_process(connection_file(path, shell_port=port)) is None
        with listening(path.name, ports=str(port)) as kernel:
            assert pid_of(connection_file(path, shell_port=port)) == kernel.pid


def test_who_listens_everywhere_listens_here(tmp_path: Path) -> None:
    path = tmp_path / "kernel-1.json"
    for everywhere in ("0.0.0.0", "[::]"):
        with zmq.Context() as context, context.socket(zmq.ROUTER) as own:
            own.ipv6 = everywhere == "[::]"
            port = own.bind_to_random_port(f"tcp://{everywhere}")
            ports = {f"{channel}_port": port for channel in CHANNELS}
            assert pid_of(connection_file(path, **ports)) == os.getpid()
            assert pid_of(connection_file(path, ip="*", **ports)) == os.getpid()


def test_a_program_that_is_no_kernel_has_all_the_ports_by_now(tmp_path: Path) -> None:
    with listening() as stranger:
        stale = connection_file(tmp_path / "kernel-1.json", **stranger.facts())
        found = identity.find_process(stale)
        assert isinstance(found, identity.Stranger)
        assert "ZeroMQ" in found.reason
        os.kill(stranger.pid, signal.SIGSTOP)  # who is stopped cannot be told from a kernel
        try:
            while host.process_state(stranger.pid) != "T":
                pass
            assert pid_of(stale) == stranger.pid
        finally:
            os.kill(stranger.pid, signal.SIGCONT)


def test_there_is_no_such_process() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert identity.process(gone.pid) is None
