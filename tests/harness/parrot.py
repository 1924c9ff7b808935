"""A kernel that is not Python: it asks for a line per word of its code, and says what it got.

``?`` asks, ``*`` asks for a password; anything else is said back. Run as a script, it takes a
connection file; `install` writes its kernelspec.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

if TYPE_CHECKING:
    from pathlib import Path


class Parrot(Kernel):
    implementation = "parrot"
    implementation_version = "1"
    banner = "parrot"
    language_info = {
        "name": "parrot",
        "mimetype": "text/plain",
        "file_extension": ".txt",
        "version": "1",
    }

    async def do_execute(self, code: str, *_: Any, **__: Any) -> dict[str, Any]:
        self._allow_stdin = True
        for word in code.split():
            content = {"name": "stdout", "text": f"{self._said(word)}\n"}
            self.send_response(self.iopub_socket, "stream", content)  # type: ignore[no-untyped-call]
        return {
            "status": "ok",
            "execution_count": self.execution_count,
            "payload": [],
            "user_expressions": {},
        }

    def _said(self, word: str) -> str:
        try:
            match word:
                case "?":
                    return str(self.raw_input("? "))  # type: ignore[no-untyped-call]
                case "*":
                    return str(self.getpass("* "))
        except EOFError:
            return "(end)"
        return word


def install(jupyter_data: Path) -> None:
    """Write the kernelspec ``parrot``."""
    folder = jupyter_data / "kernels" / "parrot"
    folder.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, __file__, "-f", "{connection_file}"],
        "display_name": "Parrot",
        "language": "parrot",
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=Parrot)
