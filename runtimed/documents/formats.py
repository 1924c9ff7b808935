"""Notebooks as text and back: .ipynb through nbformat, scripts with ``# %%`` cells by jupytext.

Both libraries are slow to load and to work, so these functions are for a thread.
https://nbformat.readthedocs.io · https://jupytext.readthedocs.io/en/latest/formats-scripts.html
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import secrets
from typing import Any

import msgspec

from runtimed.api.errors import NotANotebook
from runtimed.model import nbschema
from runtimed.model.ipynb import REMARKS, TIMINGS

IPYNB = ".ipynb"
#: So many pieces of JSON are joined at a time.
_PIECES = 50_000
_CONTAINERS = (dict, list, tuple)
#: What a malformed notebook of an old version makes its conversion raise.
_MALFORMED = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError)


def parse(text: str, path: str) -> dict[str, Any]:
    """Return the notebook of a file's text as nbformat 4.5 has it. Raises `NotANotebook`.

    The extension of ``path`` says what it is. Text is whole, not lists of lines; every cell has
    an id, and none of them twice.
    """
    extension = os.path.splitext(path)[1]
    if extension == IPYNB:
        return _parse_ipynb(text, path)
    return _parse_script(text, path, _script_format(extension, path))


def _parse_ipynb(text: str, path: str) -> dict[str, Any]:
    from nbformat import converter, v4, validator

    # What it complains of is said to who asked, not in our log.
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    try:
        raw, is_sound = _decoded(text)
    except (ValueError, RecursionError) as error:
        raise NotANotebook(path=path, detail=f"it is not JSON: {error}") from None
    if not isinstance(raw, dict) or not raw.keys() & {"cells", "worksheets", "nbformat"}:
        raise NotANotebook(path=path, detail="it is JSON, but has no cells")
    minor = raw.get("nbformat_minor")
    if raw.get("nbformat") == v4.nbformat and isinstance(minor, int) and minor > v4.nbformat_minor:
        # What it may have beyond that, would be lost at the first save.
        detail = f"it is of nbformat {v4.nbformat}.{minor}, known is {v4.nbformat_minor} at most"
        raise NotANotebook(path=path, detail=detail)
    try:
        found = v4.upgrade(converter.convert(_of_any_version(raw), v4.nbformat))
        _give_ids(found["cells"])
        _validate(found, path)
        return _plain(found, path, is_sound=is_sound)
    except validator.ValidationError as error:  # of a conversion
        raise NotANotebook(path=path, detail=_said(error.message)) from None
    except _MALFORMED as error:
        raise NotANotebook(path=path, detail=_named(error)) from None


def _of_any_version(raw: dict[str, Any]) -> Any:
    """Return what nbformat's own reader does (`nbformat.reader.reads`), of what is decoded."""
    from nbformat import reader, versions

    major, minor = reader.get_version(raw)
    if major not in versions:
        raise ValueError(f"Unsupported nbformat version {major}")
    try:
        return versions[major].to_notebook_json(raw, minor=minor)
    except AttributeError as error:
        raise ValueError(f"it is missing an expected key: {error}") from None


def _decoded(text: str) -> tuple[Any, bool]:
    """Decode JSON, and say whether that was without a liberty that Python's own decoder takes.

    That one is much slower, and lets no other thread work meanwhile; it knows NaN, and takes half
    a surrogate pair. Raises `ValueError` or `RecursionError`.
    """
    try:
        return msgspec.json.decode(text), True
    except ValueError:
        return json.loads(text), False


def _validate(notebook: Any, path: str) -> None:
    """Raise `NotANotebook` if it is not as nbformat 4.5 has it."""
    from nbformat import v4, validator

    try:
        validator.validate(notebook, version=v4.nbformat, version_minor=v4.nbformat_minor)
    except validator.ValidationError as error:
        where = "".join(f"[{part!r}]" for part in getattr(error, "absolute_path", ()))
        what = f"{where}: {error.message}" if where else error.message
        raise NotANotebook(path=path, detail=_said(what)) from None


def _named(error: Exception) -> str:
    return _said(f"{type(error).__name__}: {error}")


def _said(what: str) -> str:
    return what.split("\n")[0][:500].encode("utf-8", "backslashreplace").decode()


def _give_ids(cells: list[dict[str, Any]]) -> None:
    """Give an id to each cell that has none, or another's: writers of before 4.5 copied them."""
    seen: set[str] = set()
    for cell in cells:
        if cell.get("id") is None or cell["id"] in seen:
            cell["id"] = secrets.token_hex(4)
        seen.add(cell["id"])


def _parse_script(text: str, path: str, fmt: str) -> dict[str, Any]:
    import jupytext
    from nbformat import v4, validator

    try:
        found = v4.upgrade(jupytext.reads(text, fmt))
        _validate(found, path)
        return _plain(found, path, is_sound=False)
    except validator.ValidationError as error:  # jupytext's own
        raise NotANotebook(path=path, detail=_said(error.message)) from None
    except _MALFORMED as error:
        raise NotANotebook(path=path, detail=_named(error)) from None


def _script_format(extension: str, path: str) -> str:
    from jupytext.languages import _SCRIPT_EXTENSIONS

    if extension not in _SCRIPT_EXTENSIONS:
        detail = f"notebooks are {IPYNB}, or scripts such as .py, not {extension or 'without any'}"
        raise NotANotebook(path=path, detail=detail)
    return f"{extension.removeprefix('.')}:percent"


def dump(notebook: dict[str, Any], path: str) -> str:
    """Return a notebook as the text of a file of this name. Raises `NotANotebook`."""
    from nbformat import from_dict

    extension = os.path.splitext(path)[1]
    try:
        node = from_dict(notebook)
        _validate(node, path)
        if extension == IPYNB:
            return _written(node)
        import jupytext

        _make_script(node)
        return str(jupytext.writes(node, _script_format(extension, path)))
    except _MALFORMED as error:
        raise NotANotebook(path=path, detail=_named(error)) from None


def _written(node: Any) -> str:
    """Return what nbformat's own writer does (`nbformat.v4.writes`), in many small steps.

    There all pieces of a plot are joined in one, and no other thread works meanwhile.
    """
    from nbformat.v4.rwbase import split_lines, strip_transient

    encoder = json.JSONEncoder(indent=1, sort_keys=True, separators=(",", ": "), ensure_ascii=False)
    pieces = encoder.iterencode(strip_transient(split_lines(node)))
    joined = []
    while some := "".join(itertools.islice(pieces, _PIECES)):
        joined.append(some)
    return "".join(joined) + "\n"


def _make_script(node: dict[str, Any]) -> None:
    """Take out what is no matter of a script, and let in what is."""
    metadata = node["metadata"]
    spec = metadata.get("kernelspec")
    if isinstance(spec, dict) and not isinstance(spec.get("language", ""), str):
        del spec["language"]  # jupytext takes it for a name
    is_told = False
    for cell in node["cells"]:
        for name in (TIMINGS, REMARKS):
            cell["metadata"].pop(name, None)
        is_told = is_told or bool(cell["metadata"])
    known = metadata.get("jupytext")
    if is_told and isinstance(known, dict) and known.get("cell_metadata_filter") == "-all":
        # So jupytext says of a script whose cells had none when it was read.
        del known["cell_metadata_filter"]


def script_extension(notebook: dict[str, Any]) -> str:
    """Return the extension of scripts in the notebook's language; .py where that is not known."""
    from jupytext.languages import _SCRIPT_EXTENSIONS

    metadata = notebook["metadata"]
    info, spec = metadata.get("language_info") or {}, metadata.get("kernelspec") or {}
    language = info.get("name") or spec.get("language") or "python"
    for extension, facts in _SCRIPT_EXTENSIONS.items():
        if facts["language"] == str(language).lower():
            return str(extension)
    return ".py"


def _plain(node: Any, path: str, *, is_sound: bool) -> dict[str, Any]:
    """Return a notebook of plain dicts: nbformat's are of a class of its own.

    Raises `NotANotebook` for what cannot be stored: half a surrogate pair, a deep nest.
    """
    found: dict[str, Any] = _of_plain_dicts(node)
    if not is_sound:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise NotANotebook(path=path, detail="it has half a surrogate pair") from None
    if (fault := nbschema.content_fault(found)) is not None:
        raise NotANotebook(path=path, detail=fault)
    return found


def _of_plain_dicts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _of_plain_dicts(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [
            _of_plain_dicts(inner) if isinstance(inner, _CONTAINERS) else inner for inner in value
        ]
    return value
