"""Outputs as they come from a real kernel: late, huge, odd; as blobs, and in pages."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.process.daemon.story import text, wait_for_status

if TYPE_CHECKING:
    from tests.process.daemon.executions.conftest import Repl

LIMIT = 256 * 1024
SHOW = "from IPython.display import display\ndisplay({bundle}, raw=True)"


def show(repl: Repl, bundle: str) -> Any:
    """Display a raw mimebundle, written as Python, and return the output."""
    done = repl.eval(SHOW.format(bundle=bundle))
    assert done["status"] == "done", done
    (output,) = done["outputs"]
    return output


def blob(repl: Repl, reference: Any) -> bytes:
    """Fetch what a `BlobRef` names, and check that it is that."""
    found = repl.daemon.call("blob.get", sha256=reference["blob"])
    data = base64.b64decode(found["data"], validate=True)
    assert found["size_bytes"] == reference["size_bytes"] == len(data)
    assert hashlib.sha256(data).hexdigest() == reference["blob"]
    return data


# Late, and to whom it belongs


def test_output_after_the_end_is_appended_and_changes_nothing_else(repl: Repl) -> None:
    go = repl.daemon.state.project / "go"
    with repl.daemon.state.connection() as client:
        client.call("events.subscribe", {"types": ["output"]})
        done = repl.eval(
            "import os, threading\ndef late():\n"
            f"    while not os.path.exists({str(go)!r}): pass\n    print('late', flush=True)\n"
            "threading.Thread(target=late).start()\nprint('early')"
        )
        assert (done["status"], text(done)) == ("done", "early\n")
        go.touch()
        printed = ""
        for notification in client.notifications():
            assert notification["params"]["execution"] == done["id"]
            printed += notification["params"]["data"]["text"]
            if printed == "early\nlate\n":
                break
    after = repl.get(done["id"])
    assert text(after) == "early\nlate\n"
    assert {**after, "outputs": None} == {**done, "outputs": None}
    other = repl.eval("print('other')")
    assert (text(other), text(repl.get(done["id"]))) == ("other\n", "early\nlate\n")


def test_outputs_are_never_mixed(repl: Repl) -> None:
    ids = [repl.submit(f"for i in range(50): print({n}, flush=True)") for n in range(20)]
    for n, execution in enumerate(ids):
        assert text(repl.final(execution)).split() == [str(n)] * 50


def test_an_update_changes_the_cells_that_show_it(repl: Repl) -> None:
    show_it = "display({'text/plain': 'v%s'}, raw=True, display_id='across')"
    first = repl.eval("from IPython.display import display, update_display\n" + show_it % 1)
    second = repl.eval(show_it % 2 + "; print('x')")
    for execution in (first, second):
        assert repl.get(execution["id"])["outputs"][0]["data"] == {"text/plain": "v2"}
    repl.eval("update_display({'text/plain': 'v3'}, raw=True, display_id='across')")
    for execution in (first, second):
        assert repl.get(execution["id"])["outputs"][0]["data"] == {"text/plain": "v3"}
    result = repl.eval("update_display({'text/plain': 'nobody'}, raw=True, display_id='no such')")
    assert result["outputs"] == []


# Large


def test_an_image_is_its_bytes(repl: Repl) -> None:
    output = show(
        repl,
        "{'image/png': __import__('base64').b64encode(bytes(range(256)) * 2000).decode(),"
        " 'text/plain': '<png>'}",
    )
    reference = output["data"]["image/png"]
    assert reference["encoding"] == "base64"
    assert blob(repl, reference) == bytes(range(256)) * 2000
    assert output["data"]["text/plain"] == "<png>"


@pytest.mark.parametrize(
    ("mime", "value"),
    [
        ("text/plain", "'x' * 300_000"),
        ("text/html", "'\\u20ac' * 100_000"),
        ("text/plain", "'AAAA' * 100_000"),  # base64, but text is text
        ("image/svg+xml", "'<svg>' + 'x' * 300_000"),
        ("image/png", "('A' * 76 + chr(10)) * 5000"),  # base64 in lines: kept to the character
        ("image/png", "'AAAB' * 100_000 + 'AB=='"),  # not canonical
    ],
)
def test_a_large_text(repl: Repl, mime: str, value: str) -> None:
    reference = show(repl, f"{{{mime!r}: {value}}}")["data"][mime]
    assert reference["encoding"] == "utf8"
    assert blob(repl, reference).decode() == eval(value)  # our own literal


def test_a_large_json(repl: Repl) -> None:
    value = "{'a': [1.5, None, True, '\\u20ac'] * 50_000}"
    reference = show(repl, f"{{'application/json': {value}}}")["data"]["application/json"]
    assert reference["encoding"] == "json"
    assert json.loads(blob(repl, reference)) == eval(value)  # our own literal


def test_at_the_limit_and_over_it(repl: Repl) -> None:
    output = show(repl, f"{{'text/plain': 'x' * {LIMIT}, 'text/html': 'y' * {LIMIT + 1}}}")
    assert output["data"]["text/plain"] == "x" * LIMIT
    assert blob(repl, output["data"]["text/html"]) == b"y" * (LIMIT + 1)
    # The limit is in bytes, not in characters.
    output = show(repl, f"{{'text/plain': '\\u20ac' * {LIMIT // 3 + 1}}}")
    assert blob(repl, output["data"]["text/plain"]).decode() == "\u20ac" * (LIMIT // 3 + 1)


def test_fifty_megabytes(repl: Repl) -> None:
    reference = show(repl, "{'text/plain': 'z' * 50_000_000}")["data"]["text/plain"]
    assert blob(repl, reference) == b"z" * 50_000_000


def test_a_large_value_by_an_update(repl: Repl) -> None:
    done = repl.eval(
        "from IPython.display import display, update_display\n"
        "display({'text/plain': 'small'}, raw=True, display_id='grows')\n"
        "update_display({'text/plain': 'x' * 300_000}, raw=True, display_id='grows')"
    )
    (output,) = done["outputs"]
    assert blob(repl, output["data"]["text/plain"]) == b"x" * 300_000


@pytest.mark.parametrize("size", [0, 3, 500_000])
def test_buffers(repl: Repl, size: int) -> None:
    done = repl.eval(
        f"data = bytes(i % 251 for i in range({size}))\n"
        "k = get_ipython().kernel\n"
        "k.session.send(k.iopub_socket, 'display_data', {'data': {'x/y': 1}, 'metadata': {}},"
        " parent=k.get_parent(), buffers=[data, b'', memoryview(data)]);"
    )
    (output,) = done["outputs"]
    expected = bytes(i % 251 for i in range(size))
    assert [blob(repl, reference) for reference in output["buffers"]] == [expected, b"", expected]


def test_no_such_blob(repl: Repl) -> None:
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("blob.get", sha256="0" * 64)
    assert refused.value.name == "BlobNotFound"
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("blob.get", sha256="../../../../etc/passwd")
    assert refused.value.name == "InvalidParams"


def test_five_megabytes_in_one_print(repl: Repl) -> None:
    done = repl.eval("print('0123456789' * 500_000)")
    (output,) = done["outputs"]
    assert len(output["text"]) + output["truncated_chars"] == 5_000_001
    page = repl.daemon.call("execution.output", execution=done["id"])
    assert page["lines"] == ["0123456789" * 500_000]


# Odd


def send(repl: Repl, msg_type: str, content: str) -> Any:
    return repl.eval(
        "k = get_ipython().kernel\n"
        f"k.session.send(k.iopub_socket, {msg_type!r}, {content}, parent=k.get_parent());"
    )


@pytest.mark.parametrize(
    ("msg_type", "content", "output"),
    [
        ("stream", "{}", {"output_type": "stream", "name": "stdout", "text": ""}),
        (
            "stream",
            "{'name': 'stderr', 'text': 17}",
            {"output_type": "stream", "name": "stderr", "text": "17"},
        ),
        (
            "stream",
            "{'name': 'other', 'text': 'a' + chr(0) + 'b'}",
            {"output_type": "stream", "name": "other", "text": "a\0b"},
        ),
        ("display_data", "{}", {"output_type": "display_data", "data": {}, "metadata": {}}),
        (
            "display_data",
            "{'data': 'x', 'metadata': [], 'transient': 3}",
            {"output_type": "display_data", "data": {}, "metadata": {}},
        ),
        (
            "execute_result",
            "{'data': {'text/plain': None}, 'execution_count': 'seven'}",
            {
                "output_type": "execute_result",
                "data": {"text/plain": None},
                "metadata": {},
            },
        ),
        (
            "error",
            "{'traceback': 'not a list', 'ename': None}",
            {"output_type": "error", "ename": "", "evalue": "", "traceback": []},
        ),
    ],
)
def test_messages_that_are_not_as_they_should_be(
    repl: Repl, msg_type: str, content: str, output: Any
) -> None:
    done = send(repl, msg_type, content)
    assert done["outputs"] == [output]
    repl.daemon.call("execution.output", execution=done["id"])


RAW = """
import hmac, json
k = get_ipython().kernel
def send_raw(content, signature=None):
    header = json.dumps(k.session.msg_header('stream')
        | {'date': '2020-01-01T00:00:00Z'}).encode()
    parent = json.dumps({'msg_id': k.get_parent()['header']['msg_id'],
        'session': k.get_parent()['header']['session']}).encode()
    parts = [header, parent, b'{}', content]
    sign = k.session.sign(parts) if signature is None else signature
    k.iopub_socket.send_multipart([b'stream', b'<IDS|MSG>', sign, *parts])
"""


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (rb'{"name": "stdout", "text": "a\xffb"}', "a\ufffdb"),
        (rb'{"name": "stdout", "text": "a\\ud800b"}', "a\ufffdb"),
        (rb'{"name": "stdout", "text": "a\\ud83d\\ude00b"}', "a\N{GRINNING FACE}b"),
        (rb'{"name": "stdout", "text": NaN}', ""),
        (rb'{"name": "stdout", "text": "a\\u0000b"}', "a\0b"),
    ],
)
def test_text_that_is_not_utf_8(repl: Repl, content: bytes, shown: str) -> None:
    literal = repr(content).replace("\\\\", "\\")
    done = repl.eval(f"{RAW}\nsend_raw({literal})\nprint('whole')")
    assert (done["status"], text(done)) == ("done", f"{shown}whole\n")


@pytest.mark.parametrize(
    "call",
    [
        "send_raw(b'{}', b'0' * 64)",
        "send_raw(b'not json')",
        "send_raw(b'[]')",
        "send_raw(b'[' * 100_000)",
        "k.iopub_socket.send_multipart([b'no', b'delimiter'])",
        "k.iopub_socket.send_multipart([b''])",
    ],
)
def test_what_is_no_message_harms_nothing(repl: Repl, call: str) -> None:
    done = repl.eval(f"{RAW}\n{call}\nprint('whole')")
    assert (done["status"], text(done)) == ("done", "whole\n")


def test_a_surrogate_that_python_escaped(repl: Repl) -> None:
    done = repl.eval("print(b'caf\\xe9'.decode('utf-8', 'surrogateescape'))")
    assert (done["status"], text(done)) == ("done", "caf\ufffd\n")


# In pages


def pages(repl: Repl, execution: str, **params: Any) -> list[str]:
    """Follow the cursor to the end."""
    lines: list[str] = []
    cursor = 0
    while True:
        page = repl.daemon.call("execution.output", execution=execution, cursor=cursor, **params)
        lines += page["lines"]
        cursor = page["cursor"]
        if not page["more"]:
            assert cursor == page["total_lines"]
            return lines


def test_pages_are_all_of_it(repl: Repl) -> None:
    done = repl.eval("for i in range(1000): print('line', i)\n'result'")
    whole = [f"line {i}" for i in range(1000)] + ["'result'"]
    for lines in (1, 7, 1000, 1001, 5000):
        if lines > 1:
            assert pages(repl, done["id"], lines=lines) == whole
    output = {"execution": done["id"]}
    page = repl.daemon.call("execution.output", **output, cursor=5, lines=2)
    assert (page["lines"], page["cursor"], page["more"]) == (["line 5", "line 6"], 7, True)
    page = repl.daemon.call("execution.output", **output, tail=2)
    assert (page["lines"], page["cursor"], page["more"]) == (["line 999", "'result'"], 1001, False)
    page = repl.daemon.call("execution.output", **output, cursor=5000)
    assert (page["lines"], page["cursor"], page["more"]) == ([], 1001, False)


def test_grep(repl: Repl) -> None:
    done = repl.eval("for i in range(1000): print('line', i)")
    assert pages(repl, done["id"], grep=r"7\d7$", lines=3) == [f"line 7{i}7" for i in range(10)]
    output = {"execution": done["id"], "grep": "0$"}
    page = repl.daemon.call("execution.output", **output, tail=2)
    assert page["lines"] == ["line 980", "line 990"]
    page = repl.daemon.call("execution.output", **output, cursor=985, lines=5)
    assert page["lines"] == ["line 990"]
    page = repl.daemon.call("execution.output", execution=done["id"], grep="nowhere")
    assert (page["lines"], page["more"], page["total_lines"]) == ([], False, 1000)


def test_grep_matches_the_text_without_its_colours(repl: Repl) -> None:
    coloured = r"\x1b[0;31mZero\x1b[0m\x1b[1mDivision\x1b[0m"
    done = repl.eval(f"print('a 0;31 b'); print('{coloured}')")
    for pattern in ("^ZeroDivision$", "oD"):
        page = repl.daemon.call("execution.output", execution=done["id"], grep=pattern)
        assert page["lines"] == ["\x1b[0;31mZero\x1b[0m\x1b[1mDivision\x1b[0m"]
    page = repl.daemon.call("execution.output", execution=done["id"], grep="31")
    assert page["lines"] == ["a 0;31 b"]


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<a>", "[z-a]", "a{99999999999}", "(" * 5000])
def test_a_pattern_that_is_wrong_is_named(repl: Repl, pattern: str) -> None:
    execution = repl.eval("print(1)")["id"]
    with pytest.raises(CallFailed) as refused:
        repl.daemon.call("execution.output", execution=execution, grep=pattern)
    assert refused.value.name == "InvalidParams"
    assert "$.grep" in refused.value.message


def test_a_pattern_that_never_ends_holds_nobody(repl: Repl) -> None:
    execution = repl.eval("print('a' * 5000)")["id"]
    with repl.daemon.state.connection() as client:
        params = {"execution": execution, "grep": "(a+)+$b"}
        (endless,) = client.send_many([("execution.output", params)])
        assert repl.value("1 + 1") == "2"
        with pytest.raises(CallFailed) as refused:
            client.result(endless)
    assert refused.value.name == "InvalidParams"
    assert "takes longer" in refused.value.message


def test_mime(repl: Repl) -> None:
    done = repl.eval(SHOW.format(bundle="{'text/plain': 'plain', 'text/html': '<b>rich</b>'}"))
    assert pages(repl, done["id"]) == ["plain"]
    assert pages(repl, done["id"], mime="text/html") == ["<b>rich</b>"]
    assert pages(repl, done["id"], mime="image/png") == ["plain"]


def test_pages_of_one_that_runs(repl: Repl) -> None:
    """A line that has not ended is told apart: the cursor waits for its end."""
    running = repl.submit("print('one'); print('tw', end='', flush=True); print(input(), end='!')")
    wait_for_status(repl.daemon, running, "waiting_input")
    page = repl.daemon.call("execution.output", execution=running)
    assert (page["lines"], page["unfinished"], page["cursor"]) == (["one"], "tw", 1)
    assert (page["total_lines"], page["more"]) == (2, False)
    page = repl.daemon.call("execution.output", execution=running, tail=1)
    assert (page["lines"], page["unfinished"]) == (["one"], "tw")
    repl.daemon.call("execution.input", execution=running, value="o")
    repl.final(running)
    page = repl.daemon.call("execution.output", execution=running, cursor=1)
    assert (page["lines"], page["unfinished"], page["cursor"]) == (["two!"], None, 2)


def test_pages_of_a_storm_while_it_comes(repl: Repl) -> None:
    running = repl.submit(
        "import sys\nfor i in range(3000):\n"
        "    sys.stdout.write(f'{i}'); sys.stdout.flush(); sys.stdout.write(f'-{i}\\n')"
    )
    lines: list[str] = []
    cursor, status = 0, "queued"
    while status in ("queued", "running"):
        page = repl.daemon.call("execution.output", execution=running, cursor=cursor, lines=50)
        cursor, status = page["cursor"], "running" if page["more"] else page["status"]
        lines += page["lines"]
    assert lines == [f"{i}-{i}" for i in range(3000)]
