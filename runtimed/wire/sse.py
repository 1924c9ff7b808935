"""Server-sent events: what stands in a `text/event-stream`. No I/O.

The format is HTML's (https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

MEDIA_TYPE = "text/event-stream"
#: A comment: readers ignore it, and whoever carries it sees that the connection lives.
HEARTBEAT = b":\n\n"


def encode_event(data: bytes, *, type: str, id: str) -> bytes:
    """Return one event. Its data may have lines, whose ends are read as LF, whichever they are.

    Raises `ValueError` where a reader would see another type or id than these.
    """
    for value in (type, id):
        if any(character in value for character in "\r\n\0"):
            raise ValueError(f"{value!r} does not fit on a line of an event stream")
    if b"\r" in data:  # a line end of its own here
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = data.replace(b"\n", b"\ndata: ")
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (id.encode(), type.encode(), lines)


def encode_retry(retry_ms: int) -> bytes:
    """Return what tells a reader how long to wait before it connects again."""
    return b"retry: %d\n\n" % retry_ms
