"""The images of an execution as files: their own bytes, and never over a file that is there."""

from __future__ import annotations

import base64
import os

from runt import session
from runt.failures import Failure
from runt.ids import short
from runtimed.paths import make_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/svg+xml": "svg",
}
#: How a file begins that is what it is called.
_BEGINS = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


def save(
    id: str, directory: str, first: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Write the images into the directory, which is made, and return where each one is.

    ``first`` are those that an answer had already, as far as it had room for them.
    One that is there already, byte for byte, stays as it is. Raises `Failure`.
    """
    saved = []
    try:
        for number, (image, content) in enumerate(_images(id, first), 1):
            make_dirs(directory)
            extension = _EXTENSIONS.get(image["mime"], "bin")
            path = _written(os.path.join(directory, f"{short(id)}-{number}"), extension, content)
            about = {name: image[name] for name in ("output", "mime", "size_bytes")}
            sides = {name: image.get(name) for name in ("width", "height")}
            is_image = content.startswith(_BEGINS.get(image["mime"], b""))
            saved.append({"path": path, **about, **sides, "is_image": is_image})
    except OSError as error:
        raise Failure(f"cannot save images in {directory}: {error.strerror}") from None
    return saved


def _images(id: str, images: list[dict[str, Any]] | None) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield the images with their bytes; one answer may have no room for all of them."""
    since: int | None = 0
    while since is not None:
        params = {"execution": id, "since_output": since, "max_chars": 200}
        if images is None:
            images = session.call_again("execution.render", params)["images"]
        asked, since = since, None
        for image in images:
            content = _content(image)
            if content is not None:
                yield image, content
            elif image["output"] > asked:
                since, images = image["output"], None
                break


def _content(image: dict[str, Any]) -> bytes | None:
    if image.get("blob"):
        blob = session.call_again("blob.get", {"sha256": image["blob"]})
        return base64.b64decode(blob["data"])
    if image.get("data") is None:
        return None
    if image["mime"] == "image/svg+xml":
        return str(image["data"]).encode("utf-8", "replace")
    try:
        return base64.b64decode(image["data"])
    except ValueError:
        return str(image["data"]).encode("utf-8", "replace")  # it is not what it says it is


def _written(stem: str, extension: str, content: bytes) -> str:
    """Write a new file of this name, or of the next that is free, and return its path."""
    path = f"{stem}.{extension}"
    again = 1
    while True:
        try:
            with open(path, "xb") as file:
                file.write(content)
        except FileExistsError:
            if _has(path, content):
                return path
            again += 1
            path = f"{stem}.{again}.{extension}"
        else:
            return path


def _has(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False
