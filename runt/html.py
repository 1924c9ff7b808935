"""Notebooks as web pages, by nbconvert: an extra, loaded where it is asked for."""

from __future__ import annotations

from runt.failures import Failure

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
