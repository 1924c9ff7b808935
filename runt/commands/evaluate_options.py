"""The options of ``eval`` and ``submit``, defined once.

``runt eval`` has to answer in the time that importing click takes, so `parse` reads the usual
command lines by itself; from the same table come the options of the click commands, which get
everything that `parse` does not understand, and give the errors and the help.
"""

from __future__ import annotations

#: Ten years: more is a mistake, and too much for what takes it at the other end.
MOST_S = 315_360_000.0

#: What a text may be told to fit into (`runtimed.api.rendering`).
LEAST_CHARS, MOST_CHARS = 200, 1_000_000


class Option:
    """One option. ``kind``: flag, text, many, seconds, chars, or a tuple of choices."""

    __slots__ = ("flags", "help", "kind", "metavar", "name", "verbs")

    def __init__(
        self,
        flags: str,
        kind: str | tuple[str, ...],
        help: str,
        metavar: str | None = None,
        verbs: str = "eval submit",
    ) -> None:
        self.flags = tuple(flags.split())
        self.kind = kind
        self.help = help
        self.metavar = metavar
        self.verbs = verbs.split()
        #: The name that click would give it: that of the first long flag.
        self.name = next(f for f in self.flags if f.startswith("--"))[2:].replace("-", "_")


OPTIONS = (
    Option(
        "--runtime -r",
        "text",
        "The runtime to use; else RUNT_RUNTIME, else the project's.",
        "RUNTIME",
    ),
    Option(
        "--kernel -k", "text", "A kernelspec or an environment, if one has to be started.", "KERNEL"
    ),
    Option("--python", "text", "A Python environment or interpreter, likewise.", "PATH"),
    Option("--name", "text", "A name for the runtime, likewise.", "NAME"),
    Option(
        "--env", "many", "A variable for the kernel, likewise. May be repeated.", "NAME[=VALUE]"
    ),
    Option("--clean-env", "flag", "Start it without the caller's environment."),
    Option(
        "--with",
        "many",
        "Packages that it has, such as pandas or 'numpy>=2', likewise: it runs in an environment "
        "of its own, built once. With commas, or repeated.",
        "PACKAGES",
    ),
    Option("--file -f", "text", "Take the code from this file.", "FILE"),
    Option("--group", "text", "A failing execution cancels what is queued of its group.", "GROUP"),
    Option("--no-stop-on-error", "flag", "If this one fails, its group goes on."),
    Option("--cell", "text", "The cell that this belongs to, of any application.", "NOTEBOOK/ID"),
    Option("--carry-over", "flag", "Stay queued if the kernel dies or restarts."),
    Option("--id", "text", "An execution id (ULID) of your own; the same id runs once.", "ULID"),
    Option("--stdin", "flag", "Read stdin to its end first, whatever the code says."),
    Option("--no-stdin", "flag", "Leave stdin alone."),
    Option(
        "--wait",
        "seconds",
        "Wait so long at most once it is queued; then exit 124.",
        "SECONDS",
        "eval",
    ),
    Option("--detach -d", "flag", "Print the execution's id and leave it running.", verbs="eval"),
    Option("--rm", "flag", "Use a new runtime, and remove it afterwards.", verbs="eval"),
    Option(
        "--raw",
        "flag",
        "Print the value alone, as text; other output goes to stderr.",
        verbs="eval",
    ),
    Option(
        "--value",
        ("text", "json"),
        "Print the value alone; other output goes to stderr.",
        verbs="eval",
    ),
    Option(
        "--format",
        ("text", "markdown", "json", "html"),
        "Once it is over, print what it has put out as text without control sequences, as "
        "Markdown, as the execution's JSON document, or as HTML.",
        verbs="eval",
    ),
    Option(
        "--max-chars",
        "chars",
        "Print N characters at most, 200 or more: head and tail, what is missing counted, and "
        "the command that gets it.",
        "N",
        "eval",
    ),
    Option("--save-images", "text", "Save its images as files in this directory.", "DIR", "eval"),
    Option(
        "--json",
        "flag",
        "Print JSON: each event in a line as it comes, and the execution's document in the last "
        "one. Of submit, the document.",
    ),
    Option("--quiet -q", "flag", "Print only the execution's id."),
)

_EMPTY = {"flag": False, "many": ()}


def defaults(verb: str) -> dict[str, object]:
    """Return what the options are when none is given."""
    return {
        option.name: _EMPTY.get(option.kind) if isinstance(option.kind, str) else None
        for option in OPTIONS
        if verb in option.verbs
    }


def split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """Return what stands before the first ``--``, and what stands after it."""
    if "--" not in argv:
        return argv, None
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def parse(verb: str, argv: list[str]) -> dict[str, object] | None:
    """Return the options with ``code`` and ``argv``, or None where click is to have its say."""
    argv, rest = split(argv)
    by_flag = {flag: o for o in OPTIONS if verb in o.verbs for flag in o.flags}
    found = defaults(verb)
    found["code"], found["argv"] = None, rest
    words = iter(argv)
    for word in words:
        if word == "-" or not word.startswith("-"):
            if found["code"] is not None:
                return None
            found["code"] = word
            continue
        flag, equals, given = word.partition("=")
        option = by_flag.get(flag)
        if option is None or (equals and (option.kind == "flag" or not flag.startswith("--"))):
            return None
        value = given if equals or option.kind == "flag" else next(words, None)
        if value is None or not _take(found, option, value):
            return None
    return found


def _take(found: dict[str, object], option: Option, value: str) -> bool:
    if option.kind == "flag":
        found[option.name] = True
    elif option.kind == "many":
        found[option.name] = (*found[option.name], value)  # type: ignore[misc]
    elif option.kind == "seconds":
        try:
            found[option.name] = seconds = float(value)
        except ValueError:
            return False
        return 0 <= seconds <= MOST_S  # so nan is none
    elif option.kind == "chars":
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(MOST_CHARS))):
            return False
        found[option.name] = chars = int(value)
        return LEAST_CHARS <= chars <= MOST_CHARS
    elif isinstance(option.kind, tuple):
        found[option.name] = value
        return value in option.kind
    else:
        found[option.name] = value
    return True
