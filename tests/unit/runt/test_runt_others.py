"""Verbs on kernels that others started, and on what is recorded, against a scripted service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runt.commands.vars import candidates
from tests.harness.fake_daemon import Refuse
from tests.unit.runt.verbs import ANSWERS, EXECUTION, RUNTIME

if TYPE_CHECKING:
    from tests.unit.runt.conftest import Run, Serve

SERVER = {"kind": "jupyter_server", "url": "http://h/", "path": "w/a.ipynb", "pid": 7, "name": "j"}
ADOPTED = {**RUNTIME, "record": "all", "owner": SERVER}


def refuse(name: str, exit_code: int, message: str = "refused") -> Any:
    def answer(connection: Any, params: Any) -> Any:
        raise Refuse(name, exit_code, message)

    return answer


def other(number: int, **fields: Any) -> dict[str, Any]:
    """A runtime of another id."""
    return {**ADOPTED, "id": f"01J8ZQ4X8Y6D7N5K3M2P1R0S{number:02d}", **fields}


# -- ps


def listed(serve: Serve, *runtimes: dict[str, Any], said: list[str] | None = None) -> Any:
    def announce(connection: Any, params: Any) -> list[str]:
        sentences = [] if said is None else list(said)
        if said is not None:
            said.clear()
        return sentences

    return serve(runtime__list=lambda c, p: list(runtimes), daemon__announce=announce)


def test_recording_is_announced_once_and_to_people(serve: Serve, run: Run) -> None:
    listed(serve, ADOPTED, said=["it is recorded"])
    for form in ("--json", "-q"):
        assert run("ps", form).stderr == ""
    assert run("ps").stderr == "runt: it is recorded\n"
    assert run("ps").stderr == ""


@pytest.mark.parametrize(
    "runtime", [{**ADOPTED, "record": "off"}, {**ADOPTED, "origin": "launched", "owner": None}]
)
def test_nothing_is_announced_where_nothing_is_recorded(
    serve: Serve, run: Run, runtime: dict[str, Any]
) -> None:
    daemon = listed(serve, runtime, said=["it is recorded"])
    assert run("ps").stderr == ""
    assert daemon.params("daemon.announce") == []


def test_a_service_that_cannot_announce_lists_all_the_same(serve: Serve, run: Run) -> None:
    serve(runtime__list=lambda c, p: [ADOPTED], daemon__announce=refuse("MethodNotFound", 2))
    done = run("ps")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].endswith("\talive\tw/a.ipynb")


def test_what_is_kept_is_the_last_of_the_wide_columns(serve: Serve, run: Run) -> None:
    daemon = listed(serve, ADOPTED, other(1, record="metadata"))
    lines = [line.split("\t") for line in run("ps", "--wide").stdout.splitlines()]
    assert [line[-1] for line in lines] == ["Record", "all", "metadata"]
    assert "Record" not in run("ps").stdout
    daemon.answers["runtime.list"] = lambda c, p: [ADOPTED]
    assert "Record" not in run("ps", "--wide").stdout


def test_only_those_of_an_origin(serve: Serve, run: Run) -> None:
    daemon = listed(serve)
    assert run("ps", "--origin", "adopted").returncode == 0
    assert daemon.params("runtime.list") == [{"all": False, "origin": "adopted"}]
    assert run("ps", "--origin", "mine").returncode == 2


# -- ends and interrupts


@pytest.mark.parametrize("verb", ["stop", "kill", "restart"])
def test_force_is_said_only_where_it_is_meant(serve: Serve, run: Run, verb: str) -> None:
    daemon = serve(**{n.replace(".", "__"): lambda c, p, r=r: r for n, r in ANSWERS.items()})
    run(verb, "a")
    run(verb, "a", "--force")
    without, forced = daemon.params(f"runtime.{verb}")
    assert "force" not in without
    assert forced == without | {"force": True}


def test_what_is_not_ours_is_refused(serve: Serve, run: Run) -> None:
    serve(runtime__stop=refuse("NotOurs", 4, "it is of notebook w/a.ipynb"))
    done = run("stop", "a")
    assert (done.returncode, done.stderr) == (4, "runt: it is of notebook w/a.ipynb\n")


def interrupting(serve: Serve, **result: Any) -> Any:
    answer = {"how": "signal", "execution": EXECUTION["id"], "ended": True, **result}
    return serve(
        runtime__interrupt=lambda c, p: answer,
        execution__get=lambda c, p: EXECUTION,
        runtime__get=lambda c, p: {**RUNTIME, "origin": "launched", "owner": None},
    )


@pytest.mark.parametrize("how", ["signal", "message"])
def test_an_interrupt_says_what_was_observed(serve: Serve, run: Run, how: str) -> None:
    daemon = interrupting(serve, how=how)
    done = run("interrupt", "lab")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"interrupted 2p1r0s9t ({how})\n", "")
    assert daemon.params("runtime.interrupt") == [{"runtime": "lab"}]


def test_what_goes_on_is_exit_4(serve: Serve, run: Run) -> None:
    daemon, owned = interrupting(serve, ended=False), {"owner": SERVER}
    for form in ([], ["-q"]):
        done = run("interrupt", "lab", *form)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr == (
            "runt: 2p1r0s9t: the interrupt was delivered (signal) and has not taken effect after "
            "5 s: code that does not look for it ends by itself, or with `runt restart 2p1r0s9t` "
            "or `runt kill 2p1r0s9t`\n"
        )
    daemon.answers["runtime.get"] = lambda c, p: {**ADOPTED, "origin": "adopted", **owned}
    advised = run("interrupt", "lab").stderr.partition(" or with ")[2]
    assert advised == "`runt restart --force 2p1r0s9t` or `runt kill --force 2p1r0s9t`\n"
    owned["owner"] = {"kind": "process", "pid": 7, "name": "python"}
    advised = run("interrupt", "lab").stderr.partition(" or with ")[2]
    assert advised == "`runt kill --force 2p1r0s9t`\n"
    done = run("interrupt", "lab", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["interrupted"][0]["ended"] is False


@pytest.mark.parametrize("status", ["done", "error"])
def test_what_ends_otherwise_is_not_called_interrupted(serve: Serve, run: Run, status: str) -> None:
    interrupting(serve, status=status)
    done = run("interrupt", "lab")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"2p1r0s9t ended as {status} after an interrupt was delivered (signal)\n",
        "",
    )


def test_what_had_ended_before_is_said_to_have_ended(serve: Serve, run: Run) -> None:
    interrupting(serve, how="none", status="done")
    done = run("interrupt", "lab")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "runt: nothing is running in lab; it ended as done\n"


def test_a_kernel_that_died_of_it_is_exit_8(serve: Serve, run: Run) -> None:
    reason = "the kernel was ended by SIGINT"
    interrupting(serve, status="kernel_died", reason=reason)
    done = run("interrupt", "lab", "--force")
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr == (f"runt: 2p1r0s9t: the kernel died of the interrupt (signal): {reason}\n")
    done = run("interrupt", "lab", "--force", "--json")
    assert done.returncode == 8
    assert json.loads(done.stdout)["interrupted"][0]["status"] == "kernel_died"


def test_who_does_not_look_is_not_told_that_it_goes_on(serve: Serve, run: Run) -> None:
    daemon = interrupting(serve, ended=False)
    done = run("interrupt", "lab", "--wait", "0", "--force")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sent to 2p1r0s9t (signal)\n", "")
    assert daemon.params("runtime.interrupt") == [{"runtime": "lab", "wait_s": 0.0, "force": True}]


def test_an_execution_is_interrupted_with_the_same_options(serve: Serve, run: Run) -> None:
    daemon = interrupting(serve)
    daemon.answers["runtime.interrupt"] = refuse("RuntimeNotFound", 3)
    daemon.answers["execution.interrupt"] = lambda c, p: {
        "how": "cancelled",
        "execution": EXECUTION["id"],
        "ended": True,
    }
    assert run("interrupt", "2p1r0s9t", "--wait", "2").stdout == "cancelled 2p1r0s9t\n"
    assert daemon.params("execution.interrupt") == [{"execution": "2p1r0s9t", "wait_s": 2.0}]


def test_one_that_goes_on_does_not_keep_the_others(serve: Serve, run: Run) -> None:
    daemon = interrupting(serve)
    daemon.answers["runtime.interrupt"] = lambda c, p: {
        "how": "signal",
        "execution": EXECUTION["id"],
        "ended": p["runtime"] != "a",
    }
    done = run("interrupt", "a", "b")
    assert (done.returncode, done.stdout) == (4, "interrupted 2p1r0s9t (signal)\n")


# -- vars

HERE = "/p"


def project_runtime(number: int, **fields: Any) -> dict[str, Any]:
    about = {"origin": "launched", "owner": None, "project": HERE, "idle_stop_s": 9.0}
    return other(number, **{**about, **fields})


def test_the_runtime_of_the_project_is_meant() -> None:
    ours = project_runtime(1)
    others = [
        project_runtime(2, project="/q"),
        project_runtime(3, status="dead"),
        project_runtime(4, idle_stop_s=None),
        ADOPTED,
    ]
    assert candidates([*others, ours], HERE, {}) == [ours]
    assert candidates(others, HERE, {}) == []


def test_of_several_it_is_that_of_the_active_environment() -> None:
    one, two = project_runtime(1, environment="/v"), project_runtime(2, environment="/p/.venv")
    deno = project_runtime(3, language="typescript", environment=None)
    assert candidates([one, two, deno], HERE, {"VIRTUAL_ENV": "/v"}) == [one]
    assert candidates([one, two, deno], HERE, {}) == [two]
    assert candidates([one, two, deno], HERE, {"CONDA_PREFIX": "/c"}) == [one, two]
    assert candidates([one, deno], HERE, {}) == [one]
    assert candidates([deno], HERE, {}) == [deno]


def variables(**more: Any) -> dict[str, Any]:
    frame = {"name": "df", "type": "pandas.DataFrame", "shape": [3, 4], "length": 3}
    plain = {"name": "x", "type": "str", "shape": None, "length": 5, "size_bytes": 54}
    return {
        "runtime": RUNTIME["id"],
        "via": "subshell",
        "variables": [
            {**frame, "size_bytes": None, "repr": None},
            {**plain, "repr": "'a\tb\x1b'"},
        ],
        "total": 2,
        **more,
    }


def test_variables(serve: Serve, run: Run) -> None:
    daemon = serve(runtime__variables=lambda c, p: variables())
    done = run("vars", "lab")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "Name\tType\tShape\tSize\tValue",
        "df\tpandas.DataFrame\t3x4\t-\t-",
        "x\tstr\t5\t54 B\t'a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}'",
    ]
    assert run("vars", "lab", "-q").stdout == "df\nx\n"
    assert json.loads(run("vars", "--json", env={"RUNT_RUNTIME": "r"}).stdout)["variables"] == (
        variables()
    )
    assert daemon.params("runtime.variables") == [{"runtime": n} for n in ("lab", "lab", "r")]


def test_that_there_are_more_variables_is_said(serve: Serve, run: Run) -> None:
    serve(runtime__variables=lambda c, p: variables(total=10_000))
    assert run("vars", "lab").stderr == "runt: 2 of 10000 are shown\n"


def test_looking_at_variables_starts_no_runtime(serve: Serve, run: Run) -> None:
    daemon = serve(runtime__list=lambda c, p: [ADOPTED])
    done = run("vars")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("runt: no runtime of this project is alive")
    assert {name for name, _ in daemon.calls} == {"daemon.hello", "runtime.list"}


def test_the_project_may_have_several_runtimes(serve: Serve, run: Run) -> None:
    def here(number: int) -> dict[str, Any]:
        return project_runtime(number, project=run.directory, name=f"n{number}")

    daemon = serve(runtime__list=lambda c, p: [here(1), here(2)])
    done = run("vars")
    assert done.returncode == 4
    assert done.stderr == (
        "runt: this project has several runtimes: 2p1r0s01 (n1), 2p1r0s02 (n2); name one\n"
    )
    daemon.answers["runtime.list"] = lambda c, p: [here(1)]
    daemon.answers["runtime.variables"] = lambda c, p: variables()
    assert run("vars").returncode == 0
    assert daemon.params("runtime.variables") == [{"runtime": here(1)["id"]}]


# -- prune


PRUNED = [
    {"runtime": RUNTIME["id"], "name": "lab", "connection_file": "/k.json", "reason": "it exited"},
    {"runtime": "", "name": "", "connection_file": "/l.json", "reason": "nobody listens"},
]


def test_prune_says_what_and_why(serve: Serve, run: Run) -> None:
    daemon = serve(runtime__prune=lambda c, p: PRUNED)
    done = run("prune")
    assert done.stdout.splitlines() == [
        "ID\tName\tConnection File\tWhy",
        "2p1r0s9t\tlab\t/k.json\tit exited",
        "-\t-\t/l.json\tnobody listens",
    ]
    assert done.stderr == "runt: 2 removed\n"
    assert run("prune", "--dry-run").stderr == "runt: 2 would be removed\n"
    assert daemon.params("runtime.prune") == [{}, {"dry_run": True}]


def test_nothing_to_prune(serve: Serve, run: Run) -> None:
    serve(runtime__prune=lambda c, p: [])
    done = run("prune")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "",
        "runt: nothing was to be removed\n",
    )


# -- help and completion


def test_help_on_a_topic_a_verb_and_all(run: Run) -> None:
    assert "runt record off" in run("help", "recording").stdout
    assert run("help", "prune").stdout == run("prune", "--help").stdout
    assert run("help").stdout == run("--help").stdout
    done = run("help", "nosuch")
    assert (done.returncode, done.stdout) == (3, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["record", ""], ["all", "metadata", "off"]),
        (["ps", "--origin", ""], ["adopted", "launched"]),
        (["ps", "--origin=a"], ["--origin=adopted"]),
        (["help", "recordi"], ["recording"]),
        (["pru"], ["prune"]),
        (["forget", "--"], ["--since", "--yes", "--quiet", "--json", "--help"]),
    ],
)
def test_completion(run: Run, words: list[str], offered: list[str]) -> None:
    done = run("__complete", *words)
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        ["plain", word] for word in offered
    ]
