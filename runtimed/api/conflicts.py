"""What does not go together with what is there: a branch of the tree in ``errors``."""

from __future__ import annotations

from runtimed.api.failure import ApiError


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


class StaleInput(Conflict):
    """Execution {execution} has its answer to that request already; it is {status} now."""

    code = -32080
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


class StaleEdit(Conflict):
    """{document} was changed by somebody else: its etag is {etag}, not {if_match}. Nothing was
    changed by this.
    """

    code = -32075
    http_status = 412
    document: str
    etag: str
    if_match: str


class FileChanged(Conflict):
    """{path} is not as it was when it was last read or written here ({detail}); force overrules."""

    code = -32076
    path: str
    detail: str


class NotSaved(Conflict):
    """{notebook} has something that its file has not; nothing was changed by this."""

    code = -32078
    notebook: str


class CannotRerun(Conflict):
    """{execution} cannot be run once more: {detail}."""

    code = -32079
    execution: str
    detail: str


class FileUnusable(Conflict):
    """{path} cannot be used: {detail}"""

    code = -32077
    path: str
    detail: str
