"""journald as a process sees it: a socket that takes datagrams, or does not."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

from runtimed.logs.journald import encode
from tests.integration.logs.conftest import logging_process

if TYPE_CHECKING:
    from pathlib import Path


def fields_of(datagram: bytes) -> dict[str, str]:
    """Read one entry as https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ has it."""
    fields, rest = {}, datagram
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[8 + length :]
            assert rest.startswith(b"\n")
            rest = rest[1:]
        fields[name.decode()] = value.decode()
    return fields


def listen(path: Path) -> socket.socket:
    journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journald.bind(str(path))
    journald.settimeout(30)
    return journald


def test_a_field_with_line_ends_is_one_field() -> None:
    fields = {"MESSAGE": "one\nPRIORITY=0\ntwo", "PRIORITY": "6", "A": ""}
    assert fields_of(encode(fields)) == fields


def test_entries_have_their_fields(place: Path) -> None:
    with listen(place / "j") as journald:
        script = """
log = Log(Journal(Role.KEEPER, sys.argv[1]))
log.write(Priority.WARNING, "one\\ntwo", "R" * 26, "E" * 26)
log.write(Priority.INFO, "plain")
"""
        with logging_process(script, place / "j") as process:
            first, second = (fields_of(journald.recv(65_536)) for _ in range(2))
    assert process.returncode == 0
    common = {"SYSLOG_IDENTIFIER": "runtimed-keeper", "RUNTIMED_ROLE": "keeper"}
    about = {"RUNTIMED_RUNTIME": "R" * 26, "RUNTIMED_EXECUTION": "E" * 26}
    assert first == common | about | {"MESSAGE": "one\ntwo", "PRIORITY": "4"}
    assert second == common | {"MESSAGE": "plain", "PRIORITY": "6"}


def test_a_journald_that_has_stopped_holds_up_nobody_and_gets_all_of_it_later(place: Path) -> None:
    script = """
log = Log(Journal(Role.DAEMON, sys.argv[1]))
for number in range(500):
    log.write(Priority.INFO, str(number))
os.write(1, b"all written")
sys.stdin.read(1)
log.write(Priority.INFO, "last")
"""
    come, go = os.pipe()
    command = logging_process
    with listen(place / "j") as journald:
        process = command(
            script.replace("sys.stdin.read(1)", f"os.read({come}, 1)"),
            place / "j",
            stdout=subprocess.PIPE,
            pass_fds=(come,),
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.read(11) == b"all written"  # and nothing was read so far
            journald.setblocking(False)
            said = []
            while True:
                try:
                    said.append(fields_of(journald.recv(65_536))["MESSAGE"])
                except BlockingIOError:
                    break
            assert len(said) < 500, "the socket took all of it: nothing was tested"
            journald.settimeout(30)
            os.write(go, b"x")
            while said[-1] != "last":
                said.append(fields_of(journald.recv(65_536))["MESSAGE"])
    os.close(come)
    os.close(go)
    assert said == [*map(str, range(500)), "last"]


def test_a_journald_that_was_replaced_is_found_again_and_without_one_stderr_has_it(
    place: Path,
) -> None:
    script = """
import signal
log = Log(Journal(Role.DAEMON, sys.argv[1]))
for number in range(3):
    log.write(Priority.ERROR, f"entry {number}\\nmore", "01J8ZQ4X8Y6D7N5K3M2P1R0S9T")
    os.write(1, b".")
    signal.sigwait({signal.SIGUSR1})
"""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # inherited: none comes too early
    try:
        first = listen(place / "j")
        process = logging_process(
            script, place / "j", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1)
        with first:
            assert fields_of(first.recv(4096))["MESSAGE"] == "entry 0\nmore"
        (place / "j").unlink()
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read(1)
        with listen(place / "j") as second:
            process.send_signal(signal.SIGUSR1)
            assert process.stdout.read(1)
            assert fields_of(second.recv(4096))["MESSAGE"] == "entry 2\nmore"
        process.send_signal(signal.SIGUSR1)
        assert process.stderr.read() == b"<3>[2p1r0s9t] entry 1\n<3>more\n"
