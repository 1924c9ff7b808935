"""REST as a page of Markdown: what is where, generated from the OpenAPI document."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from runtimed.api.markdown import GENERATED, anchor, table, type_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABOUT = """\
HTTP/1.1 at the Unix socket that `runt socket` prints, with `Host: runtimed` or `localhost`; over
TCP by [`runt serve`](../how-to/serve.md). [How to](../how-to/curl.md) has commands to type. The
same as OpenAPI 3.1: [openapi.json](openapi.json), or `/v0/openapi.json`.

- What stands in braces is one segment of the path; a slash in it is sent as `%2F`.
- Parameters of GET, HEAD and DELETE are in the query: lists by repetition, members of an object
  as `cell.id=…`. Those of other requests are members of a JSON object in the body,
  `application/json`; where all are optional it may be left out. What there is besides the query's
  and the path's is described with the method.
- Where two methods are in one place, the query says which is meant: `?wait_s` the second.
- 200 has the result as JSON, as JSON-RPC has it in `result`. 201 is for what was made, and
  `Location` says where. 204 has no body. Where `text/plain` and `text/markdown` are to be had,
  `Accept` asks for them: of an execution, `Runt-Status` has its status then, and last lines in
  brackets say what the text does not have.
- GET is answered with an `ETag`; `If-None-Match` is answered 304 if nothing has changed. A change
  that takes `If-Match` is refused (412 [StaleEdit](errors.md#staleedit)) if the document is
  another by now.
- A list that has a next page has a `Link` to it, `rel="next"`.
- `Runtimed-Agent` names the agent that a client works for, as `daemon.hello` does elsewhere; the
  kind of client on the record is the first word of its `User-Agent`.
- An error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, and the
  [error's](errors.md) `name`, `exit_code`, `retryable` and `data`.
"""
#: What is answered in the words of HTTP, before any method is called.
_REFUSALS = (
    ("400", "a request that cannot be read, or an `If-Match` where none belongs"),
    ("403", "a request of a web page: with `Origin`, `Referer` or `Sec-Fetch-Site`"),
    ("404", "no such path"),
    ("405", "another verb: `Allow` has those that there are"),
    ("406", "nothing of what `Accept` names is to be had"),
    ("408", "a head that did not come in time, or a body that comes too slowly (`http_head_s`)"),
    ("411", "a body is missing"),
    ("412", "`If-Match` on a document that has no such version any more"),
    ("413", "a body longer than `max_request_bytes`"),
    ("414", "a target of more than 64 KiB"),
    ("415", "a body that is not `application/json`"),
    ("416", "a range that the blob does not have"),
    ("421", "another `Host`"),
    ("431", "more than 64 KiB of headers"),
    ("501", "a verb that is not known here, or a transfer coding"),
    ("503", "the daemon ends, or bodies on their way take all the room: `Retry-After`"),
    ("505", "another version of HTTP than 1.1 and 1.0"),
)


def page(document: dict[str, Any], errors: dict[str, Any]) -> str:
    """Return the page, of the OpenAPI document and of OpenRPC's errors."""
    parts = [GENERATED, "# REST\n", _ABOUT]
    found = sorted(_operations(document), key=lambda each: each[2]["tags"][0])
    for tag, group in groupby(found, key=lambda each: str(each[2]["tags"][0])):
        rows = [_cells(*each) for each in group]
        parts += [f"## {tag}\n", table(["Request", "", "Query, headers", "Answer"], rows)]
    by_status: dict[str, list[str]] = {}
    for name, error in sorted(errors.items()):
        by_status.setdefault(str(error["data"]["http_status"]), []).append(name)
    rows = [
        [status, _links(by_status.get(status, [])), words] for status, words in _refusals(by_status)
    ]
    parts += [
        "## Statuses of errors\n",
        table(["Status", "Errors of methods", "Refused as HTTP"], rows),
    ]
    return "\n".join(parts)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield verb.upper(), path, operation


def _cells(verb: str, path: str, operation: dict[str, Any]) -> list[str]:
    methods = ", ".join(f"[{m}](api.md#{anchor(m)})" for m in operation.get("x-methods", ()))
    parameters = operation.get("parameters", ())
    query = [f"`{one['name']}`" for one in parameters if one["in"] == "query"]
    headers = [f"`{one['name']}`" for one in parameters if one["in"] == "header"]
    summary = f"{operation['summary']} {methods}".strip()
    answers = [_answer(*one) for one in operation["responses"].items() if one[0].startswith("2")]
    return [f"`{verb} {path}`", summary, ", ".join([*query, *headers]), " · ".join(answers)]


def _answer(status: str, response: dict[str, Any]) -> str:
    content = response.get("content", {})
    others = [f"`{kind}`" for kind in content if kind != "application/json"]
    schema = content.get("application/json", {}).get("schema")
    kinds = [type_words(schema, "api.md")] if schema else []
    return " ".join((status, ", ".join((*kinds, *others)))).strip()


def _refusals(by_status: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Return all statuses, in order, with what they say where it is no error of a method."""
    words = dict(_REFUSALS)
    return [(status, words.get(status, "")) for status in sorted({*words, *by_status})]


def _links(names: list[str]) -> str:
    return ", ".join(f"[{name}](errors.md#{name.lower()})" for name in names)
