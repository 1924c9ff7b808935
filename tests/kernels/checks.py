"""27 checks of the Jupyter protocol, and which way each goes on a kernel that our daemon holds.

The list is that of nteract's kernel-testbed (https://github.com/runtimed/kernel-testbed); the code
is our own, and asks more: that an answer says what was asked for, and that an interrupt ends work.
A check returns its verdict: pass, partial, unsupported, dies, or fail:<kind>.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.kernels.client import Evaluator, Executed, Messenger, Unanswered
from tests.kernels.snippets import HTML

if TYPE_CHECKING:
    from tests.kernels.snippets import Snippets

PASS, PARTIAL, UNSUPPORTED, DIES = "pass", "partial", "unsupported", "dies"
WRONG, ERROR, UNANSWERED, TIMEOUT = "fail:content", "fail:error", "fail:unanswered", "fail:timeout"


def execute_stdout(client: Evaluator, code: Snippets) -> str:
    return PASS if client.execute(code.hello).stream("stdout").strip() == "hello" else WRONG


def execute_stderr(client: Evaluator, code: Snippets) -> str:
    return PASS if client.execute(code.error_stream).stream("stderr").strip() == "error" else WRONG


def execute_reply_ok(client: Evaluator, code: Snippets) -> str:
    return PASS if client.execute(code.complete).status == "ok" else ERROR


def status_busy_idle_lifecycle(client: Evaluator, code: Snippets) -> str:
    return PASS if client.execute(code.complete).states == ["busy", "idle"] else WRONG


def execute_input_broadcast(client: Evaluator, code: Snippets) -> str:
    return PASS if client.execute(code.complete).begun else WRONG


def error_handling(client: Evaluator, code: Snippets) -> str:
    executed = client.execute(code.wrong)
    errors = executed.of_type("error")
    if executed.status != "error" and not errors:
        return WRONG
    return PASS if executed.status == "error" and errors and errors[0]["ename"] else PARTIAL


def display_data(client: Evaluator, code: Snippets) -> str:
    if code.display is None:
        return UNSUPPORTED
    return _html(client.execute(code.display), "display_data")


def update_display_data(client: Evaluator, code: Snippets) -> str:
    if code.update is None:
        return UNSUPPORTED
    executed = client.execute(code.update)
    if len(executed.of_type("display_data")) != 1:
        return WRONG
    return _html(executed, "update_display_data")


def execute_result(client: Evaluator, code: Snippets) -> str:
    results = client.execute(code.expression).of_type("execute_result")
    return PASS if len(results) == 1 and "42" in results[0]["data"]["text/plain"] else WRONG


def rich_execute_result(client: Evaluator, code: Snippets) -> str:
    if code.rich is None:
        return UNSUPPORTED
    return _html(client.execute(code.rich), "execute_result")


def stdin_input_request(client: Evaluator, code: Snippets) -> str:
    if code.ask is None:
        return UNSUPPORTED
    executed = client.execute(code.ask, answer="somebody")
    if [prompt.strip() for prompt in executed.prompts] != ["who?"]:
        return WRONG
    return PASS if "somebody" in executed.stream("stdout") else PARTIAL


def interrupt_request(client: Evaluator, code: Snippets) -> str:
    executed = client.interrupt(code.begin)
    if executed is None:
        return UNSUPPORTED
    if executed.status == "died":
        return DIES
    if executed.status == "ok":
        return WRONG
    return PASS if client.execute(code.hello).stream("stdout").strip() == "hello" else ERROR


def execution_count_increments(client: Evaluator, code: Snippets) -> str:
    first, second = (client.execute(code.complete).count for _ in range(2))
    if first is None or second is None:
        return WRONG
    return PASS if second > first else WRONG


def parent_header_correlation(client: Evaluator, code: Snippets) -> str:
    executed = client.execute(code.hello)
    return PASS if executed.shown and not executed.strays else WRONG


def iopub_welcome(client: Evaluator, code: Snippets) -> str:
    return PASS if client.was_welcomed() else PARTIAL


def shutdown_reply(client: Evaluator, code: Snippets) -> str:
    return PASS if client.shutdown() else WRONG


def heartbeat_responds(client: Messenger, code: Snippets) -> str:
    return PASS if client.heartbeat() else TIMEOUT


def kernel_info_reply_valid(client: Messenger, code: Snippets) -> str:
    # A reply without a status is one of before protocol 5.1.
    return PASS if client.ask("kernel_info_request").get("status") == "ok" else PARTIAL


def kernel_info_has_language_info(client: Messenger, code: Snippets) -> str:
    info = client.ask("kernel_info_request").get("language_info") or {}
    return PASS if info.get("name") and info.get("file_extension") else WRONG


def kernel_info_has_protocol_version(client: Messenger, code: Snippets) -> str:
    version = client.ask("kernel_info_request").get("protocol_version") or ""
    return PASS if version.startswith("5.") else WRONG


def complete_request(client: Messenger, code: Snippets) -> str:
    client.execute(code.assignment)
    cursor = len(code.prefix)
    reply = client.ask("complete_request", code=code.prefix, cursor_pos=cursor)
    if reply["status"] != "ok":
        return ERROR
    return PASS if any(code.variable in match for match in reply["matches"]) else PARTIAL


def inspect_request(client: Messenger, code: Snippets) -> str:
    client.execute(code.assignment)
    asked = {"code": code.variable, "cursor_pos": len(code.variable), "detail_level": 0}
    reply = client.ask("inspect_request", **asked)
    if reply["status"] != "ok":
        return ERROR
    return PASS if reply["found"] and reply["data"] else PARTIAL


def is_complete_complete(client: Messenger, code: Snippets) -> str:
    reply = client.ask("is_complete_request", code=code.complete)
    return PASS if reply["status"] == "complete" else PARTIAL


def is_complete_incomplete(client: Messenger, code: Snippets) -> str:
    reply = client.ask("is_complete_request", code=code.incomplete)
    return PASS if reply["status"] == "incomplete" else PARTIAL


def history_request(client: Messenger, code: Snippets) -> str:
    client.execute(code.complete)
    asked = {"hist_access_type": "tail", "n": 10, "output": False, "raw": True}
    reply = client.ask("history_request", **asked)
    if reply.get("status", "ok") != "ok":
        return ERROR
    return PASS if any(entry[2] == code.complete for entry in reply["history"]) else PARTIAL


def comm_info_request(client: Messenger, code: Snippets) -> str:
    reply = client.ask("comm_info_request")
    if reply["status"] != "ok":
        return ERROR
    return PASS if isinstance(reply.get("comms"), dict) else WRONG


def comms_lifecycle(client: Messenger, code: Snippets) -> str:
    target = "nobody's"
    if code.echo_target and client.execute(code.echo_target).status == "ok":
        target = "echo"
    came = client.comm(target, {"word": "there and back"})
    if target == "echo":
        echoed = [answer for answer in came if answer["msg_type"] == "comm_msg"]
        return PASS if [e["data"] for e in echoed] == [{"word": "there and back"}] else WRONG
    # A target that nobody has registered is refused by closing; not every kernel says so.
    return PASS if any(answer["msg_type"] == "comm_close" for answer in came) else PARTIAL


def _html(executed: Executed, type_: str) -> str:
    """Judge by the one output of this type, which must be the bold word."""
    shown = executed.of_type(type_)
    if not shown:
        return UNSUPPORTED if executed.status == "ok" else ERROR
    html = shown[-1]["data"].get("text/html", "")
    return PASS if len(shown) == 1 and HTML in "".join(html) else WRONG


Check = Callable[[Any, "Snippets"], str]

#: On a held kernel these go by its connection file, beside us: the API has no such message (yet).
BESIDE: tuple[Callable[[Messenger, Snippets], str], ...] = (
    heartbeat_responds,
    kernel_info_reply_valid,
    kernel_info_has_language_info,
    kernel_info_has_protocol_version,
    complete_request,
    inspect_request,
    is_complete_complete,
    is_complete_incomplete,
    history_request,
    comm_info_request,
    comms_lifecycle,
)

#: These go through the API; whether iopub_welcome and shutdown_reply came, only the keeper's
#: journal tells. The last one ends the kernel.
THROUGH: tuple[Callable[[Evaluator, Snippets], str], ...] = (
    execute_stdout,
    execute_stderr,
    execute_reply_ok,
    status_busy_idle_lifecycle,
    execute_input_broadcast,
    error_handling,
    display_data,
    update_display_data,
    execute_result,
    rich_execute_result,
    stdin_input_request,
    execution_count_increments,
    parent_header_correlation,
    iopub_welcome,
    interrupt_request,
    shutdown_reply,
)


def verdict(check: Check, client: Evaluator, code: Snippets) -> str:
    """Run one check; an answer that never comes is a verdict as well."""
    try:
        return check(client, code)
    except TimeoutError:
        return TIMEOUT
    except Unanswered:
        return UNANSWERED
