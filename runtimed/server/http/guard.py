"""What is refused before anybody looks at the path.

The socket is its owner's alone, but a program of the owner's may pass on what a web page sends (a
browser extension, a proxy of one's own): pages say so, in headers that they cannot leave out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runtimed.api.daemon import AGENT_PATTERN
from runtimed.server.http.messages import HttpError

if TYPE_CHECKING:
    from runtimed.server.http.messages import Request

#: What a client may call a service at a Unix socket; curl wants a name in the address.
_HOST = re.compile(r"(?:(?:runtimed|localhost)(?::\d{1,5})?)?", re.IGNORECASE)
#: Verbs that some path may have.
VERBS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST")
#: In which a client says which agent it works for, as others do in `daemon.hello`.
AGENT_HEADER = "runtimed-agent"
#: Verbs that none has, though they are HTTP's.
_OTHERS = ("CONNECT", "PUT", "QUERY", "TRACE")


def check(request: Request) -> None:
    """Raise `HttpError` for a request that is not for us, or not its owner's own."""
    if request.http_version not in ("1.0", "1.1"):
        raise HttpError(505, f"HTTP/{request.http_version} is not spoken here; HTTP/1.1 is")
    if request.verb not in (*VERBS, *_OTHERS):
        raise HttpError(501, f"{request.verb[:50]} is no verb that is known here")
    if request.verb in ("CONNECT", "TRACE"):
        raise HttpError(405, f"{request.verb} is not for this service", ("Allow", ", ".join(VERBS)))
    if not request.target.startswith("/") and request.target != "*":
        raise HttpError(400, "this is no proxy: the target must be a path, such as /v0/runtimes")
    host = request.header("host") or ""
    if _HOST.fullmatch(host) is None:
        detail = f"Host is {host[:100]!r}; this service is called runtimed, or localhost"
        raise HttpError(421, detail)
    _check_page(request)


def agent_of(request: Request) -> str | None:
    """Return the agent that the client works for, if it says so. Raises `HttpError`."""
    agent = request.header(AGENT_HEADER)
    if agent is not None and re.fullmatch(AGENT_PATTERN, agent) is None:
        detail = "letters, digits, dot, hyphen and underscore, 64 at most"
        raise HttpError(400, f"{AGENT_HEADER} is {agent[:100]!r}; an agent's name has {detail}")
    return agent


def _check_page(request: Request) -> None:
    for name in ("origin", "referer"):
        if request.header(name) is not None:
            raise HttpError(403, f"a web page's request is refused: it has {name.capitalize()}")
    site = request.header("sec-fetch-site")
    if site is not None and site != "none":
        raise HttpError(403, "a web page's request is refused: it has Sec-Fetch-Site")
