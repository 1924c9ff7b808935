"""The keeper starts a kernel, is its parent, talks to it, and sees it end."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import zmq

from runtimed.host import process_state
from runtimed.wire.journal import Kind
from tests.harness.keeper import events

if TYPE_CHECKING:
    from tests.harness.keeper import Client, Keeper, Kernel


def test_a_cell_is_executed_and_every_message_of_it_is_journaled(
    client: Client, kernel: Kernel
) -> None:
    pid = kernel.spawn(client)
    assert "sent" in kernel.send(client, "print('hi'); 6 * 7", "x.1")
    assert kernel.reply(client, "x.1")["status"] == "ok"
    client.wait("r1", lambda r: kernel.is_message(r, "execute_result", "x.1"))
    records = client.keeper.records("r1")
    sent = [r for r in records if r.kind == Kind.SENT]
    assert [r.meta for r in sent] == [{"c": "shell", "i": 1, "id": "x.1"}]
    assert kernel.text(records, "x.1") == "hi\n"
    assert events(records) == ["segment", "spawning", "spawned", "connected"]
    assert client.event("r1", "connected").meta["pid"] == pid
    assert {r.meta["i"] for r in records if r.kind == Kind.RECV} == {1}


def test_the_doorbell_says_how_far_the_journal_reaches(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "1", "x.1")
    ipc_kernel.reply(client, "x.1")
    end = client.wait("r1", lambda r: ipc_kernel.is_message(r, "status", "x.1")).end
    while client.bells.get("r1", 0) < end:
        client.read()
    assert client.bells["r1"] <= client.keeper.records("r1")[-1].end


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os; print('last words', flush=True); os._exit(3)", (3, None, "exit")),
        (
            "import os; print('last words', flush=True); os.kill(os.getpid(), 9)",
            (None, signal.SIGKILL, "signal"),
        ),
    ],
)
def test_an_exit_is_journaled_with_its_status_after_the_last_words(
    client: Client, kernel: Kernel, code: str, status: tuple[int | None, int | None, str]
) -> None:
    pid = kernel.spawn(client)
    # What is printed leaves the process by a thread: wait for it before the end.
    kernel.send(client, "import time; print('first', flush=True)\ntime.sleep(0.2)\n" + code, "x.1")
    exited = client.event("r1", "exited")
    assert (exited.meta["code"], exited.meta["signal"], exited.meta["reason"]) == status
    assert (exited.meta["pid"], exited.meta["incarnation"]) == (pid, 1)
    assert exited.meta["oom"] is False
    records = client.keeper.records("r1")
    assert records[-1].offset == exited.offset
    assert events(records)[-2:] == ["disconnected", "exited"]
    assert kernel.text(records, "x.1").startswith("first\n")
    assert not psutil.pid_exists(pid), "it was reaped"


def test_what_reached_us_while_nobody_read_is_journaled_before_the_exit(
    client: Client, kernel: Kernel
) -> None:
    """The keeper learns of the exit and of the last messages in the same moment."""
    pid = kernel.spawn(client)
    kernel.send(
        client,
        "from ipykernel.kernelapp import IPKernelApp\n"
        "import os, time\n"
        "send = IPKernelApp.instance().session.send\n"
        "time.sleep(0.3)\n"
        "for i in range(30):  # more do not fit into the buffers of a Unix socket\n"
        "    send(get_ipython().kernel.iopub_socket, 'stream',\n"
        "         {'name': 'stdout', 'text': f'{i} '}, parent=get_ipython().kernel.get_parent())\n"
        "time.sleep(0.3)\n"
        "os.kill(os.getpid(), 9)",
        "x.1",
    )
    client.wait("r1", lambda r: kernel.is_message(r, "execute_input", "x.1"))
    client.keeper.signal(signal.SIGSTOP)
    while process_state(pid) != "Z":
        time.sleep(0.01)
    assert kernel.text(client.keeper.records("r1"), "x.1") == "", "it was stopped before"
    client.keeper.signal(signal.SIGCONT)
    client.event("r1", "exited")
    text = kernel.text(client.keeper.records("r1"), "x.1")
    assert text.split() == [str(i) for i in range(30)]


def test_a_kernel_that_dies_at_once_is_reported_with_its_stderr_in_its_file(
    client: Client, ipc_kernel: Kernel
) -> None:
    argv = [sys.executable, "-c", "import sys; print('no!', file=sys.stderr); sys.exit(4)"]
    ipc_kernel.request_spawn(client, argv=argv)
    exited = client.event("r1", "exited")
    assert (exited.meta["code"], exited.meta["reason"]) == (4, "exit")
    path = Path(ipc_kernel.stderr)
    assert path.read_text() == "no!\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"argv": ["/nonexistent/python"]}, "ENOENT"),
        ({"cwd": "/nonexistent"}, "ENOENT"),
        ({"argv": ["/etc/passwd"]}, "EACCES"),
        ({"stderr": "/nonexistent/err"}, "ENOENT"),
        ({"argv": ["nul\0"]}, "ValueError"),
    ],
)
def test_what_cannot_be_started_is_refused_by_name(
    client: Client, ipc_kernel: Kernel, fields: dict[str, object], name: str
) -> None:
    reply = ipc_kernel.request_spawn(client, **fields)
    assert (reply["error"], reply["message"].partition(":")[0]) == ("spawn_failed", name)
    assert client.event("r1", "exited").meta["reason"] == "not_started"
    assert ipc_kernel.spawn(client) > 0, "and then it can be started right"


def test_a_kernel_starts_in_a_session_of_its_own_with_nothing_of_ours(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client, env={**os.environ, "MARK": "sesame-93"})
    code = (
        "import json, os\n"
        "facts = [os.getsid(0) == os.getpid(), os.environ['MARK'], os.getcwd(),\n"
        "  os.readlink('/proc/self/fd/0'), os.umask(0o22)]\n"
        "print(json.dumps(facts))"
    )
    ipc_kernel.send(client, code, "x.1")
    ipc_kernel.reply(client, "x.1")
    facts = json.loads(ipc_kernel.text(client.keeper.records("r1"), "x.1"))
    umask = os.umask(0o22)
    os.umask(umask)
    assert facts == [True, "sesame-93", client.keeper.directory, "/dev/null", umask]


def test_no_signal_is_ignored_in_a_kernel_because_it_was_in_the_keeper(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    signals = (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT)
    before = [signal.signal(signum, signal.SIG_IGN) for signum in signals]
    try:
        keeper.start()
    finally:
        for signum, handler in zip(signals, before, strict=True):
            signal.signal(signum, handler)
    argv = ["sh", "-c", "exec sleep 600", ipc_kernel.connection_file]
    pid = ipc_kernel.request_spawn(keeper.connect(), argv=argv)["pid"]
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        assert [s for s in signal.valid_signals() if ignored >> (s - 1) & 1] == []
    finally:
        os.kill(pid, signal.SIGKILL)


def test_the_keeper_raises_its_limit_and_not_its_kernels(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        client = keeper.restart()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    pid = ipc_kernel.spawn(client)
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (256, hard)


def test_the_environments_values_are_nowhere_on_disk(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client, env={**os.environ, "MARK": "sesame-93"})
    client.ask("rotate", runtime="r1")
    keeper = client.keeper
    files = [path for path in Path(keeper.directory).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"sesame-93" in path.read_bytes()]


def test_a_restart_uses_the_environment_in_memory(client: Client, ipc_kernel: Kernel) -> None:
    pid = ipc_kernel.spawn(client, env={**os.environ, "MARK": "sesame-93"})
    assert ipc_kernel.request_spawn(client)["error"] == "already_running"
    assert client.ask("signal", runtime="r1", signum=15, tree=True)["delivered"]
    start = client.event("r1", "exited").end
    assert ipc_kernel.request_spawn(client, env=None)["pid"] != pid
    ipc_kernel.reconnect(client, start)
    assert ipc_kernel.incarnation == 2
    ipc_kernel.send(client, "import os; print(os.environ['MARK'])", "x.1")
    ipc_kernel.reply(client, "x.1")
    assert ipc_kernel.text(client.keeper.records("r1"), "x.1") == "sesame-93\n"


def test_without_a_known_environment_nothing_is_restarted(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client, keep_env=False)
    client.ask("signal", runtime="r1", signum=9, tree=True)
    client.event("r1", "exited")
    assert ipc_kernel.request_spawn(client, env=None)["error"] == "no_environment"


def test_a_signal_to_the_tree_reaches_grandchildren_that_left_the_session(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    code = (
        "import subprocess\n"
        "shell = subprocess.Popen(['sh', '-c', 'setsid sh -c \"echo \\$\\$; exec sleep 600\"'],"
        " stdout=subprocess.PIPE)\n"
        "print(int(shell.stdout.readline()))"
    )
    ipc_kernel.send(client, code, "x.1")
    ipc_kernel.reply(client, "x.1")
    sleeper = psutil.Process(int(ipc_kernel.text(client.keeper.records("r1"), "x.1")))
    assert os.getsid(sleeper.pid) == sleeper.pid
    assert client.ask("signal", runtime="r1", signum=9, tree=True)["delivered"]
    client.event("r1", "exited")
    psutil.wait_procs([sleeper], timeout=10)
    assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE


def test_a_child_that_keeps_the_sockets_open_does_not_hold_up_the_exit(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(600)\nos._exit(5)"
    ipc_kernel.send(client, code, "x.1")
    assert client.event("r1", "exited").meta["code"] == 5


def test_a_dead_process_is_not_signalled(client: Client, ipc_kernel: Kernel) -> None:
    ipc_kernel.spawn(client)
    assert client.ask("signal", runtime="r1", signum=9, tree=False)["delivered"]
    client.event("r1", "exited")
    assert not client.ask("signal", runtime="r1", signum=9, tree=True)["delivered"]


def test_curve_keys_of_the_connection_file_are_used(client: Client, ipc_kernel: Kernel) -> None:
    public, secret = zmq.curve_keypair()
    path = Path(ipc_kernel.connection_file)
    content = json.loads(path.read_text())
    content |= {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}
    path.write_text(json.dumps(content))
    ipc_kernel.spawn(client)
    ipc_kernel.send(client, "print(1)", "x.1")
    assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
    client.wait_heartbeat("r1")
    plain = zmq.Context()
    with plain, plain.socket(zmq.SUB) as eavesdropper:
        eavesdropper.subscribe(b"")
        eavesdropper.connect(f"ipc://{ipc_kernel.prefix}-2")
        ipc_kernel.send(client, "print(2)", "x.2")
        ipc_kernel.reply(client, "x.2")
        assert not eavesdropper.poll(100)


def test_a_heartbeat_is_asked_only_when_somebody_asks(client: Client, kernel: Kernel) -> None:
    pid = kernel.spawn(client)
    client.wait_heartbeat("r1")
    os.kill(pid, signal.SIGSTOP)
    while process_state(pid) != "T":
        time.sleep(0.001)
    stopped = client.ask("probe", runtime="r1", timeout_ms=200)
    assert (stopped["heartbeat"], stopped["state"]) == (False, "T")
    os.kill(pid, signal.SIGCONT)
    assert client.ask("probe", runtime="r1", timeout_ms=10000)["heartbeat"]


def test_a_heartbeat_that_is_bound_later_is_unknown_and_then_missed(
    client: Client, kernel: Kernel
) -> None:
    flag = Path(client.keeper.directory, "flag")
    code = (
        "import json, os, sys, time, zmq\n"
        "c = json.load(open(sys.argv[1])); context = zmq.Context(); sockets = []\n"
        "def bind(name, kind):\n"
        "    s = context.socket(kind); s.linger = 0; sockets.append(s)\n"
        "    s.bind('%s://%s%s%s' % (c['transport'], c['ip'],\n"
        "        ':' if c['transport'] == 'tcp' else '-', c[name + '_port']))\n"
        "    return s\n"
        "for name in ('shell', 'stdin', 'control'): bind(name, zmq.ROUTER)\n"
        "bind('iopub', zmq.PUB)\n"
        "while not os.path.exists(sys.argv[2]): time.sleep(0.005)\n"
        "heartbeat = bind('hb', zmq.REP)\n"
        "while os.path.exists(sys.argv[2]):\n"
        "    if heartbeat.poll(5): heartbeat.send(heartbeat.recv())\n"
        "heartbeat.close()\n"
        "time.sleep(600)\n"
    )
    kernel.spawn(client, argv=[sys.executable, "-c", code, kernel.connection_file, str(flag)])
    assert client.ask("probe", runtime="r1", timeout_ms=10000)["heartbeat"] is None
    flag.touch()
    client.wait_heartbeat("r1")
    flag.unlink()
    deadline = time.monotonic() + 30
    while (reply := client.ask("probe", runtime="r1", timeout_ms=10000))["heartbeat"]:
        assert time.monotonic() < deadline
    assert reply["heartbeat"] is False


def test_public_socket_files_that_another_client_deletes_are_restored(
    client: Client, ipc_kernel: Kernel
) -> None:
    ipc_kernel.spawn(client)
    client.wait_heartbeat("r1")
    public = [Path(f"{ipc_kernel.prefix}-{port}") for port in range(1, 6)]
    for path in public:
        path.unlink()
    reply = client.ask("probe", runtime="r1", timeout_ms=10000)
    assert reply["heartbeat"]
    assert sorted(reply["restored"]) == ["control", "hb", "iopub", "shell", "stdin"]
    assert all(path.is_socket() for path in public)
    client.ask("signal", runtime="r1", signum=9, tree=True)
    client.event("r1", "exited")
    assert not list(Path(client.keeper.directory).rglob("r1-*"))


def test_public_socket_files_that_another_process_binds_are_taken_back(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    """libzmq binds over what it finds: a stranger at the name of a living kernel."""
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    client.wait_heartbeat("r1")
    public = [Path(f"{ipc_kernel.prefix}-{port}") for port in range(1, 6)]
    before = [path.stat().st_ino for path in public]
    with zmq.Context() as context, ExitStack() as strangers:
        for path in public:
            stranger = strangers.enter_context(context.socket(zmq.ROUTER))
            stranger.linger = 0
            stranger.bind(f"ipc://{path}")
        assert all(path.stat().st_ino not in before for path in public)
        end = keeper.end("r1")
        keeper.kill()
        client = keeper.restart()
        ipc_kernel.reconnect(client, end)
        ipc_kernel.send(client, "print(1)", "x.1")
        assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
        reply = client.ask("probe", runtime="r1", timeout_ms=10000)
        assert reply["heartbeat"]
        assert sorted(reply["restored"]) == ["control", "hb", "iopub", "shell", "stdin"]
        assert [path.stat().st_ino for path in public] == before


def test_a_kernel_whose_socket_files_are_gone_is_reached_by_the_next_keeper(
    keeper: Keeper, ipc_kernel: Kernel
) -> None:
    client = keeper.start().connect()
    ipc_kernel.spawn(client)
    for port in range(1, 5):
        Path(f"{ipc_kernel.prefix}-{port}").unlink()
    Path(ipc_kernel.connection_file).unlink()
    end = keeper.end("r1")
    keeper.kill()
    client = keeper.restart()
    ipc_kernel.reconnect(client, end)
    ipc_kernel.send(client, "print(1)", "x.1")
    assert ipc_kernel.reply(client, "x.1")["status"] == "ok"
