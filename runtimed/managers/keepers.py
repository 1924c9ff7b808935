"""A keeper, asked without a daemon: whether it answers at all, and to end its kernels."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

from runtimed.managers.failures import ServiceFailure
from runtimed.wire import link
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from runtimed.paths import State

#: A keeper answers at once, unless it is taking over, or the machine is very busy.
PATIENCE_S = 10.0
_READ_BYTES = 2**16
#: How often to knock where too many wait already.
_KNOCK_S = 0.05


def hangs(state: State, timeout_s: float = PATIENCE_S) -> bool:
    """Return whether there is a keeper that does not answer; the daemon's link stays as it is.

    Whoever has not said hello is refused and hung up on, and so no daemon is fenced by this.
    """
    try:
        with _connected(state, timeout_s) as stream:
            stream.sendall(link.encode({"op": "are you there", "n": 1}))
            _answer(stream)
    except TimeoutError:
        return True
    except OSError:
        pass  # none listens: it begins, or ends, or there is none
    return False


def end_kernels(state: State, timeout_s: float = PATIENCE_S) -> None:
    """Have a keeper end all kernels that it has started, and leave; what becomes of them is on the
    record when a daemon reads its journals.

    The daemon, if there is one, is fenced. Raises `ServiceFailure` if the keeper does not answer.
    """
    try:
        with _connected(state, timeout_s) as stream:
            for number, header in enumerate(
                ({"op": Op.HELLO, "pid": os.getpid()}, {"op": Op.STOP, "kernels": True}), 1
            ):
                stream.sendall(link.encode({**header, "n": number}))
                _answer(stream)
    except (OSError, link.MalformedFrame) as error:
        raise ServiceFailure(
            f"the keeper does not answer ({error}); `runt service restart` replaces it"
        ) from None


def _connected(state: State, timeout_s: float) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout_s
    try:
        stream.settimeout(timeout_s)
        while True:
            try:
                stream.connect(state.keeper_socket)
            except BlockingIOError:  # at once, where too many wait there already (connect(2))
                if time.monotonic() > deadline:
                    raise TimeoutError("timed out") from None
                time.sleep(_KNOCK_S)
            else:
                return stream
    except OSError:
        stream.close()
        raise


def _answer(stream: socket.socket) -> dict[str, Any]:
    """Return the header of the next frame. Raises `OSError` or `MalformedFrame`."""
    decoder = link.Decoder()
    while data := stream.recv(_READ_BYTES):
        for header, _ in decoder.feed(data):
            return header
    raise ConnectionResetError("it has hung up")
