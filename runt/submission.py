"""From a command line to the parameters of a submission: its code, its stdin, its runtime."""

from __future__ import annotations

import os

from runt import project
from runt.building import split_packages
from runt.failures import UsageFailure
from runt.utf8 import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


#: Options that say how a runtime is started: one that is named was.
_OF_STARTING = ("kernel", "python", "name", "env", "clean_env", "with")


def parameters(options: dict[str, object], *, detached: bool) -> dict[str, object]:
    """Return the parameters of ``execution.submit`` for these options."""
    code, from_stdin = read_code(options)
    params: dict[str, object] = {"code": code}
    params |= which_runtime(options)
    for name in ("id", "group"):
        if options.get(name) is not None:
            params[name] = options[name]
    if options.get("no_stop_on_error"):
        params["stop_on_error"] = False
    if options.get("carry_over"):
        params["carry_over"] = True
    if options.get("cell") is not None:
        params["cell"] = _cell(str(options["cell"]))
    rest: Any = options.get("argv")
    if rest is not None or options.get("file") not in (None, "-"):
        params["argv"] = [_program(options), *(rest or ())]
    if not from_stdin and wants_stdin(code, options, detached=detached):
        params["stdin"] = read_stdin()
        # Else sys.argv is the kernel's own, and fileinput would read the files that it names.
        params.setdefault("argv", [_program(options)])
    return params


def _program(options: dict[str, object]) -> str:
    """Return what Python would call the program: its file, or ``-c``."""
    file = options.get("file")
    return "-c" if file in (None, "-") else os.fsencode(str(file)).decode("utf-8", "replace")


def which_runtime(options: dict[str, object]) -> dict[str, object]:
    """Return the parameters that name a runtime, or say which one to find or start."""
    _refuse_empty(options, "runtime", "kernel", "python", "name")
    if options.get("rm"):
        return start_parameters(options)
    named = options.get("runtime") or os.environ.get("RUNT_RUNTIME")
    wishes = [w for w in _OF_STARTING if options.get(w)]
    if named:
        if wishes:
            source = "--runtime" if options.get("runtime") else "RUNT_RUNTIME"
            flag = wishes[0].replace("_", "-")
            raise UsageFailure(
                f"{source} names a runtime that is there; --{flag} is for one that is started"
            )
        return {"runtime": named}
    return start_parameters(options)


def start_parameters(options: dict[str, object]) -> dict[str, object]:
    """Return the parameters with which a runtime is started here."""
    _refuse_empty(options, "kernel", "python", "name")
    cwd = project.cwd()
    added: Any = options.get("env") or ()
    params: dict[str, object] = {
        "project": project.find(cwd),
        "cwd": cwd,
        "env": project.environment(added, clean=bool(options.get("clean_env"))),
    }
    for option, parameter in (("kernel", "kernel_name"), ("python", "environment")):
        if options.get(option):
            params[parameter] = as_place(str(options[option]))
    if options.get("name"):
        params["name"] = options["name"]
    packages: Any = options.get("with")
    if packages:
        params["dependencies"] = split_packages(packages)
        if not params["dependencies"]:
            raise UsageFailure("--with names no package")
    return params


def _refuse_empty(options: dict[str, object], *names: str) -> None:
    """Raise `UsageFailure` for an option that is given and empty: a script's unset variable.

    Taken for one that is not given, it would run the code somewhere else.
    """
    for name in names:
        if options.get(name) == "":
            raise UsageFailure(f"--{name} is empty")


def as_place(wish: str) -> str:
    """Return the wish, absolute if it is a path: the daemon's working directory is not ours."""
    if os.sep in wish or wish in (".", "..") or wish.startswith("~"):
        return os.path.abspath(os.path.expanduser(wish))
    if wish.startswith(".") and os.path.isdir(wish):
        return os.path.abspath(wish)
    return wish


def read_code(options: dict[str, object]) -> tuple[str, bool]:
    """Return the code, and whether it was stdin that had it."""
    code, file = options.get("code"), options.get("file")
    if code is not None and file is not None and code != file:
        raise UsageFailure("give the code as an argument or with -f, not both")
    if file is not None and file != "-":
        try:
            with open(str(file), "rb") as source:
                return _code(source.read(), str(file)), False
        except OSError as error:
            raise UsageFailure(f"cannot read {file}: {error.strerror}") from None
    if code is None or code == "-":
        return _code(_read_to_end(), "stdin"), True
    try:
        str(code).encode()
    except UnicodeEncodeError:
        raise UsageFailure("the code is not UTF-8") from None
    return str(code), False


def wants_stdin(code: str, options: dict[str, object], *, detached: bool) -> bool:
    """Say whether the whole of stdin has to be there before the code starts.

    Only where the code names stdin (``sys.stdin``, ``open(0)``, ``fileinput``), or ``--stdin``
    says so. Otherwise nothing is read in advance, so that a pipe that is open and idle (cron,
    ssh, a CI job, a shell loop that reads a list) neither hangs nor loses a line: while we are
    attached, a line is read from it when ``input()`` asks for one. Detached, nobody would be
    there to do that, and a file is read if the code says ``input(``.
    """
    if options.get("no_stdin"):
        return False
    if options.get("stdin"):
        return True
    if os.isatty(0):
        return False
    if "stdin" in code or "open(0" in code or "fileinput" in code:
        return True
    return detached and "input(" in code and _stdin_is_file()


def read_stdin() -> str:
    """Return all of stdin as text. Raises `UsageFailure`."""
    return decode(_read_to_end(), "stdin")


def _read_to_end() -> bytes:
    chunks = []
    try:
        while chunk := os.read(0, 1 << 20):
            chunks.append(chunk)
    except OSError as error:
        raise UsageFailure(f"cannot read stdin: {error.strerror}") from None
    return b"".join(chunks)


def _code(text: bytes, source: str) -> str:
    return decode(text, source).removeprefix("\ufeff")


def _stdin_is_file() -> bool:
    import stat

    return stat.S_ISREG(os.fstat(0).st_mode)


def _cell(reference: str) -> dict[str, str]:
    notebook, slash, cell = reference.rpartition("/")
    if not (slash and notebook and cell):
        raise UsageFailure(f"--cell takes NOTEBOOK/ID, not {reference!r}")
    return {"notebook": notebook, "id": cell}
