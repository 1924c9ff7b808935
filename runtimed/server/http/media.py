"""Which media type is wanted, and which one came (RFC 9110 §8.3, §12.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtimed.api.errors import RequestTooLarge
from runtimed.server.http.messages import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimed.server.http.messages import Request

JSON = "application/json"


def choose(accept: str | None, offers: Sequence[str]) -> str:
    """Return the offer that is wanted most, of equals the first. Raises `HttpError` 406."""
    if accept is None or not accept.strip():
        return offers[0]
    wanted = [_parse(part) for part in accept.split(",") if part.strip()]
    best, best_q = "", 0.0
    for offer in offers:
        # The most specific range that an offer is in says how much it is wanted.
        matching = [(spec, q) for media, spec, q in wanted if _is_in(offer, media)]
        q = max(matching)[1] if matching else 0.0
        if q > best_q:
            best, best_q = offer, q
    if not best:
        raise HttpError(406, f"this is to be had as {' or '.join(offers)}")
    return best


def _parse(part: str) -> tuple[str, int, float]:
    """Return the media range, how specific it is, and its weight."""
    media, *parameters = [piece.strip() for piece in part.lower().split(";")]
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return media, 2 - media.count("*"), weight


def _is_in(offer: str, media: str) -> bool:
    return media in ("*/*", offer, f"{offer.partition('/')[0]}/*")


def check_body(request: Request, *, is_needed: bool, most_bytes: int) -> None:
    """Look at a body's headers before it is read. Raises `HttpError` or `RequestTooLarge`."""
    length = request.header("content-length")
    is_chunked = request.header("transfer-encoding") is not None
    if is_needed and length is None and not is_chunked:
        raise HttpError(411, "the parameters belong into a JSON object in the body; there is none")
    if length is not None and int(length) > most_bytes:  # h11 has seen to it that it is a number
        raise RequestTooLarge(detail=f"a body has at most {most_bytes} bytes")
    if not is_chunked and length in (None, "0"):
        return
    if (request.header("content-encoding") or "identity").lower() != "identity":
        raise HttpError(415, "the body must not be compressed", ("Accept-Encoding", "identity"))
    media = (request.header("content-type") or JSON).partition(";")[0].strip().lower()
    if media != JSON:
        detail = f"the body must be {JSON}, not {media[:100]}; curl --json sends it so"
        raise HttpError(415, detail, ("Accept", JSON))
