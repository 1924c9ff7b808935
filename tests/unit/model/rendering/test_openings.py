"""What begins something that never ends, again and again: the time it takes is linear.

Each of these takes minutes where a pattern, or a loop, looks for the end from every beginning.
"""

from __future__ import annotations

from typing import Any

import pytest

from runtimed.model.rendering.render import render
from runtimed.model.text import plain, without_ansi, without_commands

HTML = [
    *("<", "<a", "<a ", "<a b='", "</", "</a ", "<!", "<!--", "<?", "<![", "<![CDATA["),
    *("<svg ", "<svg width=", '<svg viewBox="', "<script>", "<style></", "<table>", "<td>"),
    *("<iframe ", "<template>", "<tr><td rowspan=100>", "&", "&#x"),
]
CONTROLS = ["\x1b", "\x1b[", "\x1b[1;", "\x1b]", "\x1bP", "\x1b(", "\r", "x\r", "\b", "\x0b"]
TEXT = [
    *("`", "```\n", "[x](", "$$", '{"a":', '"', "\\", "-", " ", "\n", "\u0301", "0", "1,", "1."),
    *('File "', "File x", 'File "x", line ', "Cell In[", "Traceback:\n", "1. ", "  at ", "(node:"),
    *("… ", "Traceback ", "/site-packages/", "<frozen ", " × ", "vegaEmbed", "})("),
]
MIMES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("opening", [*HTML, *CONTROLS, *TEXT], ids=ascii)
def test_what_is_opened_again_and_again(opening: str) -> None:
    text = opening * (100_000 // len(opening))
    data: list[dict[str, Any]] = [{mime: text} for mime in MIMES]
    data += [{"application/json": text}, {"text/html": f"<table>{text}"}, {text[:5000]: "x"}]
    data += [{"image/svg+xml": text[:65_000]}] * 60
    error = {"output_type": "error", "ename": text[:500], "evalue": text, "traceback": [text, text]}
    outputs: list[dict[str, Any]] = [{"output_type": "display_data", "data": each} for each in data]
    outputs += [{"output_type": "stream", "name": "stdout", "text": text}, error]
    assert len(render(outputs, max_chars=4000).text) <= 4000
    assert len(render([error], max_chars=400, form="markdown", traceback="full").text) <= 400


@pytest.mark.timeout(20)
@pytest.mark.parametrize("opening", CONTROLS, ids=ascii)
def test_sequences_that_do_not_end(opening: str) -> None:
    text = opening * (600_000 // len(opening))
    for read in (plain, without_ansi, without_commands):
        assert len(read(text)) <= len(text)
    assert without_ansi(text + "x" * 300_000 + "\x1b[1mend").endswith(("end", "\x1b[1mend"))
