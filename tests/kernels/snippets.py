"""The code that each check runs, by kernel; None where there is no such thing."""

from __future__ import annotations

from dataclasses import dataclass

HTML = "<b>bold</b>"


@dataclass(frozen=True, kw_only=True)
class Snippets:
    """One kernel's words for what the checks want.

    ``begin`` prints "begun" and then works for a minute. ``ask`` reads a line of input and prints
    it. ``echo_target`` registers a comm target "echo" that returns what it is sent. ``settle`` is
    code whose end proves that all output of what ran before has come.
    """

    hello: str
    error_stream: str
    expression: str
    complete: str
    incomplete: str
    wrong: str
    variable: str
    assignment: str
    prefix: str
    begin: str
    ask: str | None = None
    display: str | None = None
    update: str | None = None
    rich: str | None = None
    echo_target: str | None = None
    settle: str | None = None


PYTHON = Snippets(
    hello="print('hello')",
    error_stream="import sys; print('error', file=sys.stderr)",
    expression="6 * 7",
    complete="x = 1",
    incomplete="def f(",
    wrong="def class",
    variable="a_name_to_complete",
    assignment="a_name_to_complete = 42",
    prefix="a_name_to_",
    begin="print('begun', flush=True)\nimport time\nfor _ in range(600): time.sleep(0.1)",
    ask="print(input('who? '))",
    display=f"from IPython.display import HTML, display; display(HTML('{HTML}'))",
    update=(
        "from IPython.display import HTML, display, update_display\n"
        "display(HTML('old'), display_id='one')\n"
        f"update_display(HTML('{HTML}'), display_id='one')"
    ),
    rich=f"from IPython.display import HTML; HTML('{HTML}')",
    echo_target=(
        "def opened(comm, message):\n"
        "    comm.on_msg(lambda message: comm.send(message['content']['data']))\n"
        "get_ipython().kernel.comm_manager.register_target('echo', opened)"
    ),
)

BASH = Snippets(
    hello="echo hello",
    error_stream="echo error >&2",
    expression="echo $((6 * 7))",
    complete="x=1",
    incomplete="if true; then",
    wrong="if then",
    variable="a_name_to_complete",
    assignment="a_name_to_complete=42",
    prefix="echo $a_name_to_",
    # Said by who sleeps: between two commands bash may take no notice of an interrupt.
    begin="sh -c 'echo begun; exec sleep 60'",
    display=f"echo '{HTML}' | displayHTML",
    update=f"echo old | displayHTML one; echo '{HTML}' | displayHTML one",
)

TYPESCRIPT = Snippets(
    hello="console.log('hello')",
    error_stream="console.error('error')",
    expression="6 * 7",
    complete="var x = 1",
    incomplete="const y = {",
    wrong="function function",
    variable="aNameToComplete",
    assignment="var aNameToComplete = 42",
    prefix="aNameTo",
    begin="console.log('begun'); await new Promise(done => setTimeout(done, 60000))",
    ask="console.log(prompt('who? '))",
    display=f"await Deno.jupyter.display(Deno.jupyter.html`{HTML}`)",
    update=(
        "const shown = (type, html) => Deno.jupyter.broadcast(type, {\n"
        "  data: {'text/html': html}, metadata: {}, transient: {display_id: 'one'}})\n"
        f"await shown('display_data', 'old'); await shown('update_display_data', '{HTML}')"
    ),
    rich=f"Deno.jupyter.html`{HTML}`",
    # It publishes in a task of its own: one result in twenty comes after the idle status.
    settle="var x = 1",
)

R = Snippets(
    hello="cat('hello\\n')",
    error_stream="cat('error\\n', file = stderr())",
    expression="6 * 7",
    complete="x <- 1",
    incomplete="f <- function(",
    wrong="function function",
    variable="a_name_to_complete",
    assignment="a_name_to_complete <- 42",
    prefix="a_name_to_",
    begin="cat('begun\\n')\nSys.sleep(60)",
    ask="cat(readline('who? '))",
    display=f"IRdisplay::display_html('{HTML}')",
    rich="data.frame(x = 1:3)",
)

SNIPPETS = {"python3": PYTHON, "xpython": PYTHON, "bash": BASH, "deno": TYPESCRIPT, "ir": R}
