"""Parameters of a run: read from the command line and from files, put into a notebook.

As papermill does it: https://papermill.readthedocs.io/en/latest/usage-parameterize.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runt.failures import NotFoundFailure, UsageFailure
from runt.ids import new_id, short
from runt.notebook_run.languages import assignments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The tag of the cell that has the defaults, and of the one that has this run's values.
DEFAULTS, INJECTED = "parameters", "injected-parameters"
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def collected(
    files: Iterable[str], typed: Iterable[tuple[str, str]], raw: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Return the parameters; what is said on the command line goes before files."""
    found: dict[str, Any] = {}
    for file in files:
        found |= _of_file(file)
    found |= {name: typed_value(text) for name, text in typed}
    return found | dict(raw)


def typed_value(text: str) -> Any:
    """Return what a word on the command line stands for: a number, a truth, a list, else text."""
    if text.lower() in _WORDS and text in (text.lower(), text.capitalize()):
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            pass
        except RecursionError:
            raise UsageFailure("a parameter has too many levels") from None
    return text


def _of_file(path: str) -> dict[str, Any]:
    import yaml  # JSON is YAML, too

    try:
        with open(path, "rb") as file:
            found = yaml.safe_load(file)
    except FileNotFoundError:
        raise NotFoundFailure(f"there is no file {path}") from None
    except OSError as error:
        raise UsageFailure(f"cannot read {path}: {error.strerror}") from None
    except RecursionError:
        raise UsageFailure(f"{path} has too many levels") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageFailure(f"{path} is neither YAML nor JSON: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageFailure(f"{path} has no names with values")
    return {str(name): _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    """Return a value of YAML as JSON has it; dates become text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def inject(cells: list[dict[str, Any]], parameters: Mapping[str, Any], language: str) -> None:
    """Put a cell with the parameters' values after the one that is tagged ``parameters``.

    One that an earlier run has put in is replaced; without either it becomes the first.
    """
    if not parameters:
        return
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": short(new_id()),
        "metadata": {"tags": [INJECTED]},
        "source": assignments(language, parameters),
        "execution_count": None,
        "outputs": [],
    }
    for index, present in enumerate(cells):
        if INJECTED in tags(present):
            cells[index] = cell
            return
    place = next((i + 1 for i, present in enumerate(cells) if DEFAULTS in tags(present)), 0)
    cells.insert(place, cell)


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Return the tags of a cell, of nbformat's or of ours."""
    found = cell["metadata"].get("tags")
    return found if isinstance(found, list) else []
