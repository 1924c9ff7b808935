"""Handler of ``execution.render``: what an execution has put out, as text that fits."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from runtimed.api.rendering import ExecutionRender, ImageRef, Raised, Rendered
from runtimed.api.types import Input
from runtimed.kernels.documents import gap_document, outputs_removed
from runtimed.model.ids import short
from runtimed.model.text import lies_elsewhere, shortened
from runtimed.service import rendering
from runtimed.service.binding import Caller, serves
from runtimed.service.executions import waited
from runtimed.service.references import find_execution
from runtimed.store import events
from runtimed.store.blobs import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runtimed.model.bounded import Bounded
    from runtimed.model.outputs import Operation
    from runtimed.model.rendering.images import Image
    from runtimed.model.rendering.render import Rendered as Text
    from runtimed.model.rendering.render import Ways
    from runtimed.service.context import Context
    from runtimed.store.blobs import Blobs
    from runtimed.store.db import Connection

#: Characters of images that one answer carries; what is over that is named.
_IMAGE_CHARS = 8 * 1024 * 1024
#: So many images are in one answer, and one that is only named; so many sentences.
_MOST_IMAGES = 50
_MOST_OMITTED = 20
#: Bytes of blobs that are read for one text.
_BLOB_BYTES = 16 * 1024 * 1024
_JSON_WEIGHT = 8
_MIME = re.compile(r"[\w.+-]{1,30}/[\w.+-]{1,60}", re.ASCII)
#: Where an image says how large it is; JPEG keeps that behind whatever a camera has to say.
_HEADER_BYTES, _JPEG_HEADER_BYTES = 64, 512 * 1024


@serves(ExecutionRender)
async def execution_render(context: Context, call: ExecutionRender, caller: Caller) -> Rendered:
    row = find_execution(context, call.execution)
    row = await waited(context, row, call.wait_s, caller)
    # It may end meanwhile: no more is said of it than is shown.
    row = copy.copy(row)
    found = context.store.read(events.few_operations, row.id)

    def shown(check: Callable[[], None]) -> tuple[Bounded, Text]:
        if found is not None:
            return _shown(found, call, context.blobs, short(row.id), check)

        def read(db: Connection) -> tuple[Bounded, Text]:
            operations = events.operations(db, row.id)
            return _shown(operations, call, context.blobs, short(row.id), check)

        # Megabytes of it over a connection of its own.
        return context.store.read_apart(read)

    bounded, text = await rendering.while_wanted(caller, shown)
    return Rendered(
        execution=row.id,
        status=row.status,  # type: ignore[arg-type]
        text=text.text,
        is_complete=text.is_complete,
        total_chars=text.total_chars,
        total_lines=text.total_lines,
        images=_images(text.images),
        omitted=_few(text.omitted),
        outputs=bounded.count,
        error=_raised(*bounded.raised, call.max_chars) if bounded.raised else None,
        gap=gap_document(row),
        reason=row.reason,
        input=_asked(row.input, call.max_chars) if row.input else None,
        outputs_removed=outputs_removed(row),
    )


def _raised(ename: str, evalue: str, most: int) -> Raised:
    return Raised(shortened(ename, most), shortened(evalue, most))


def _asked(input: dict[str, Any], most: int) -> Input:
    return Input(**input | {"prompt": shortened(input["prompt"], most)})


def _few(omitted: list[str]) -> list[str]:
    """Return what is said of the first ones that were left out: the answer has a budget, too."""
    if len(omitted) <= _MOST_OMITTED:
        return omitted
    return [*omitted[:_MOST_OMITTED], f"and {len(omitted) - _MOST_OMITTED:,} more outputs"]


def _shown(
    operations: Iterable[Operation],
    call: ExecutionRender,
    blobs: Blobs,
    id: str,
    check: Callable[[], None],
) -> tuple[Bounded, Text]:
    """Fold and render, and ``check`` at each step whether anybody still waits for it."""
    from runtimed.model.bounded import Bounded
    from runtimed.model.rendering.render import render

    bounded = Bounded(call.max_chars, call.since_output)
    for operation in operations:
        check()
        bounded.apply(operation)
    outputs = bounded.outputs()
    text = render(
        _with_blobs(outputs, blobs),
        max_chars=call.max_chars,
        form=call.form,
        traceback=call.traceback,
        more=_ways(call, id, next(_large(outputs), None)),
        index=bounded.index,
        check=check,
    )
    return bounded, text


def _with_blobs(outputs: Iterable[dict[str, Any]], blobs: Blobs) -> Iterator[dict[str, Any]]:
    from runtimed.model.rendering.bundles import is_reference

    left = _BLOB_BYTES
    for output in outputs:
        data: dict[str, Any] | None = output.get("data")
        if isinstance(data, dict) and any(map(is_reference, data.values())):
            output["data"], left = _read(data, blobs, left)
        yield output


def _large(outputs: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the types of texts that lie in blobs, of which a document has no more than the names.

    Not of ``text/plain``, which is in the lines, nor of images.
    """
    from runtimed.model.rendering.images import IMAGES

    for output in outputs:
        for mime, value in (output.get("data") or {}).items():
            if mime == "text/plain" or mime in IMAGES:
                continue
            if lies_elsewhere(value) and _MIME.fullmatch(mime):
                yield mime


def _ways(call: ExecutionRender, id: str, mime: str | None) -> Ways:
    from runtimed.model.rendering.render import Ways

    value = f"runt output {id} --mime {mime}" if mime else f"runt show {id} --json"
    if call.more is not None:
        in_shell = f"`{value}` in a shell, or larger max_chars"
        return Ways(call.more, call.more_traceback or call.more, call.more_values or in_shell)
    text = f"runt output {id} (--tail N, --grep REGEX)"
    return Ways(text, call.more_traceback or text, call.more_values or value)


def _read(data: dict[str, Any], blobs: Blobs, left: int) -> tuple[dict[str, Any], int]:
    """Return a MIME bundle with the texts that lie in blobs, as far as there is room for them.

    Of images it says how large they are.
    """
    from runtimed.model.rendering.bundles import MOST_JSON_CHARS, is_reference
    from runtimed.model.rendering.images import IMAGES, dimensions

    found = dict(data)
    for mime, value in data.items():
        if not is_reference(value):
            continue
        if mime in IMAGES and value["encoding"] == "base64":
            needed = _JPEG_HEADER_BYTES if mime == "image/jpeg" else _HEADER_BYTES
            if value["blob"] and needed <= left:
                left -= needed
                found[mime] = value | {"size_px": dimensions(blobs.head(value["blob"], needed))}
            continue
        if value["encoding"] not in ("utf8", "json"):
            continue
        # JSON is many times as large when it is parsed, and as slow to be written again.
        weight = _JSON_WEIGHT if value["encoding"] == "json" or mime.endswith("json") else 1
        if weight > 1 and value["size_bytes"] > MOST_JSON_CHARS:
            continue
        if weight * value["size_bytes"] > left or not value["blob"]:
            continue
        if (content := blobs.get(value["blob"])) is not None:
            left -= weight * len(content)
            found[mime] = value_of(content, value["encoding"])
    return found, left


def _images(images: Iterable[Image]) -> list[ImageRef]:
    left = _IMAGE_CHARS
    found = []
    for count, image in enumerate(images):
        reference = ImageRef(
            number=image.number,
            output=image.output,
            mime=image.mime,
            size_bytes=image.size_bytes,
            width=image.width,
            height=image.height,
        )
        found.append(reference)
        if count == _MOST_IMAGES:
            break
        if isinstance(image.value, dict):
            reference.blob = image.value.get("blob") or None
        elif isinstance(image.value, str) and len(image.value) <= left:
            left -= len(image.value)
            reference.data = image.value
    return found
