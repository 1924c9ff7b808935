"""The blocking client.

::

    from runtimed.client import connect

    with connect() as client, client.start("python3") as runtime:
        print(runtime.eval("6 * 7").result)
"""

from __future__ import annotations

import os
import time
from base64 import b64decode
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import msgspec

from runtimed.api.daemon import Hello
from runtimed.api.errors import ApiError
from runtimed.api.events import EventsSubscribe
from runtimed.api.executions import BlobGet, ExecutionEval, ExecutionGet
from runtimed.api.runtimes import RuntimeGet, RuntimeList, RuntimeStart
from runtimed.client.blobs import of_blob
from runtimed.client.calls import Api, Blocking
from runtimed.client.connecting import CallFailed, Nobody, dial
from runtimed.client.documents import missing_blobs, put_blobs
from runtimed.client.events import Events
from runtimed.client.lines import LineClient
from runtimed.client.objects import Execution, Runtime, history
from runtimed.client.options import (
    EventOptions,
    HistoryOptions,
    StartOptions,
    SubmitOptions,
    absolute,
    of_caller,
)
from runtimed.client.patience import (
    GONE,
    ClientClosed,
    Patience,
    Request,
    goes_on,
    is_quiet,
    raised,
)
from runtimed.client.start import ensure_daemon
from runtimed.paths import socket_path

if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from runtimed.api.call import Call
    from runtimed.api.types import Execution as ExecutionDocument

__all__ = ["Client", "connect"]

R = TypeVar("R")
#: Connections that are kept for the next calls.
_MAX_IDLE = 8


def connect(
    path: str | None = None,
    *,
    start: bool = True,
    client: str = "python",
    agent: str | None = None,
    patience_s: float = 30.0,
) -> Client:
    """Connect to the daemon, starting it if there is none and ``start`` is true.

    ``path`` is the socket, else the one that `runt socket` prints. ``client`` names the kind of
    client in records, ``agent`` the agent that it works for, if it does: letters, digits, dot,
    hyphen and underscore. ``patience_s`` is how long a daemon that goes away later is waited for.
    Raises `DaemonUnreachable`, `NotRuntimed` or `Denied`.
    """
    return Client(
        path or socket_path(), start=start, client=client, agent=agent, patience_s=patience_s
    )


class Client:
    """Calls to one daemon, over as many connections as there are calls at a time.

    Threads may share it. A process that was forked connects anew. What ends a call early, such as
    Ctrl-C, ends the waiting only: what was submitted goes on.

    Where the daemon goes away, calls that read and submissions are sent again to the next one;
    others raise `DaemonUnreachable`, as they may have been done.
    """

    def __init__(
        self, path: str, *, start: bool, client: str, agent: str | None, patience_s: float
    ) -> None:
        self._path = path
        self._starts = start
        self._kind, self._agent = client, agent
        self._patience_s = patience_s
        self._was_connected = False
        self._is_closed = False
        #: With the process that made them: a child of fork() leaves its parent's alone.
        self._idle: deque[tuple[int, LineClient]] = deque()
        #: Every method of the API, as ``api.noun.verb(...)``.
        self.api: Api[Blocking] = Api(self.call)
        #: What the daemon said of itself.
        self.hello: Hello
        with self._connection():
            pass

    def call(self, call: Call[R]) -> R:
        """Make a call and wait for its result. Raises the call's errors, see `ApiError`."""
        result: R = self._ask(call, type(call).result)
        return result

    def _ask(self, call: Call[Any], result: type[R]) -> R:
        """Make a call; its result becomes a ``result``."""
        patience, request = Patience(self._patience_s), Request(call)
        while True:
            with self._connection(patience) as lines:
                try:
                    answer = lines.call(request.method, request.params())
                    break
                except CallFailed as failure:
                    if failure.name in GONE:
                        lines.close()
                        request.check_repeatable(failure)
                    pause_s = patience.pause_s(failure)
            time.sleep(pause_s)
        converted: R = msgspec.convert(answer, result)
        return converted

    def start(self, kernel_name: str | None = None, **options: Unpack[StartOptions]) -> Runtime:
        """Start a kernel and wait until it answers.

        It gets this process's environment and directory, unless ``env`` and ``cwd`` say otherwise.
        Leaving ``with client.start(...) as runtime:`` stops it.
        """
        call = RuntimeStart(kernel_name=kernel_name, **{**of_caller(), **options})
        return self._ask(call, Runtime)._of(self)

    def runtime(self, runtime: str) -> Runtime:
        """Return a runtime by its id, short id, name, notebook's path, or what else names one."""
        return self._ask(RuntimeGet(runtime=runtime), Runtime)._of(self)

    def runtimes(self, *, all: bool = False) -> list[Runtime]:
        """Return the runtimes, oldest first; ``all``: dead ones too."""
        return [each._of(self) for each in self._ask(RuntimeList(all=all), list[Runtime])]

    def eval(
        self,
        code: str,
        *,
        project: str,
        wait_s: float | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Execution:
        """Run code in the one runtime of a project, as `runt eval` does; started if need be."""
        given: Any = {**of_caller(), **options, "project": absolute(project)}
        return self._execution(ExecutionEval(code=code, wait_s=wait_s, **given))

    def execution(self, execution: str) -> Execution:
        """Return an execution by its id, with its outputs."""
        return self._execution(ExecutionGet(execution=execution))

    def history(self, **options: Unpack[HistoryOptions]) -> Iterator[Execution]:
        """Iterate over executions, newest first, without outputs."""
        return history(self, None, options)

    def events(self, **options: Unpack[EventOptions]) -> Events:
        """Subscribe now; return an iterator over the events, which does not end by itself.

        It goes on where it was after a restart of the daemon. ``since`` is a cursor, or 'start'.
        """
        self._check_open()
        return Events(self, EventsSubscribe(**options))

    def blob(self, sha256: str) -> bytes:
        """Return a large value's bytes."""
        return b64decode(self.call(BlobGet(sha256=sha256)).data)

    def close(self) -> None:
        """Hang up. Calls that other threads are waiting for, and `Events`, end by themselves.

        What is asked later raises `ClientClosed`.
        """
        self._is_closed = True
        while self._idle:
            self._idle.pop()[1].close()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _execution(self, call: Call[ExecutionDocument]) -> Execution:
        return self._whole(self._ask(call, Execution)._of(self))

    def _whole(self, execution: Execution) -> Execution:
        """Fetch the large values of an execution's outputs into their places."""
        if found := self._values(missing_blobs(execution)):
            put_blobs(execution, found)
        return execution

    def _values(self, references: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Fetch what blob references stand for, by SHA-256."""
        return {
            each["blob"]: of_blob(each, self.call(BlobGet(sha256=each["blob"])).data)
            for each in references
        }

    @contextmanager
    def _connection(self, patience: Patience | None = None) -> Iterator[LineClient]:
        """Lend a connection that nobody else uses; one that was closed meanwhile is not kept."""
        self._check_open()
        lines = self._kept() or self._opened(patience or Patience(self._patience_s))
        try:
            yield lines
        except ApiError:
            self._keep(lines)
            raise
        except BaseException:
            lines.close()  # its answer may be on its way
            raise
        self._keep(lines)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClientClosed

    def _opened(self, patience: Patience) -> LineClient:
        """Make a new connection. Raises `DaemonUnreachable`, `NotRuntimed` or `Denied`."""
        while True:
            patience.check()
            try:
                lines = LineClient(self._dialled(), self._path)
                self.hello = msgspec.convert(lines.hello(self._kind, self._agent), Hello)
            except CallFailed as failure:
                if not goes_on(failure, starts=self._starts, was_connected=self._was_connected):
                    raise raised(failure) from None
                pause_s = patience.pause_s(failure)
            else:
                self._was_connected = True
                patience.answered()
                return lines
            time.sleep(pause_s)

    def _dialled(self) -> socket:
        try:
            return dial(self._path)
        except Nobody:
            if not self._starts:
                raise
        return ensure_daemon(self._path)

    def _kept(self) -> LineClient | None:
        while self._idle:
            try:
                pid, lines = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            if pid == os.getpid() and is_quiet(lines.fileno()):
                return lines
            lines.close()
        return None

    def _keep(self, lines: LineClient) -> None:
        if lines.fileno() < 0:
            return
        if len(self._idle) < _MAX_IDLE and not self._is_closed:
            self._idle.append((os.getpid(), lines))
        else:
            lines.close()
