"""A real terminal: keys go in, and what stands on the screen comes out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT_S = 60.0
#: Between two looks at the screen; tmux tells nobody of a change.
_LOOK_S = 0.05


class Terminal:
    """One window of a tmux server of its own, with a program in it."""

    def __init__(self, socket: Path, *, columns: int = 100, rows: int = 40) -> None:
        self._socket = socket
        self._size = ("-x", str(columns), "-y", str(rows))

    def run(self, *command: str, env: Mapping[str, str], cwd: Path) -> None:
        """Start a program; its exit status is shown when it ends, and the window stays."""
        words = shlex.join(["env", "-i", *(f"{n}={v}" for n, v in env.items()), *command])
        # A Ctrl-C is for the shell too, which must outlive it.
        shell = f"trap : INT; {words}; printf '\\n[exit %s]' $?; exec sleep infinity"
        start = ["-f", os.devnull, "new-session", "-d", *self._size, "-c", str(cwd), "sh", "-c"]
        self._tmux(*start, shell)

    def close(self) -> None:
        """End it, whatever runs in it."""
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, C-c, Tab."""
        self._tmux("send-keys", *keys)

    def enter(self, line: str) -> None:
        """Type a line, and Enter."""
        self.type(line)
        self.press("Enter")

    def paste(self, text: str) -> None:
        """Paste, between brackets where the program has asked for them."""
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self, *, escapes: bool = False) -> str:
        """Return all that was shown, what has scrolled away included, without trailing blanks."""
        shown = self._tmux("capture-pane", "-p", "-S", "-", *(["-e"] if escapes else []))
        return "\n".join(line.rstrip() for line in shown.rstrip().splitlines())

    def wait_for(self, pattern: str, timeout_s: float = _TIMEOUT_S) -> re.Match[str]:
        """Wait until the screen matches (re.MULTILINE); return how. Raises `AssertionError`."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            screen = self.screen()
            if found := re.search(pattern, screen, re.MULTILINE):
                return found
            assert time.monotonic() < deadline_s, f"no {pattern!r} on the screen:\n{screen}"
            time.sleep(_LOOK_S)

    def _tmux(self, *words: str) -> str:
        env = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words], env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
