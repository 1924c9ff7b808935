"""The socket itself: where it is, who may use it, what else is spoken to it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.paths import SOCKET_PATH_BYTES, UnsafePath
from runtimed.server.hall import Limits
from runtimed.server.unix import AlreadyServed, bind
from tests.harness.lineserver import RawClient, Service, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
REPOSITORY = Path(__file__).parents[3]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")


def test_the_socket_is_closed_to_others(service: Service, socket_path: Path) -> None:
    assert stat.S_IMODE(socket_path.lstat().st_mode) == 0o600


def test_a_missing_directory_is_made_for_us_alone(short_dir: Path) -> None:
    path = short_dir / "d" / "s"
    bind(str(path)).close()
    assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o1777])
def test_a_directory_open_to_others_is_refused_and_left_as_it_is(
    short_dir: Path, mode: int
) -> None:
    directory = short_dir / "d"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(UnsafePath, match=r"must be 0700"):
        bind(str(directory / "s"))
    assert stat.S_IMODE(directory.lstat().st_mode) == mode
    assert list(directory.iterdir()) == []


def test_a_symbolic_link_for_a_directory_is_refused(short_dir: Path) -> None:
    (short_dir / "real").mkdir(mode=0o700)
    (short_dir / "link").symlink_to("real")
    with pytest.raises(UnsafePath, match="is not a directory"):
        bind(str(short_dir / "link" / "s"))


@needs_root
def test_a_directory_of_another_user_is_refused(short_dir: Path) -> None:
    directory = short_dir / "d"
    directory.mkdir(mode=0o700)
    os.chown(directory, NOBODY, NOBODY)
    with pytest.raises(UnsafePath, match=f"belongs to uid {NOBODY}"):
        bind(str(directory / "s"))


def test_the_longest_path_and_one_longer(short_dir: Path) -> None:
    stem = str(short_dir) + "/"
    longest = stem + "s" * (SOCKET_PATH_BYTES - len(os.fsencode(stem)))
    bind(longest).close()
    with pytest.raises(UnsafePath, match=f"at most {SOCKET_PATH_BYTES}"):
        bind(longest + "s")


def test_a_socket_that_nobody_serves_is_replaced(socket_path: Path) -> None:
    bind(str(socket_path)).close()
    assert socket_path.exists()
    with serving(socket_path, Service()), RawClient(socket_path) as raw:
        raw.ask(request(1, "echo", value=1))
        assert raw.line()["result"] == 1


def test_a_socket_that_is_served_is_left_alone(service: Service, socket_path: Path) -> None:
    inode = socket_path.lstat().st_ino
    with pytest.raises(AlreadyServed):
        bind(str(socket_path))
    assert socket_path.lstat().st_ino == inode


def test_a_socket_with_a_full_backlog_is_served(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(socket_path))
        server.listen(0)
        client.connect(str(socket_path))
        with pytest.raises(AlreadyServed):
            bind(str(socket_path))


def test_a_file_at_the_path_is_not_removed(socket_path: Path) -> None:
    socket_path.write_text("precious")
    with pytest.raises(UnsafePath, match="is not a socket"):
        bind(str(socket_path))
    assert socket_path.read_text() == "precious"


def test_the_end_leaves_the_socket_of_a_successor(socket_path: Path) -> None:
    with serving(socket_path, Service()):
        socket_path.unlink()
        successor = bind(str(socket_path))
    assert socket_path.exists()
    successor.close()


@needs_root
def test_another_user_is_denied_by_credentials_alone(short_dir: Path) -> None:
    """Modes are opened as if they had failed; the peer's credentials must do."""
    service_path = short_dir / "s"
    script = textwrap.dedent("""
        import os, socket, sys
        sock = socket.socket(socket.AF_UNIX)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        sock.connect(sys.argv[1])
        try:
            sock.sendall(b'{"jsonrpc":"2.0","id":1,"method":"work","params":{"gate":"g"}}\\n')
        except BrokenPipeError:
            pass
        sys.stdout.buffer.write(sock.makefile("rb").read())
    """)
    with serving(service_path, service := Service()):
        short_dir.chmod(0o755)
        service_path.chmod(0o666)
        command = [sys.executable, "-c", script, str(service_path)]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
        answer = json.loads(done.stdout)
        assert answer["error"]["data"]["name"] == "Denied"
        assert f"uid {os.geteuid()}" in answer["error"]["message"]
        assert service.seen.empty()


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
        (b"Content-Length: 42\r\n\r\n{}", "language servers"),
        (b"content-length: 42\r\n\r\n{}", "language servers"),
        (b"hello\n", "hello"),
        (b"GETTING\n", "GETTING"),
        (b'"text"\n', "text"),
        (b"\xff\xfe", "xff"),
    ],
)
def test_what_is_not_spoken_here(raw: RawClient, begin: bytes, words: str) -> None:
    raw.send(begin)
    answer = raw.line()
    assert (answer["id"], answer["error"]["code"]) == (None, -32700)
    assert words in answer["error"]["message"]
    assert "JSON-RPC 2.0" in answer["error"]["message"]
    assert raw.line() is None


@pytest.mark.parametrize("begin", [b"GE", b"P", b"PRI", b"Content"])
def test_a_beginning_that_ends_early(raw: RawClient, begin: bytes) -> None:
    raw.send(begin).end()
    assert raw.line()["error"]["code"] == -32700
    assert raw.line() is None


def test_white_space_before_the_first_message(raw: RawClient) -> None:
    raw.send(b" \n\t\r\n").send(b" \n").ask(request(1, "echo", value=1))
    assert raw.line()["result"] == 1


@pytest.mark.parametrize("begin", [b" ", b"\r\n", b"GE", b"hello", b"PRI * "])
def test_who_begins_and_does_not_go_on_is_hung_up_on(socket_path: Path, begin: bytes) -> None:
    with (
        serving(socket_path, Service(), Limits(http_head_s=0.2)),
        RawClient(socket_path) as silent,
        RawClient(socket_path) as raw,
    ):
        raw.send(begin)
        assert "0.2 s" in raw.line()["error"]["message"]
        assert raw.line() is None
        silent.ask(request(1, "echo", value=1))  # it connected first, and has sent nothing
        assert silent.line()["result"] == 1


REQUEST = '{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":[1,2]}}'


@pytest.mark.parametrize(
    "command",
    [
        f"printf '%s\\n' '{REQUEST}' | nc -N -U $SOCKET | jq -c .result",
        f"printf '%s\\n' '{REQUEST}' | socat - UNIX:$SOCKET | jq -c .result",
        f"printf '%s' '{REQUEST}' | socat -t 9 - UNIX-CONNECT:$SOCKET | jq -c .result",
    ],
)
def test_the_tools_of_a_shell(service: Service, socket_path: Path, command: str) -> None:
    environment = os.environ | {"SOCKET": str(socket_path)}
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=True, env=environment, text=True
    )
    assert done.stdout == "[1,2]\n"


SERVER = """
import asyncio, logging, resource, sys
from runtimed.server.dispatch import Dispatcher
from runtimed.server.unix import UnixServer
from tests.harness.lineserver import HANDLERS, Service

async def main():
    async with asyncio.TaskGroup() as tasks:
        server = UnixServer(sys.argv[1], Dispatcher(Service(), HANDLERS), tasks)
        await server.start()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await server.stop(1)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

logging.basicConfig(stream=sys.stdout, format="%(message)s")
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
asyncio.run(main())
"""


@contextmanager
def server_process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Serve in a process of its own: it prints how many KiB it grew when it has a line of input."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "ready\n"
        yield server
    finally:
        server.kill()
        server.wait()
        server.stdin.close()
        server.stdout.close()


def test_memory_is_bounded_for_a_line_over_the_limit(socket_path: Path) -> None:
    """Half a gigabyte without a line end costs about the limit (64 MiB), not what was sent."""
    with server_process(str(socket_path)) as server:
        with RawClient(socket_path) as raw:
            chunk = b"[" + b"1," * 524_288
            for _ in range(512):
                raw.send(chunk)
            assert raw.line()["error"]["data"]["name"] == "RequestTooLarge"
            raw.end()
            assert raw.line() is None
        assert int(server.communicate("stop\n")[0]) < 100 * 1024


def test_it_goes_on_when_descriptors_run_out(socket_path: Path) -> None:
    with server_process(str(socket_path), "32") as server, ExitStack() as stack:
        clients = [stack.enter_context(RawClient(socket_path)) for _ in range(40)]
        for client in clients:
            client.ask(request(1, "echo", value="served"))
        assert server.stdout is not None
        assert "cannot accept connections" in server.stdout.readline()
        for client in clients:  # each that leaves makes room for one that waits
            assert client.line()["result"] == "served"
            client.close()
