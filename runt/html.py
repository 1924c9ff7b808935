"""Web pages: notebooks, by nbconvert, an extra that is loaded where it is asked for; outputs."""

from __future__ import annotations

from runt.failures import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MISSING = (
    "--html needs nbconvert, which is not installed here; "
    "`pip install 'runtimed-daemon[export]'` installs it"
)


def page(ipynb: str) -> str:
    """Return a notebook's text as a page that stands by itself. Raises `Failure`."""
    try:
        import nbformat
        from nbconvert import HTMLExporter
    except ImportError:
        raise Failure(_MISSING) from None
    notebook = nbformat.reads(ipynb, as_version=4)
    text, _ = HTMLExporter().from_notebook_node(notebook)
    return str(text)


def fragment(execution: dict[str, Any]) -> str:
    """Return an execution's outputs as HTML, to be put into a page."""
    import msgspec

    from runt import outputs, session
    from runtimed.api.types import Output
    from runtimed.client.blobs import in_bundle, with_blobs
    from runtimed.client.mime import page_of

    shown = []
    for output in execution["outputs"]:
        found = {
            reference["blob"]: outputs.of_blob(
                reference, session.call_again("blob.get", {"sha256": reference["blob"]})["data"]
            )
            for reference in in_bundle(output.get("data"))
        }
        whole = {**output, "data": with_blobs(output.get("data"), found)}
        if cut := output.get("truncated_chars"):
            whole["text"] += (
                f"\n… {cut:,} characters more: runt output {execution['id'][-8:].lower()}"
            )
        shown.append(msgspec.convert(whole, Output))
    return page_of(shown)
