"""200,000 lines, 20 MB, through ``runt eval`` to a pipe ÷ jupyter_client on the same kernel."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from jupyter_client.blocking.client import BlockingKernelClient

from bench.harness import Value, client_of, new_daemon, side_by_side
from runtimed.api.executions import ExecutionEval
from runtimed.api.runtimes import RuntimeStart
from tests.harness.shell import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 200_000
CODE = f"for i in range({LINES}): print(f'{{i:06d}} ' + 'x' * 92)"
ROUNDS = 5
_CHUNK_BYTES = 2**16


class Lines:
    """Counts lines, and those that are not the ones that were printed."""

    def __init__(self) -> None:
        self.count = self.wrong = 0
        self._rest = b""

    def feed(self, text: bytes) -> None:
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            self.wrong += line != b"%06d " % self.count + b"x" * 92
            self.count += 1

    @property
    def missing(self) -> int:
        return max(LINES - self.count, self.wrong) + bool(self._rest)


def measure() -> Iterator[Value]:
    found: dict[str, int] = {"ours": 0, "theirs": 0}
    with new_daemon() as daemon, client_of(daemon) as client:
        state = daemon.state
        runtime = client.call(RuntimeStart(kernel_name="python3"))
        client.call(ExecutionEval(code="1 + 1", runtime=runtime.id))
        jupyter = BlockingKernelClient(connection_file=runtime.connection_file)
        jupyter.load_connection_file()
        jupyter.start_channels()
        jupyter.wait_for_ready(timeout=60)

        def ours() -> None:
            command = [f"{BIN}/runt", "eval", "--runtime", runtime.id, CODE]
            lines = Lines()
            with subprocess.Popen(
                command, env=state.env, cwd=state.project, stdout=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                while chunk := process.stdout.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
                    lines.feed(chunk)
            found["ours"] += lines.missing

        def theirs() -> None:
            lines = Lines()
            msg_id = jupyter.execute(CODE, store_history=False)
            while True:
                message = jupyter.get_iopub_msg(timeout=60)
                if message["parent_header"].get("msg_id") != msg_id:
                    continue
                if message["msg_type"] == "stream":
                    lines.feed(message["content"]["text"].encode())
                elif message["content"].get("execution_state") == "idle":
                    break
            found["theirs"] += lines.missing

        a_s, b_s = side_by_side(ours, theirs, ROUNDS)
        jupyter.stop_channels()
    yield Value(
        name="200,000 lines through runt eval",
        ours=a_s,
        unit="s",
        reference=b_s,
        of="jupyter_client",
        bound=1.3,
        note=f"lines missing: {found['ours']} (jupyter_client: {found['theirs']})",
    )
