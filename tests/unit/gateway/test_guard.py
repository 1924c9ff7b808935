"""Who passes, by the head of a request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtimed.gateway import guard
from runtimed.gateway.guard import LOOPBACK, Rules

TOKEN = "a-token-of-some-length"
RULES = Rules(TOKEN, frozenset({*LOOPBACK, "desk.example"}))
PAGE = "https://notebook.example"


def status_of(rules: Rules, *headers: tuple[str, str], path: bytes = b"/v0/runtimes") -> int:
    """Return the status that it is refused with, 200 if it passes."""
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    refused = guard.judge(rules, path, encoded) or guard.judge_token(rules, encoded)
    return refused.status if refused else 200


HOST = ("host", "127.0.0.1:8080")
RIGHT = ("authorization", f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8080", "127.0.0.1", "localhost", "LocalHost:9999", "[::1]:8080", "desk.example:1"],
)
def test_our_names_pass_with_any_port(host: str) -> None:
    assert status_of(RULES, ("host", host), RIGHT) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "",
        "192.168.1.9:8080",
        "[::2]",
        "[::1].evil.example",
        "[::1",
        "localhost:80:80",
        "localhost:x",
        "::1",
    ],
)
def test_other_hosts_do_not_whoever_has_the_token(host: str) -> None:
    assert status_of(RULES, ("host", host), RIGHT) == 421


def test_a_request_names_one_host() -> None:
    assert status_of(RULES, RIGHT) == 421
    assert status_of(RULES, HOST, ("host", "localhost"), RIGHT) == 421


def test_on_all_addresses_each_address_will_do_and_a_name_will_not() -> None:
    rules = replace(RULES, any_address=True)
    assert status_of(rules, ("host", "192.168.1.9:8080"), RIGHT) == 200
    assert status_of(rules, ("host", "[fd00::9]:8080"), RIGHT) == 200
    assert status_of(rules, ("host", "rebound.evil.example:8080"), RIGHT) == 421


@pytest.mark.parametrize("origin", [PAGE, "null", "http://127.0.0.1:8080", ""])
def test_pages_are_refused(origin: str) -> None:
    assert status_of(RULES, HOST, ("origin", origin), RIGHT) == 403


def test_pages_of_an_allowed_origin_pass_with_the_token() -> None:
    rules = replace(RULES, origins=frozenset({PAGE}))
    assert status_of(rules, HOST, ("origin", PAGE), RIGHT) == 200
    assert status_of(rules, HOST, ("origin", PAGE)) == 401
    assert status_of(rules, HOST, ("origin", f"{PAGE}.evil"), RIGHT) == 403
    assert status_of(rules, HOST, ("origin", PAGE), ("origin", PAGE), RIGHT) == 403


@pytest.mark.parametrize(
    "value",
    [
        *("", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}"),
        *(f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer x"),
    ],
)
def test_nothing_but_the_token_opens(value: str) -> None:
    assert status_of(RULES, HOST, ("authorization", value)) == 401


def test_the_token_opens() -> None:
    assert status_of(RULES, HOST, RIGHT) == 200
    assert status_of(RULES, HOST, ("authorization", f"bearer   {TOKEN}")) == 200
    assert status_of(RULES, HOST) == 401
    assert status_of(RULES, HOST, RIGHT, ("authorization", "Bearer other")) == 401


def test_a_refusal_says_what_is_wanted() -> None:
    for given in ([], [(b"authorization", b"Bearer wrong")]):
        refused = guard.judge_token(RULES, given)
        assert refused is not None
        ((name, challenge),) = refused.headers
        assert (name, challenge[:7]) == (b"www-authenticate", b"Bearer ")
        assert (b'error="invalid_token"' in challenge) == bool(given)


@pytest.mark.parametrize("path", [b"http://evil.example/", b"*", b"evil.example:443", b""])
def test_only_a_path_is_asked_for(path: bytes) -> None:
    assert status_of(RULES, HOST, RIGHT, path=path) == 400


def test_rules_do_not_show_the_token() -> None:
    assert TOKEN not in repr(RULES)
