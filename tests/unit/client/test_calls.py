"""What the client offers is what the API has, with its types."""

from __future__ import annotations

import inspect
import keyword
from typing import TYPE_CHECKING, assert_type

import pytest

from runtimed.api import types
from runtimed.api.events import EventsSubscribe
from runtimed.api.executions import ExecutionEval, ExecutionList, ExecutionSubmit
from runtimed.api.registry import REGISTRY
from runtimed.api.runtimes import RuntimeList, RuntimeStart
from runtimed.client import aio_objects, calls, objects, options
from runtimed.client.aio import AsyncClient
from runtimed.client.blocking import Client

if TYPE_CHECKING:
    from runtimed.api.call import Call
    from runtimed.client import Runtime

#: What `Client.events` is for.
OWN = {"events.subscribe", "events.unsubscribe"}

#: Said by `Client.eval`, or of a runtime that is started: `Client.start` says it.
OF_PROJECT = ("project", "kernel_name", "environment", "dependencies", "cwd", "env", "name")


def attribute(name: str) -> str:
    """Return the name of a noun or verb in Python: ``import`` is ``import_``."""
    return name + "_" * keyword.iskeyword(name)


def named(api: object) -> dict[str, object]:
    """Return the call classes that are to be had, by method."""
    return {
        f"{noun}.{verb.removesuffix('_')}": method.call_class
        for noun, methods in vars(api).items()
        for verb, method in vars(type(methods)).items()
        if isinstance(method, calls.Method)
    }


def test_every_method_of_the_api_is_there_under_its_name() -> None:
    """Add what is missing to `runtimed.client.calls`."""
    api: calls.Api[calls.Blocking] = calls.Api(lambda call: call)
    offered = named(api)
    wanted = {name: cls for name, cls in REGISTRY.items() if name not in OWN}
    assert wanted.items() - offered.items() == set()
    for method, call_class in offered.items():
        noun, verb = method.split(".")
        bound = getattr(getattr(api, attribute(noun)), attribute(verb))
        assert inspect.signature(bound) == inspect.signature(call_class)  # type: ignore[arg-type]
        assert bound.__doc__ == call_class.__doc__


def test_a_method_makes_its_call() -> None:
    made: list[Call[object]] = []
    api: calls.Api[calls.Blocking] = calls.Api(made.append)
    api.runtime.list(all=True)
    assert made == [RuntimeList(all=True)]
    with pytest.raises(TypeError, match="every"):
        api.runtime.list(every=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("taken", "call_class", "besides"),
    [
        (
            options.SubmitOptions,
            ExecutionSubmit,
            {"code", "runtime", *OF_PROJECT},
        ),
        (
            options.SubmitOptions,
            ExecutionEval,
            {"code", "runtime", "wait_s", "outputs", *OF_PROJECT},
        ),
        (options.StartOptions, RuntimeStart, {"kernel_name"}),
        (options.EventOptions, EventsSubscribe, set()),
        (options.HistoryOptions, ExecutionList, {"runtime", "limit"}),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_options_are_parameters_of_their_calls(
    taken: type, call_class: type[Call[object]], besides: set[str]
) -> None:
    assert set(call_class.__struct_fields__) == {*taken.__annotations__, *besides}


def methods(cls: type) -> dict[str, inspect.Signature]:
    """Return the public methods of a class with their parameters."""
    return {
        name: inspect.signature(member).replace(return_annotation=None)
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("blocking", "asyncio"),
    [
        (Client, AsyncClient),
        (objects.Runtime, aio_objects.AsyncRuntime),
        (objects.Execution, aio_objects.AsyncExecution),
    ],
    ids=lambda each: each.__name__,
)
def test_both_clients_have_the_same_methods(blocking: type, asyncio: type) -> None:
    ours, theirs = methods(blocking), methods(asyncio)
    if "close" in ours:
        theirs["close"] = theirs.pop("aclose")
    assert ours == theirs


async def types_of_what_is_asked(client: Client, aio: AsyncClient, runtime: Runtime) -> None:
    """Never called: it is for the type checker, which fails where one of these is another."""
    assert_type(client.call(RuntimeList()), list[types.Runtime])
    assert_type(client.api.runtime.list(all=True), list[types.Runtime])
    assert_type(client.api.execution.eval(code="1", project="/"), types.Execution)
    assert_type(await aio.call(RuntimeList()), list[types.Runtime])
    assert_type(await aio.api.execution.get(execution="e"), types.Execution)
    assert_type(runtime.eval("1"), objects.Execution)
    assert_type(await (await aio.runtime("r")).eval("1"), aio_objects.AsyncExecution)
    assert_type(runtime.eval("1").png, bytes | None)
    assert_type(next(client.events()).seq, int)
    client.api.runtime.get()  # type: ignore[call-arg]
    client.api.runtime.get(runtime=1)  # type: ignore[arg-type]
    runtime.eval("1", idd="x")  # type: ignore[call-arg]
