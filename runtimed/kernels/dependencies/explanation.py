"""Why an environment was not built, in one sentence, from what the installer wrote."""

from __future__ import annotations

import re

_UNREACHABLE = re.compile(
    r"NameResolutionError|Temporary failure in name resolution|Name or service not known"
    r"|nodename nor servname|Failed to establish a new connection|Connection refused"
    r"|Network is unreachable|No route to host|ConnectTimeoutError|ReadTimeoutError|timed out"
    r"|after connection broken by|ProxyError|error sending request|dns error"
    r"|tcp connect error|Could not fetch URL|Could not connect"
)
_WHERE = re.compile(r"https?://[^\s'\"`,)]+|host='(?P<host>[^']+)'")
_OFFLINE = re.compile(r"network (?:was|is) disabled|when network is disabled", re.IGNORECASE)
_NO_VERSION = re.compile(
    r"No matching distribution found for (?P<pip>[^\n]+)"
    r"|Because (?P<uv>\S+) was not found in the (?:package registry|provided package locations)"
    r"|there (?:is|are) no versions? of (?P<uv_version>\S+)"
)
_CONFLICT = re.compile(r"ResolutionImpossible|conflicting dependenc")
_BECAUSE = re.compile(r"Because (?:.+\n?)+")
_NO_ENSUREPIP = re.compile(r"ensurepip is not available|No module named ensurepip|python3?-venv")
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded")
_NOT_BUILT = re.compile(
    r"Failed to build (?:installable wheels for some pyproject\.toml based projects )?\(?[`']?"
    r"(?P<name>[A-Za-z0-9._-]+)|Failed building wheel for (?P<wheel>[A-Za-z0-9._-]+)"
)
_TAIL_LINES = 30
_SENTENCE_CHARS = 300
#: Up to the last @ of the host's part: a password may have one, written as it is.
_SECRET = re.compile(r"(https?://)[^/\s]+@")


def sentence(log: str) -> str:
    """Return what went wrong."""
    if _NO_ROOM.search(log):
        return "there is no room left on the disk"
    if _OFFLINE.search(log):
        return "the installer is set not to use the network, and has not all that is wanted"
    if _UNREACHABLE.search(log):
        return f"the package index is not to be reached{_place(log)}"
    if built := _NOT_BUILT.search(log):
        name = built["name"] or built["wheel"]
        return f"{name} has no ready-made package for this Python, and could not be compiled"
    if _CONFLICT.search(log):
        return "these packages do not go together: " + _last_line(log)
    if missing := _NO_VERSION.search(log):
        what = missing["pip"] or missing["uv"] or missing["uv_version"]
        return f"the package index has nothing that fits: {what.strip()}"
    if because := _BECAUSE.search(log):
        return "these packages do not go together: " + _on_one_line(because[0])
    if _NO_ENSUREPIP.search(log):
        return (
            "this Python cannot make virtual environments; install its venv package "
            "(Debian: python3-venv), or uv"
        )
    return _last_line(log) or "the installer failed and said nothing"


def _place(log: str) -> str:
    if found := _WHERE.search(log):
        return f" ({found['host'] or without_secrets(found[0])})"
    return ""


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return _on_one_line((errors or lines or [""])[-1])


def _on_one_line(text: str) -> str:
    line = without_secrets(" ".join(text.split()))
    return line if len(line) <= _SENTENCE_CHARS else line[: _SENTENCE_CHARS - 1] + "…"


def tail(log: str) -> str:
    """Return the end of the log, without passwords in addresses."""
    return without_secrets("\n".join(log.splitlines()[-_TAIL_LINES:]))


def without_secrets(text: str) -> str:
    """Return the text without the user and password of an index."""
    return _SECRET.sub(r"\1", text)
