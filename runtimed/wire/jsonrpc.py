"""JSON-RPC 2.0, one message a line (https://www.jsonrpc.org/specification).

Ids are kept as the bytes that came, so that every id is echoed as it was: ``1e999``, a number of a
thousand digits, an escaped string.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from msgspec import UNSET, Raw, UnsetType

from runtimed.api.errors import ApiError, InvalidRequest, ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BATCH = 10_000
NULL_ID = Raw(b"null")
#: A line that only the standard library's parser takes is looked at again up to this length.
_DIAGNOSED_BYTES = 1024 * 1024
#: Characters of an error's detail that quote what came.
_QUOTED_CHARS = 200


@dataclass(slots=True, frozen=True)
class Request:
    """A call to make. A notification has no id, and is never answered."""

    method: str
    params: Raw | None
    id: Raw | None


@dataclass(slots=True, frozen=True)
class Refused:
    """A member of a message that is no request, and the error that answers it."""

    error: ApiError
    id: Raw


@dataclass(slots=True, frozen=True)
class Message:
    """What one line holds. The answers of a batch go into one line as well."""

    members: Sequence[Request | Refused]
    is_batch: bool = False


class _Envelope(msgspec.Struct):
    jsonrpc: Raw | UnsetType = UNSET
    method: Raw | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


_envelopes = msgspec.json.Decoder(_Envelope)
_batches = msgspec.json.Decoder(list[Raw])
_strings = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def decode(line: bytes, max_batch: int = MAX_BATCH) -> Message | None:
    """Return what a line asks for, None if it is blank. Never raises: errors are members."""
    line = line.strip(b" \t\r")
    if not line:
        return None
    try:
        # msgspec passes over the text that it keeps raw. Most lines are ASCII, told at a glance.
        if not line.isascii():
            str(line, "utf-8")
        if line[0] == ord("["):
            return _decode_batch(line, max_batch)
        return Message((_decode_member(line),))
    except UnicodeDecodeError as error:
        return _refuse(ParseError(detail=f"byte {error.start} is not UTF-8"))
    except RecursionError:
        return _refuse(ParseError(detail="it is nested too deeply"))
    except msgspec.DecodeError as error:
        return _decode_surrogates(line, max_batch) or _refuse(ParseError(detail=str(error)))


def _refuse(error: ApiError) -> Message:
    return Message((Refused(error, NULL_ID),))


def _decode_batch(line: bytes, max_batch: int) -> Message:
    if line.count(b",") >= max_batch and _is_longer(line, max_batch):
        detail = f"a batch has at most {max_batch} members, none of this one was executed"
        return _refuse(InvalidRequest(detail=detail))
    members = _batches.decode(line)
    if not members:
        return _refuse(InvalidRequest(detail="the batch is empty"))
    return Message([_decode_member(member) for member in members], is_batch=True)


@cache
def _batches_of(size: int) -> msgspec.json.Decoder[tuple[Raw, ...]]:
    return msgspec.json.Decoder(tuple[(Raw,) * size])  # type: ignore[misc]


def _is_longer(line: bytes, max_batch: int) -> bool:
    """Tell without holding more than a batch's members, and without reading on past those.

    A tuple type stops at the first member too many, where a list would first hold all millions.
    Without its last bracket a batch that fits is an input that ends too early; one that does
    not is refused by the type before its end is met.
    """
    try:
        _batches_of(max_batch).decode(memoryview(line)[:-1])
    except msgspec.ValidationError:
        return True
    except msgspec.DecodeError:
        return False
    return False


def _decode_member(member: bytes | Raw) -> Request | Refused:
    try:
        envelope = _envelopes.decode(member)
    except msgspec.ValidationError:
        error = InvalidRequest(detail=f"{_quote(member)} is not an object")
        return Refused(error, NULL_ID)
    request_id = envelope.id
    if request_id is UNSET:
        answer_id = NULL_ID
    elif bytes(request_id)[0] in b'"-0123456789n':
        answer_id = request_id
    else:
        error = InvalidRequest(detail="id must be a string, a number or null")
        return Refused(error, NULL_ID)
    if envelope.jsonrpc is UNSET or _text(envelope.jsonrpc) != "2.0":
        return Refused(InvalidRequest(detail='jsonrpc must be "2.0"'), answer_id)
    method = None if envelope.method is UNSET else _text(envelope.method)
    if method is None:
        return Refused(InvalidRequest(detail="method must be a string"), answer_id)
    params = None if envelope.params is UNSET else envelope.params
    if params is not None and memoryview(params)[0] not in b"{[":
        return Refused(InvalidRequest(detail="params must be an object"), answer_id)
    return Request(method, params, None if request_id is UNSET else answer_id)


def _text(raw: Raw) -> str | None:
    try:
        return _strings.decode(raw)
    except msgspec.ValidationError:
        return None


def _quote(member: bytes | Raw) -> str:
    return str(memoryview(member)[:_QUOTED_CHARS], "utf-8", "replace")


def _decode_surrogates(line: bytes, max_batch: int) -> Message | None:
    r"""Decode what is JSON but for lone surrogates (``\ud800``), None if that is not it.

    RFC 8259 §8.2 leaves them undefined, and UTF-8 cannot hold them. Members that have them are
    refused under their id; the others of a batch are executed.
    """
    if b"\\ud" not in line.lower() or len(line) > _DIAGNOSED_BYTES:
        return None
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return Message((_decode_loose(found),))
    if len(found) > max_batch:
        return None
    return Message([_decode_loose(member) for member in found], is_batch=True)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _decode_loose(member: Any) -> Request | Refused:
    try:
        return _decode_member(_encode(member))
    except UnicodeEncodeError:
        error = InvalidRequest(detail=r"it has a lone surrogate, such as \ud800: no text")
    request_id = member.get("id") if isinstance(member, dict) else None
    if isinstance(request_id, bool | dict | list):
        request_id = None
    return Refused(error, Raw(json.dumps(request_id).encode("ascii")))


def encode_result(request_id: Raw, result: Any) -> bytes:
    """Return the answer to a request, without a line end.

    Text that is not Unicode (a file name that is not UTF-8, say) has U+FFFD in the place of what
    cannot be sent.
    """
    answer = {"jsonrpc": "2.0", "id": request_id, "result": result}
    try:
        return _encode(answer)
    except UnicodeEncodeError:
        return _encode(answer | {"result": replace_surrogates(msgspec.to_builtins(result))})


def encode_error(request_id: Raw, error: ApiError) -> bytes:
    """Return the answer to a request that failed, without a line end."""
    answer = {"jsonrpc": "2.0", "id": request_id, "error": error.to_wire()}
    try:
        return _encode(answer)
    except UnicodeEncodeError:
        return _encode(answer | {"error": replace_surrogates(error.to_wire())})


def encode_batch(answers: Sequence[bytes]) -> bytes:
    """Return the one line that answers a batch."""
    return b"[" + b",".join(answers) + b"]"


def encode_notification(method: str, params: Any) -> bytes:
    """Return a notification, without a line end. Params that are bytes are JSON already."""
    if isinstance(params, bytes):
        params = Raw(params)
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    try:
        return _encode(message)
    except UnicodeEncodeError:
        return _encode(message | {"params": replace_surrogates(msgspec.to_builtins(params))})


def replace_surrogates(value: Any) -> Any:
    """Return built-in data with U+FFFD for each lone surrogate."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | tuple):
        return [replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {replace_surrogates(key): replace_surrogates(item) for key, item in value.items()}
    return value
