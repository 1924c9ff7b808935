"""From a request to its answer: decode, call the handler, encode. Exceptions end here."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api.errors import ApiError, Internal, InvalidParams, MethodNotFound
from runtimed.wire import jsonrpc

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from runtimed.api.call import Call
    from runtimed.service.binding import BoundHandler, Caller, Handlers

log = logging.getLogger(__name__)

#: Characters of a message that may be the sender's own words.
_DETAIL_CHARS = 500


class Dispatcher:
    """The methods of one service, over the context that its handlers get."""

    def __init__(
        self, context: Any, handlers: Handlers, ready: Sequence[asyncio.Event] = ()
    ) -> None:
        """Nothing is handled before all of ``ready`` are set."""
        self.context = context
        self._ready = ready
        self._methods: dict[str, tuple[msgspec.json.Decoder[Call[Any]], BoundHandler]] = {
            call.method: (msgspec.json.Decoder(call), handler) for call, handler in handlers.items()
        }

    @property
    def calls(self) -> list[type[Call[Any]]]:
        """What can be called."""
        return [decoder.type for decoder, _ in self._methods.values()]

    async def perform(self, call: Call[Any], caller: Caller) -> Any:
        """Return what the call's handler returns. Raises `ApiError`, whatever goes wrong."""
        for event in self._ready:
            await event.wait()
        _, handler = self._methods[call.method]
        try:
            return await handler(self.context, call, caller)
        except ApiError:
            raise
        except Exception:  # noqa: BLE001 - the root of a request's task
            raise log_incident(call.method) from None

    async def handle(self, request: jsonrpc.Request, caller: Caller) -> bytes | None:
        """Return the encoded answer; None for a notification, whatever came of it."""
        for event in self._ready:
            await event.wait()
        try:
            call, handler = self._decode(request)
            result = await handler(self.context, call, caller)
            return None if request.id is None else jsonrpc.encode_result(request.id, result)
        except ApiError as error:
            failure = error
        except Exception:  # noqa: BLE001 - the root of a request's task
            failure = log_incident(request.method)
        return None if request.id is None else jsonrpc.encode_error(request.id, failure)

    def _decode(self, request: jsonrpc.Request) -> tuple[Call[Any], BoundHandler]:
        try:
            decoder, handler = self._methods[request.method]
        except KeyError:
            raise MethodNotFound(detail=request.method[:_DETAIL_CHARS]) from None
        params = b"{}" if request.params is None else request.params
        try:
            return decoder.decode(params), handler
        except msgspec.DecodeError as error:
            if memoryview(params)[0] == ord("["):
                detail = "params must be an object, by name; an array is not taken"
            else:
                detail = str(error)[:_DETAIL_CHARS]
            raise InvalidParams(detail=detail) from None
        except RecursionError:
            raise InvalidParams(detail="they are nested too deeply") from None


def log_incident(method: str) -> Internal:
    """Log the exception at hand under a new id, without the parameters: they may be secret."""
    incident = secrets.token_hex(4)
    log.exception("incident %s: %s failed", incident, method[:_DETAIL_CHARS])
    return Internal(incident=incident)
