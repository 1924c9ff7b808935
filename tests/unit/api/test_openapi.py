"""The committed OpenAPI document, against the contract and against OpenAPI 3.1."""

from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

from runtimed.api import openapi
from runtimed.api.registry import REGISTRY

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
VERBS = ("get", "post", "put", "patch", "delete")


def test_the_committed_document_is_what_the_contract_says() -> None:
    committed = (REFERENCE / "openapi.json").read_text(encoding="utf-8")
    assert committed == openapi.dumps(), "run: python -m runtimed.api.schema --write docs/reference"


def test_it_is_an_openapi_document() -> None:
    validate(json.loads(openapi.dumps()))


def test_every_place_of_every_call_is_in_it() -> None:
    paths = openapi.openapi()["paths"]
    for call in REGISTRY.values():
        for words in call.rest:
            verb, path = words.partition(" -> ")[0].partition("?")[0].split(" ")
            assert call.method in paths[path][verb.lower()]["x-methods"]


def test_operations_have_names_of_their_own() -> None:
    paths = openapi.openapi()["paths"]
    ids = [path[verb]["operationId"] for path in paths.values() for verb in VERBS if verb in path]
    assert len(ids) == len(set(ids))


def test_what_the_headers_of_requests_and_answers_are() -> None:
    paths = openapi.openapi()["paths"]
    linked = {
        path
        for path, verbs in paths.items()
        if "Link" in verbs.get("get", {}).get("responses", {}).get("200", {}).get("headers", {})
    }
    assert {"/v0/executions", "/v0/notebooks"} <= linked
    assert "/v0/search" not in linked
    for path in ("/v0/events", "/v0/executions/{execution}/events"):
        operation = paths[path]["get"]
        assert "Last-Event-ID" in {each["name"] for each in operation["parameters"]}
        content = operation["responses"]["200"]["content"]["text/event-stream"]
        assert content == {"schema": {"$ref": "#/components/schemas/Event"}}


def test_what_else_answers_have_in_their_headers() -> None:
    paths = openapi.openapi()["paths"]
    run = paths["/v0/executions"]["post"]["responses"]["201"]["headers"]
    assert run.keys() == {"Location", "Runt-Status"}
    edited = paths["/v0/cells/{cell}"]["patch"]["responses"]["200"]["headers"]
    assert edited["ETag"]["required"]
    itself = paths["/v0/openapi.json"]["get"]["responses"]
    assert "304" in itself
    assert "ETag" in itself["200"]["headers"]
