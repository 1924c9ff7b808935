"""Batches beyond the specification's examples."""

from __future__ import annotations

from tests.harness.lineserver import RawClient, Service, request

MAX_BATCH = 10_000


def test_a_batch_is_answered_in_one_line(raw: RawClient) -> None:
    raw.ask([request(n, "echo", value=n) for n in range(3)])
    assert {each["id"]: each["result"] for each in raw.line()} == {0: 0, 1: 1, 2: 2}


def test_members_of_a_batch_run_side_by_side(raw: RawClient) -> None:
    raw.ask([request(1, "wait", gate="g"), request(2, "open", gate="g")])
    assert {each["id"] for each in raw.line()} == {1, 2}


def test_the_largest_batch(raw: RawClient) -> None:
    raw.ask([request(n, "echo", value=n) for n in range(MAX_BATCH)])
    answers = raw.line()
    assert {each["id"]: each["result"] for each in answers} == {n: n for n in range(MAX_BATCH)}


def test_a_larger_batch_is_refused_whole(raw: RawClient, service: Service) -> None:
    raw.ask([request(n, "work", gate="g") for n in range(MAX_BATCH + 1)])
    answer = raw.line()
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)
    assert "at most 10000" in answer["error"]["message"]
    assert service.seen.empty()
    raw.ask(request(1, "echo", value="alive"))
    assert raw.line()["result"] == "alive"


def test_a_batch_of_millions_is_refused_without_holding_them(raw: RawClient) -> None:
    raw.send(b"[" + b"1," * 5_000_000 + b"1]\n")
    assert "at most 10000" in raw.line()["error"]["message"]


def test_commas_inside_members_do_not_count(raw: RawClient) -> None:
    value = list(range(MAX_BATCH + 5))
    raw.ask([request(1, "echo", value=value)])
    assert raw.line()[0]["result"] == value


def test_a_batch_in_a_batch_is_an_invalid_member(raw: RawClient) -> None:
    raw.ask([[request(1, "echo")], request(2, "echo", value=2)])
    answers = raw.line()
    assert [each["error"]["code"] for each in answers if "error" in each] == [-32600]
    assert [each["result"] for each in answers if "result" in each] == [2]


def test_subscriptions_of_a_batch_begin_after_its_answer(service: Service, raw: RawClient) -> None:
    raw.ask([request(1, "events.subscribe"), request(2, "wait", gate="g")])
    service.expect("waiting", "g")
    raw.ask(request(3, "open", gate="g"))
    assert raw.line()["id"] == 3
    assert isinstance(raw.line(), list)
    assert raw.line()["method"] == "event"
