"""Every method of the API by its name, typed: ``client.api.runtime.list(all=True)``.

A method ``noun.verb`` is ``client.api.noun.verb``. Its parameters and result are those of its call
class, which is all that is written down here; one list serves the blocking and asyncio's client.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

from runtimed.api import (
    cells,
    daemon,
    doctor,
    environments,
    executions,
    exports,
    history,
    introspection,
    notebooks,
    rendering,
    runtimes,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runtimed.api.call import Call

P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K")


class Blocking:
    """Methods return their results."""


class Asyncio:
    """Methods return coroutines."""


class Noun(Generic[K]):
    """The methods of one noun."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call


class Method(Generic[P, R]):
    """A method, made of its call class."""

    def __init__(self, call_class: Callable[P, Call[R]]) -> None:
        self.call_class = call_class

    @overload
    def __get__(self, noun: None, owner: type) -> Self: ...

    @overload
    def __get__(self, noun: Noun[Blocking], owner: type) -> Callable[P, R]: ...

    @overload
    def __get__(self, noun: Noun[Asyncio], owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...

    def __get__(self, noun: Any, owner: type) -> Any:
        if noun is None:
            return self

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return noun._call(self.call_class(*args, **kwargs))

        # For those who complete by looking at what is there, as IPython does.
        method.__doc__ = self.call_class.__doc__
        method.__signature__ = inspect.signature(self.call_class)  # type: ignore[attr-defined]
        return method


class EnvironmentCalls(Noun[K]):
    """``environment.*``."""

    list = Method(environments.EnvironmentList)
    prepare = Method(environments.EnvironmentPrepare)
    prune = Method(environments.EnvironmentPrune)


class RuntimeCalls(Noun[K]):
    """``runtime.*``."""

    list = Method(runtimes.RuntimeList)
    get = Method(runtimes.RuntimeGet)
    start = Method(runtimes.RuntimeStart)
    stop = Method(runtimes.RuntimeStop)
    kill = Method(runtimes.RuntimeKill)
    call_off = Method(runtimes.RuntimeCallOff)
    restart = Method(runtimes.RuntimeRestart)
    interrupt = Method(runtimes.RuntimeInterrupt)
    rename = Method(runtimes.RuntimeRename)
    share = Method(runtimes.RuntimeShare)
    remove = Method(runtimes.RuntimeRemove)
    logs = Method(runtimes.RuntimeLogs)
    prune = Method(runtimes.RuntimePrune)
    record = Method(runtimes.RuntimeRecord)
    forget = Method(runtimes.RuntimeForget)
    variables = Method(runtimes.RuntimeVariables)
    export = Method(exports.RuntimeExport)
    complete = Method(introspection.RuntimeComplete)
    inspect = Method(introspection.RuntimeInspect)
    is_complete = Method(introspection.RuntimeIsComplete)
    export = Method(exports.RuntimeExport)


class ExecutionCalls(Noun[K]):
    """``execution.*``."""

    submit = Method(executions.ExecutionSubmit)
    eval = Method(executions.ExecutionEval)
    get = Method(executions.ExecutionGet)
    list = Method(executions.ExecutionList)
    wait = Method(executions.ExecutionWait)
    output = Method(executions.ExecutionOutput)
    render = Method(rendering.ExecutionRender)
    cancel = Method(executions.ExecutionCancel)
    interrupt = Method(executions.ExecutionInterrupt)
    input = Method(executions.ExecutionInput)
    search = Method(history.ExecutionSearch)
    rerun = Method(history.ExecutionRerun)
    pin = Method(history.ExecutionPin)
    unpin = Method(history.ExecutionUnpin)


class NotebookCalls(Noun[K]):
    """``notebook.*``."""

    create = Method(notebooks.NotebookCreate)
    open = Method(notebooks.NotebookOpen)
    import_ = Method(notebooks.NotebookImport)
    list = Method(notebooks.NotebookList)
    get = Method(notebooks.NotebookGet)
    rename = Method(notebooks.NotebookRename)
    edit = Method(notebooks.NotebookEdit)
    delete = Method(notebooks.NotebookDelete)
    save = Method(notebooks.NotebookSave)
    export = Method(notebooks.NotebookExport)
    run_all = Method(notebooks.NotebookRunAll)
    restart_and_run_all = Method(notebooks.NotebookRestartAndRunAll)


class CellCalls(Noun[K]):
    """``cell.*``."""

    list = Method(cells.CellList)
    get = Method(cells.CellGet)
    insert = Method(cells.CellInsert)
    edit = Method(cells.CellEdit)
    move = Method(cells.CellMove)
    delete = Method(cells.CellDelete)
    run = Method(cells.CellRun)


class BlobCalls(Noun[K]):
    """``blob.*``."""

    get = Method(executions.BlobGet)


class DaemonCalls(Noun[K]):
    """``daemon.*``."""

    hello = Method(daemon.DaemonHello)
    status = Method(daemon.DaemonStatusGet)
    stop = Method(daemon.DaemonStop)
    announce = Method(daemon.DaemonAnnounce)
    gc = Method(history.DaemonGc)
    config = Method(settings.DaemonConfigGet)
    reload = Method(settings.DaemonReload)
    forget_transports = Method(doctor.DaemonForgetTransports)
    doctor = Method(doctor.DaemonDoctor)


class RpcCalls(Noun[K]):
    """``rpc.*``."""

    discover = Method(daemon.RpcDiscover)


class Api(Generic[K]):
    """The API of the daemon; ``events.*`` are the client's own `events`."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self.environment: EnvironmentCalls[K] = EnvironmentCalls(call)
        self.runtime: RuntimeCalls[K] = RuntimeCalls(call)
        self.execution: ExecutionCalls[K] = ExecutionCalls(call)
        self.notebook: NotebookCalls[K] = NotebookCalls(call)
        self.cell: CellCalls[K] = CellCalls(call)
        self.blob: BlobCalls[K] = BlobCalls(call)
        self.daemon: DaemonCalls[K] = DaemonCalls(call)
        self.rpc: RpcCalls[K] = RpcCalls(call)
