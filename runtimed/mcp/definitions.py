"""The ten tools: names, words for models, arguments, and what each may do. No SDK here.

The order is fixed: hosts cache prompts by it. `schema` gives the arguments as plain JSON Schema,
without references and nulls, which not every model's host understands; `arguments.parse` takes
more than it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

#: Seconds that a call waits where it does not say: hosts give up after 30 or 60.
WAIT_S = 25.0
MAX_WAIT_S = 3600.0
MAX_CHARS = 8_000
LEAST_CHARS = 500
MOST_CHARS = 1_000_000

Traceback = Literal["trimmed", "full"]
_Wait = Annotated[
    float,
    Meta(
        ge=0,
        le=MAX_WAIT_S,
        description="Seconds to wait for the end. What is not over by then runs on; its id is "
        "returned.",
    ),
]
_MaxChars = Annotated[
    int,
    Meta(
        ge=LEAST_CHARS,
        le=MOST_CHARS,
        description="The most characters of text to return. What is cut out is counted, and "
        "get_output has it.",
    ),
]
_Execution = Annotated[
    str, Meta(min_length=1, description="The execution's id, as a tool returned it.")
]
_Runtime = Annotated[
    str, Meta(min_length=1, description="The runtime's name or id, as a tool returned it.")
]
_Kernel = Annotated[
    str,
    Meta(
        min_length=1,
        description="A kernelspec such as python3, ir or deno, or the path of a Python "
        "environment. Left out: the person's own Python.",
    ),
]
_Dependencies = Annotated[
    list[str],
    Meta(
        description="Python packages that the new runtime must have, such as "
        '["pandas", "matplotlib>=3.9"]. The first time they are installed, which may take a minute.'
    ),
]
_Cwd = Annotated[str, Meta(min_length=1, description="Its working directory, absolute.")]


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the arguments of a tool."""


class RunCode(Arguments, frozen=True, kw_only=True):
    """Arguments of run_code."""

    code: Annotated[str, Meta(description="The source, in the language of the runtime's kernel.")]
    runtime: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="The runtime to run in: its name or id. Pass the one that an earlier "
                "call returned, to keep variables and imports.",
            ),
        ]
        | None
    ) = None
    kernel: _Kernel | None = None
    dependencies: _Dependencies | None = None
    wait_s: _Wait = WAIT_S
    max_chars: _MaxChars = MAX_CHARS


class GetOutput(Arguments, frozen=True, kw_only=True):
    """Arguments of get_output."""

    execution: _Execution
    cursor: (
        Annotated[
            int, Meta(ge=0, description="The first line wanted, from 0. Returned lines follow it.")
        ]
        | None
    ) = None
    tail: Annotated[int, Meta(ge=1, description="Only the last so many lines.")] | None = None
    grep: (
        Annotated[
            str, Meta(min_length=1, description="Only lines that match this regular expression.")
        ]
        | None
    ) = None
    traceback: Annotated[
        Traceback, Meta(description="full: every frame of an error, not only those that matter.")
    ] = "trimmed"
    max_chars: _MaxChars = MAX_CHARS


class WaitExecution(Arguments, frozen=True, kw_only=True):
    """Arguments of wait_execution."""

    execution: _Execution
    wait_s: _Wait = WAIT_S
    max_chars: _MaxChars = MAX_CHARS


class InterruptExecution(Arguments, frozen=True, kw_only=True):
    """Arguments of interrupt_execution."""

    execution: _Execution
    force: Annotated[
        bool,
        Meta(description="Also where the kernel dies of an interrupt (deno, xeus-python)."),
    ] = False


class SendInput(Arguments, frozen=True, kw_only=True):
    """Arguments of send_input."""

    execution: _Execution
    value: Annotated[str, Meta(description="The line, without its line end.")] = ""
    eof: Annotated[bool, Meta(description="End of file in place of a line.")] = False
    wait_s: _Wait = WAIT_S
    max_chars: _MaxChars = MAX_CHARS


class ListRuntimes(Arguments, frozen=True, kw_only=True):
    """Arguments of list_runtimes."""

    all: Annotated[bool, Meta(description="Dead ones too: their output is still there.")] = False


class StartRuntime(Arguments, frozen=True, kw_only=True):
    """Arguments of start_runtime."""

    kernel: _Kernel | None = None
    name: (
        Annotated[
            str, Meta(min_length=1, max_length=200, description="A name for it; else it gets one.")
        ]
        | None
    ) = None
    dependencies: _Dependencies | None = None
    cwd: _Cwd | None = None
    wait_s: Annotated[
        float,
        Meta(ge=0, le=MAX_WAIT_S, description="Seconds to wait until it answers."),
    ] = WAIT_S


class StopRuntime(Arguments, frozen=True, kw_only=True):
    """Arguments of stop_runtime."""

    runtime: _Runtime


class ListVariables(Arguments, frozen=True, kw_only=True):
    """Arguments of list_variables."""

    runtime: _Runtime
    match: (
        Annotated[str, Meta(min_length=1, description="Only names that have this in them.")] | None
    ) = None
    max_chars: _MaxChars = MAX_CHARS


class SearchHistory(Arguments, frozen=True, kw_only=True):
    """Arguments of search_history."""

    query: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=1000,
                description='Words of the code, its errors or its output; "quoted" for a phrase, '
                "begin* for what begins so. Left out: the newest.",
            ),
        ]
        | None
    ) = None
    runtime: _Runtime | None = None
    status: (
        Annotated[
            Literal[
                "queued",
                "running",
                "waiting_input",
                "done",
                "error",
                "interrupted",
                "cancelled",
                "kernel_died",
                "lost",
            ],
            Meta(description="Only those that are so."),
        ]
        | None
    ) = None
    before: (
        Annotated[
            str, Meta(min_length=1, description="Only older than this execution: the next page.")
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    max_chars: _MaxChars = MAX_CHARS


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool, as a model is told of it.

    ``reads_only``, ``destroys``, ``is_idempotent`` and ``is_open_world`` are MCP's annotations.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    reads_only: bool = False
    destroys: bool = False
    is_idempotent: bool = False
    is_open_world: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments, each with a plain type."""
        _, components = msgspec.json.schema_components([self.arguments])
        found = components[self.arguments.__name__]
        properties = {name: _plain(each) for name, each in found["properties"].items()}
        return {
            "type": "object",
            "properties": properties,
            "required": found.get("required", []),
            "additionalProperties": False,
        }


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what may be null as that of what it is otherwise: null is left out."""
    plain = dict(schema)
    if plain.get("default", 0) is None:
        del plain["default"]
    for choice in plain.pop("anyOf", ()):
        if choice.get("type") != "null":
            plain = {**choice, **plain}
    if isinstance(plain.get("enum"), list):
        plain["enum"] = [each for each in plain["enum"] if each is not None]
        plain.setdefault("type", "string")
    return plain


TOOLS: tuple[Tool, ...] = (
    Tool(
        "run_code",
        "Run code",
        "Run code in a persistent kernel, a REPL in which variables and imports stay, and return "
        "what it printed, its last value and its images. Without `runtime` it runs in the "
        "project's runtime if this server has a project, else in a new one whose name is returned: "
        "pass that name next time to go on there. What is not over after `wait_s` runs on; use its "
        "id with wait_execution, get_output or interrupt_execution. A kernel is no sandbox: code "
        "can do whatever the person can.",
        RunCode,
        destroys=True,
        is_open_world=True,
    ),
    Tool(
        "get_output",
        "Get output",
        "Return the output of an execution, running or over, whoever ran it and however long ago. "
        "Use it for what an answer has left out: page with `cursor`, look at the end with `tail`, "
        "filter with `grep`, or see a whole traceback with traceback=full.",
        GetOutput,
        reads_only=True,
        is_idempotent=True,
    ),
    Tool(
        "wait_execution",
        "Wait for an execution",
        "Wait until an execution is over, or `wait_s` has passed, and return its output. Use it "
        "after run_code said that it is still running.",
        WaitExecution,
        reads_only=True,
        is_idempotent=True,
    ),
    Tool(
        "interrupt_execution",
        "Interrupt an execution",
        "Interrupt a running execution as Ctrl-C does, or cancel a queued one. The runtime and its "
        "variables stay. The answer says whether it was seen to end.",
        InterruptExecution,
        destroys=True,
        is_idempotent=True,
    ),
    Tool(
        "send_input",
        "Send input",
        "Answer an execution that waits for input(), then wait for it as run_code does. Not for "
        "passwords: those the person types, with `runt reply`.",
        SendInput,
        is_open_world=True,
    ),
    Tool(
        "list_runtimes",
        "List runtimes",
        "List the runtimes that you may use: those that you started and those that were given to "
        "you. Others of this person exist and are not shown.",
        ListRuntimes,
        reads_only=True,
        is_idempotent=True,
    ),
    Tool(
        "start_runtime",
        "Start a runtime",
        "Start a kernel and return its name, to use as `runtime`. Only needed for a certain "
        "kernel, packages (`dependencies`), directory or name: run_code starts one by itself. It "
        "stops by itself when long idle; stop_runtime ends it sooner.",
        StartRuntime,
        is_open_world=True,
    ),
    Tool(
        "stop_runtime",
        "Stop a runtime",
        "Stop a runtime that you started. Its variables are gone; its output stays. One that "
        "somebody else started is stopped only if the person agrees.",
        StopRuntime,
        destroys=True,
        is_idempotent=True,
    ),
    Tool(
        "list_variables",
        "List variables",
        "List the variables of a Python runtime with type, shape, size and a short value, even "
        "while it computes. Runs none of the person's code.",
        ListVariables,
        reads_only=True,
        is_idempotent=True,
    ),
    Tool(
        "search_history",
        "Search history",
        "Find earlier executions in the runtimes that you may use by words of code, errors and "
        "output, best first, or list the newest. get_output shows one in full.",
        SearchHistory,
        reads_only=True,
        is_idempotent=True,
    ),
)
BY_NAME: dict[str, Tool] = {tool.name: tool for tool in TOOLS}


def offered(*, read_only: bool) -> tuple[Tool, ...]:
    """Return the tools that a server offers, in their order."""
    return tuple(tool for tool in TOOLS if tool.reads_only or not read_only)
