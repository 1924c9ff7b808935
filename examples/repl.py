#!/usr/bin/env python3
"""A REPL of one's own: ``python examples/repl.py [KERNEL]``, where runtimed is installed.

Ctrl-C interrupts what runs, Ctrl-D leaves and ends the kernel; what was run stays on the record.
"""

import getpass
import readline
import sys
from functools import partial

from runtimed.api.errors import ApiError
from runtimed.api.types import FINAL
from runtimed.client import Client, Execution, Runtime, connect


def read(client: Client, runtime: Runtime) -> str:
    """Read lines until the kernel finds that they are whole, or one is empty."""
    readline.set_startup_hook()
    code = line = input("\n>>> ")
    while line.strip():
        judged = client.api.runtime.is_complete(runtime=runtime.id, code=code)
        if judged.status != "incomplete":
            break
        readline.set_startup_hook(partial(readline.insert_text, judged.indent))
        line = input("... ")
        code += f"\n{line}"
    return code


def follow(client: Client, execution: Execution) -> None:
    """Show what happens to an execution until it is final; Ctrl-C interrupts it."""
    with client.events(since="start", execution=execution.id) as events:
        while True:
            try:
                for event in events:
                    match event.type, event.data:
                        case "output", {"op": "stream", "text": text}:
                            print(text, end="", flush=True)
                        case "output", {"op": "add", "output": {"traceback": lines}}:
                            print("\n".join(lines))
                        case "output", {"output": {"data": data}} | {"op": "update", "data": data}:
                            print(data.get("text/plain", f"[{', '.join(data)}]"))
                        case "input", {"prompt": prompt, "password": is_secret}:
                            execution.reply((getpass.getpass if is_secret else input)(prompt))
                        case "execution", {"status": status} if status in FINAL:
                            return
            except KeyboardInterrupt:
                execution.interrupt()  # the events go on after the last one


with connect(client="repl") as client, client.start(*sys.argv[1:]) as runtime:
    print(f"{runtime.kernel_name} {runtime.short_id}", end="")
    while True:
        try:
            follow(client, runtime.submit(read(client, runtime)))
        except (KeyboardInterrupt, ApiError) as problem:
            print(problem)  # Ctrl-C says nothing; what was typed is dropped
        except EOFError:
            break
