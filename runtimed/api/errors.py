"""Every failure that a caller can meet. The docstring of a class is its message.

::

    ApiError                   exit code
    ├── BadRequest             2   ParseError · InvalidRequest · MethodNotFound · InvalidParams
    │                              · RequestTooLarge · BadConfiguration · NotANotebook
    ├── NotFound               3   RuntimeNotFound · ExecutionNotFound · KernelNotFound
    │                              · EnvironmentNotFound · BlobNotFound · NotebookNotFound
    │                              · CellNotFound · FileMissing
    ├── Conflict               4   AmbiguousReference · RuntimeAlive · RuntimeDead · NameTaken
    │                              · ExecutionConflict · NotWaitingForInput · StaleCursor
    │                              · CannotInterrupt · NotOurs · NoServer · KernelBusy
    │                              · VariablesUnsupported · NotConfirmed
    │                              · KernelUnresponsive · StaleEdit · FileChanged
    │                              · FileUnusable · NotSaved · CannotRerun · StaleInput
    ├── Unavailable (retry)    5   DaemonUnreachable · NotRuntimed · ShuttingDown
    │                              · StoreUnavailable · KeeperUnavailable
    │                              · FinderUnavailable
    ├── KernelDidNotStart      6   KernelProgramMissing · EnvironmentUnusable
    │                              · LimitsNotInForce · EnvironmentBuildFailed
    ├── Denied                 7
    ├── KernelDied             8
    └── Internal               70  logged under an incident; only its id is on the wire

The same classes are raised by handlers, sent by the server and raised again by the client.
"""

from __future__ import annotations

from runtimed.api.conflicts import (
    AmbiguousReference as AmbiguousReference,
)
from runtimed.api.conflicts import (
    CannotInterrupt as CannotInterrupt,
)
from runtimed.api.conflicts import (
    CannotRerun as CannotRerun,
)
from runtimed.api.conflicts import (
    Conflict as Conflict,
)
from runtimed.api.conflicts import (
    ExecutionConflict as ExecutionConflict,
)
from runtimed.api.conflicts import (
    FileChanged as FileChanged,
)
from runtimed.api.conflicts import (
    FileUnusable as FileUnusable,
)
from runtimed.api.conflicts import (
    KernelBusy as KernelBusy,
)
from runtimed.api.conflicts import (
    KernelUnresponsive as KernelUnresponsive,
)
from runtimed.api.conflicts import (
    NameTaken as NameTaken,
)
from runtimed.api.conflicts import (
    NoServer as NoServer,
)
from runtimed.api.conflicts import (
    NotConfirmed as NotConfirmed,
)
from runtimed.api.conflicts import (
    NotOurs as NotOurs,
)
from runtimed.api.conflicts import (
    NotSaved as NotSaved,
)
from runtimed.api.conflicts import (
    NotWaitingForInput as NotWaitingForInput,
)
from runtimed.api.conflicts import (
    RuntimeAlive as RuntimeAlive,
)
from runtimed.api.conflicts import (
    RuntimeDead as RuntimeDead,
)
from runtimed.api.conflicts import (
    StaleCursor as StaleCursor,
)
from runtimed.api.conflicts import (
    StaleEdit as StaleEdit,
)
from runtimed.api.conflicts import (
    StaleInput as StaleInput,
)
from runtimed.api.conflicts import (
    VariablesUnsupported as VariablesUnsupported,
)
from runtimed.api.failure import ApiError as ApiError

#: Exit codes of ``runt`` that are no error of the API (DESIGN §4).
EXIT_CODE_RAISED = 1
EXIT_WAIT_EXPIRED = 124
EXIT_INTERRUPTED = 130
EXIT_STDOUT_CLOSED = 141


class BadRequest(ApiError):
    """The request is wrong: {detail}"""

    code = -32602
    http_status = 400
    exit_code = 2
    detail: str


class ParseError(BadRequest):
    """This line is not JSON: {detail}"""

    code = -32700


class InvalidRequest(BadRequest):
    """This is not a JSON-RPC 2.0 request: {detail}"""

    code = -32600


class MethodNotFound(BadRequest):
    """There is no method {detail}; rpc.discover lists them."""

    code = -32601
    http_status = 404


class InvalidParams(BadRequest):
    """The parameters do not fit: {detail}"""

    code = -32602


class RequestTooLarge(BadRequest):
    """The request is too large: {detail}"""

    code = -32001
    http_status = 413


class BadConfiguration(BadRequest):
    """The settings stay as they are: {detail}"""

    code = -32002


class NotANotebook(BadRequest):
    """{path} is not a notebook that can be read: {detail}"""

    code = -32003
    http_status = 422
    path: str
    detail: str


class NotFound(ApiError):
    """There is no such thing."""

    code = -32010
    http_status = 404
    exit_code = 3


class RuntimeNotFound(NotFound):
    """No runtime is called {runtime}; `runt ps` lists them."""

    code = -32011
    runtime: str


class ExecutionNotFound(NotFound):
    """No execution is called {execution}."""

    code = -32012
    execution: str


class KernelNotFound(NotFound):
    """No kernelspec is called {kernel}; `runt environments` lists them."""

    code = -32013
    kernel: str


class EnvironmentNotFound(NotFound):
    """There is no Python environment at {path}."""

    code = -32014
    path: str


class BlobNotFound(NotFound):
    """No blob has the SHA-256 {sha256}."""

    code = -32015
    sha256: str


class NotebookNotFound(NotFound):
    """No notebook is called {notebook}; `runt notebook list` lists those that are open."""

    code = -32016
    notebook: str


class CellNotFound(NotFound):
    """No cell is called {cell}."""

    code = -32017
    cell: str


class FileMissing(NotFound):
    """There is no file {path}."""

    code = -32018
    path: str


class Unavailable(ApiError):
    """The service cannot answer now."""

    code = -32030
    http_status = 503
    exit_code = 5
    retryable = True


class DaemonUnreachable(Unavailable):
    """runtimed does not answer at {socket}: {detail}"""

    code = -32031
    socket: str
    detail: str


class NotRuntimed(Unavailable):
    """Something else than this runtimed answers at {socket}: {detail}"""

    code = -32032
    retryable = False
    socket: str
    detail: str


class ShuttingDown(Unavailable):
    """runtimed is stopping."""

    code = -32033


class StoreUnavailable(Unavailable):
    """The store cannot take this now, so nothing was accepted: {detail}"""

    code = -32034
    detail: str


class KeeperUnavailable(Unavailable):
    """The keeper of the kernels does not answer: {detail}"""

    code = -32035
    detail: str


class FinderUnavailable(Unavailable):
    """Kernelspecs could not be looked for: {detail}"""

    code = -32036
    detail: str


class KernelDidNotStart(ApiError):
    """Kernel {kernel} did not start: {detail}"""

    code = -32040
    http_status = 502
    exit_code = 6
    kernel: str
    detail: str
    stderr: str

    def message(self) -> str:
        tail = self.data["stderr"].strip()
        return super().message() + (f"\n{tail}" if tail else "")


class KernelProgramMissing(KernelDidNotStart):
    """Kernel {kernel} did not start, its program is missing: {detail}"""

    code = -32041
    http_status = 422


class EnvironmentUnusable(KernelDidNotStart):
    """{kernel} cannot run a kernel: {detail}"""

    code = -32042
    http_status = 422


class LimitsNotInForce(KernelDidNotStart):
    """Kernel {kernel} was not started, as it would run without its limits: {detail}"""

    code = -32043
    http_status = 422


class EnvironmentBuildFailed(KernelDidNotStart):
    """An environment with {kernel} was not built: {detail}"""

    code = -32044


class Denied(ApiError):
    """This is refused: {detail}"""

    code = -32050
    http_status = 403
    exit_code = 7
    detail: str


class KernelDied(ApiError):
    """The kernel of runtime {runtime} died: {reason}"""

    code = -32060
    http_status = 502
    exit_code = 8
    runtime: str
    reason: str


class Internal(ApiError):
    """Something went wrong inside runtimed; its log tells more under incident {incident}."""

    code = -32603
    exit_code = 70
    incident: str
