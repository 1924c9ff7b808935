"""Where answers to ``input()`` come from: the terminal, or the lines of a piped stdin."""

from __future__ import annotations

import os

from runt.utf8 import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runt.writer import Writer

_STDIN = 0


class Answers:
    """Reads one answer at a time from stdin, only while one is asked for.

    It never blocks: `read` is called when stdin is readable, and answers when a line is whole.
    """

    def __init__(self, writer: Writer, *, use_stdin: bool) -> None:
        self._writer = writer
        self._buffer = b""
        self._taken_bytes = 0
        self._ended = False
        self._echo_was: list[object] | None = None
        self._is_terminal = use_stdin and os.isatty(_STDIN)
        self.usable = use_stdin
        self.asked = False

    def ask(self, prompt: str, *, password: bool) -> None:
        """Begin to wait for an answer; the prompt is shown on a terminal only."""
        self.asked = True
        if self._is_terminal:
            if password:
                self._echo(False)
            self._writer.put(1 if os.isatty(1) else 2, prompt)

    def dismiss(self) -> None:
        """Stop waiting: it was answered, here or elsewhere, or there is nobody to answer."""
        if self._echo_was is not None:
            self._echo(True)
            self._writer.put(1 if os.isatty(1) else 2, "\n")
        self.asked = False

    @property
    def wants_reading(self) -> bool:
        """Whether `read` is to be called once stdin is readable."""
        return self.usable and self.asked

    def read(self) -> tuple[str, bool] | None:
        """Return an answer and whether it is the end of file instead, or None if it is not whole.

        Raises `OSError` where the terminal is gone, `UsageFailure` where a line is not UTF-8.
        """
        if b"\n" not in self._buffer and not self._ended:
            chunk = os.read(_STDIN, 65536)
            self._buffer += chunk
            self._ended = not chunk or (self._is_terminal and not chunk.endswith(b"\n"))
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline and not self._ended:
            return None
        self._buffer = rest
        if self._is_terminal:
            self._ended = False  # Ctrl-D ends one answer, not the terminal
        at_end = not newline and not line
        self.dismiss()
        begin = self._taken_bytes
        self._taken_bytes += len(line) + len(newline)
        return decode(line.removesuffix(b"\r"), "stdin", begin), at_end

    @property
    def has_buffered(self) -> bool:
        """Whether `read` would answer without stdin being readable."""
        return self.wants_reading and (b"\n" in self._buffer or self._ended)

    def _echo(self, on: bool) -> None:
        import termios

        if on and self._echo_was is not None:
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._echo_was)  # type: ignore[arg-type]
            self._echo_was = None
            return
        self._echo_was = termios.tcgetattr(_STDIN)
        silent = termios.tcgetattr(_STDIN)
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, silent)
