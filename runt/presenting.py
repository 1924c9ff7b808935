"""What an execution has put out, in the form that was asked for: text that fits, a page, images."""

from __future__ import annotations

import sys

from runt import exits, jsonout, session
from runt.commands.evaluate_options import LEAST_CHARS, MOST_CHARS
from runt.failures import DeniedFailure, Failure, UsageFailure
from runt.ids import short
from runtimed.model.text import plain, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def fits(options: dict[str, Any]) -> bool:
    """Say whether text is asked for that fits into a budget."""
    return options.get("max_chars") is not None or options.get("format") in ("text", "markdown")


def check(options: dict[str, Any]) -> None:
    """Look whether the options go together. Raises `UsageFailure`."""
    if options.get("format") == "html":
        for other in ("json", "max_chars"):
            if options.get(other):
                raise UsageFailure(
                    f"--format html and --{other.replace('_', '-')} exclude each other"
                )
    if options.get("save_images") == "":
        raise UsageFailure("--save-images is empty")


def wait(id: str, wait_s: float) -> int:
    """Wait for its end, so long at most, and return the exit code that `runt eval` would have.

    What its state means is said on stderr.
    """
    rendered = session.call_again(
        "execution.render", {"execution": id, "max_chars": LEAST_CHARS, "wait_s": wait_s}
    )
    _tell(_state_of(rendered))
    return _exit_code(rendered)


def present(
    id: str,
    options: dict[str, Any],
    introduced: dict[str, Any] | None = None,
    *,
    remarks: bool = False,
) -> int:
    """Print it, save its images, and return the exit code that goes with its status.

    Of an execution that is to be ``introduced``, its code goes first. With ``remarks`` stderr says
    what text does not: what is missing, and that it goes on.
    """
    as_json = options.get("json") or options.get("format") == "json"
    head, rendered = "", None
    if fits(options):
        most = options.get("max_chars") or MOST_CHARS
        head = _introduction(introduced, options, most) if introduced and not as_json else ""
        rendered = _rendered(id, options, most - len(head))
    if rendered is not None and not as_json:
        _print(head + rendered["text"])  # whatever becomes of the images
    try:
        images = None if rendered is None else rendered["images"]
        saved, failure = _saved(id, options, images), None
    except DeniedFailure as error:  # of which something is said when all else has been
        saved, failure = None, error
    for image in rendered["images"] if rendered else ():
        image.pop("data", None)  # where it is, without its bytes
    code = exits.OK if rendered is None else _exit_code(rendered)
    if as_json:
        document = _document(id, outputs=rendered is None)
        if rendered is not None:
            document |= _bounded(document, options.get("max_chars") or MOST_CHARS)
        more = {"rendered": rendered, "images": saved}
        found = {name: value for name, value in more.items() if value is not None}
        jsonout.print_bare({"schema": jsonout.SCHEMA, "execution": document, **found})
        code = code if rendered else exits.of_document(document)
    elif rendered is not None:
        _tell(_remarks(rendered) if remarks else ())
    elif options.get("format") == "html":
        from runt.html import fragment

        document = _document(id, outputs=True)
        _print(fragment(document))
        code = exits.of_document(document)
    if failure is not None and code != exits.WAIT_EXPIRED:
        raise failure
    _tell([str(failure)] if failure else ())
    return code


def _tell(sentences: Iterable[str]) -> None:
    sys.stderr.write("".join(f"runt: {said}\n" for said in sentences))


def _remarks(rendered: dict[str, Any]) -> list[str]:
    from runt.shows import gap_sentence, removed_sentence

    said = []
    if rendered["gap"]:
        said.append(gap_sentence(rendered["gap"]))
    if rendered["outputs_removed"]:
        said.append(removed_sentence(rendered["outputs_removed"]))
    return said + _state_of(rendered)


def _state_of(rendered: dict[str, Any]) -> list[str]:
    """Return what is to be said of an execution that is not simply done."""
    from runt.shows import asks_sentence, ended_sentence

    id, status = short(rendered["execution"]), rendered["status"]
    if rendered["input"]:
        return [asks_sentence(id, rendered["input"])]
    if status not in exits.BY_STATUS:
        behind = before(rendered["execution"]) if status == "queued" else ""
        return [f"{id} is {status}{behind}; `runt output {id} --wait 60` waits for it"]
    sentence = ended_sentence(rendered["execution"], status, rendered["reason"])
    return [sentence] if sentence else []


def before(id: str) -> str:
    """Return what a queued execution has before it: one that waits for an answer may stay."""
    runtime = _document(id, outputs=False)["runtime"]["id"]
    params = {"runtime": runtime, "status": ["running", "waiting_input"], "limit": 1}
    for first in session.call_again("execution.list", params):
        state = "waits for input" if first["status"] == "waiting_input" else "runs"
        return f" behind {short(first['id'])}, which {state}"
    return ""


def _introduction(execution: dict[str, Any], options: dict[str, Any], most: int) -> str:
    """Return what stands before the output, if there is room for it: what it is, and its code."""
    from runtimed.model.rendering.cutting import boundary_before
    from runtimed.model.rendering.forms import fenced

    what = (short(execution["id"]), execution["status"], plain(execution["runtime"]["name"]))
    code, room = plain(execution["code"]).strip("\n"), max(0, most - LEAST_CHARS) // 2
    if len(code) > room:
        end = boundary_before(code, max(0, room - 100))
        code = f"{code[:end]}\n… {len(code) - end:,} characters more"
    if options.get("format") == "markdown":
        text = f"**{' · '.join(what)}**\n\n{fenced(code)}\n"
    else:
        text = f"{' · '.join(what)}\n\n{code}\n\n"
    return text if len(text) <= most - LEAST_CHARS else ""


def _rendered(id: str, options: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the text that fits, and its images."""
    form = "markdown" if options.get("format") == "markdown" else "text"
    params = {"execution": id, "max_chars": most, "form": form}
    if options.get("wait_s") is not None:
        params["wait_s"] = options["wait_s"]
    rendered: dict[str, Any] = session.call_again("execution.render", params)
    return rendered


def _saved(
    id: str, options: dict[str, Any], images: list[dict[str, Any]] | None
) -> list[dict[str, Any]] | None:
    """Save the images, if that is asked for; say where on stderr, unless JSON does."""
    if not options.get("save_images"):
        return None
    from runt.image_files import save

    try:
        saved = save(id, options["save_images"], images)
    except Failure as error:
        # The code has run: nobody should think that it raised, and run it again.
        said = f"{error}; the outputs are kept: `runt output {short(id)} --save-images DIR`"
        raise DeniedFailure(said) from None
    if not options.get("json") and options.get("format") != "json":
        for image in saved:
            but = "" if image["is_image"] else f", but its bytes are no {image['mime']}"
            sys.stderr.write(f"saved {image['path']}{but}\n")
    return saved


def _document(id: str, *, outputs: bool) -> dict[str, Any]:
    found: dict[str, Any] = session.call_again(
        "execution.get", {"execution": id, "outputs": outputs}
    )
    return found


def _bounded(document: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the members of a document that code makes as long as it likes, shortened."""
    found = {"code": shortened(document["code"], most)}
    if asks := document.get("input"):
        found["input"] = asks | {"prompt": shortened(asks["prompt"], most)}
    return found


def _exit_code(rendered: dict[str, Any]) -> int:
    status, error = rendered["status"], rendered["error"] or {}
    if status not in exits.BY_STATUS:
        return exits.WAIT_EXPIRED
    return exits.of_execution(status, error.get("ename"), error.get("evalue"))


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write((text.removesuffix("\n") + "\n").encode("utf-8", "replace"))
