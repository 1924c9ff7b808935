"""The images of an answer: fetched, and made as large as a model can take."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from typing import TYPE_CHECKING

from runtimed.api.errors import ApiError
from runtimed.api.rendering import ExecutionRender
from runtimed.mcp.answer import Image, ImageSource
from runtimed.mcp.definitions import LEAST_CHARS
from runtimed.model.ids import short

if TYPE_CHECKING:
    from runtimed.api.rendering import ImageRef
    from runtimed.mcp.desk import Desk

#: So many in one answer; the rest is named in its text.
MOST_IMAGES = 6
#: What models' hosts take.
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")


async def shown(
    desk: Desk, execution: str, references: list[ImageRef]
) -> tuple[list[Image], list[str]]:
    """Return the images that go into an answer, and a sentence for each that cannot."""
    fit = [each for each in references if each.mime in _SHOWN]
    images, left_out = [], []
    for reference in fit[:MOST_IMAGES]:
        source = ImageSource(execution, reference.output, reference.mime)
        try:
            data = await _bytes(desk, execution, reference)
            data, mime = await asyncio.to_thread(_scaled, data, reference.mime)
        except (ApiError, ValueError) as error:
            left_out.append(f"Image {reference.number} is not shown: {error}")
        else:
            images.append(Image(data, mime, source))
    if len(fit) > MOST_IMAGES:
        left_out.append(
            f"{len(fit) - MOST_IMAGES} more images are not shown; the person gets them with "
            f"`runt output {short(execution)} --save-images DIR`."
        )
    return images, left_out


async def _bytes(desk: Desk, execution: str, reference: ImageRef) -> bytes:
    """Return the bytes. Raises `ApiError` where the blob has gone, `ValueError` for no base64."""
    if reference.blob is None and reference.data is None:
        # There was no room for it beside the others.
        call = ExecutionRender(
            execution=execution, max_chars=LEAST_CHARS, since_output=reference.output
        )
        found = (await desk.call(call)).images
        again = [each for each in found if each.output == reference.output]
        reference = next((each for each in again if each.mime == reference.mime), reference)
    if reference.blob is not None:
        return await desk.client.blob(reference.blob)
    return b64decode(reference.data or "")


def _scaled(data: bytes, mime: str) -> tuple[bytes, str]:
    from runtimed.model.rendering.images import scaled  # loads Pillow

    return scaled(data, mime)
