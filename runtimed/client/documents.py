"""What an execution shows, drawn from its document. No I/O: both clients build on it."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from runtimed.api import types
from runtimed.client.blobs import in_bundle, with_blobs
from runtimed.model.ids import short
from runtimed.model.text import output_lines, without_ansi

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Self


class NotFetched(LookupError):
    """An execution came without its outputs, as it does from a list; `refresh` fetches them."""


class NoClient(LookupError):
    """A document that was copied or unpickled: it says what it is, and cannot be asked for more."""

    def __init__(self, document: msgspec.Struct) -> None:
        super().__init__(f"{document!r} is a copy without a client, which fetches it by its id")


class ExecutionFailed(Exception):
    """An execution did not end as ``done``. ``execution`` is the whole of it."""

    def __init__(self, execution: ExecutionDocument) -> None:
        self.execution = execution
        error = execution.error
        said = f"{error.ename}: {error.evalue}" if error else execution.reason
        which = f"execution {short(execution.id)} is {execution.status}"
        super().__init__(f"{which}: {said}" if said else which)


class RuntimeDocument(types.Runtime, kw_only=True, dict=True):
    """A runtime as it was when it was fetched; `refresh` brings it up to date."""

    def __repr__(self) -> str:
        return f"<Runtime {self.short_id} {self.name!r} {self.kernel_name} {self.status}>"

    def _update(self, newer: types.Runtime) -> None:
        _copy(newer, self)


class ExecutionDocument(types.Execution, kw_only=True, dict=True):
    """An execution as it was when it was fetched; `wait` and `refresh` bring it up to date."""

    @property
    def is_final(self) -> bool:
        return self.status in types.FINAL

    @property
    def text(self) -> str:
        """All outputs as text, in order, without colours: what was printed, results, errors."""
        outputs = [msgspec.to_builtins(output) for output in self._shown()]
        for output in outputs:
            if left_out := output.get("truncated_chars"):
                output["text"] += f"\n[{left_out} more characters; `lines` has all]"
        return without_ansi("\n".join(output_lines(outputs)))

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def result(self) -> str | None:
        """The value of the last expression as text; None where there was none."""
        for output in reversed(self._shown()):
            if output.output_type == "execute_result":
                value = (output.data or {}).get("text/plain")
                return value if isinstance(value, str) else None
        return None

    @property
    def error(self) -> types.Output | None:
        """The error that ended it: ``ename``, ``evalue``, ``traceback``."""
        if self.status == "done":
            return None
        errors = [each for each in self._shown() if each.output_type == "error"]
        return errors[-1] if errors else None

    @property
    def png(self) -> bytes | None:
        """The last image."""
        value = self.data("image/png")
        return base64.b64decode(value) if isinstance(value, str) else None

    def data(self, mime_type: str) -> Any:
        """Return the last result or display of a MIME type, None where there is none."""
        for output in reversed(self._shown()):
            if output.data and mime_type in output.data:
                return output.data[mime_type]
        return None

    def check(self) -> Self:
        """Return it if it is done. Raises `ExecutionFailed` otherwise."""
        if self.status != "done":
            raise ExecutionFailed(self)
        return self

    def _shown(self) -> list[types.Output]:
        if self.outputs is None:
            raise NotFetched(f"{self!r} came without its outputs; refresh() fetches them")
        return self.outputs

    def _stream(self, name: str) -> str:
        return "".join(output.text or "" for output in self._shown() if output.name == name)

    def _update(self, newer: types.Execution) -> None:
        _copy(newer, self)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        from runtimed.client import mime

        try:
            self._shown()
        except NotFetched:  # to look at it is no error
            return mime.chosen({"text/plain": repr(self)}, include, exclude), {}
        data, metadata = mime.bundle(self._shown(), self.text, repr(self))
        return mime.chosen(data, include, exclude), metadata

    def __repr__(self) -> str:
        return f"<Execution {short(self.id)} {self.status}>"


def just_after(execution: types.Execution) -> str:
    """Return the first moment that is after its submission."""
    at = datetime.fromisoformat(execution.queued_at) + timedelta(milliseconds=1)
    return at.isoformat(timespec="milliseconds")


def client_of(document: msgspec.Struct) -> Any:
    """Return the client that fetched a document; a copy has none. Raises `NoClient`."""
    try:
        return document.__dict__["client"]
    except KeyError:
        raise NoClient(document) from None


def _copy(newer: msgspec.Struct, document: msgspec.Struct) -> None:
    for name in newer.__struct_fields__:
        setattr(document, name, getattr(newer, name))


def missing_blobs(execution: types.Execution) -> Iterator[dict[str, Any]]:
    """Yield the references that stand in the place of an execution's large values."""
    for output in execution.outputs or ():
        yield from in_bundle(output.data)


def put_blobs(execution: types.Execution, found: dict[str, Any]) -> None:
    """Put large values where their references stand."""
    for output in execution.outputs or ():
        output.data = with_blobs(output.data, found)


def piece_of(operation: dict[str, Any]) -> types.Output | None:
    """Return what an operation of an ``output`` event adds; None where it adds nothing.

    An update is the display again, under its ``display_id``.
    """
    match operation.get("op"):
        case "stream":
            return types.Output(
                output_type="stream", name=operation["name"], text=operation["text"]
            )
        case "add":
            return msgspec.convert(operation["output"], types.Output)
        case "update":
            return types.Output(
                output_type="display_data",
                data=operation["data"],
                metadata=operation["metadata"],
                display_id=operation["display_id"],
            )
    return None
