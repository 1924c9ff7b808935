"""The runtime of ``runt eval --rm``: started for one evaluation, and gone after it."""

from __future__ import annotations

import select
import sys
from functools import partial

from runt import exits, session
from runt.ids import new_id, short
from runt.live import Detached
from runt.signals import Signals
from runtimed.client.connecting import CallFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtimed.client.lines import LineClient

#: A throwaway runtime whose `runt` was killed stops by itself after so long without work.
_IDLE_STOP_S = 86_400.0


def start(params: dict[str, Any], *, idle_stop_s: float | None = _IDLE_STOP_S) -> dict[str, Any]:
    """Start it, and say its notices.

    Raises `Detached` after a signal, when what was being started is gone again.
    """
    starting = _Starting(params if idle_stop_s is None else {**params, "idle_stop_s": idle_stop_s})
    with Signals() as signals:
        client = signals.leaving_default(session.connect)()
        try:
            runtime = starting.follow(client, signals)
        finally:
            client.close()
    for notice in runtime.get("notices", ()):
        sys.stderr.write(f"runt: {notice}\n")
    return runtime


def remove(runtime_id: str) -> None:
    """Kill and remove a runtime. A failure is said, not raised: how the code ended counts."""
    try:
        for _ in range(session.ATTEMPTS):
            session.call("runtime.kill", {"runtime": runtime_id})
            try:
                session.call("runtime.remove", {"runtime": runtime_id})
            except CallFailed as failure:
                if failure.name != "RuntimeAlive":
                    raise
            else:
                return
        sys.stderr.write(f"runt: {short(runtime_id)} does not end; it is left\n")
    except CallFailed as failure:
        if failure.name != "RuntimeNotFound":
            sys.stderr.write(f"runt: {short(runtime_id)} may be left: {failure}\n")


class _Starting:
    """A call of ``runtime.start`` that a signal ends, together with what it has started."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params
        self._begun = new_id()
        self._exit_code: int | None = None

    def follow(self, client: LineClient, signals: Signals) -> dict[str, Any]:
        """Return the runtime. Raises `CallFailed`, and `Detached` after a signal."""
        (request_id,) = client.send_many([("runtime.start", self._params)])
        poll = select.poll()
        poll.register(signals.fileno(), select.POLLIN)
        poll.register(client.fileno(), select.POLLIN)
        while True:
            ready = dict(poll.poll())
            for number in signals.take():
                self._exit_code = exits.of_signal(number)
                signals.leaving_default(partial(self._end, client))()
            if client.fileno() in ready:
                answer = self._answer(client, request_id)
                if answer is not None:
                    return answer

    def _answer(self, client: LineClient, request_id: int) -> dict[str, Any] | None:
        """Return the runtime if the answer is there."""
        try:
            messages = client.receive()
            found = [m for m in messages or () if m.get("id") == request_id]
            if messages is not None and not found:
                return None
            # At the end of the connection this says that there is no answer.
            answer = found[0] if found else {"result": client.result(request_id)}
            if "error" in answer:
                raise CallFailed(answer["error"])
        except CallFailed:
            if self._exit_code is None:
                raise
            raise Detached(self._exit_code) from None
        runtime: dict[str, Any] = answer["result"]
        if self._exit_code is not None:
            remove(runtime["id"])
            raise Detached(self._exit_code)
        return runtime

    def _end(self, client: LineClient) -> None:
        """End what is being started, if it is there yet; else its answer tells of it.

        Raises `Detached` where packages may have to be installed first, which takes minutes: who
        hangs up then has started nothing.
        """
        if self._is_removed() or not (
            self._params.get("dependencies") or "# /// script" in self._params.get("code", "")
        ):
            return
        client.close()
        self._is_removed()  # which may have come meanwhile
        raise Detached(self._exit_code or exits.OK)

    def _is_removed(self) -> bool:
        """Remove what was started if it is there; say whether it was."""
        if "name" not in self._params:
            return False
        try:
            found = session.call("runtime.get", {"runtime": self._params["name"]})
        except CallFailed:
            return False
        # The name may be that of somebody else's, or the beginning of it; an id begins with its
        # time.
        is_ours = found["name"] == self._params["name"] and found["id"][:10] >= self._begun[:10]
        if is_ours:
            remove(found["id"])
        return bool(is_ours)
