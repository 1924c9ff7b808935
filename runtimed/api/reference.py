"""The contract as Markdown, generated from the OpenRPC document and OpenAPI's."""

from __future__ import annotations

from typing import Any

from runtimed.api import events_reference, openapi, rest_reference
from runtimed.api.markdown import GENERATED, anchor, table, type_words

_ABOUT_ERRORS = """\
An error's `data` has its `name`, `exit_code` (what `runt` exits with), `retryable` and the members
below. Braces in a message stand for members. A class of the same name in `runtimed.api.errors` is
raised by the Python client.
"""


def pages(document: dict[str, Any]) -> dict[str, str]:
    """Return the pages of the reference by file name."""
    errors = document["components"]["errors"]
    return {
        "api.md": _api_page(document),
        "errors.md": _errors_page(document),
        "events.md": events_reference.page(document),
        "rest.md": rest_reference.page(openapi.openapi(), errors),
    }


def _api_page(document: dict[str, Any]) -> str:
    parts = [
        GENERATED,
        "# API\n",
        (
            "JSON-RPC 2.0 over the Unix socket that `runt socket` prints, one message a line. "
            "Parameters go by name. A parameter that a method does not have is refused; members of "
            "results and events that a client does not know are to be ignored. "
            "The same as OpenRPC: [openrpc.json](openrpc.json), or `rpc.discover`.\n"
        ),
        (
            "Over HTTP, at the same socket, a call is a request to its places: what stands in "
            "braces is a parameter; the others are in the query of GET and DELETE, else in a JSON "
            "object in the body; those after `?` always in the query. `->` is the Location of what "
            "was made. "
            "The same as OpenAPI: [openapi.json](openapi.json), or `/v0/openapi.json`.\n"
        ),
        "## Methods\n",
        table(
            ["Method", "Effect", ""],
            [
                [f"[{m['name']}](#{anchor(m['name'])})", m["x-effect"], m["summary"]]
                for m in document["methods"]
            ],
        ),
        *(_method(method) for method in document["methods"]),
        "## Notifications\n",
        *(
            f"### {each['name']}\n\n{each['summary']} Params: {type_words(each['params'])}.\n"
            for each in document["x-notifications"]
        ),
        "## Types\n",
        *(_type_section(*item) for item in document["components"]["schemas"].items()),
    ]
    return "\n".join(parts)


def _method(method: dict[str, Any]) -> str:
    parts = [f"### {method['name']}\n", method["summary"] + "\n"]
    if "description" in method:
        parts.append(method["description"] + "\n")
    if "x-rest" in method:
        parts.append("HTTP: " + " · ".join(f"`{place}`" for place in method["x-rest"]) + "\n")
    if method["params"]:
        rows = [
            [
                f"`{param['name']}`",
                type_words(param["schema"]),
                "required" if param["required"] else _default(param["schema"]),
                param.get("description", ""),
            ]
            for param in method["params"]
        ]
        parts.append(table(["Parameter", "Type", "Default", ""], rows))
    names = (error["$ref"].rpartition("/")[2] for error in method["errors"])
    errors = ", ".join(f"[{name}](errors.md#{name.lower()})" for name in names)
    parts.append(f"Result: {type_words(method['result']['schema'])}. Errors: {errors}.\n")
    return "\n".join(parts)


def _type_section(name: str, schema: dict[str, Any]) -> str:
    parts = [f"### {name}\n"]
    if description := schema.get("description"):
        parts.append(description + "\n")
    rows = [
        [f"`{member}`", type_words(inner), inner.get("description", "")]
        for member, inner in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(table(["Member", "Type", ""], rows))
    return "\n".join(parts)


def _errors_page(document: dict[str, Any]) -> str:
    rows = [
        [
            f'<a id="{name.lower()}"></a>{name}',
            str(error["code"]),
            str(error["data"]["exit_code"]),
            str(error["data"]["http_status"]),
            "yes" if error["data"]["retryable"] else "no",
            f"{error['message']}",
            ", ".join(f"`{member}`" for member in error["data"]["members"]),
        ]
        for name, error in document["components"]["errors"].items()
    ]
    connection = ", ".join(
        error["$ref"].rpartition("/")[2] for error in document["x-connection-errors"]
    )
    return "\n".join(
        (
            GENERATED,
            "# Errors\n",
            _ABOUT_ERRORS,
            f"Any line can be answered with one of {connection}.\n",
            table(["Name", "Code", "Exit", "HTTP", "Retry", "Message", "Data"], rows),
        )
    )


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema:
        return ""
    value = schema["default"]
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else f"`{value}`"
