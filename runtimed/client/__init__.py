"""The public Python client: ``from runtimed.client import connect``, or ``connect_async``.

Names are loaded when they are asked for: ``runt`` passes through here on every call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtimed.client.aio import AsyncClient as AsyncClient
    from runtimed.client.aio import connect_async as connect_async
    from runtimed.client.aio_objects import AsyncExecution as AsyncExecution
    from runtimed.client.aio_objects import AsyncRuntime as AsyncRuntime
    from runtimed.client.blocking import Client as Client
    from runtimed.client.blocking import connect as connect
    from runtimed.client.documents import ExecutionFailed as ExecutionFailed
    from runtimed.client.documents import NotFetched as NotFetched
    from runtimed.client.objects import Execution as Execution
    from runtimed.client.objects import Runtime as Runtime
    from runtimed.client.patience import ClientClosed as ClientClosed

_PLACES = {
    "AsyncClient": "aio",
    "AsyncExecution": "aio_objects",
    "AsyncRuntime": "aio_objects",
    "Client": "blocking",
    "ClientClosed": "patience",
    "Execution": "objects",
    "ExecutionFailed": "documents",
    "NotFetched": "documents",
    "Runtime": "objects",
    "connect": "blocking",
    "connect_async": "aio",
}
__all__ = [
    "AsyncClient",
    "AsyncExecution",
    "AsyncRuntime",
    "Client",
    "ClientClosed",
    "Execution",
    "ExecutionFailed",
    "NotFetched",
    "Runtime",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
