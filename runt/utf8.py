"""Text from bytes that somebody gave us: whole, or refused; never with something in its place."""

from __future__ import annotations

from runt.failures import UsageFailure


def decode(text: bytes, source: str, offset: int = 0) -> str:
    """Return the text, which begins at this byte of its source. Raises `UsageFailure`."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise UsageFailure(f"{source} is not UTF-8 (byte {offset + error.start})") from None
