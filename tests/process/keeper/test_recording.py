"""What others run in a kernel is written down as far as it may be: looked up in the very bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.keeper.headers import content_index, header_of, parent_of, status_of
from runtimed.wire.journal import Kind
from tests.harness.adopted import other_client
from tests.harness.keeper import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

    from runtimed.wire.journal import Record
    from tests.harness.keeper import Client, Keeper, Kernel

SECRET = "sesame-93"
# In the code, in a stream, in a display and its buffer, in the result, and in an error.
CODE = f"""
print({SECRET!r})
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, 'comm_msg', {{'data': {SECRET!r}}},
    parent=kernel.get_parent(), buffers=[{SECRET.encode()!r}])
display({SECRET!r})
raise ValueError({SECRET!r})
"""
WHOLE = {"status", "execute_input", "stream", "comm_msg", "display_data", "error"}


@pytest.fixture
def spawned(client: Client, ipc_kernel: Kernel) -> Kernel:
    ipc_kernel.spawn(client)
    return ipc_kernel


@pytest.fixture
def other(spawned: Kernel) -> Iterator[BlockingKernelClient]:
    with other_client(spawned) as other:
        yield other


def set_recording(client: Client, kernel: Kernel, record: str) -> None:
    answer = client.ask(
        "record", runtime=kernel.runtime, record=record, session=kernel.session.session
    )
    assert "error" not in answer


def run_as_another(client: Client, other: BlockingKernelClient) -> list[Record]:
    """Execute the code as somebody else; return what was journaled of it."""
    start = client.keeper.end("r1")
    request = other.execute(CODE)

    def is_idle(record: Record) -> bool:
        status = status_of(record.frames) if record.kind == Kind.RECV else None
        return status is not None and (status.parent.msg_id, status.state) == (request, "idle")

    client.wait("r1", is_idle, start)
    records = [r for r in client.keeper.records("r1", start) if r.kind == Kind.RECV]
    return [r for r in records if (p := parent_of(r.frames)) and p.msg_id == request]


def types(records: list[Record]) -> list[str]:
    return [header.msg_type for r in records if (header := header_of(r.frames))]


def is_anywhere(keeper: Keeper, text: str) -> bool:
    files = [path for path in Path(keeper.directory, "s").rglob("*") if path.is_file()]
    assert files
    return any(text.encode() in path.read_bytes() for path in files)


def test_the_work_of_others_is_written_down_whole_if_nothing_else_is_said(
    client: Client, spawned: Kernel, other: BlockingKernelClient
) -> None:
    records = run_as_another(client, other)
    assert types(records)[0] == types(records)[-1] == "status"
    assert set(types(records)) == WHOLE
    assert all(spawned.received(record) for record in records), "signed by the kernel"
    assert is_anywhere(client.keeper, SECRET)


def test_metadata_is_that_something_ran_and_when(
    client: Client, spawned: Kernel, other: BlockingKernelClient
) -> None:
    set_recording(client, spawned, "metadata")
    records = run_as_another(client, other)
    assert set(types(records)) == WHOLE
    for record in records:
        content = content_index(record.frames)
        assert content is not None
        if status_of(record.frames) is not None:
            assert spawned.received(record)["content"]["execution_state"] in ("busy", "idle")
        else:
            assert record.meta["redacted"] is True
            assert bytes(record.frames[content]) == b"{}"
            assert bytes(record.frames[content - 4]) == b"", "with the key it could be guessed"
            assert len(record.frames) == content + 1, "no buffers"
    assert not is_anywhere(client.keeper, SECRET)


def test_where_it_is_off_only_the_state_is_written(
    client: Client, spawned: Kernel, other: BlockingKernelClient
) -> None:
    set_recording(client, spawned, "off")
    records = run_as_another(client, other)
    assert types(records) == ["status", "status"]
    assert not is_anywhere(client.keeper, SECRET)


@pytest.mark.parametrize("record", ["metadata", "off"])
def test_ours_is_written_whatever_is_written_of_others(
    client: Client, spawned: Kernel, other: BlockingKernelClient, record: str
) -> None:
    set_recording(client, spawned, record)
    run_as_another(client, other)
    spawned.send(client, "print('ours')", "x.1")
    spawned.reply(client, "x.1")
    client.wait("r1", lambda r: spawned.is_message(r, "stream", "x.1"))
    assert spawned.text(client.keeper.records("r1"), "x.1") == "ours\n"


def test_it_holds_while_no_daemon_is_there_and_for_the_next_keeper(
    client: Client, spawned: Kernel, other: BlockingKernelClient
) -> None:
    keeper = client.keeper
    set_recording(client, spawned, "off")
    client.ask("rotate", runtime="r1")
    end = keeper.end("r1")
    keeper.kill()
    client = keeper.restart()
    spawned.reconnect(client, end)
    assert types(run_as_another(client, other)) == ["status", "status"]
    assert not is_anywhere(keeper, SECRET)
    set_recording(client, spawned, "all")
    assert "stream" in types(run_as_another(client, other))
    assert is_anywhere(keeper, SECRET)


def test_it_may_be_said_before_the_runtime_is_opened_and_is_journaled_once(
    client: Client, ipc_kernel: Kernel
) -> None:
    for _ in range(2):
        set_recording(client, ipc_kernel, "off")
    assert events(client.keeper.records("r1")) == ["segment", "recording"]
    recording = client.event("r1", "recording").meta
    assert (recording["record"], recording["session"]) == ("off", ipc_kernel.session.session)
    ipc_kernel.spawn(client)
    with other_client(ipc_kernel) as other:
        assert types(run_as_another(client, other)) == ["status", "status"]


def test_nothing_else_can_be_asked_for(client: Client) -> None:
    answer = client.ask("record", runtime="r1", record="some", session="s")
    assert answer["error"] == "bad_request"
    assert "r1" not in client.hello()["runtimes"]
