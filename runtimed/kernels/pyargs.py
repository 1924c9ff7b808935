"""Give a Python execution its sys.argv and its standard input, and take them back.

Silent executions around the one that was asked for; what they need is no name in the user's
namespace.
"""

from __future__ import annotations

_SETUP = """
import builtins, os, sys, tempfile
# An attempt that the kernel aborted may have left its own: what was there before it counts.
saved = sys.__dict__.setdefault("_runtimed_saved", {})
if argv is not None:
    saved.setdefault("argv", sys.argv)
    sys.argv = argv
if data is not None:
    saved.setdefault("stdin", sys.stdin)
    if "fd" not in saved:
        saved["fd"] = os.dup(0)
    # The descriptor too: sys.stdin.buffer, open(0) and child processes read it.
    with tempfile.TemporaryFile() as file:
        file.write(data.encode("utf-8", "surrogateescape"))
        file.seek(0)
        os.dup2(file.fileno(), 0)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    def read(prompt="", *_, **__):
        print(prompt, end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError("EOF when reading a line")
        return line.removesuffix("\\n")
    try:
        # ipykernel binds input and getpass to these at the beginning of each execution.
        saved["kernel"] = kernel = builtins.get_ipython().kernel
        kernel.raw_input = kernel.getpass = read
    except AttributeError:
        pass
"""

_TEARDOWN = """
import os, sys
saved = sys.__dict__.pop("_runtimed_saved", {})
for name in ("argv", "stdin"):
    if name in saved:
        setattr(sys, name, saved[name])
if "fd" in saved:
    os.dup2(saved["fd"], 0)
    os.close(saved["fd"])
if "kernel" in saved:
    for name in ("raw_input", "getpass"):
        saved["kernel"].__dict__.pop(name, None)
"""


def setup_code(stdin: str | None, argv: list[str] | None) -> str:
    """Return the code to run before."""
    return f"exec({_SETUP!r}, {{'data': {stdin!r}, 'argv': {argv!r}}})"


def teardown_code() -> str:
    """Return the code to run after."""
    return f"exec({_TEARDOWN!r}, {{}})"


#: For an ipykernel that we start. What crashes the process is written to the stderr that it was
#: started with: ipykernel has put a pipe to itself in its place, and what is in there dies with it.
#:
#: Its publisher drops what its queue of 1,000 messages for one reader cannot hold while that reader
#: is away; this makes room, in the thread that owns the socket. A reader that connects later, such
#: as the next keeper, gets the limit of when the socket was bound: libzmq copies the options then,
#: and ``setsockopt`` changes the queues that there are. So each handshake sets it anew, whatever
#: the main thread is at.
#:
#: It publishes in a thread of its own as well: code that lets no other thread run, or ends the
#: process, may begin before ``busy`` is out, and could not be told from what was never begun. So
#: the code waits until that thread has passed it on (0.2 ms; never longer than a tenth of a
#: second).
_AT_START = """
import faulthandler, sys, threading, zmq
from zmq.eventloop.zmqstream import ZMQStream

def look():
    # A connection that has come, or gone, is so for the socket once it has looked at its events.
    thread.socket.getsockopt(zmq.EVENTS)
    # Having looked, we are the only ones who know of a subscription that came with it.
    if (subscriptions := getattr(thread, "_xpub_stream", None)) is not None:
        subscriptions.flush(zmq.POLLIN)

def changed(event):
    global is_wanted, waits
    if int.from_bytes(event[0][:2], sys.byteorder) == zmq.EVENT_DISCONNECTED:
        waits = 2
    else:
        is_wanted = True
    make_room()

def make_room():
    # libzmq 4.3.5 dies of a limit that is set while a connection is being taken down (compare its
    # pull request 4647): so whoever went last is given time. Who goes is known from the monitor
    # before the socket hears of it: what waits there is read first.
    global is_wanted, timer
    try:
        if timer is not None:
            thread.io_loop.remove_timeout(timer)
            timer = None
        look()
        if waits:
            timer = thread.io_loop.call_later(0.05, go_on)
        elif is_wanted and not monitor.poll(0):
            thread.socket.setsockopt(zmq.SNDHWM, 1_000_000)
            is_wanted = False
    except Exception:
        pass  # it is being closed, or is not what it is in the ipykernels that we know

def go_on():
    global timer, waits
    timer, waits = None, waits - 1
    make_room()

def watch():
    global monitor
    try:
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        monitor = thread.socket.get_monitor_socket(events)
        ZMQStream(monitor, thread.io_loop).on_recv(changed)
    except Exception:
        return
    make_room()

def publish_execute_input(*args, **kwargs):
    publish(*args, **kwargs)
    told = threading.Event()
    thread.schedule(told.set)
    told.wait(0.1)

timer, is_wanted, waits = None, True, 2
try:
    kernel = get_ipython().kernel
    thread = kernel.iopub_thread
    thread.schedule(watch)
    publish = kernel._publish_execute_input
    kernel._publish_execute_input = publish_execute_input
except Exception:
    pass
if not faulthandler.is_enabled():
    stderr = getattr(sys.stderr, "_original_stdstream_copy", None)
    faulthandler.enable(2 if stderr is None else stderr, all_threads=False)
"""
AT_START = f"exec({_AT_START!r}, {{'get_ipython': get_ipython}})"
