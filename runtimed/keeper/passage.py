"""What a keeper and its successor say to each other, with file descriptors beside it.

Frames are those of `runtimed.wire.link`; S is the successor, P the predecessor::

    S  {"op": "succeed", "pid"}
    P  {"listen": {runtime: {"incarnation", "endpoints", "curve", "launched"}}}    once or more
    S  {"ready": {runtime: {"incarnation", "first"}}}                   after each, with all so far
    P  {"handover": {runtime: {"environment", "has_had_heartbeat"}}}    lock, listening socket
    S  {"accepted": true}
    P  {"go": [runtime, ...], "incarnations": [...]}, per runtime the fingerprints that P has heard
    P  hangs up: it has no connection any more

Up to ``go`` only P writes journals, after it only S. Each may say ``{"refused": sentence}``
instead, and hangs up.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from runtimed.wire import link as codec

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How long the other side may take to read, or to say what it is waited for to say.
PATIENCE_S = 5.0
_READ_BYTES = 2**16
_DESCRIPTORS = 8

Frame = tuple[dict[str, Any], list[bytes]]


class Passage:
    """A connection between two keepers. What waits, waits `PATIENCE_S` and raises OSError."""

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(PATIENCE_S)
        self._stream = stream
        self._decoder = codec.Decoder()
        self.descriptors: list[int] = []
        """What came with the frames so far; to be taken, or closed with `close`."""

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._stream.fileno()

    def send(
        self,
        header: dict[str, Any],
        payloads: Sequence[bytes] = (),
        descriptors: Sequence[int] = (),
    ) -> None:
        """Send a frame. Raises OSError."""
        data = codec.encode(header, payloads)
        if descriptors:
            socket.send_fds(self._stream, [data[:1]], list(descriptors))
            data = data[1:]
        self._stream.sendall(data)

    def receive(self) -> list[Frame]:
        """Return the frames that are complete. Raises EOFError, OSError or `MalformedFrame`."""
        data, descriptors, _, _ = socket.recv_fds(self._stream, _READ_BYTES, _DESCRIPTORS)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self.descriptors += descriptors
        if not data:
            raise EOFError("it has hung up")
        return self._decoder.feed(data)

    def close(self) -> None:
        """Hang up."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []
        self._stream.close()
