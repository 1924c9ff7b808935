"""What we say to a kernel: built, signed, and sent by the keeper."""

from __future__ import annotations

import contextlib
import itertools
import logging
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import KeeperUnavailable
from runtimed.kernels.clock import now_ms
from runtimed.kernels.intake import FOREIGN_BARRIER, PROOF, barrier_id
from runtimed.kernels.messages import Signer
from runtimed.model.times import rfc3339
from runtimed.wire.link import Op

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Sequence

    from runtimed.kernels.link import KeeperLink
    from runtimed.store.executions import ExecutionRow
    from runtimed.store.runtimes import RuntimeRow

log = logging.getLogger(__name__)


class Messenger:
    """Speaks for one runtime, to its kernel and about it to the keeper. Owned by its actor.

    ``link`` returns the present link to the keeper, if there is one.
    """

    def __init__(self, row: RuntimeRow, link: Callable[[], KeeperLink | None]) -> None:
        self.row = row
        self.session = f"runtimed-{row.id}"
        self._link = link
        self._signer: Signer | None = None
        self._infos_sent = 0
        self._proofs = itertools.count(now_ms())  # those of a daemon before have other numbers
        self._asked: dict[str, Future[dict[str, Any]]] = {}

    @property
    def signer(self) -> Signer:
        """What signs for this kernel: its key was stored with how it was launched."""
        if self._signer is None:
            info = self.row.launch.get("connection") or {}
            key = str(info.get("key", "")).encode()
            scheme = str(info.get("signature_scheme", "hmac-sha256"))
            self._signer = Signer(key, scheme, self.session)
        return self._signer

    def new_key(self) -> None:
        """Take the key anew: the kernel has got another one."""
        self._signer = None

    def post(
        self,
        channel: str,
        msg_type: str,
        content: dict[str, Any],
        *,
        msg_id: str,
        send_id: str | None = None,
        secret: bool = False,
        subshell_id: str | None = None,
    ) -> Future[dict[str, Any]]:
        """Ask the keeper to send a message; the future's result is its answer.

        With a ``send_id`` it is sent once at most, whatever dies in between.
        """
        date = rfc3339(now_ms()) or ""
        frames = self.signer.build(
            msg_type, content, msg_id=msg_id, date=date, subshell_id=subshell_id
        )
        fields: dict[str, Any] = {} if send_id is None else {"id": send_id}
        return self.request(
            Op.SEND,
            frames,
            incarnation=self.row.incarnation,
            channel=channel,
            secret=secret,
            **fields,
        )

    def request(
        self, op: Op, payloads: Sequence[bytes] = (), **fields: Any
    ) -> Future[dict[str, Any]]:
        """Ask the keeper something about this runtime. Raises `KeeperUnavailable`."""
        link = self._link()
        if link is None:
            raise KeeperUnavailable(detail="it is being started again")
        return link.request(op, payloads, runtime=self.row.id, **fields)

    def ask(
        self,
        channel: str,
        msg_type: str,
        content: dict[str, Any],
        *,
        msg_id: str,
        subshell_id: str | None = None,
    ) -> Future[dict[str, Any]]:
        """Ask the kernel; the future's result is its reply's content, or why it was not sent.

        A kernel that ends leaves it open. Raises `KeeperUnavailable`.
        """
        sent = self.post(channel, msg_type, content, msg_id=msg_id, subshell_id=subshell_id)
        reply: Future[dict[str, Any]] = sent.get_loop().create_future()
        self._asked[msg_id] = reply
        reply.add_done_callback(lambda _: self._asked.pop(msg_id, None))

        def was_sent(answer: Future[dict[str, Any]]) -> None:
            if reply.done() or answer.cancelled():
                return
            if (error := answer.exception()) is not None:
                reply.set_exception(error)

        sent.add_done_callback(was_sent)
        return reply

    def answered(self, parent_id: str, content: dict[str, Any]) -> None:
        """Hand a reply of the kernel's to who asked, if anybody still waits."""
        reply = self._asked.get(parent_id)
        if reply is not None and not reply.done():
            reply.set_result(content)

    def ask_kernel_info(self, channel: str = "shell") -> Future[dict[str, Any]]:
        """Ask the kernel who it is; its answer shows that it lives and is heard.

        Raises `KeeperUnavailable`.
        """
        self._infos_sent += 1
        msg_id = f"info.{self._infos_sent}"
        return self.post(channel, "kernel_info_request", {}, msg_id=msg_id)

    def try_kernel_info(self, channel: str = "shell") -> None:
        """Ask the same where it is asked again by itself when the link or the kernel comes back."""
        with contextlib.suppress(KeeperUnavailable):
            self.ask_kernel_info(channel)

    def try_post(self, *args: Any, **kwargs: Any) -> None:
        """Post what is asked again by itself when the link or the kernel comes back."""
        with contextlib.suppress(KeeperUnavailable):
            self.post(*args, **kwargs)

    def ask_for_proof(self) -> str:
        """Ask the kernel, beside what it executes, for a sign on iopub; return the msg_id."""
        msg_id = f"{PROOF}{next(self._proofs)}"
        self.try_post("control", "kernel_info_request", {}, msg_id=msg_id)
        return msg_id

    def open(self) -> Future[dict[str, Any]]:
        """Have the keeper connect to a kernel that exists: a new incarnation.

        A kernel of somebody else's gets what is needed to listen; the rest comes when it is used.
        Raises `KeeperUnavailable`.
        """
        row, is_ours = self.row, self.row.origin == "launched"
        return self.request(
            Op.OPEN,
            connection_file=row.connection_file,
            ip=row.ip,
            pid=row.pid,
            start_time=row.start_time,
            launched=is_ours,
            channels=["shell", "control", "stdin", "iopub"] if is_ours else ["iopub", "control"],
        )

    def send_foreign_barrier(self) -> None:
        """Send a request behind other clients' executions: see `send_barrier`."""
        self.try_post("shell", "kernel_info_request", {}, msg_id=FOREIGN_BARRIER)

    def send_barrier(self, row: ExecutionRow) -> None:
        """Send a request behind the execution: its answer proves that the shell is past it."""
        self.try_post("shell", "kernel_info_request", {}, msg_id=barrier_id(row))
