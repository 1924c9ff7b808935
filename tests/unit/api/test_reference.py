"""The generated pages say all that there is. That they are up to date is test_schema's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from runtimed.api import schema
from runtimed.api.events import DATA, EventsSubscribe, EventType
from runtimed.api.places import Place, places
from runtimed.api.reference import pages
from runtimed.api.registry import REGISTRY

HTTP = Path(__file__).parents[3] / "runtimed" / "server" / "http"
PAGES = pages(schema.openrpc())
REST = PAGES["rest.md"]
FOUND = [place for place in places(REGISTRY.values()) if place.call is not EventsSubscribe]


@pytest.mark.parametrize("place", FOUND, ids=lambda place: f"{place.verb} {place.path}")
def test_every_place_has_a_row_that_leads_to_its_method(place: Place) -> None:
    found = [
        line for line in REST.splitlines() if line.startswith(f"| `{place.verb} {place.path}`")
    ]
    assert len(found) == 1
    anchor = f"api.md#{place.call.method.replace('.', '')}"
    assert f"[{place.call.method}]({anchor})" in found[0]
    assert all(f"`{name}`" in found[0] for name in place.names)


def test_links_lead_to_headings() -> None:
    for name, text in PAGES.items():
        for page, fragment in re.findall(r"\]\((\w+\.md)?#([\w-]+)\)", text):
            target = PAGES[page or name]
            headings = re.findall(r"^#+ (\S+)$", target, re.MULTILINE)
            anchors = {heading.lower().replace(".", "") for heading in headings}
            assert fragment in anchors | set(re.findall(r'<a id="(\w+)">', target)), (name, page)


def test_every_status_that_the_server_refuses_with_is_explained() -> None:
    source = "\n".join(path.read_text() for path in HTTP.glob("*.py"))
    refused = set(re.findall(r"HttpError\(\s*(4\d\d)", source))
    assert len(refused) > 5
    rows = re.findall(r"^\| (\d+) \| .* \| (.+) \|$", REST, re.MULTILINE)
    assert refused <= {status for status, words in rows if words.strip()}


def test_every_type_of_event_is_described() -> None:
    assert list(DATA) == list(get_args(EventType))
    assert all(f"| `{type_}` | " in PAGES["events.md"] for type_ in DATA)


@pytest.mark.parametrize("place", EventsSubscribe.rest)
def test_every_stream_is_among_the_events(place: str) -> None:
    assert f"| `{place}` | " in PAGES["events.md"]
