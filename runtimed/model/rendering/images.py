"""Images: what they are, read from their first bytes, and smaller ones made of them."""

from __future__ import annotations

import base64
import binascii
import io
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from runtimed.model.text import size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image as Pillow

#: Of these MIME types, in the order in which they are preferred.
IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml")
#: JPEG keeps its size behind whatever a camera has to say.
_HEADER_CHARS = 512 * 1024
#: An SVG says its size in its first tag; of that, no pattern with a repeat reads beyond its end.
_SVG_CHARS, _SVG = 65_536, re.compile(r"<svg\b")
_NUMBER, _MOST_SVG_PX = re.compile(r"-?\d+(?:\.\d+)?"), 1_000_000
_MOST_PIXELS = 64_000_000
_LEAST_SIDE_PX = 64


@dataclass(frozen=True, slots=True)
class Image:
    """An image among the outputs. ``value`` is its base64, SVG's text, or its blob's reference.

    ``number`` is what its description in the text calls it; ``output`` the index of its output.
    Without a size (in pixels) where that could not be read; a reference has it as ``size_px``.
    """

    number: int
    output: int
    mime: str
    size_bytes: int
    value: str | Mapping[str, Any]
    width: int | None = None
    height: int | None = None

    @property
    def description(self) -> str:
        """What it is, in words: ``image 1: PNG 640×480, 23 KB``."""
        kind = self.mime.removeprefix("image/").removesuffix("+xml").upper()
        pixels = "" if self.width is None else f" {self.width}×{self.height}"
        return f"image {self.number}: {kind}{pixels}, {size(self.size_bytes)}"


def image(number: int, output: int, mime: str, value: str | Mapping[str, Any]) -> Image:
    """Return what there is to say about an image of a MIME bundle."""
    if not isinstance(value, str):  # a reference, or what no kernel should send
        reference = value if isinstance(value, dict) else {}
        size_bytes = reference.get("size_bytes")
        size_bytes = size_bytes if isinstance(size_bytes, int) else 0
        width, height = reference.get("size_px") or (None, None)
        return Image(number, output, mime, size_bytes, value, width, height)
    if mime == "image/svg+xml":
        found = _svg(value)
        size_bytes = len(value.encode("utf-8", "replace"))
    else:
        found = dimensions(_head(value))
        size_bytes = _decoded_bytes(value)
    width, height = found or (None, None)
    return Image(number, output, mime, size_bytes, value, width, height)


def _head(value: str) -> bytes:
    text = "".join(value[:_HEADER_CHARS].split())
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def _decoded_bytes(value: str) -> int:
    """Return how many bytes the base64 stands for, without decoding all of it."""
    chars = len(value) - value.count("\n") - value.count("\r") - value.count(" ")
    return chars * 3 // 4 - value[-4:].count("=")


def dimensions(head: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, of PNG, JPEG, GIF or WebP, from the first bytes."""
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
            found = struct.unpack(">II", head[16:24])
        elif head.startswith((b"GIF87a", b"GIF89a")):
            found = struct.unpack("<HH", head[6:10])
        elif head.startswith(b"\xff\xd8"):
            found = _jpeg(head)
        elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            found = _webp(head)
        else:
            return None
    except (struct.error, IndexError):
        return None
    width, height = found
    return (width, height) if width and height else None


def _jpeg(head: bytes) -> tuple[int, int]:
    """Return the size that the first start-of-frame segment tells."""
    place = 2
    while True:
        while head[place] == 0xFF and head[place + 1] == 0xFF:
            place += 1
        marker, length = struct.unpack(">xBH", head[place : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return width, height
        place += 2 + max(2, length)


def _webp(head: bytes) -> tuple[int, int]:
    """Return the size, of each of the three kinds that there are."""
    match head[12:16]:
        case b"VP8X":
            width, height = head[24:27] + b"\0", head[27:30] + b"\0"
            return struct.unpack("<I", width)[0] + 1, struct.unpack("<I", height)[0] + 1
        case b"VP8L":
            (bits,) = struct.unpack("<I", head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF


def _svg(text: str) -> tuple[int, int] | None:
    """Return an SVG's width and height, or those of its view box."""
    text = text[:_SVG_CHARS]
    begin = _SVG.search(text)
    end = -1 if begin is None else text.find(">", begin.end())
    if begin is None or end < 0:
        return None
    tag = text[begin.start() : end]
    found: list[int] = []
    for name in ("width", "height"):
        value = re.search(rf"""\s{name}\s*=\s*["']\s*(\d{{1,6}}(?:\.\d+)?)(pt|px)?\s*["']""", tag)
        if value is not None:
            found.append(round(float(value[1]) * (4 / 3 if value[2] == "pt" else 1)))
    if len(found) == 2:
        return found[0], found[1]
    box = re.search(r"""\sviewBox\s*=\s*["']([^"']{1,100})["']""", tag)
    numbers = [float(each) for each in _NUMBER.findall(box[1])] if box else []
    if len(numbers) != 4 or not all(0 < each < _MOST_SVG_PX for each in numbers[2:]):
        return None
    return round(numbers[2]), round(numbers[3])


class Unusable(ValueError):
    """An image that cannot be shown; its text is a sentence for whoever would have seen it."""


def scaled(
    data: bytes, mime: str, *, max_side_px: int = 1568, max_bytes: int = 1_000_000
) -> tuple[bytes, str]:
    """Return an image that models take, and its MIME type; the same bytes where they fit.

    Of an animation the first frame. Raises `Unusable` for what is broken, or would need too much
    memory, and for SVG, which has no pixels.
    """
    if mime == "image/svg+xml":
        raise Unusable("an SVG has no pixels: its source is text")
    found = dimensions(data[:_HEADER_CHARS])
    if found is None:
        raise Unusable(f"these {size(len(data))} are no PNG, JPEG, GIF or WebP")
    if found[0] * found[1] > _MOST_PIXELS:
        raise Unusable(_too_large(found))
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as opened:
            if opened.width * opened.height > _MOST_PIXELS:  # a frame may exceed its screen
                raise Unusable(_too_large(opened.size))
            opened.load()
            kind = f"image/{(opened.format or '').lower()}"
            is_animated = getattr(opened, "n_frames", 1) > 1
            if max(found) <= max_side_px and len(data) <= max_bytes and not is_animated:
                return data, kind
            return _smaller(opened, max_side_px, max_bytes)
    except Unusable:
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise Unusable(f"an image of {size(len(data))} is too large to be scaled") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error) as error:
        raise Unusable(f"a broken image ({size(len(data))}): {error}") from None


def _too_large(size_px: tuple[int, int]) -> str:
    return f"an image of {size_px[0]}×{size_px[1]} pixels is too large to be scaled"


def _smaller(opened: Pillow.Image, side_px: int, max_bytes: int) -> tuple[bytes, str]:
    has_alpha = opened.has_transparency_data
    is_grey = opened.mode in ("1", "L")
    if opened.mode.startswith("I"):
        picture = _eight_bits(opened)
    else:
        picture = opened.convert("RGBA" if has_alpha else "L" if is_grey else "RGB")
    side_px = min(side_px, max(picture.size))
    while True:
        picture.thumbnail((side_px, side_px))
        for form, options in (("PNG", {"optimize": True}), ("JPEG", {"quality": 85})):
            shown = picture
            if form == "JPEG" and has_alpha:
                shown = _on_white(picture)
            encoded = io.BytesIO()
            shown.save(encoded, form, **options)
            if encoded.tell() <= max_bytes:
                return encoded.getvalue(), f"image/{form.lower()}"
        side_px = side_px * 2 // 3
        if side_px < _LEAST_SIDE_PX:
            raise Unusable(f"no image of {size(max_bytes)} can be made of it")


def _eight_bits(picture: Pillow.Image) -> Pillow.Image:
    """Return a grey image of 16 bits with 8: of each value its share of those that there are."""
    wide = picture.convert("I")
    darkest, brightest = cast("tuple[int, int]", wide.getextrema())
    if brightest > 255:
        share = 255 / (brightest - darkest or 1)
        wide = wide.point(lambda value: value * share - darkest * share)
    return wide.convert("L")


def _on_white(picture: Pillow.Image) -> Pillow.Image:
    from PIL import Image as Pillow

    ground = Pillow.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground
