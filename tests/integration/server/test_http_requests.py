"""HTTP/1.1 as it is framed: what is understood, and what is refused as what."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from runtimed.server.hall import Limits
from runtimed.server.http.conditions import is_unchanged
from runtimed.server.http.messages import HttpError, Request
from tests.harness.http import HttpClient, request
from tests.harness.lineserver import Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def client(service: Service, socket_path: Path) -> Iterator[HttpClient]:
    with HttpClient(socket_path) as client:
        yield client


def test_one_connection_serves_many_requests(client: HttpClient) -> None:
    for value in ("one", "two"):
        answer = client.ask_for("POST", "/v0/echo", {"value": value})
        assert (answer.status, answer.json) == (200, value)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_pipelined_requests_are_answered_in_their_order(client: HttpClient) -> None:
    client.send(b"".join(request("POST", "/v0/echo", {"value": value}) for value in range(50)))
    assert [client.answer().json for _ in range(50)] == list(range(50))


def test_a_request_byte_by_byte(client: HttpClient) -> None:
    for byte in request("POST", "/v0/echo", {"value": "slowly"}):
        client.send(bytes((byte,)))
    assert client.answer().json == "slowly"


def test_a_chunked_body(client: HttpClient) -> None:
    client.send(
        b"POST /v0/echo HTTP/1.1\r\nHost: runtimed\r\nTransfer-Encoding: chunked\r\n"
        b'Content-Type: application/json\r\n\r\n9\r\n{"value":\r\n5\r\n"in"}\r\n0\r\n\r\n'
    )
    assert client.answer().json == "in"
    assert client.ask_for("GET", "/v0/who").status == 200


def test_who_calls_is_the_user_agents_first_product(client: HttpClient) -> None:
    who = client.ask_for("GET", "/v0/who", headers={"User-Agent": "curl/8.1 (x)"}).json
    assert who == {"uid": os.geteuid(), "pid": os.getpid(), "client": "curl"}
    assert client.ask_for("GET", "/v0/who").json["client"] == "http"


def test_a_client_that_waits_for_100_continue(client: HttpClient) -> None:
    whole = request("POST", "/v0/echo", {"value": 1}, {"Expect": "100-continue"})
    head, body = whole.split(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    assert client.answer().status == 100
    client.send(body)
    assert client.answer().json == 1


def test_what_is_refused_is_refused_before_its_body_is_sent(client: HttpClient) -> None:
    headers = {"Content-Length": "5", "Expect": "100-continue"}
    answer = client.ask_for("POST", "/v0/nothing", headers=headers)
    assert (answer.status, answer.headers["connection"]) == (404, "close")
    assert client.is_at_end()


def test_http_1_0_needs_no_host_and_is_hung_up_on(client: HttpClient) -> None:
    client.send(b"GET /v0/who HTTP/1.0\r\n\r\n")
    assert client.answer().status == 200
    assert client.is_at_end()


def test_who_half_closes_still_gets_all_answers(client: HttpClient) -> None:
    client.send(request("GET", "/v0/who") * 2).end()
    assert [client.answer().status, client.answer().status] == [200, 200]
    assert client.is_at_end()


def test_head_is_as_get_without_the_body(client: HttpClient) -> None:
    got = client.ask_for("GET", "/v0/who")
    head = client.ask_for("HEAD", "/v0/who")
    for answer in (got, head):
        del answer.headers["date"]
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")


def test_options_and_a_verb_that_does_not_fit(client: HttpClient) -> None:
    answer = client.ask_for("OPTIONS", "/v0/who")
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert client.ask_for("OPTIONS", "*").status == 204
    assert client.ask_for("OPTIONS", "/v0/nothing").status == 404
    answer = client.ask_for("DELETE", "/v0/who")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.ask_for("GET", "/rpc").headers["allow"] == "OPTIONS, POST"


def test_a_page_that_is_known_is_not_sent_again(client: HttpClient) -> None:
    tag = client.ask_for("GET", "/v0/who").headers["etag"]
    answer = client.ask_for("GET", "/v0/who", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (answer.status, answer.headers["etag"]) == (304, tag)
    assert client.ask_for("GET", "/v0/who", headers={"If-None-Match": '"other"'}).status == 200
    assert client.ask_for("GET", "/v0/who", headers={"If-Match": '"other"'}).status == 412
    assert client.ask_for("GET", "/v0/who", headers={"If-Match": tag}).status == 200


def test_an_error_is_a_problem_document(client: HttpClient) -> None:
    answer = client.ask_for("GET", "/v0/fail?known")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "urn:runtimed:error:RuntimeNotFound",
        "title": "Not Found",
        "status": 404,
        "detail": "No runtime is called r1; `runt ps` lists them.",
        "name": "RuntimeNotFound",
        "exit_code": 3,
        "retryable": False,
        "data": {"runtime": "r1"},
    }


def test_a_handler_that_fails_is_told_by_its_incident_alone(
    client: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.ask_for("GET", "/v0/fail?secret=hush")
    assert (answer.status, answer.json["name"]) == (500, "Internal")
    assert b"own words" not in answer.body
    assert answer.json["data"]["incident"] in caplog.text
    assert "hush" not in caplog.text
    assert client.ask_for("GET", "/v0/who").status == 200


@pytest.mark.parametrize(
    ("status", "verb", "target", "headers"),
    [
        (400, "GET", "/v0/who?what=1", {}),
        (400, "GET", "/v0/fail?known=perhaps", {}),
        (400, "GET", "/v0/fail?secret=a&secret=b", {}),
        (400, "GET", "http://runtimed/v0/who", {}),
        (400, "POST", "/v0/open/g", {"If-Match": '"x"'}),
        (403, "GET", "/v0/who", {"Origin": "http://localhost"}),
        (403, "GET", "/v0/who", {"Origin": "null"}),
        (403, "GET", "/v0/who", {"Referer": "http://localhost/"}),
        (403, "GET", "/v0/who", {"Sec-Fetch-Site": "cross-site"}),
        (404, "GET", "/", {}),
        (404, "GET", "/v0", {}),
        (404, "GET", "/v0/who/", {}),
        (404, "GET", "/v0//who", {}),
        (404, "GET", "/v0/wait/a/b", {}),
        (404, "GET", "/v0/../v0/who", {}),
        (405, "CONNECT", "runtimed:80", {}),
        (405, "TRACE", "/v0/who", {}),
        (405, "PATCH", "/v0/who", {}),
        (406, "GET", "/v0/who", {"Accept": "text/html"}),
        (406, "GET", "/v0/who", {"Accept": "application/json;q=0"}),
        (411, "POST", "/rpc", {}),
        (421, "GET", "/v0/who", {"Host": "example.org"}),
        (421, "GET", "/v0/who", {"Host": "runtimed.example.org"}),
        (421, "GET", "/v0/who", {"Host": "localhost:80:80"}),
        (421, "GET", "/v0/who", {"Host": "127.0.0.1"}),
    ],
)
def test_what_is_refused(
    client: HttpClient, status: int, verb: str, target: str, headers: dict[str, str]
) -> None:
    answer = client.ask_for(verb, target, headers=headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["exit_code"] == {403: 7, 404: 3}.get(status, 2)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"{", {}),
        (400, b"[]", {}),
        (400, b'{"valu": 1}', {}),
        (400, b'{"times": "2"}', {}),
        (400, b'{"value": "\xff"}', {}),
        (400, b'{"value": "\\ud800"}', {}),
        (400, b'{"value": ' + b"[" * 100_000, {}),
        (415, b"value=1", {"Content-Type": "application/x-www-form-urlencoded"}),
        (415, b"{}", {"Content-Encoding": "gzip"}),
    ],
)
def test_bodies_that_are_refused(
    client: HttpClient, status: int, body: bytes, headers: dict[str, str]
) -> None:
    assert client.ask_for("POST", "/v0/echo", body, headers).status == status
    assert client.ask_for("POST", "/v0/echo", b"{}").json is None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, b"GET /v0/who HTTP/1.1\r\n\r\n"),
        (400, b"GET /v0/who HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (505, b"GET /v0/who HTTP/3.7\r\nHost: runtimed\r\n\r\n"),
        (400, b"GET /v0/\xc3\xa4 HTTP/1.1\r\nHost: runtimed\r\n\r\n"),
        (400, b"GET /v0/who HTTP/1.1\r\nHost: runtimed\r\nbad header\r\n\r\n"),
        (400, b"POST /rpc HTTP/1.1\r\nHost: runtimed\r\nContent-Length: -1\r\n\r\n"),
        (501, b"POST /rpc HTTP/1.1\r\nHost: runtimed\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (431, b"GET /v0/who HTTP/1.1\r\nHost: runtimed\r\nX: " + b"x" * 100_000),
        (414, b"GET /" + b"x" * 100_000),
    ],
)
def test_what_is_no_request(client: HttpClient, status: int, words: bytes) -> None:
    client.send(words)
    answer = client.answer()
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["connection"] == "close"
    client.end()
    assert client.is_at_end()


def test_a_chunk_that_is_none(client: HttpClient) -> None:
    client.send(
        b"POST /v0/echo HTTP/1.1\r\nHost: runtimed\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
    )
    assert client.answer().status == 400


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_over_the_limit(socket_path: Path, is_chunked: bool) -> None:
    with serving(socket_path, Service(), Limits(line_bytes=10_000)):
        with HttpClient(socket_path) as client:
            framing = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 5000000"
            client.send(f"POST /rpc HTTP/1.1\r\nHost: runtimed\r\n{framing}\r\n\r\n".encode())
            piece = b"x" * 50_000
            for _ in range(100):  # a reset would raise here
                client.send(b"c350\r\n" + piece + b"\r\n" if is_chunked else piece)
            answer = client.answer()
            assert (answer.status, answer.json["name"]) == (413, "RequestTooLarge")
        with HttpClient(socket_path) as client:
            assert client.ask_for("GET", "/v0/who").status == 200


def test_json_rpc_over_http(client: HttpClient) -> None:
    def call(request_id: int | None, method: str, **params: object) -> dict[str, object]:
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
        return message if request_id is None else message | {"id": request_id}

    answer = client.ask_for("POST", "/rpc", call(1, "echo", value=[1]))
    assert (answer.status, answer.json["result"]) == (200, [1])
    batch = [call(1, "wait", gate="g"), call(None, "open", gate="g"), call(2, "nothing")]
    answers = client.ask_for("POST", "/rpc", batch).json
    assert [each.get("result", each.get("error", {}).get("code")) for each in answers] == [
        "g",
        -32601,
    ]
    assert client.ask_for("POST", "/rpc", call(None, "echo")).status == 204
    assert client.ask_for("POST", "/rpc", b"nonsense").json["error"]["code"] == -32700
    assert client.ask_for("POST", "/rpc", b"").status == 400
    refused = client.ask_for("POST", "/rpc", call(1, "events.subscribe")).json
    assert "/v0/events" in refused["error"]["message"]


def test_curl_with_a_large_body_that_nobody_wants(service: Service, socket_path: Path) -> None:
    command = ["curl", "-sS", "-w", "%{http_code}", "--unix-socket", str(socket_path)]
    command += ["--data-binary", "@-", "http://runtimed/v0/nothing"]
    done = subprocess.run(command, capture_output=True, check=True, input=b"x" * 5_000_000)
    assert done.stdout.endswith(b"}\n404")
    assert done.stderr == b""


def test_what_fails_in_presenting_is_a_problem_too(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def present(*_: object) -> None:
        raise AttributeError("nobody's business")

    monkeypatch.setattr("runtimed.server.http.service.present", present)
    answer = client.ask_for("GET", "/v0/who")
    assert (answer.status, answer.json["name"]) == (500, "Internal")
    assert answer.json["data"]["incident"]
    assert b"business" not in answer.body


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /v0/who?" + "x" * 70_000 + " HTTP/1.1\r\nHost: runtimed\r\n\r\n", 414),
        ("GET /v0/who?" + "x" * 140_000, 414),
        ("GET /v0/who HTTP/1.1\r\nHost: runtimed\r\nX: " + "x" * 70_000 + "\r\n\r\n", 431),
        ("GET /v0/who HTTP/1.1\r\nHost: runtimed\r\nX: " + " " * 70_000 + "x\r\n\r\n", 431),
        ("GET /v0/who HTTP/1.1\r\nHost: runtimed\r\n" + "a: b\r\n" * 12_000 + "\r\n", 431),
    ],
)
def test_a_head_that_is_too_large(client: HttpClient, head: str, status: int) -> None:
    client.send(head.encode())
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")


def test_many_requests_in_one_piece_are_no_large_head(client: HttpClient) -> None:
    client.send(request("GET", "/v0/who", headers={"X": "x" * 30_000}) * 5)
    assert [client.answer().status for _ in range(5)] == [200] * 5


def test_two_lengths_of_a_body(client: HttpClient) -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "3"}
    client.send(request("POST", "/v0/echo", b"0\r\n\r\n", headers) + request("GET", "/v0/who"))
    answer = client.answer()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    client.end()
    assert client.is_at_end()


@pytest.mark.parametrize("verb", ["PROPFIND", "get", "GETTING"])
def test_a_verb_that_nobody_knows(client: HttpClient, verb: str) -> None:
    answer = client.ask_for(verb, "/v0/who")
    assert (answer.status, answer.json["name"]) == (501, "BadRequest")


def test_a_documents_own_tag_will_do() -> None:
    tag = '"7.abc"'
    for wanted in (tag, '"7"', "7", '"6", "7"', "*"):
        assert not is_unchanged(Request("GET", "/", [("if-match", wanted)]), tag)
    for other in ('"6"', '"7.other"', '"7.a"'):
        with pytest.raises(HttpError, match="it is"):
            is_unchanged(Request("GET", "/", [("if-match", other)]), tag)


def test_what_a_refusal_is_to_a_program(client: HttpClient) -> None:
    nowhere = client.ask_for("GET", "/v0/nothing").json
    assert (nowhere["name"], nowhere["exit_code"]) == ("NotFound", 3)
    page = client.ask_for("GET", "/v0/who", headers={"Origin": "null"}).json
    assert (page["name"], page["exit_code"]) == ("Denied", 7)
    assert "PATCH" in client.ask_for("OPTIONS", "*").headers["allow"]


def test_empty_lines_between_requests(client: HttpClient) -> None:
    asked = request("POST", "/v0/echo", {"value": 1})
    client.send(asked + b"\r\n" + asked + b"\r\n\r\n")
    assert [client.answer().json for _ in range(2)] == [1, 1]
    client.send(b"\r\n")
    client.send(b"\n" + asked)
    assert client.answer().json == 1
    client.send(b"\r\n").end()
    assert client.is_at_end()


def test_a_chunk_that_is_none_of_a_head_request(
    client: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.send(
        b"HEAD /v0/who HTTP/1.1\r\nHost: runtimed\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    )
    assert client.answer(is_head=True).status == 400
    client.end()
    assert client.is_at_end()
    assert "Traceback" not in caplog.text


def test_what_a_refusal_names(client: HttpClient) -> None:
    tag = '"other"'
    problem = client.ask_for("GET", "/v0/who", headers={"If-Match": tag}).json
    assert (problem["name"], problem["exit_code"]) == ("Conflict", 4)
    client.send(request("HEAD", "/v0/echo"))
    head = client.answer(is_head=True)
    assert (head.status, head.headers["allow"]) == (405, "OPTIONS, POST")
