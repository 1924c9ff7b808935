"""Images: their size from the first bytes, and smaller ones of them."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image as Pillow

from runtimed.model.rendering.images import Unusable, dimensions, image, scaled


def encoded(
    form: str, width: int = 37, height: int = 21, mode: str = "RGB", **options: Any
) -> bytes:
    out = io.BytesIO()
    Pillow.effect_noise((width, height), 80).convert(mode).save(out, form, **options)
    return out.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    with Pillow.open(io.BytesIO(data)) as opened:
        return opened.size


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"exif": b"Exif\0\0" + b"x" * 60_000, "progressive": True}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 30}),
        ("WEBP", {"exif": b"Exif\0\0MM"}),
    ],
)
def test_width_and_height_come_from_the_first_bytes(form: str, options: dict[str, Any]) -> None:
    data = encoded(form, **options)
    assert dimensions(data) == (37, 21)
    for end in range(30):  # whatever is missing, nothing is raised
        dimensions(data[:end])
        dimensions(data[:end] + bytes(40))


def test_an_image_is_described_without_its_base64() -> None:
    data = encoded("PNG")
    found = image(2, 5, "image/png", base64.encodebytes(data).decode())
    assert found.description == f"image 2: PNG 37×21, {len(data) / 1000:.1f} KB"
    assert (found.output, found.size_bytes) == (5, len(data))


@pytest.mark.parametrize(
    ("svg", "expected"),
    [
        ('<svg width="120px" height="80">', (120, 80)),
        (
            '<?xml version="1.0"?><svg xmlns="x" width="36pt" height="72pt" viewBox="0 0 1 1">',
            (48, 96),
        ),
        ("<svg viewBox='0 0 300.4 150' width='100%'>", (300, 150)),
        ("<svg>", (None, None)),
        ("no image", (None, None)),
    ],
)
def test_an_svgs_size(svg: str, expected: tuple[int | None, int | None]) -> None:
    found = image(1, 0, "image/svg+xml", svg)
    assert (found.width, found.height) == expected


def test_a_blob_is_described_by_its_size() -> None:
    reference = {"blob": "ab" * 32, "size_bytes": 2_300_000, "encoding": "base64"}
    assert image(1, 0, "image/jpeg", reference).description == "image 1: JPEG, 2.3 MB"


def test_what_fits_is_left_as_it_is() -> None:
    data = encoded("JPEG")
    assert scaled(data, "image/png") == (data, "image/jpeg")  # and is called what it is


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "1", "I;16"])
def test_a_large_image_becomes_smaller(mode: str) -> None:
    data, mime = scaled(encoded("PNG", 900, 300, mode), "image/png", max_side_px=300)
    assert mime == "image/png"
    assert size_of(data) == (300, 100)


def test_an_image_of_many_bytes_becomes_smaller() -> None:
    noise = encoded("PNG", 800, 800, "RGBA")
    data, _ = scaled(noise, "image/png", max_bytes=30_000)
    assert len(data) <= 30_000 < len(noise)
    with pytest.raises(Unusable, match="no image of 10 B"):
        scaled(noise, "image/png", max_bytes=10)


def test_of_an_animation_the_first_frame_is_shown() -> None:
    out = io.BytesIO()
    frames = [Pillow.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    data, mime = scaled(out.getvalue(), "image/gif")
    assert mime == "image/png"
    with Pillow.open(io.BytesIO(data)) as opened:
        assert opened.getpixel((0, 0)) == (255, 0, 0)


def png(width: int, height: int, body: bytes) -> bytes:
    """Return a PNG whose header may lie about its body."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no PNG, JPEG, GIF or WebP"),
        (b"%PDF-1.7 and more", "no PNG, JPEG, GIF or WebP"),
        (png(50_000, 50_000, zlib.compress(bytes(1000))), "50000×50000 pixels is too large"),
        (png(10, 10, b"no deflate"), "a broken image"),
        (encoded("PNG")[:-400], "a broken image"),
        (encoded("JPEG")[:300], "a broken image"),
    ],
    ids=["empty", "pdf", "bomb", "garbage", "cut png", "cut jpeg"],
)
def test_hostile_images_are_refused_with_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(Unusable, match=says):
        scaled(data, "image/png")


def test_an_svg_has_no_pixels() -> None:
    with pytest.raises(Unusable, match="SVG"):
        scaled(b"<svg/>", "image/svg+xml")
