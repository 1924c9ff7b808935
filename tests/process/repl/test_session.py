"""A session at the prompt of Python, as its user sees it, in a few kernels' time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon
    from tests.process.repl.conftest import Open


def test_the_missions_session(daemon: Daemon, terminal: Open) -> None:
    screen = terminal("run", "python3")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("1 + 1")
    screen.wait_for(r"^Out\[1\]: 2\n\nIn \[2\]:$")
    screen.enter("for i in range(3):")
    screen.enter("print('line', i)")  # indented by the prompt
    screen.press("Enter")
    screen.wait_for(r"^   \.\.\.:     print\('line', i\)\n   \.\.\.:\nline 0\nline 1\nline 2$")
    screen.enter("f'{i}\\n{i}'.upper() or None; [i] * 30")
    screen.wait_for(r"^Out\[3\]:\n\[2,\n 2,$")
    screen.wait_for(r"^In \[4\]:$")
    screen.press("C-d")
    said = screen.wait_for(
        r'^Runtime "(\w{8})" exited with no errors\. '
        r"To export a notebook from your session, run\nrunt export \1 --notebook\n\n?\[exit 0\]"
    )
    (runtime,) = daemon.call("runtime.list", all=True)
    assert (runtime["short_id"], runtime["status"]) == (said[1], "dead")
    assert len(daemon.call("execution.list", runtime=said[1])) == 3


def test_what_the_kernel_knows(daemon: Daemon, terminal: Open, runt: Runt) -> None:
    """Completion with types, questions, history from the store, paste, Ctrl-C, getpass."""
    runt("start", "python3", "--name", "earlier")
    assert runt("eval", "-r", "earlier", "quokka = 'from another runtime'").returncode == 0
    screen = terminal("run", "--attach", "earlier")
    screen.wait_for(r"^In \[2\]:$")
    screen.type("quok")
    screen.press("Tab")
    screen.wait_for(r"^In \[2\]: quokka$")
    screen.enter(".title()")
    screen.wait_for(r"^Out\[2\]: 'From Another Runtime'$")
    screen.type("quokka.is")
    screen.press("Tab")
    screen.wait_for(r"isalnum\s+function")
    screen.press("C-c")
    screen.wait_for(r"^In \[3\]:$")
    screen.press("C-r")
    screen.type("another")
    screen.wait_for(r"^In \[3\]: quokka = 'from another runtime'")
    screen.press("C-c")
    screen.enter("quokka.title?")
    screen.wait_for(r"^Docstring:")
    screen.enter("nothing_is_called_so??")
    screen.wait_for(r"^Object `nothing_is_called_so` not found\.$")
    screen.paste("def twice(x):\n    if x:\n\n        return 2 * x\n\ntwice(21)")
    screen.wait_for(r"^   \.\.\.: twice\(21\)$")
    assert "Out[3]" not in screen.screen()
    screen.press("Enter")
    screen.wait_for(r"^Out\[3\]: 42$")
    screen.enter("print('before ', end=''); import getpass; len(getpass.getpass('secret: '))")
    screen.wait_for(r"^before secret:$")
    screen.enter("hunter2")
    screen.wait_for(r"^Out\[4\]: 7$")
    assert "hunter2" not in screen.screen()
    screen.enter("'<' + input('name? ') + '>'")
    screen.wait_for(r"^name\?$")
    screen.enter("日本")
    screen.wait_for(r"^Out\[5\]: '<日本>'$")
    screen.press("C-d")
    screen.wait_for(r"keeps running; `runt run --attach \w{8}` joins it again\. To export")
    (runtime,) = daemon.call("runtime.list")
    assert runtime["status"] == "alive"


def test_interrupts_errors_and_live_output(daemon: Daemon, terminal: Open) -> None:
    screen = terminal("run", "python3")
    screen.wait_for(r"^In \[1\]:$")
    screen.enter("import time; print('sleeping'); time.sleep(600)")
    screen.wait_for(r"^sleeping$")
    screen.press("C-c")
    screen.wait_for(r"^KeyboardInterrupt:\n\nIn \[2\]:$")
    screen.enter("1/0")
    screen.wait_for(r"^ZeroDivisionError: division by zero\n\nIn \[3\]:$")
    assert re.search(r"\x1b\[[0-9;]*m-{20}", screen.screen(escapes=True))
    screen.enter("from IPython.display import clear_output, display")
    screen.enter("for n in range(30): print('step', n); clear_output(wait=True)")
    screen.wait_for(r"\(wait=True\)\nstep 29\n\nIn \[5\]:$")
    screen.enter("h = display('one', display_id=True); print('below'); h.update('two')")
    screen.wait_for(r"^'one'\nbelow\n'two'\n\nIn \[6\]:$")
    screen.enter("h = display('one', display_id=True); h.update('three')")
    screen.wait_for(r"'three'\)\n'three'\n\nIn \[7\]:$")
    screen.enter("for n in range(30): print(f'\\r{n} of 29', end='')")
    screen.wait_for(r"^29 of 29\n\nIn \[8\]:$")
    screen.enter("while True: print('x' * 70)")
    screen.wait_for(r"^x{70}$")
    screen.press("C-c")
    screen.wait_for(r"^KeyboardInterrupt")
    screen.wait_for(r"^In \[9\]:$")
    screen.press("C-d")
    screen.wait_for(r'^Runtime "\w{8}" exited after an error in 1 cell\.')
