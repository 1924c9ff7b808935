from __future__ import annotations

import dataclasses
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.kernels import connection_files
from tests.harness.connection_file import COMPLETE, connection_file, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_what_jupyter_writes_is_read(tmp_path: Path) -> None:
    file = connection_file(tmp_path / "kernel-1.json")
    assert file.info == COMPLETE
    assert (file.transport, file.ip, file.kernel_name) == ("tcp", "127.0.0.1", "python3")
    assert file.ports == {
        "shell": 50001, "iopub": 50002, "stdin": 50003, "control": 50004, "hb": 50005,
    }  # fmt: skip
    assert not file.is_curve


def test_the_keys_of_a_file_are_not_in_its_repr(tmp_path: Path) -> None:
    keys = {"curve_publickey": "public-k", "curve_secretkey": "secret-k"}
    file = connection_file(tmp_path / "kernel-1.json", **keys)
    assert file.is_curve
    for word in ("secret", "secret-k"):
        assert word not in repr(file)


def test_a_path_of_any_bytes_can_be_said_again(tmp_path: Path) -> None:
    """jupyter_server notes the notebook's path as JSON can, and others cannot: a lone surrogate."""
    facts = {"jupyter_session": "/n/caf\udce9-\U0001f600.ipynb"}
    file = connection_file(tmp_path / "kernel-1.json", **facts)
    assert file.info["jupyter_session"].encode() == "/n/caf?-\U0001f600.ipynb".encode()


@pytest.mark.parametrize(
    "facts",
    [
        {"transport": None, "ip": None, "kernel_name": None},
        {"signature_scheme": None, "key": None},
    ],
)
def test_what_may_be_missing(tmp_path: Path, facts: dict[str, None]) -> None:
    content = {name: value for name, value in COMPLETE.items() if name not in facts}
    path = tmp_path / "kernel-1.json"
    path.write_text(json.dumps(content))
    assert connection_files.read(str(path)) is not None


@pytest.mark.parametrize(
    "facts",
    [
        {"shell_port": "50001"},
        {"shell_port": True},
        {"shell_port": 50001.0},
        {"hb_port": 0},
        {"hb_port": 65536},
        {"iopub_port": -1},
        {"iopub_port": None},
        {"ip": 5},
        {"ip": None},
        {"ip": "192.0.2.1"},  # TEST-NET-1: nobody has it
        {"ip": "2001:db8::1"},
        {"ip": "example.org"},
        {"ip": "127.0.0.1\0"},
        {"key": ["secret"]},
        {"key": None},
        {"signature_scheme": 256},
        {"transport": "udp"},
        {"transport": "ipc", "ip": ""},
        {"transport": "ipc", "ip": "/" + "x" * 110},
        {"transport": "ipc", "ip": "/tmp/\0"},
        {"kernel_name": 3},
        {"curve_publickey": 3},
    ],
    ids=str,
)
def test_what_cannot_be_a_kernel_of_ours(tmp_path: Path, facts: dict[str, Any]) -> None:
    assert connection_files.read(write(tmp_path / "kernel-1.json", **facts)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"3",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        json.dumps(COMPLETE).encode()[:-1],
        json.dumps(COMPLETE).encode() + b" " * connection_files.MAX_BYTES,
        json.dumps({"pid": 1, "port": 8888, "url": "http://localhost:8888/"}).encode(),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_connection_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kernel-1.json"
    path.write_bytes(content)
    assert connection_files.read(str(path)) is None


def test_why_a_file_is_rejected_is_said_without_its_key(tmp_path: Path) -> None:
    write(tmp_path / "kernel-1.json", transport="udp")
    write(tmp_path / "kernel-2.json", ip="192.0.2.1")
    write(tmp_path / "kernel-3.json", key=["secret"])
    (tmp_path / "kernel-4.json").write_text('{"key": "secret", ')
    write(tmp_path / "kernel-5.json")
    said: dict[str, str] = {}
    found = connection_files.scan([str(tmp_path)], said.__setitem__)
    assert [os.path.basename(path) for path in found] == ["kernel-5.json"]
    assert {os.path.basename(path): reason for path, reason in said.items()} == {
        "kernel-1.json": "its transport is neither tcp nor ipc",
        "kernel-2.json": "its kernel is not on this machine",
        "kernel-3.json": "its key is no text",
        "kernel-4.json": connection_files.NOT_WHOLE,
    }


async def test_a_relative_path_leads_nowhere_until_it_is_known_from_where(tmp_path: Path) -> None:
    ports = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
    file = connection_file(tmp_path / "kernel-1.json", transport="ipc", ip="k", **ports)
    located = dataclasses.replace(file, directory=str(tmp_path))
    assert (file.is_lost, located.is_lost) == (True, False)
    assert file.address == located.address == connection_files.address_of(file.info)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "k-1"))
        server.listen(8)
        assert await connection_files.listens(located) is True
        assert await connection_files.listens(file) is False


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    """A FIFO above all: to open it would wait for a writer."""
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "directory.json").mkdir()
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "dangling.json").symlink_to("nowhere")
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.json"))
        for name in (*os.listdir(tmp_path), "missing.json", "nul\0.json"):
            assert connection_files.read(str(tmp_path / name)) is None
        assert connection_files.scan([str(tmp_path)]) == {}


def test_another_users_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "kernel-1.json")
    assert connection_files.read(path) is not None
    monkeypatch.setattr(os, "getuid", lambda: os.stat(path).st_uid + 1)
    assert connection_files.read(path) is None


def test_an_address_of_this_machine_is_reachable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_address:
        try:
            any_address.connect(("192.0.2.1", 9))  # sends nothing; chooses a source address
            own = any_address.getsockname()[0]
        except OSError:
            own = "127.0.0.1"
    assert connection_file(tmp_path / "kernel-1.json", ip=own).host == own


@pytest.mark.parametrize("ip", ["127.0.0.1", "localhost", "*", "0.0.0.0", ""])
def test_two_spellings_of_one_address(tmp_path: Path, ip: str) -> None:
    plain = connection_file(tmp_path / "kernel-1.json")
    other = connection_file(tmp_path / "kernel-2.json", ip=ip)
    assert plain.address == other.address == connection_files.address_of(other.info)


@pytest.mark.parametrize(
    "facts", [{"key": "other"}, {"shell_port": 50009}, {"ip": "127.0.0.2"}, {"ip": "::1"}], ids=str
)
def test_two_kernels_have_two_addresses(tmp_path: Path, facts: dict[str, Any]) -> None:
    plain = connection_file(tmp_path / "kernel-1.json")
    assert plain.address != connection_file(tmp_path / "kernel-2.json", **facts).address


@pytest.mark.parametrize("info", [{}, {"connection": None}, {**COMPLETE, "ip": None}], ids=str)
def test_what_has_no_address(info: dict[str, Any]) -> None:
    assert connection_files.address_of(info) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/jr/kernel-76d276d5-0f.json", "76d276d5-0f"),
        ("/jr/kernel-v3-12.json", "v3-12"),
        ("/jr/mine.json", "mine"),
    ],
)
def test_the_id_of_a_kernel_is_in_its_files_name(path: str, expected: str) -> None:
    assert connection_files.kernel_id(path) == expected


def test_a_scan_finds_each_kernel_once_by_its_oldest_file(tmp_path: Path) -> None:
    directories = [tmp_path / "a", tmp_path / "b", tmp_path / "missing"]
    for directory in directories[:2]:
        directory.mkdir()
    write(directories[0] / "kernel-2.json", mtime_s=2000)
    oldest = write(directories[1] / "kernel-3.json", mtime_s=1000)
    (directories[0] / "kernel-1.json").symlink_to(directories[0] / "kernel-2.json")
    another = write(directories[0] / "kernel-4.json", key="another")
    for name in ("jpserver-1.json", "nbserver-1.json", ".kernel.json", "kernel-5.txt"):
        write(directories[0] / name, key=name)
    found = connection_files.scan(map(str, directories))
    assert sorted(found) == sorted([oldest, another])
    assert all(file.path == path for path, file in found.items())


def test_of_two_files_of_one_age_a_scan_always_takes_the_same(tmp_path: Path) -> None:
    for name in "bca":
        write(tmp_path / f"{name}.json", mtime_s=1000)
    assert list(connection_files.scan([str(tmp_path)])) == [str(tmp_path / "a.json")]


async def test_somebody_listens_and_hears_nothing(tmp_path: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    file = connection_file(tmp_path / "kernel-1.json", ip="*", shell_port=port)
    assert await connection_files.listens(file) is True
    accepted, _ = listener.accept()
    with accepted:
        accepted.settimeout(10)
        assert accepted.recv(1) == b""


async def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        port = bound.getsockname()[1]
        file = connection_file(tmp_path / "kernel-1.json", shell_port=port)
        assert await connection_files.listens(file) is False


async def test_who_does_not_accept_is_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_files, "KNOCK_S", 0.05)
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):  # the backlog is full now: more are not answered
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        file = connection_file(tmp_path / "kernel-1.json", shell_port=server.getsockname()[1])
        assert await connection_files.listens(file) is None


async def test_a_port_that_meets_itself_is_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCP's simultaneous open: the source port chosen for the knock may be the one knocked at."""

    class Unlucky(socket.socket):
        def connect_ex(self, address: Any, /) -> int:
            self.bind(address)
            return super().connect_ex(address)

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    file = connection_file(tmp_path / "kernel-1.json", shell_port=port)
    monkeypatch.setattr(socket, "socket", Unlucky)
    assert await connection_files.listens(file) is False


async def test_the_knock_over_ipc(tmp_path: Path) -> None:
    prefix = str(tmp_path / "k")
    ports = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
    file = connection_file(tmp_path / "kernel-1.json", transport="ipc", ip=prefix, **ports)
    assert await connection_files.listens(file) is False
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{prefix}-1")
        server.listen(0)
        for _ in range(3):  # the first knock fills its backlog: nobody accepts
            assert await connection_files.listens(file) is True
    assert await connection_files.listens(file) is False  # the socket's file is still there
    assert (tmp_path / "k-1").exists()


async def test_knocking_where_no_descriptor_is_left_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError("too many open files")

    file = connection_file(tmp_path / "kernel-1.json")
    monkeypatch.setattr(socket, "socket", refuse)
    assert await connection_files.listens(file) is None
