"""The door of the socket: who may come in, and which protocol they speak."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from runtimed.api.errors import ApiError, Denied, ParseError
from runtimed.server.connection import JsonRpcConnection
from runtimed.server.farewell import Farewell
from runtimed.wire import jsonrpc

if TYPE_CHECKING:
    from runtimed.server.hall import Hall

_WHITESPACE = b" \t\r\n"
_HTTP_VERBS = tuple(
    f"{verb} ".encode()
    for verb in "GET POST PUT HEAD DELETE PATCH OPTIONS CONNECT TRACE QUERY".split()
)
#: A verb that is none of HTTP's, in what looks like it: that is answered in HTTP.
_OTHER_VERB = re.compile(rb"[A-Za-z]{1,20} /")
_BEGINS_A_VERB = re.compile(rb"[A-Za-z]{1,20} ?")
_TLS_HANDSHAKE = b"\x16"
_HTTP2_PREFACE = b"PRI * HTTP/2"
_LSP_HEADER = b"content-length:"


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as it was when it connected."""

    uid: int
    pid: int | None


def peer_of(sock: socket.socket) -> Peer:
    """Return who connected (unix(7) SO_PEERCRED, macOS's LOCAL_PEERCRED)."""
    if sys.platform == "darwin":
        sol_local, local_peercred, local_peerpid = 0, 1, 2
        _, uid = struct.unpack_from("2I", sock.getsockopt(sol_local, local_peercred, 76))
        (pid,) = struct.unpack("i", sock.getsockopt(sol_local, local_peerpid, 4))
        return Peer(uid, pid or None)
    pid, uid, _ = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    # 0: a process of another pid namespace.
    return Peer(uid, pid or None)


class Door(asyncio.Protocol):
    """The first protocol of a connection: the first bytes decide which one takes over."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._begin = b""
        self._peer_has_ended = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._hall.enter(self._transport)
        try:
            self._peer = peer_of(transport.get_extra_info("socket"))
        except OSError:  # macOS tells nothing about a peer that has gone already
            self._transport.abort()
            return
        if self._hall.is_stopping:
            self._transport.close()
        elif self._peer.uid not in (os.geteuid(), 0):
            self._refuse(Denied(detail=f"this service is of uid {os.geteuid()} alone"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._decided()
        self._hall.leave(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            # Who has said nothing may stay silent; who has begun has to say what it is.
            loop, wait_s = asyncio.get_running_loop(), self._hall.limits.http_head_s
            self._timer = loop.call_later(wait_s, self._took_too_long)
        self._begin = (self._begin + data).lstrip(_WHITESPACE)
        self._decide()

    def eof_received(self) -> bool:
        if not self._begin:
            return False
        self._peer_has_ended = True
        self._decide()
        return True

    def _decide(self) -> None:
        begin = self._begin
        if not begin:
            return
        if begin[:1] in (b"{", b"["):
            self._decided()
            JsonRpcConnection.take_over(
                self._transport, self._hall, self._peer.uid, self._peer.pid, begin
            )
        elif begin.startswith(_HTTP_VERBS) or _OTHER_VERB.match(begin):
            self._decided()
            self._take_http()
        elif self._peer_has_ended or not _may_become_known(begin):
            self._refuse(ParseError(detail=_name_of(begin)))

    def _take_http(self) -> None:
        # Not before somebody speaks HTTP: nobody else needs what it imports.
        from runtimed.server.http.connection import HttpConnection

        HttpConnection.take_over(
            self._transport, self._hall, self._peer, self._begin, ended=self._peer_has_ended
        )

    def _took_too_long(self) -> None:
        wait_s = self._hall.limits.http_head_s
        detail = f"{wait_s:g} s after the first byte it was not known what is spoken"
        self._refuse(ParseError(detail=detail))

    def _decided(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _refuse(self, error: ApiError) -> None:
        self._decided()
        self._say(jsonrpc.encode_error(jsonrpc.NULL_ID, error) + b"\n")

    def _say(self, words: bytes) -> None:
        Farewell.take_over(self._transport, self._hall, words, peer_has_ended=self._peer_has_ended)


def _may_become_known(begin: bytes) -> bool:
    if _BEGINS_A_VERB.fullmatch(begin):
        return True
    known = (_HTTP2_PREFACE, _LSP_HEADER)
    return any(len(begin) < len(word) and word.startswith(begin) for word in known)


def _name_of(begin: bytes) -> str:
    """Return what a peer probably speaks that begins so, and what is spoken here."""
    if begin.startswith(_TLS_HANDSHAKE):
        spoken = "this looks like TLS"
    elif begin.startswith(_HTTP2_PREFACE):
        spoken = "this looks like HTTP/2"
    elif begin[: len(_LSP_HEADER)].lower() == _LSP_HEADER:
        spoken = "this looks like the framing of language servers"
    else:
        spoken = f"it begins with {begin[:20]!r}"
    return (
        f"{spoken}; HTTP/1.1 is spoken here, and JSON-RPC 2.0, one message a line without a header"
    )
