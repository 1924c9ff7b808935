"""Records what real kernels put out, and what we make of it; run by hand, not by the tests.

    python tests/golden/record.py --python VENV/bin/python [NAME…]    runs the cells of cells.toml
    python tests/golden/record.py --render                            renews rendered/ alone

The environment that ``--python`` belongs to has: ipykernel, bash_kernel, pandas, numpy, matplotlib,
plotly, altair, tqdm, rich, polars, sympy, ipywidgets, pyarrow. R with IRkernel and deno are taken
from PATH.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtimed.model.outputs import OUTPUT_MESSAGES, Operation, fold, operation
from runtimed.model.rendering.render import render

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

HERE = Path(__file__).parent
OUTPUTS, RENDERED = HERE / "outputs", HERE / "rendered"
FORMS: tuple[Literal["text", "markdown"], ...] = ("text", "markdown")
BUDGETS = (8000, 600)


def rendered(name: str) -> str:
    """Return the recorded outputs in both forms, with a large and a small budget."""
    outputs = json.loads((OUTPUTS / f"{name}.json").read_text())
    parts = []
    for form, chars in itertools.product(FORMS, BUDGETS):
        shown = render(outputs, max_chars=chars, form=form, more="runt output e1234567")
        count = f"{len(shown.text):,} of {shown.total_chars:,} characters"
        what = "complete" if shown.is_complete else f"left out: {'; '.join(shown.omitted)}"
        images = "".join(f"\n==== {image.description}" for image in shown.images)
        parts.append(f"==== {form}, {chars}: {count}; {what}{images}\n{shown.text}\n")
    return "\n".join(parts)


def write_rendered() -> None:
    """Write what is rendered of all that is recorded."""
    for path in sorted(OUTPUTS.glob("*.json")):
        (RENDERED / f"{path.stem}.txt").write_text(rendered(path.stem))


def kernel_argv(kernel: str, python: str) -> list[str]:
    """Return how a kernel is started."""
    return {
        "python": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "bash": [python, "-m", "bash_kernel", "-f", "{connection_file}"],
        "R": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
        "deno": ["deno", "jupyter", "--kernel", "--conn", "{connection_file}"],
    }[kernel]


def run(client: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """Return the folded outputs of a cell."""
    sent = client.execute(code.strip("\n"))
    operations: list[Operation] = []
    while True:
        message = client.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") != sent:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return fold(operations)
        if kind in OUTPUT_MESSAGES:
            operations.append(operation(kind, content))


def record(cells: list[dict[str, str]], python: str) -> None:
    """Run the cells, each in a kernel of its own, and write what came of them."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    home = str(Path(python).absolute().parents[1])
    for cell in cells:
        transport = "tcp" if cell["kernel"] == "deno" else "ipc"  # deno has nothing else
        manager = KernelManager(transport=transport)
        manager._kernel_spec = KernelSpec(argv=kernel_argv(cell["kernel"], python))
        manager.start_kernel()
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            outputs = run(client, cell["code"])
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        text = json.dumps(outputs, ensure_ascii=False, indent=1)
        text = text.replace(home, "/home/ada/.venv").replace(str(Path.home()), "/home/ada")
        (OUTPUTS / f"{cell['name']}.json").write_text(text + "\n")
        print(f"{cell['name']}: {len(text):,}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if not options.render:
        cells = tomllib.loads((HERE / "cells.toml").read_text())["cell"]
        wanted = [cell for cell in cells if not options.names or cell["name"] in options.names]
        record(wanted, options.python)
    write_rendered()


if __name__ == "__main__":
    main()
