"""Ask a Jupyter server: one request, one answer, bounded in time and size.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MAX_BYTES = 4 * 1024 * 1024
CONNECT_S = 3.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what lets us in. ``sock`` is its Unix socket, if it has one."""

    url: str
    base_url: str
    sock: str | None
    token: str = field(repr=False)


def ask(server: Address, method: str, path: str, timeout_s: float) -> bytes | None:
    """Return the content of a server's answer, None if it was refused or did not come in time.

    Redirections are not followed: the token is for nobody else.
    """
    import http.client

    connection = http.client.HTTPConnection("localhost")
    try:
        raw, name = _dial(server)
        connection.sock = raw
        raw.settimeout(timeout_s)
        headers = {"Host": name, "Accept": "application/json", "Connection": "close"}
        if server.token:
            headers["Authorization"] = f"token {server.token}"
        # The socket's own limit is one of each read: a server that trickles would never meet it.
        limit = threading.Timer(timeout_s, _hang_up, (raw,))
        limit.daemon = True
        limit.start()
        try:
            connection.request(method, _prefix(server) + path, headers=headers)
            with connection.getresponse() as response:
                content = response.read(MAX_BYTES + 1)
                is_answer = 200 <= response.status < 300 and len(content) <= MAX_BYTES
        finally:
            limit.cancel()
        return content if is_answer else None
    except (OSError, http.client.HTTPException, ValueError):
        return None  # and nothing of it is logged: an invalid header's error quotes the token
    finally:
        connection.close()


def _hang_up(raw: socket.socket) -> None:
    """End a connection under its reader; an SSLSocket's own shutdown would go on unencrypted."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(raw, socket.SHUT_RDWR)


def _prefix(server: Address) -> str:
    path = server.base_url if server.sock else urlsplit(server.url).path
    return f"/{path.strip('/')}/" if path.strip("/") else "/"


def _dial(server: Address) -> tuple[socket.socket, str]:
    """Connect to a server; return the connection, and the server's name.

    Raises `OSError`, and `ValueError` for an address that is none.
    """
    if server.sock is not None:
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        raw.settimeout(CONNECT_S)
        try:
            raw.connect(server.sock)
        except BaseException:
            raw.close()
            raise
        return raw, "localhost"
    url = urlsplit(server.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"no server's address: {server.url}")
    port = url.port or (443 if url.scheme == "https" else 80)
    raw = socket.create_connection((url.hostname, port), CONNECT_S)
    if url.scheme == "http":
        return raw, url.netloc
    try:
        return _context(url.hostname).wrap_socket(raw, server_hostname=url.hostname), url.netloc
    except BaseException:
        raw.close()
        raise


def _context(hostname: str) -> ssl.SSLContext:
    """Return how to speak TLS: nobody has a certificate for loopback, or comes between there."""
    context = ssl.create_default_context()
    with contextlib.suppress(ValueError):
        if hostname == "localhost" or ipaddress.ip_address(hostname).is_loopback:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    return context
