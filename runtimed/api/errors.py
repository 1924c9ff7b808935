"""Every failure that a caller can meet. The docstring of a class is its message.

::

    ApiError                   exit code
    ├── BadRequest             2   ParseError · InvalidRequest · MethodNotFound · InvalidParams
    │                              · RequestTooLarge · BadConfiguration
    ├── NotFound               3   RuntimeNotFound · ExecutionNotFound · KernelNotFound
    │                              · EnvironmentNotFound · BlobNotFound
    ├── Conflict               4   AmbiguousReference · RuntimeAlive · RuntimeDead · NameTaken
    │                              · ExecutionConflict · NotWaitingForInput · StaleCursor
    │                              · CannotInterrupt · NotOurs · NoServer · KernelBusy
    │                              · VariablesUnsupported · NotConfirmed
    │                              · KernelUnresponsive
    ├── Unavailable (retry)    5   DaemonUnreachable · NotRuntimed · ShuttingDown
    │                              · StoreUnavailable · KeeperUnavailable
    │                              · FinderUnavailable
    ├── KernelDidNotStart      6   KernelProgramMissing · EnvironmentUnusable
    │                              · LimitsNotInForce
    ├── Denied                 7
    ├── KernelDied             8
    └── Internal               70  logged under an incident; only its id is on the wire

The same classes are raised by handlers, sent by the server and raised again by the client.
"""

from __future__ import annotations

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


class Conflict(ApiError):
    """The request does not fit what is there now."""

    code = -32020
    http_status = 409
    exit_code = 4


class AmbiguousReference(Conflict):
    """{reference} may be any of: {candidates}"""

    code = -32021
    reference: str
    candidates: list[str]

    def message(self) -> str:
        return f"{self.data['reference']} may be any of: {', '.join(self.data['candidates'])}"


class RuntimeAlive(Conflict):
    """Runtime {runtime} may be alive; `runt {verb} {runtime}` ends it first."""

    code = -32022
    runtime: str
    verb: str


class RuntimeDead(Conflict):
    """Runtime {runtime} is dead ({reason})."""

    code = -32023
    runtime: str
    reason: str


class ExecutionConflict(Conflict):
    """Execution {execution} was submitted already, with another {difference}."""

    code = -32024
    execution: str
    difference: str


class NameTaken(Conflict):
    """A living runtime is called {wanted} already: {runtime}."""

    code = -32025
    wanted: str
    runtime: str


class NotWaitingForInput(Conflict):
    """Execution {execution} is not waiting for input; it is {status}."""

    code = -32026
    execution: str
    status: str


class StaleCursor(Conflict):
    """The cursor {cursor} is not of this store ({detail}); subscribe without it to begin anew."""

    code = -32027
    cursor: str
    detail: str


class CannotInterrupt(Conflict):
    """Runtime {runtime} was not interrupted: {reason}."""

    code = -32028
    runtime: str
    reason: str


class NotOurs(Conflict):
    """Runtime {runtime} was started by {owner}; `runt {verb} --force {runtime}` does it anyway."""

    code = -32029
    runtime: str
    owner: str
    verb: str


class NoServer(Conflict):
    """Runtime {runtime} was started by {owner}, and has no Jupyter server that could restart it;
    `runt stop --force {runtime}` ends it, `runt start` begins another.
    """

    code = -32070
    runtime: str
    owner: str


class NotConfirmed(Conflict):
    """Runtime {runtime} was not sent a signal: {reason}."""

    code = -32073
    runtime: str
    reason: str


class KernelBusy(Conflict):
    """The kernel of runtime {runtime} is busy, and has no subshell to look inside meanwhile."""

    code = -32071
    runtime: str


class KernelUnresponsive(Conflict):
    """The kernel of runtime {runtime} does not answer: its process is stopped, or hangs."""

    code = -32074
    runtime: str


class VariablesUnsupported(Conflict):
    """The variables of a kernel of {language} cannot be listed: {reason} (runtime {runtime})."""

    code = -32072
    runtime: str
    language: str
    reason: str


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


class EnvironmentUnusable(KernelDidNotStart):
    """{kernel} cannot run a kernel: {detail}"""

    code = -32042


class LimitsNotInForce(KernelDidNotStart):
    """Kernel {kernel} was not started, as it would run without its limits: {detail}"""

    code = -32043


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
