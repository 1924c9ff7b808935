"""Who may pass: decided from a request's head alone, without I/O.

A web page in the user's browser can reach every port of the machine. It is kept out three times:
its `Origin` is not ours, the `Host` that it knows us by (after rebinding its DNS name to our
address) is not ours, and it does not have the token. The token also keeps out other local users,
for whom a loopback port is as open as for us.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass

#: What a page of an allowed origin may send and read, beyond what any page may.
_CORS_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_CORS_REQUEST_HEADERS = (
    b"Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, Range, X-Client, "
    b"Mcp-Method, Mcp-Name, MCP-Protocol-Version, Mcp-Session-Id"
)
_CORS_RESPONSE_HEADERS = (
    b"Content-Range, ETag, Link, Location, Mcp-Session-Id, Retry-After, Runt-Status"
)
_CORS_MAX_AGE_S = 600

#: What a client on this machine calls it, also through a port that was forwarded.
LOOPBACK = ("localhost", "127.0.0.1", "::1")

#: A name or an address, and its port (RFC 9112 §3.2).
_HOST = re.compile(r"(?:(?P<name>[^\[\]:]+)|\[(?P<address>[^\[\]]+)\])(?::\d{0,5})?")

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, repr=False)  # its repr would have the token
class Rules:
    """What is let through. ``origins`` are pages' own, such as ``https://notebook.example``."""

    token: str
    hosts: frozenset[str]
    #: Listening on all addresses: each may be asked for, a name must be among ``hosts``.
    any_address: bool = False
    origins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in the place of the daemon's."""

    status: int
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def judge_version(http_version: str) -> Refusal | None:
    """Return why a request is not understood. What follows it may not be framed as we think."""
    if http_version in ("1.0", "1.1"):
        return None
    detail = f"HTTP/{http_version} is not spoken here; HTTP/1.1 is"
    return Refusal(505, detail, ((b"connection", b"close"),))


def judge(rules: Rules, raw_path: bytes, headers: Headers) -> Refusal | None:
    """Return why a request does not pass, None if it does."""
    if not raw_path.startswith(b"/"):
        return Refusal(400, "a request names a path here; this is no proxy to other places")
    if not _is_our_host(rules, _values(headers, b"host")):
        return Refusal(421, "this is not the Host that is served; --allow-host adds a name")
    if origins := _values(headers, b"origin"):
        if not _is_allowed(rules, origins):
            return Refusal(403, "pages of this Origin are not served; --allow-origin lets one in")
    return None


def judge_token(rules: Rules, headers: Headers) -> Refusal | None:
    """Return why a request that passed `judge` has no right to an answer, None if it has."""
    given = _values(headers, b"authorization")
    challenge = b'Bearer realm="runtimed"'
    if not given:
        detail = "a bearer token is needed; `runt serve --print-token` prints it"
        return Refusal(401, detail, ((b"www-authenticate", challenge),))
    scheme, _, token = given[0].partition(b" ")
    # Compared whatever came before it, in a time that does not depend on where they differ.
    is_right = hmac.compare_digest(token.strip(b" "), rules.token.encode("ascii"))
    if is_right and scheme.lower() == b"bearer" and len(given) == 1:
        return None
    challenge += b', error="invalid_token"'
    return Refusal(401, "this is not the bearer token", ((b"www-authenticate", challenge),))


def cors_headers(rules: Rules, headers: Headers) -> Headers:
    """Return what lets a page of an allowed origin read the answer."""
    if not rules.origins:
        return []
    found: Headers = [(b"vary", b"Origin")]
    if (origins := _values(headers, b"origin")) and _is_allowed(rules, origins):
        found += [
            (b"access-control-allow-origin", origins[0]),
            (b"access-control-expose-headers", _CORS_RESPONSE_HEADERS),
        ]
    return found


def is_preflight(method: str, headers: Headers) -> bool:
    """Say whether a browser asks what a page may send. It has no token for that."""
    asked = _values(headers, b"access-control-request-method")
    return method == "OPTIONS" and bool(asked) and bool(_values(headers, b"origin"))


def preflight_headers() -> Headers:
    """Return the answer to a browser that asks so for an allowed origin, beside `cors_headers`."""
    return [
        (b"access-control-allow-methods", _CORS_METHODS),
        (b"access-control-allow-headers", _CORS_REQUEST_HEADERS),
        (b"access-control-max-age", b"%d" % _CORS_MAX_AGE_S),
    ]


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _is_allowed(rules: Rules, origins: list[bytes]) -> bool:
    return len(origins) == 1 and origins[0].decode("latin-1") in rules.origins


def _is_our_host(rules: Rules, values: list[bytes]) -> bool:
    """Compare names only: behind a forwarded port, the client knows another number."""
    if len(values) != 1:
        return False
    host = host_name(values[0].decode("latin-1"))
    if host and host in rules.hosts:
        return True
    # A page's DNS name can be bound to any address; an address is what it says.
    return rules.any_address and _is_address(host)


def host_name(host: str) -> str:
    """Return the host without its port, brackets and capitals; nothing if it is none."""
    match = _HOST.fullmatch(host.strip().lower())
    return (match["name"] or match["address"]) if match else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
