"""What the daemon can ask, one function an operation."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import zmq

from runtimed.host import Step, passing, process_cpu_ticks, process_state
from runtimed.keeper.confinement import Confinement
from runtimed.keeper.dispatch import Dispatch
from runtimed.keeper.endpoints import CHANNELS, UnusableConnectionFile
from runtimed.keeper.identity import Identity
from runtimed.keeper.recording import Record
from runtimed.keeper.request import Refused
from runtimed.wire.link import Op, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimed.keeper.keeper import Keeper
    from runtimed.keeper.probe import Pulse
    from runtimed.keeper.process import Process
    from runtimed.keeper.request import Request


def perform(keeper: Keeper, request: Request) -> None:
    """Do what is asked and reply, now or later; raises `Refused`."""
    operation = _OPERATIONS.get(str(request.header.get("op")))
    if operation is None:
        raise Refused(Refusal.BAD_REQUEST, f"unknown op {request.header.get('op')!r}")
    if keeper.is_ending and operation in (_spawn, _open, _send):
        raise Refused(Refusal.ENDING, "the keeper is ending")
    operation(keeper, request)


def _spawn(keeper: Keeper, request: Request) -> None:
    argv = request.texts("argv")
    if not argv:
        raise Refused(Refusal.BAD_REQUEST, "argv must not be empty")
    process = keeper.create(request.text("runtime")).spawn(
        argv,
        request.text_or_none("cwd"),
        request.mapping_or_none("env"),
        request.text("connection_file"),
        (request.text_or_none("stdout"), request.text_or_none("stderr")),
        keep_environment=request.flag("keep_env"),
        confinement=Confinement(
            scope_argv=request.texts("scope") if "scope" in request.header else (),
            runtime_dir=request.text_or_none("runtime_dir"),
            memory_bytes=request.number_or_none("memory_bytes"),
            tasks=request.number_or_none("tasks"),
        ),
    )
    request.reply({"pid": process.pid, "start_time": process.identity.start_time})


def _open(keeper: Keeper, request: Request) -> None:
    pid = request.number_or_none("pid")
    identity = None if pid is None else Identity.of(pid)
    expected = request.number_or_none("start_time")
    if pid is not None and (
        identity is None or (expected is not None and identity.start_time != expected)
    ):
        raise Refused(Refusal.CONNECT_FAILED, f"there is no such process: {pid}")
    channels = request.texts("channels")
    if not channels or not set(channels) <= set(CHANNELS):
        raise Refused(Refusal.BAD_REQUEST, f"channels must be of {', '.join(CHANNELS)}")
    runtime = keeper.create(request.text("runtime"))
    runtime.open(
        request.text("connection_file"),
        identity,
        request.flag("launched"),
        channels,
        ip=request.text_or_none("ip"),
    )
    request.reply({"incarnation": runtime.facts.incarnation})


def _send(keeper: Keeper, request: Request) -> None:
    passing(Step.DISPATCH_RECEIVED)
    channel = request.text("channel")
    if channel not in CHANNELS or channel == "iopub":
        raise Refused(Refusal.BAD_REQUEST, f"nothing can be sent on {channel}")
    if not request.payloads:
        raise Refused(Refusal.BAD_REQUEST, "no frames to send")
    dispatch = Dispatch(
        request.number("incarnation"),
        channel,
        request.payloads,
        request.text_or_none("id"),
        request.flag("secret"),
    )
    runtime = keeper.find(request.text("runtime"))
    runtime.dispatcher.dispatch(dispatch, request.is_wanted, _answer(request, {}))


def _answer(request: Request, more: dict[str, Any]) -> Callable[[dict[str, Any] | Refused], None]:
    def answer(result: dict[str, Any] | Refused) -> None:
        if isinstance(result, Refused):
            request.reply({"error": result.code, "message": str(result)})
        else:
            request.reply({**result, **more})

    return answer


def _interrupt(keeper: Keeper, request: Request) -> None:
    runtime = keeper.find(request.text("runtime"))
    incarnation = request.number("incarnation")
    runtime.check_incarnation(incarnation)
    parent = request.text_or_none("parent")
    if parent is not None and not runtime.facts.is_running(parent):
        request.reply({"delivered": False, "reason": "not_running"})
        return
    signum = request.number_or_none("signal")
    if signum is not None and not _is_signal(signum):
        raise Refused(Refusal.BAD_REQUEST, f"no such signal: {signum}")
    if signum is not None and (runtime.process is None or not runtime.process.signal_group(signum)):
        request.reply({"delivered": False, "reason": "no_process"})
        return
    if not request.payloads:
        delivered = signum is not None
        request.reply({"delivered": delivered, **({} if delivered else {"reason": "nothing"})})
        return
    dispatch = Dispatch(incarnation, "control", request.payloads, request.text_or_none("id"))
    answer = _answer(request, {"delivered": True})
    runtime.dispatcher.dispatch(dispatch, request.is_wanted, answer)


def _is_signal(signum: int) -> bool:
    return signum in signal.valid_signals()


def _signal(keeper: Keeper, request: Request) -> None:
    process = keeper.find(request.text("runtime")).process
    signum = request.number("signum")
    if not _is_signal(signum):
        raise Refused(Refusal.BAD_REQUEST, f"no such signal: {signum}")
    meant = request.number_or_none("pid"), request.number_or_none("start_time")
    if process is None or meant not in ((None, None), _known(process)):
        request.reply({"delivered": False})
        return
    send = process.signal_tree if request.flag("tree") else process.signal_group
    request.reply({"delivered": send(signum)})


def _known(process: Process) -> tuple[int, int]:
    return process.identity.pid, process.identity.start_time


def _keypair(keeper: Keeper, request: Request) -> None:
    public, secret = zmq.curve_keypair()
    request.reply({"public": public.decode(), "secret": secret.decode()})


def _probe(keeper: Keeper, request: Request) -> None:
    runtime = keeper.find(request.text("runtime"))
    process = runtime.process
    is_there = process is not None and process.identity.is_alive()
    found = {
        "state": process_state(process.pid) if process is not None and is_there else None,
        "cpu_ticks": process_cpu_ticks(process.pid) if process is not None and is_there else None,
    }
    try:
        endpoints = runtime.endpoints()
    except UnusableConnectionFile as error:
        request.reply({"heartbeat": False, "reason": str(error), **found})
        return
    restored = endpoints.restore()
    # The heartbeat is often bound by a thread of its own, after we were connected.
    endpoints.keep()

    def answered(pulse: Pulse) -> None:
        heartbeat = runtime.heartbeat(pulse)
        request.reply({"heartbeat": heartbeat, "restored": restored, **found})

    keeper.probe(endpoints, request.number("timeout_ms"), answered)


def _record(keeper: Keeper, request: Request) -> None:
    record = request.text("record")
    if record not in list(Record):
        raise Refused(Refusal.BAD_REQUEST, f"record must be of {', '.join(Record)}")
    session = request.text("session")
    keeper.create(request.text("runtime")).set_recording(record, session)
    request.reply({})


def _forget(keeper: Keeper, request: Request) -> None:
    keeper.forget(request.text("runtime"))
    request.reply({})


def _rotate(keeper: Keeper, request: Request) -> None:
    if not keeper.find(request.text("runtime")).rotate():
        raise Refused(Refusal.JOURNAL_FAILED, "the journal cannot be written")
    request.reply({})


def _stop(keeper: Keeper, request: Request) -> None:
    request.reply({})
    keeper.stop(with_kernels=request.flag("kernels"))


_OPERATIONS: dict[str, Callable[[Keeper, Request], None]] = {
    Op.SPAWN: _spawn,
    Op.OPEN: _open,
    Op.SEND: _send,
    Op.INTERRUPT: _interrupt,
    Op.SIGNAL: _signal,
    Op.KEYPAIR: _keypair,
    Op.PROBE: _probe,
    Op.RECORD: _record,
    Op.FORGET: _forget,
    Op.ROTATE: _rotate,
    Op.STOP: _stop,
}
