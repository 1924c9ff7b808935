"""Notebooks that the daemon reads for us: a source without its file, and the output with it."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from runt import destination, session
from runt.failures import ConflictFailure, NotFoundFailure, UsageFailure
from runt.notebook_run.plan import run_of
from runtimed.client.connecting import CallFailed

#: As long as a notebook's name may be.
_NAME_CHARS = 200


def read(path: str) -> dict[str, Any]:
    """Return the notebook in a file, whatever its version, as nbformat 4.5 has it.

    Raises `UsageFailure`, `NotFoundFailure`, or `CallFailed` where it is none.
    """
    stem, extension = os.path.splitext(os.path.basename(path))
    if extension not in (".ipynb", ".py"):
        raise UsageFailure(f"{path} is neither .ipynb nor .py")
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        raise NotFoundFailure(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFailure(f"cannot read {path}: {error}") from None
    name = "".join(filter(str.isprintable, stem))[:_NAME_CHARS]
    params = {"text": _without_outputs(text), "format": extension[1:], "name": name}
    # Asked again where the daemon goes away meanwhile: at worst a notebook of no file is left.
    notebook = session.call_again("notebook.import", params)["id"]
    try:
        return content(notebook)
    finally:
        close(notebook)


def _without_outputs(text: str) -> str:
    """Return a notebook's JSON without outputs, which may be large and are not kept anyway.

    What is no notebook, or a script, is returned as it is: the daemon says what is wrong with it.
    """
    try:
        notebook = json.loads(text)
        sheets = [notebook, *notebook.get("worksheets", ())]  # nbformat 3 and older have these
        for cell in (cell for sheet in sheets for cell in sheet.get("cells", ())):
            if cell.get("outputs"):
                cell["outputs"] = []
        return json.dumps(notebook)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return text


def close(notebook: str) -> None:
    """Close a notebook, if it is open still. Raises `CallFailed`."""
    try:
        session.call_again("notebook.delete", {"notebook": notebook})
    except CallFailed as failure:
        if failure.name != "NotebookNotFound":
            raise


def content(notebook: str) -> dict[str, Any]:
    """Return an open notebook as nbformat 4.5 has it; sources are whole, not lists of lines."""
    exported = session.call_again("notebook.export", {"notebook": notebook, "format": "ipynb"})
    found: dict[str, Any] = json.loads(exported["text"])
    for cell in found["cells"]:
        if isinstance(cell["source"], list):
            cell["source"] = "".join(cell["source"])
    return found


def find(path: str) -> dict[str, Any] | None:
    """Return the notebook that is open with this file, with its cells."""
    try:
        found: dict[str, Any] = session.call_again("notebook.get", {"notebook": path})
    except CallFailed as failure:
        if failure.name != "NotebookNotFound":
            raise
        return None
    return found


class Before:
    """What a file had before it is written over."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._data: bytes | None = None
        if os.path.isfile(path):
            with contextlib.suppress(OSError), open(path, "rb") as file:
                self._data = file.read()

    def restore(self) -> None:
        """Let the file be what it was; where there was none, there is none."""
        if self._data is not None:
            destination.write(self._path, self._data, force=True)
        elif os.path.isfile(self._path):
            os.unlink(self._path)


def write(path: str, notebook: dict[str, Any]) -> dict[str, Any]:
    """Write a notebook, and open the file with the daemon.

    Raises `Failure` or `CallFailed`: then the file is what it was.
    """
    before = Before(path)
    text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    destination.write(path, text.encode("utf-8", "backslashreplace"), force=True)
    try:
        opened: dict[str, Any] = session.call_again("notebook.open", {"path": path, "force": True})
    except BaseException:
        before.restore()
        raise
    return opened


def present_at(path: str) -> dict[str, Any] | None:
    """Return the JSON object that a file has; None where it has none."""
    try:
        if not os.path.isfile(path):  # a FIFO would wait for a writer
            return None
        with open(path, "rb") as file:
            present = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return present if isinstance(present, dict) else None


def check_free(path: str) -> None:
    """Raise `ConflictFailure` if a file is there that is not the output of a run."""
    if not os.path.lexists(path):
        return
    present = present_at(path)
    if present is None or run_of(present) is None:
        raise ConflictFailure(
            f"{path} is there already, and not the output of a run; --force writes over it"
        )


def language_of(notebook: dict[str, Any], kernel: str | None) -> str:
    """Return the language in which the notebook's kernel will read its parameters."""
    metadata = notebook["metadata"]
    spec, info = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
    name = kernel or spec.get("name")
    if kernel is None and (said := spec.get("language") or info.get("name")):
        return str(said)
    for found in session.call_again("environment.list", {}) if name else ():
        if found["name"] == name and found["language"]:
            return str(found["language"])
    return "python"
