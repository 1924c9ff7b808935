"""From a request's address to the call: the rules of ``runtimed.api.places``, on the real API."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runtimed.api.call import Call, Effect
from runtimed.api.errors import InvalidParams
from runtimed.api.places import place, places
from runtimed.api.registry import REGISTRY
from runtimed.api.types import Nothing
from runtimed.server.http.arguments import call_of, parse_query
from runtimed.server.http.media import choose
from runtimed.server.http.messages import HttpError
from runtimed.server.http.routes import Routes

ROUTES = Routes(REGISTRY.values())


def asked(verb: str, target: str, body: bytes = b"") -> Call[Any]:
    path, _, query = target.partition("?")
    found = parse_query(query)
    return call_of(ROUTES.find(verb, path, [name for name, _ in found]), found, body, None)


def given(method: str, **params: Any) -> Call[Any]:
    return REGISTRY[method](**params)


@pytest.mark.parametrize(
    ("verb", "target", "call"),
    [
        ("GET", "/v0/runtimes", given("runtime.list")),
        ("HEAD", "/v0/runtimes?all", given("runtime.list", all=True)),
        ("GET", "/v0/runtimes?all=false&kernel=null", given("runtime.list", kernel="null")),
        ("GET", "/v0/runtimes?origin=", given("runtime.list", origin=None)),
        ("GET", "/v0/runtimes/prune", given("runtime.get", runtime="prune")),
        ("GET", "/v0/runtimes/a%2Fb%20c.ipynb", given("runtime.get", runtime="a/b c.ipynb")),
        ("POST", "/v0/runtimes/prune", given("runtime.prune")),
        ("DELETE", "/v0/runtimes/x", given("runtime.remove", runtime="x")),
        ("GET", "/v0/executions/x", given("execution.get", execution="x")),
        ("GET", "/v0/executions/x?wait_s=1.5", given("execution.wait", execution="x", wait_s=1.5)),
        ("GET", "/v0/executions/x?wait_s", given("execution.wait", execution="x")),
        ("GET", "/v0/executions/x?wait_s=null", given("execution.wait", execution="x")),
        ("GET", "/v0/executions/x/output?tail=", given("execution.output", execution="x")),
        ("GET", "/v0/executions/x/output?grep=", given("execution.output", execution="x", grep="")),
        (
            "GET",
            "/v0/executions?status=done&status=error&limit=7",
            given("execution.list", status=["done", "error"], limit=7),
        ),
        (
            "GET",
            "/v0/runtimes/r/executions?status=lost",
            given("execution.list", runtime="r", status=["lost"]),
        ),
    ],
)
def test_an_address_is_a_call(verb: str, target: str, call: Call[Any]) -> None:
    assert asked(verb, target) == call


def test_a_nested_document_in_a_query() -> None:
    call: Any = asked("GET", "/v0/executions?cell.notebook=n.ipynb&cell.id=c%20d")
    assert (call.cell.notebook, call.cell.id) == ("n.ipynb", "c d")


def test_wait_s_chooses_between_submitting_and_evaluating() -> None:
    body = b'{"code": "1", "env": {"A": "b"}}'
    submit = asked("POST", "/v0/runtimes/r/executions", body)
    assert submit == given("execution.submit", runtime="r", code="1", env={"A": "b"})
    evaluate = asked("POST", "/v0/executions?wait_s=3", body)
    assert evaluate == given("execution.eval", code="1", env={"A": "b"}, wait_s=3.0)


@pytest.mark.parametrize(
    ("verb", "target", "body", "words"),
    [
        ("GET", "/v0/runtimes?al=1", b"", "al is no parameter"),
        ("GET", "/v0/environments?env.PATH=x", b"", "env.PATH is no parameter"),
        ("GET", "/v0/runtimes?all=perhaps", b"", "`bool`, got `str` - at `$.all`"),
        ("GET", "/v0/runtimes?kernel=a&kernel=b", b"", "kernel is there twice"),
        ("GET", "/v0/executions?limit=1001", b"", "<= 1000 - at `$.limit`"),
        ("GET", "/v0/executions?cell.name=x", b"", "field `name` - at `$.cell`"),
        ("GET", "/v0/executions?cell=x", b"", "`object | null`, got `str` - at `$.cell`"),
        ("GET", "/v0/executions?status.x=y", b"", "status.x is no parameter"),
        ("GET", "/v0/runtimes?kernel=%FF", b"", "the query cannot be read"),
        ("GET", "/v0/runtimes?" + "a=1&" * 1_001, b"", "the query cannot be read"),
        ("GET", "/v0/runtimes", b"{}", "no body is taken here"),
        ("GET", "/v0/blobs/x", b"", "at `$.sha256`"),
        ("POST", "/v0/executions?code=1", b"", "code is no parameter"),
        (
            "POST",
            "/v0/runtimes/r/rename",
            b'{"name": "a", "runtime": "b"}',
            "runtime is in the add",
        ),
        ("POST", "/v0/runtimes/r/stop", b'{"grace_s": "1"}', "`float`, got `str`"),
        ("POST", "/v0/runtimes/r/stop", b'{"grace": 1}', "unknown field `grace`"),
        ("POST", "/v0/executions", b"{}", "required field `code`"),
    ],
)
def test_what_does_not_fit_is_named(verb: str, target: str, body: bytes, words: str) -> None:
    with pytest.raises(InvalidParams, match=re.escape(words)):
        asked(verb, target, body)


def test_what_makes_a_document_says_where_it_is() -> None:
    """Otherwise it would be answered 200, without a Location."""
    documents = {each.path for each in places(REGISTRY.values()) if each.verb == "GET"}
    for each in places(REGISTRY.values()):
        is_collection = any(
            path.startswith(f"{each.path}/{{") and path.count("/") == each.path.count("/") + 1
            for path in documents
        )
        if each.verb == "POST" and is_collection:
            assert each.location is not None, f"{each.call.method} at {each.path}"
        if each.location is not None:
            assert re.sub(r"\{\w+\}", "{}", each.location) in {
                re.sub(r"\{\w+\}", "{}", path) for path in documents
            }


def test_every_method_has_a_place() -> None:
    without = {method for method, call in REGISTRY.items() if not call.rest}
    # A stream's end is the connection's there.
    assert without == {"events.unsubscribe"}


class Somewhere(Call[Nothing], frozen=True, kw_only=True):
    """Stand for a call."""

    name: str


Somewhere.method, Somewhere.effect, Somewhere.errors = "some.where", Effect.READ, ()


@pytest.mark.parametrize("words", ["get /v0/x", "GET v0/x", "GET /v0/{nam}", "GET /v0/x?what"])
def test_places_that_mean_nothing(words: str) -> None:
    with pytest.raises(ValueError, match=r"some\.where"):
        place(Somewhere, words)


def test_two_calls_in_one_place() -> None:
    Somewhere.rest = ("GET /v0/x/{name}", "GET /v0/x/{name}")
    with pytest.raises(ValueError, match="are both at"):
        places([Somewhere])


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/plain"),
        ("text/markdown", "text/markdown"),
        ("TEXT/Markdown ; charset=utf-8", "text/markdown"),
        ("text/html, text/plain;q=0.5, application/json;q=0.1", "text/plain"),
        ("*/*, application/json;q=0", "text/plain"),
        ("text/plain;q=0.1, */*;q=0.2", "application/json"),
        ("text/html", None),
        ("*/*;q=0", None),
        ("text/plain;q=x", None),
    ],
)
def test_the_media_type_that_is_wanted(accept: str | None, chosen: str | None) -> None:
    offers = ("application/json", "text/plain", "text/markdown")
    if chosen is None:
        with pytest.raises(HttpError, match="to be had as application/json or text/plain"):
            choose(accept, offers)
    else:
        assert choose(accept, offers) == chosen


def test_an_edits_tag_is_a_header_and_no_member_of_the_body() -> None:
    with pytest.raises(InvalidParams, match="If-Match"):
        asked("PATCH", "/v0/cells/x", b'{"src": "1", "if_match": "7"}')
