"""From a journal record to what the intake takes in: verified, parsed, large values as blobs.

This may run in a thread, as hashing and writing tens of megabytes must not hold the loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtimed.kernels.messages import BadMessage, Message, Signer
from runtimed.model.outputs import OUTPUT_MESSAGES, Operation, operation
from runtimed.store.blobs import is_escaped
from runtimed.wire.journal import Kind

if TYPE_CHECKING:
    from runtimed.store.blobs import Blobs
    from runtimed.wire.journal import Record

#: A stream's text is stored in pieces of at most so many characters: no event is huge.
STREAM_PIECE_CHARS = 64 * 1024


@dataclass(slots=True)
class Prepared:
    """A record, ready to be taken in. ``blobs`` are (SHA-256, bytes), written already.

    ``output_bytes`` is how much output the kernel has sent with it.
    """

    record: Record
    message: Message | None = None
    operations: list[Operation] = field(default_factory=list)
    blobs: list[tuple[str, int]] = field(default_factory=list)
    bad: str | None = None
    output_bytes: int = 0


def is_large(record: Record, limit_bytes: int) -> bool:
    """Say whether preparing the record takes long enough to leave the loop for it."""
    return record.kind == Kind.RECV and record.end - record.offset > limit_bytes


def prepare(record: Record, signer: Signer, blobs: Blobs) -> Prepared:
    """Prepare one record. Raises `StoreUnavailable` where a blob cannot be written."""
    prepared = Prepared(record)
    if record.kind != Kind.RECV:
        return prepared
    is_redacted = bool(record.meta.get("redacted"))
    try:
        message = signer.parse(record.frames, is_redacted=is_redacted)
    except BadMessage as error:
        prepared.bad = str(error)
        return prepared
    prepared.message = message
    is_output = record.meta.get("c") == "iopub" and message.msg_type in OUTPUT_MESSAGES
    if is_output and not is_redacted:
        op = operation(message.msg_type, message.content)
        prepared.output_bytes = message.size_bytes
        _store_values(op, blobs, prepared, of_any_size=is_large(record, blobs.limit_bytes))
        if message.buffers:
            op["buffers"] = [blobs.buffer(data) for data in message.buffers]
            prepared.blobs += [(ref["blob"], ref["size_bytes"]) for ref in op["buffers"]]
        prepared.operations = _in_pieces(op)
        message.content = {}
    message.buffers = []
    return prepared


def _store_values(op: Operation, blobs: Blobs, prepared: Prepared, *, of_any_size: bool) -> None:
    """Replace values of the operation's mimebundle by references: large ones, and look-alikes."""
    bundle: dict[str, Any] | None = op.get("data") or op.get("output", {}).get("data")
    for mime, value in (bundle or {}).items():
        if not of_any_size and not is_escaped(value):
            continue
        reference = blobs.reference(mime, value)
        if reference is not None and bundle is not None:
            bundle[mime] = reference
            prepared.blobs.append((reference["blob"], reference["size_bytes"]))


def _in_pieces(op: Operation) -> list[Operation]:
    if op["op"] != "stream" or len(op["text"]) <= STREAM_PIECE_CHARS:
        return [op]
    text = op["text"]
    return [
        {**op, "text": text[start : start + STREAM_PIECE_CHARS]}
        for start in range(0, len(text), STREAM_PIECE_CHARS)
    ]
