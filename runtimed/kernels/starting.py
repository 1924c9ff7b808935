"""Start a kernel, over ipc and if need be once more over tcp."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

from runtimed.api.errors import (
    ApiError,
    Denied,
    KernelDidNotStart,
    KernelProgramMissing,
    LimitsNotInForce,
    StoreUnavailable,
)
from runtimed.cgroups import kernel_scope
from runtimed.kernels import launch
from runtimed.kernels.clock import now_ms
from runtimed.kernels.diagnosis import explain_failure
from runtimed.kernels.guarding import limits_notice
from runtimed.kernels.limits import (
    confining,
    instead,
    limits_of,
    names,
    why_not_in_force,
    why_not_soft,
)
from runtimed.kernels.link import Refused
from runtimed.kernels.reasons import describe_exit, last_line
from runtimed.paths import UnsafePath
from runtimed.recorder import Batch
from runtimed.store import runtimes
from runtimed.wire.link import Op, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.kernels.actor import Actor
    from runtimed.kernels.environments import Choice

#: What is said of a kernel whose sockets are neither Unix sockets nor encrypted.
READABLE = "its sockets are readable by other local users"
#: A tcp port may be taken by somebody else between our looking and the kernel's binding.
_PORT_TRIES = 3
#: Begins what is said of a kernel that could not be given a scope, where others are.
NO_SCOPE = "it has no scope of its own"
_KILL_S = 5.0


class _Failed(Exception):
    """One attempt failed. ``is_final``: another transport will not help."""

    def __init__(self, detail: str, *, is_final: bool = False, is_missing: bool = False) -> None:
        super().__init__(detail)
        self.is_missing = is_missing
        self.is_final = is_final or is_missing


class Starting:
    """One start of one runtime: its attempts, and what is remembered of them."""

    def __init__(
        self,
        actor: Actor,
        choice: Choice,
        env: Mapping[str, str] | None,
        address: dict[str, Any] | None = None,
    ) -> None:
        """With ``env`` None the keeper's memory of the last start is used.

        ``address`` is the connection info to keep at a restart: other clients know it.
        """
        self._actor = actor
        self._address = address
        self._choice = choice
        self._limits = confining(limits_of(actor.row.launch))
        self._scope: list[str] | None = None
        self._env = None if env is None else launch.kernel_environment(env, choice.env)

    async def run(self, timeout_s: float) -> None:
        """Start, and return when the kernel answered and is heard: all attempts have one time.

        Raises `KernelDidNotStart` or a subclass; then the runtime is dead.
        """
        actor = self._actor
        self._timeout_s = timeout_s
        self._deadline = asyncio.get_running_loop().time() + timeout_s
        actor.state.is_starting = True
        try:
            await self._find_scope()
            await self._attempts()
        except NoEnvironment:
            raise
        except _Failed as failure:
            error: ApiError = await self._explain(failure)
            self._give_up(error)
            raise error from failure
        except UnsafePath as problem:
            error = Denied(detail=str(problem))
            self._give_up(error)
            raise error from problem
        except OSError as problem:
            name = self._choice.kernel_name
            error = KernelDidNotStart(kernel=name, detail=str(problem), stderr="")
            self._give_up(error)
            raise error from problem
        except ApiError as error:
            self._give_up(error)
            raise
        finally:
            actor.state.is_starting = False
            actor.ring()

    async def _attempts(self) -> None:
        if self._address is not None:
            with contextlib.suppress(_PortTaken):
                await self._attempt(self._address, self._timeout_s)
                return
        prefix = self._ipc_prefix()
        if prefix is None:
            await self._over_tcp()
            return
        try:
            silence_s = min(self._timeout_s, self._actor.parts.config.ipc_silence_s)
            await self._attempt(launch.ipc_address(prefix, self._choice.kernel_name), silence_s)
        except _Failed as first:
            if first.is_final:
                raise
            await self._over_tcp_instead(first)

    def _ipc_prefix(self) -> str | None:
        """Return the path for its ipc sockets, None where it must listen on tcp."""
        choice = self._choice
        prefix = launch.ipc_prefix(self._actor.row.id)
        if prefix is None:
            self._notice("its ipc path would be too long, so it listens on tcp")
        needs_tcp = choice.begins_with_tcp or (
            choice.resource_dir is not None
            and self._actor.parts.recorder.store.read(
                runtimes.needs_tcp, choice.resource_dir, self._version
            )
        )
        return None if needs_tcp else prefix

    @property
    def _version(self) -> str:
        """What is remembered of a kernelspec holds for this state of it, and no other."""
        return f"{self._choice.spec_mtime_ns} {self._choice.argv[0]}"

    async def _over_tcp_instead(self, first: _Failed) -> None:
        """Try once more over tcp; only if that works was it for the transport."""
        if asyncio.get_running_loop().time() >= self._deadline:
            raise first
        try:
            await self._over_tcp()
        except _Failed:
            raise first from None
        if self._choice.resource_dir is not None:
            self._actor.parts.recorder.store.write(
                runtimes.note_tcp, self._choice.resource_dir, self._version, now_ms()
            )

    async def _over_tcp(self) -> None:
        for _ in range(_PORT_TRIES - 1):
            with contextlib.suppress(_PortTaken):
                await self._attempt(await self._tcp_address(), self._timeout_s)
                return
        await self._attempt(await self._tcp_address(), self._timeout_s)

    async def _tcp_address(self) -> dict[str, Any]:
        address = launch.tcp_address(self._choice.kernel_name)
        if self._choice.supports_curve:
            pair = await self._actor.messenger.request(Op.KEYPAIR)
            address["curve_publickey"] = pair["public"]
            address["curve_secretkey"] = pair["secret"]
        return address

    async def _find_scope(self) -> None:
        """Find out how a scope for it is made. Raises `LimitsNotInForce` where it needs one."""
        row, limits = self._actor.row, self._limits
        row.notices = [each for each in row.notices if not each.startswith(NO_SCOPE)]
        row.launch["scope"] = None
        if limits is not None and limits.soft and (why := why_not_soft(limits)) is not None:
            raise self._unlimited(why)
        # A program that is not there is said so by who starts it, and not by systemd-run.
        if os.access(self._choice.argv[0], os.X_OK):
            self._scope = await self._actor.parts.scopes.argv(row, limits)
        if self._scope is None and limits is not None and not limits.soft:
            raise self._unlimited(
                f"{names(limits)} takes a control group, which a systemd user manager gives, and "
                f"none is to be reached{instead(limits)}"
            )

    def _unlimited(self, why: str) -> LimitsNotInForce:
        return LimitsNotInForce(kernel=self._choice.kernel_name, detail=why, stderr="")

    async def _attempt(self, address: dict[str, Any], silence_s: float) -> None:
        """Start a process there, once more without a scope if that was what failed."""
        try:
            await self._attempt_once(address, silence_s)
            return
        except _NoScope as failure:
            if self._limits is not None and not self._limits.soft:
                raise self._unlimited(
                    f"it got no scope ({failure}){instead(self._limits)}"
                ) from failure
            self._scope = None
            self._notice(f"{NO_SCOPE}: {failure}")
        await self._attempt_once(address, silence_s)

    async def _attempt_once(self, address: dict[str, Any], silence_s: float) -> None:
        """Start a process there; ``silence_s`` is how long it may be silent, if there is time."""
        actor, row = self._actor, self._actor.row
        launch.write_connection_file(row.connection_file, address)
        actor.messenger.new_key()
        row.launch["connection"] = address  # the file may be gone when it is needed again
        row.transport, row.ip = address["transport"], address["ip"]
        row.private = row.transport == "ipc" or "curve_publickey" in address
        if not row.private:
            self._notice(READABLE)
        elif READABLE in row.notices:
            row.notices.remove(READABLE)
        actor.save()
        if self._is_unwanted():
            raise _Failed("it was stopped before it was started", is_final=True)
        pid = await spawn(actor, self._choice.argv, self._env, **self._confinement())
        # An exit of the process before, which the journal may yet have to tell, is not its own.
        try:
            end = asyncio.get_running_loop().time() + silence_s
            async with asyncio.timeout_at(min(end, self._deadline)):
                await actor.until(
                    lambda: row.status == "alive" or actor.ended_pid == pid or self._is_unwanted()
                )
        except TimeoutError:
            is_outside = self._scope is not None and kernel_scope(pid, row.id) is None
            await kill(actor, pid)
            if is_outside:
                raise _NoScope("systemd-run did not come to an end") from None
            raise _Failed(f"it did not answer within {silence_s:g} s") from None
        if self._is_unwanted():
            await kill(actor, pid)
            raise _Failed("it was stopped before it answered", is_final=True)
        if row.status != "alive":
            if self._scope is not None and not actor.ended_in_scope:
                raise _NoScope(last_line(self._stderr()) or describe_exit(row.exit or {}))
            reason = describe_exit(row.exit or {})
            if row.transport == "tcp" and "in use" in self._stderr():
                raise _PortTaken(reason)
            raise _Failed(f"{reason} before it answered")
        await self._check_limits(pid)

    def _confinement(self) -> dict[str, Any]:
        """Return what the keeper is told of how to confine the process."""
        told: dict[str, Any] = {}
        if self._scope is not None:
            told |= {"scope": self._scope, "runtime_dir": self._actor.parts.scopes.runtime_dir}
        if self._limits is not None and self._limits.soft:
            told |= {"memory_bytes": self._limits.memory_bytes, "tasks": self._limits.tasks}
        return told

    async def _check_limits(self, pid: int) -> None:
        """End the kernel unless its limits are in force. Raises `LimitsNotInForce`."""
        if (notice := limits_notice(self._actor)) is not None:
            self._notice(notice)
            self._actor.save()
        limits = self._limits
        if limits is None or limits.soft:
            return
        if (why := why_not_in_force(limits, kernel_scope(pid, self._actor.row.id))) is not None:
            await kill(self._actor, pid)
            raise self._unlimited(why)

    def _is_unwanted(self) -> bool:
        """Whether somebody stopped or killed it meanwhile."""
        return self._actor.state.is_stopping

    def _notice(self, text: str) -> None:
        if text not in self._actor.row.notices:
            self._actor.row.notices.append(text)

    def _stderr(self) -> str:
        return launch.stderr_tail(launch.stderr_path(self._actor.parts.state, self._actor.row.id))

    async def _explain(self, failure: _Failed) -> KernelDidNotStart:
        stderr, name = self._stderr(), self._choice.kernel_name
        if failure.is_missing:
            return KernelProgramMissing(kernel=name, detail=str(failure), stderr="")
        why = await explain_failure(self._choice, stderr, self._env or dict(os.environ))
        return why or KernelDidNotStart(kernel=name, detail=str(failure), stderr=stderr)

    def _give_up(self, error: ApiError) -> None:
        """End the runtime; what was queued on it is cancelled."""
        actor = self._actor
        actor.state.is_starting = False
        if actor.row.status == "dead":
            return
        batch = Batch(now_ms())
        exit_ = actor.row.exit or {"reason": "not_started"}
        effects = actor.intake.end_process(exit_, batch.now_ms, batch, reason=str(error))
        with contextlib.suppress(StoreUnavailable):  # the next daemon will find the same
            actor.parts.recorder.commit(batch)
        actor.act(effects)


class _NoScope(Exception):
    """The process ended, or hung, before it was in the scope that it was to be started in."""


class _PortTaken(_Failed):
    """Another process was quicker to bind one of the ports."""


async def spawn(
    actor: Actor, argv: list[str], env: Mapping[str, str] | None, **confinement: Any
) -> int:
    """Have the keeper start the kernel's process, and return its pid.

    Raises `_Failed`, `NoEnvironment` or `KeeperUnavailable`.
    """
    row = actor.row
    stdout = launch.stdout_path(actor.parts.state, row.id)
    stderr = launch.stderr_path(actor.parts.state, row.id)
    with contextlib.suppress(FileNotFoundError):
        # The tail that explains a failure is that of this start.
        os.truncate(stderr, 0)
    info = launch.read_connection_file(row.connection_file)
    launch.remove_ipc_sockets(info)
    filled = [part.replace("{connection_file}", row.connection_file) for part in argv]
    try:
        answer = await actor.messenger.request(
            Op.SPAWN,
            argv=filled,
            cwd=row.cwd,
            env=env,
            connection_file=row.connection_file,
            stdout=stdout,
            stderr=stderr,
            keep_env=True,
            **confinement,
        )
    except Refused as refusal:
        if refusal.code == Refusal.SPAWN_FAILED:
            is_missing = "ENOENT" in str(refusal)
            raise _Failed(str(refusal), is_final=True, is_missing=is_missing) from refusal
        if refusal.code == Refusal.NO_ENVIRONMENT:
            raise NoEnvironment from refusal
        if refusal.code == Refusal.NO_ROOM:
            raise _Failed(refusal.message, is_final=True) from refusal
        raise _Failed(str(refusal)) from refusal
    return int(answer["pid"])


class NoEnvironment(Exception):
    """Nobody remembers the environment that the kernel was started with."""


async def kill(actor: Actor, pid: int) -> None:
    """Kill the process tree of a start that failed, and wait until it is gone.

    Raises `KernelDidNotStart` if it is not.
    """
    unit = actor.row.launch.get("scope")
    if actor.ended_pid == pid:
        return
    with contextlib.suppress(Refused):
        await actor.messenger.request(Op.SIGNAL, signum=9, tree=True)
    try:
        async with asyncio.timeout(_KILL_S):
            await actor.until(lambda: actor.ended_pid == pid)
    except TimeoutError:
        detail = f"its process {pid} could not be ended"
        raise KernelDidNotStart(kernel=actor.row.kernel_name, detail=detail, stderr="") from None
    await actor.parts.scopes.end([unit])
