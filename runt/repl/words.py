"""What the REPL says of itself. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runt.ids import short
from runt.render import last_words, printable

if TYPE_CHECKING:
    from typing import Any

#: Of others' code so much is shown.
_MOST_LINES = 20


def farewell(runtime_id: str, *, errors: int, end: str = "exited") -> str:
    """Return the last words of a session. ``end``: what became of the runtime."""
    id = short(runtime_id)
    how = "with no errors"
    if errors:
        how = "after an error in 1 cell" if errors == 1 else f"after errors in {errors} cells"
    if end == "exited":
        said = f'Runtime "{id}" exited {how}.'
    elif end == "kept":
        said = f'Runtime "{id}" keeps running; `runt run --attach {id}` joins it again.'
    else:
        said = f'Runtime "{id}" {end}.'
    return f"{said} To export a notebook from your session, run\nrunt export {id} --notebook\n"


def greeting(runtime: dict[str, Any], *, leaving: str) -> str:
    """Return the first line of a session."""
    id, name = short(runtime["id"]), printable(runtime["name"])
    kernel = printable(runtime["kernel_name"] or "?")
    language = runtime["language"]
    spoken = f" ({printable(language)})" if language and language not in kernel else ""
    return f"{name}, runtime {id}: {kernel}{spoken}. Ctrl-D {leaving}.\n"


def end_of(runtime: dict[str, Any]) -> str:
    """Return how a dead runtime's process ended, in a few words."""
    ended = runtime.get("exit") or {}
    if ended.get("reason") == "oom":
        return "out of memory"
    if ended.get("signal"):
        return f"signal {ended['signal']}"
    if ended.get("reason") == "shutdown_request":
        return "it was shut down"
    return f"exit {ended['code']}" if ended.get("code") is not None else "how is not known"


def died(runtime: dict[str, Any]) -> str:
    """Return what is said where a kernel has ended under us."""
    last = last_words(runtime)
    return f"The kernel died ({end_of(runtime)})." + (f" It said: {last}" if last else "")


def who(execution: dict[str, Any]) -> str:
    """Return who submitted an execution that is not ours."""
    by = execution["requested_by"]
    named = printable(str(by.get("client")))
    if named == "foreign":
        notebook = execution["runtime"].get("notebook")
        return f"foreign, {printable(notebook)}" if notebook else named
    return f"{named}, pid {by['pid']}" if by.get("pid") else named


def entered(mark: str, count: int | None, code: str) -> str:
    """Return somebody else's code as it would stand at a prompt."""
    prompt = f"{mark} {in_prompt(count)}"
    lines = [_clean(line) for line in (code or "(code not recorded)").splitlines()] or [""]
    left = len(lines) - _MOST_LINES
    if left > 1:
        lines = [*lines[:_MOST_LINES], f"… {left} more lines"]
    continuation = f"{'...: ':>{len(prompt)}}"
    return prompt + f"\n{continuation}".join(lines) + "\n"


def _clean(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def in_prompt(count: int | None) -> str:
    """Return the prompt before code."""
    return f"In [{'*' if count is None else count}]: "


def continuation(prompt_width: int) -> str:
    """Return the prompt before a further line of code."""
    return f"{'...: ':>{prompt_width}}"
