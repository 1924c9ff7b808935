"""Give a Python execution its sys.argv and its standard input, and take them back.

Silent executions around the one that was asked for; what they need is no name in the user's
namespace.
"""

from __future__ import annotations

_SETUP = """
import builtins, io, sys
saved = {"argv": sys.argv, "stdin": sys.stdin}
sys._runtimed_saved = saved
if argv is not None:
    sys.argv = ["-c", *argv]
if data is not None:
    stdin = sys.stdin = io.StringIO(data)
    def read(prompt=""):
        print(prompt, end="", flush=True)
        line = stdin.readline()
        if not line:
            raise EOFError("EOF when reading a line")
        return line.removesuffix("\\n")
    try:
        # ipykernel binds builtins.input to this at the beginning of each execution.
        kernel = builtins.get_ipython().kernel
        kernel.raw_input = read
        saved["kernel"] = kernel
    except Exception:
        pass
"""

_TEARDOWN = """
import sys
saved = sys.__dict__.pop("_runtimed_saved", {})
for name in ("argv", "stdin"):
    if name in saved:
        setattr(sys, name, saved[name])
if "kernel" in saved:
    saved["kernel"].__dict__.pop("raw_input", None)
"""


def setup_code(stdin: str | None, argv: list[str] | None) -> str:
    """Return the code to run before."""
    return f"exec({_SETUP!r}, {{'data': {stdin!r}, 'argv': {argv!r}}})"


def teardown_code() -> str:
    """Return the code to run after."""
    return f"exec({_TEARDOWN!r}, {{}})"


#: ipykernel's publisher drops what its socket's queue of 1,000 messages cannot hold while the
#: reader is away; this makes room, in the thread that owns the socket.
_ROOMY_IOPUB = """
import zmq
thread = get_ipython().kernel.iopub_thread
thread.schedule(lambda: thread.socket.setsockopt(zmq.SNDHWM, 1_000_000))
"""
ROOMY_IOPUB = f"exec({_ROOMY_IOPUB!r}, {{'get_ipython': get_ipython}})"
