"""HTTP at the real daemon's socket, by the real curl."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.model.ids import short
from tests.harness import daemon as harness
from tests.harness.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.daemon import Daemon, State

#: What nobody needs who does not speak HTTP.
ONLY_FOR_HTTP = ("h11", "uvicorn", "starlette", "anyio", "tabulate")
BIG = """
from IPython.display import display
display({"image/png": "iVBORw0KGgo" + "A" * 4001}, raw=True)
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Daemon]:
    """One daemon for all tests of this module, with small blobs."""
    state = harness.State.create()
    daemon = harness.Daemon(state, {"RUNTIMED_BLOB_LIMIT_BYTES": "1000"}).start()
    try:
        yield daemon
    finally:
        daemon.dispose()
        state.dispose()


def curl(state: State, target: str, *arguments: str, stdin: bytes = b"") -> Answer:
    """Run curl as a user would, and take apart what it prints."""
    command = ["curl", "-sSi", "--unix-socket", str(state.socket), f"http://runtimed{target}"]
    done = subprocess.run(
        [*command, *arguments], input=stdin, capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    return Answer(int(status.split()[1]), headers, body)


def evaluate(state: State, code: str, *arguments: str) -> Answer:
    body = json.dumps({"code": code, "project": str(state.project)})
    return curl(state, "/v0/executions?wait_s=60", "--json", body, *arguments)


def test_nothing_of_it_is_loaded_before_somebody_speaks_it(state: State) -> None:
    """The interpreter itself says on stderr, which is the log, what it imports."""
    daemon = harness.Daemon(state, {"PYTHONPROFILEIMPORTTIME": "1"}).start()

    def loaded() -> set[str]:
        lines = Path(state.files.daemon_log).read_text().splitlines()
        imports = [line.rpartition("|")[2] for line in lines if line.startswith("import time:")]
        return {name.strip().partition(".")[0] for name in imports}

    assert daemon.call("runtime.list") == []
    assert "msgspec" in loaded()
    assert loaded().isdisjoint(ONLY_FOR_HTTP)
    assert curl(state, "/v0/runtimes").json == []
    assert loaded() & {*ONLY_FOR_HTTP} == {"h11"}
    daemon.dispose()


def test_a_runtime_from_its_start_to_its_end(served: Daemon) -> None:
    state = served.state
    started = curl(state, "/v0/runtimes", "--json", json.dumps({"cwd": str(state.project)}))
    place = started.headers["location"]
    assert (started.status, place) == (201, f"/v0/runtimes/{started.json['id']}")
    assert curl(state, place).json["status"] == "alive"
    assert [each["id"] for each in curl(state, "/v0/runtimes").json] == [started.json["id"]]

    renamed = curl(state, f"{place}/rename", "--json", '{"name": "a/b c"}')
    assert (renamed.status, renamed.json["name"]) == (200, "a/b c")
    assert curl(state, "/v0/runtimes/a%2Fb%20c").json["id"] == started.json["id"]

    submitted = curl(state, f"{place}/executions", "--json", '{"code": "6 * 7"}')
    assert submitted.status == 201
    execution = curl(state, f"{submitted.headers['location']}?wait_s").json
    assert execution["outputs"][0]["data"]["text/plain"] == "42"
    assert execution["requested_by"]["client"] == "curl"
    assert [one["id"] for one in curl(state, f"{place}/executions").json] == [execution["id"]]

    refused = curl(state, place, "-X", "DELETE")
    assert (refused.status, refused.json["name"]) == (409, "RuntimeAlive")
    assert curl(state, f"{place}/stop", "-X", "POST").json["how"] == "shutdown_request"
    assert curl(state, place, "-X", "DELETE").status == 204
    assert curl(state, "/v0/runtimes?all").json == []
    assert curl(state, submitted.headers["location"]).json["status"] == "done"


def test_results_are_those_of_json_rpc(served: Daemon) -> None:
    state = served.state
    message = '{"jsonrpc": "2.0", "id": 1, "method": "environment.list"}'
    assert curl(state, "/v0/environments").json == served.call("environment.list")
    assert curl(state, "/rpc", "--json", message).json["result"] == served.call("environment.list")
    assert curl(state, "/v0/openrpc.json").json == served.call("rpc.discover")
    assert curl(state, "/v0/openapi.json").json["openapi"] == "3.1.0"


def test_what_code_raised_is_no_error_of_the_request(served: Daemon) -> None:
    answer = evaluate(served.state, "1 / 0")
    assert (answer.status, answer.json["status"]) == (201, "error")


def test_a_wait_that_is_over_returns_what_there_is(served: Daemon) -> None:
    state = served.state
    body = json.dumps({"code": "name = input('who? ')\nname", "project": str(state.project)})
    answer = curl(state, "/v0/executions?wait_s=0", "--json", body)
    assert (answer.status, answer.json["outputs"]) == (201, [])
    place = answer.headers["location"]
    while not curl(state, place).json["input"]:
        curl(state, f"{place}?wait_s=0.1")
    assert curl(state, f"{place}/input", "--json", '{"value": "me"}').status == 204
    answer = curl(state, f"{place}?wait_s=60", "-H", "Accept: text/plain")
    assert answer.body == b"'me'\n"


def test_text_for_people_and_models(served: Daemon) -> None:
    state = served.state
    markdown = evaluate(state, "print('`' * 3)\n1 + 1", "-H", "Accept: text/markdown")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["vary"] == "Accept"
    code, output = "```python\nprint('`' * 3)\n1 + 1\n```\n", "````\n```\n````\n\n```\n2\n```\n"
    assert markdown.body.decode() == f"{code}\n{output}"
    assert markdown.headers["runt-complete"] == "true"
    rows = curl(state, "/v0/executions?limit=1", "-H", "Accept: text/plain").body.decode()
    assert rows.split()[:3] == ["ID", "Runtime", "Status"]
    assert short(Path(markdown.headers["location"]).name) in rows
    rows = curl(state, "/v0/runtimes", "-H", "Accept: text/markdown").body.decode()
    assert rows.startswith("| ID")
    page = curl(state, f"{markdown.headers['location']}/output", "-H", "Accept: text/plain")
    assert page.body == b"```\n2\n"
    assert curl(state, "/v0/daemon", "-H", "Accept: text/plain").status == 406


def test_pages_are_linked(served: Daemon) -> None:
    state = served.state
    wanted = [evaluate(state, f"{number}").json["id"] for number in range(3)]
    found: list[str] = []
    target = "/v0/executions?limit=2&status=done"
    while len(found) < 3:
        answer = curl(state, target)
        found += [each["id"] for each in answer.json]
        target, _, relation = answer.headers["link"].partition(">; ")
        target = target.removeprefix("<")
        assert (relation, "status=done" in target) == ('rel="next"', True)
    assert found[:3] == wanted[::-1]
    assert "link" not in curl(state, "/v0/executions?limit=1000").headers

    printed = evaluate(state, "for n in range(5): print(n)").headers["location"]
    first = curl(state, f"{printed}/output?lines=3")
    assert first.headers["link"] == f'<{printed}/output?lines=3&cursor=3>; rel="next"'
    second = curl(state, f"{printed}/output?lines=3&cursor=3")
    assert (second.json["lines"], "link" in second.headers) == (["3", "4"], False)


def test_a_blob_is_its_bytes(served: Daemon) -> None:
    state = served.state
    execution = evaluate(state, BIG).json
    blob: dict[str, Any] = execution["outputs"][0]["data"]["image/png"]
    target, size = f"/v0/blobs/{blob['blob']}", blob["size_bytes"]
    whole = curl(state, target)
    assert (whole.status, len(whole.body)) == (200, size)
    assert whole.headers["etag"] == f'"{blob["blob"]}"'
    assert whole.headers["content-type"] == "image/png"
    assert "immutable" in whole.headers["cache-control"]

    part = curl(state, target, "-H", "Range: bytes=2-5")
    assert (part.status, part.body) == (206, whole.body[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{size}"
    assert curl(state, target, "-H", "Range: bytes=-3").body == whole.body[-3:]
    assert curl(state, target, "-H", f"Range: bytes={size - 1}-").body == whole.body[-1:]
    beyond = curl(state, target, "-H", f"Range: bytes={size}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    for ignored in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
        assert curl(state, target, "-H", f"Range: {ignored}").status == 200
    stale = curl(state, target, "-H", "Range: bytes=2-5", "-H", 'If-Range: "other"')
    assert (stale.status, stale.body) == (200, whole.body)
    known = curl(state, target, "-H", f'If-None-Match: "{blob["blob"]}"')
    assert (known.status, known.body) == (304, b"")
    head = curl(state, target, "-I")
    assert (head.status, head.headers["content-length"]) == (200, str(size))
    missing = curl(state, f"/v0/blobs/{'0' * 64}")
    assert (missing.status, missing.json["name"]) == (404, "BlobNotFound")


def test_a_document_that_was_edited_meanwhile(served: Daemon) -> None:
    state = served.state
    notebook = curl(state, "/v0/notebooks", "--json", '{"name": "n"}')
    assert notebook.status == 201
    place = notebook.headers["location"]
    cell = curl(state, f"{place}/cells", "--json", '{"src": "1"}').headers["location"]
    seen = curl(state, cell).headers["etag"]
    edited = curl(state, cell, "-X", "PATCH", "--json", '{"src": "2"}', "-H", f"If-Match: {seen}")
    assert (edited.status, edited.json["src"]) == (200, "2")
    late = curl(state, cell, "-X", "PATCH", "--json", '{"src": "3"}', "-H", f"If-Match: {seen}")
    assert (late.status, late.json["name"]) == (412, "StaleEdit")
    tag = f"If-Match: {edited.headers['etag']}"
    assert curl(state, cell, "-X", "PATCH", "--json", '{"src": "3"}', "-H", tag).status == 200
    assert curl(state, cell, "-X", "DELETE", "-H", tag).status == 412
    assert curl(state, cell, "-X", "DELETE").status == 204
