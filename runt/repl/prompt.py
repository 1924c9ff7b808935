"""The prompt on a real terminal: prompt_toolkit's, with what the kernel knows."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.filters import Condition, has_selection
from prompt_toolkit.formatted_text import ANSI, FormattedText
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.processors import PasswordProcessor
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from runt.repl import guess, words
from runt.shows import takes_colour

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

    from prompt_toolkit.document import Document
    from prompt_toolkit.layout.processors import Processor
    from prompt_toolkit.lexers import Lexer

    from runt.repl.kernel import Kernel

_INDENT = "    "
_STYLE = Style.from_dict({"prompt": "ansigreen", "continuation": "ansigreen"})
#: Where pygments calls a language by another name than its kernels do.
_LEXERS = {"python": "python3", "c++": "cpp", "ipython": "python3"}


class Prompt:
    """Asks at a terminal. See `runt.repl.prompting.Asks`."""

    def __init__(self, kernel: Kernel, count: Callable[[], int]) -> None:
        self._count = count
        self._is_coloured = takes_colour(1)
        self._shown: PromptSession[str] | None = None
        self._codes: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            lexer=_lexer(kernel.language) if self._is_coloured else None,
            style=_STYLE if self._is_coloured else None,
            completer=_FromKernel(kernel),
            complete_while_typing=False,
            complete_style=CompleteStyle.COLUMN,
            history=_Recalled(kernel),
            enable_history_search=True,
            enable_suspend=True,
            enable_open_in_editor=True,
            prompt_continuation=lambda width, *_: [("class:continuation", _continued(width))],
            key_bindings=_bindings(kernel),
        )

    def _message(self) -> FormattedText:
        return FormattedText([("class:prompt", words.in_prompt(self._count()))])

    @property
    def is_shown(self) -> bool:
        return self._shown is not None and self._shown.app.is_running

    async def code(self) -> str:
        return await self._ask(self._codes)

    def take_interrupt(self) -> bool:
        """See `Asks`: what was typed while the kernel was asked is kept for the next prompt."""
        source = self._codes.app.input
        pressed = get_typeahead(source)
        keys = [press.key for press in pressed]
        if Keys.ControlC not in keys:
            store_typeahead(source, pressed)
            return False
        first = keys.index(Keys.ControlC)
        store_typeahead(source, pressed[first + 1 :])
        return True

    async def line(self, message: str, *, secret: bool = False) -> str:
        hidden: list[Processor] = [PasswordProcessor(char="")] if secret else []
        asking: PromptSession[str] = PromptSession(
            message=ANSI(message), history=DummyHistory(), input_processors=hidden
        )
        return await self._ask(asking)

    async def _ask(self, asking: PromptSession[str]) -> str:
        self._shown = asking
        try:
            return await asking.prompt_async(handle_sigint=False, set_exception_handler=False)
        except EOFError:
            if not os.isatty(0):  # nobody has pressed Ctrl-D: it was hung up
                raise OSError(errno.EIO, os.strerror(errno.EIO)) from None
            raise
        finally:
            self._shown = None

    def dismiss(self, error: BaseException) -> None:
        if self._shown is not None and self._shown.app.is_running:
            with contextlib.suppress(Exception):  # prompt_toolkit: a result is set already
                self._shown.app.exit(exception=error, style="class:aborting")

    @contextlib.asynccontextmanager
    async def above(self) -> AsyncIterator[None]:
        async with in_terminal():
            yield


def _continued(width: int) -> str:
    return words.continuation(width)


def _lexer(language: str | None) -> Lexer | None:
    """Return what colours the language, if pygments knows it."""
    from pygments.lexers import find_lexer_class_by_name
    from pygments.util import ClassNotFound

    name = (language or "").lower()
    try:
        return PygmentsLexer(find_lexer_class_by_name(_LEXERS.get(name, name)))
    except ClassNotFound:
        return None


def _bindings(kernel: Kernel) -> KeyBindings:
    bindings = KeyBindings()
    is_indenting = Condition(
        lambda: not get_app().current_buffer.document.current_line_before_cursor.strip()
    )

    @bindings.add("enter")
    def enter(event: KeyPressEvent) -> None:
        """Run what is whole; else begin a line."""
        buffer = event.current_buffer
        if (state := buffer.complete_state) is not None and state.current_completion:
            buffer.apply_completion(state.current_completion)
            return
        document = buffer.document
        after = document.text_after_cursor
        before = document.text if "\n" not in document.text else document.text_before_cursor
        if after.strip() and "\n" in document.text:
            buffer.insert_text("\n" + guess.indentation(before, kernel.language))
            return
        if not document.text.strip():
            buffer.validate_and_handle()
            return
        is_whole, indent = kernel.is_whole(before)
        if is_whole:
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n" + indent)

    @bindings.add("escape", "enter")
    def force(event: KeyPressEvent) -> None:
        """Run it, whole or not."""
        event.current_buffer.validate_and_handle()

    @bindings.add("tab", filter=is_indenting & ~has_selection)
    def indent(event: KeyPressEvent) -> None:
        """Indent, where there is nothing yet that could be completed."""
        event.current_buffer.insert_text(_INDENT)

    return bindings


class _FromKernel(Completer):
    """Completions of the kernel's."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        return ()  # all come by `get_completions_async`

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Ask the kernel. Where it replaces what stands after the cursor, that is left alone."""
        at = document.cursor_position
        found = await self._kernel.complete(document.text, at)
        if found is None:
            return
        for match in found["matches"]:
            yield Completion(
                match["text"],
                start_position=min(0, found["start"] - at),
                display_meta=_meta(match),
            )


def _meta(match: dict[str, Any]) -> str:
    signature = match.get("signature") or ""
    return f"{match.get('type') or ''} {signature}".strip()


class _Recalled(History):
    """What was run in this language, wherever: the store has it, so nothing is written here."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self._kernel = kernel
        self._fetching = asyncio.Lock()

    async def load(self) -> AsyncGenerator[str, None]:
        async with self._fetching:
            if not self._loaded:
                found = await self._kernel.history()
                mine = set(self._loaded_strings)
                self._loaded_strings += [code for code in found if code not in mine]
                self._loaded = True
        for code in self._loaded_strings:
            yield code

    def load_history_strings(self) -> Iterable[str]:
        return ()  # see `load`

    def store_string(self, string: str) -> None:
        """The daemon has stored it."""
