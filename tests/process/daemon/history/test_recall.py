"""What was run is looked up: by filters, by its words, by text; and run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtimed.client.connecting import CallFailed
from tests.harness.daemon import runt

if TYPE_CHECKING:
    from tests.harness.daemon import Daemon, State
    from tests.process.daemon.executions.conftest import Repl


def ids(found: list[Any]) -> list[str]:
    return [each["id"] for each in found]


def searched(daemon: Daemon, query: str, **more: Any) -> list[str]:
    found = daemon.call("execution.search", query=query, **more)
    return [each["execution"]["id"] for each in found]


def test_what_has_ended_is_found_by_its_words_at_once(daemon: Daemon, repl: Repl) -> None:
    code = repl.eval("merge_frames = 'dataframe'")["id"]
    printed = repl.eval("print('a me' + 'rge of every data' + 'frame')")["id"]
    failed = repl.eval("raise LookupError('no such walrus')")["id"]
    assert searched(daemon, "merge dataframe") == [code, printed]
    assert searched(daemon, '"every dataframe"') == [printed]
    assert searched(daemon, "walr*") == [failed]
    assert searched(daemon, "walrus", status=["done"]) == []
    assert searched(daemon, "merge", foreign=True) == []
    assert searched(daemon, "merge", before=printed) == [code]
    assert searched(daemon, "merge", runtime=repl.id, limit=1) == [code]
    (found,) = daemon.call("execution.search", query="walrus")
    assert found["execution"]["outputs"] is None
    where = {snippet["where"]: snippet for snippet in found["snippets"]}
    assert where["error"]["text"] == "LookupError: no such walrus"
    assert where["error"]["marks"] == [[21, 27]]


def test_no_query_is_an_error_of_ours(daemon: Daemon, repl: Repl) -> None:
    for query in ('"', "a AND", "NEAR(", "code:", "^x *", "(((", "a - b"):
        try:
            searched(daemon, query)
        except CallFailed as refused:
            assert refused.name == "InvalidParams"
            assert "no word" in str(refused)


def test_what_runs_is_found_by_its_code(daemon: Daemon, repl: Repl) -> None:
    running = repl.submit("waiting_wombat = input()")
    daemon.call("execution.list", grep="ing_wombat")  # it is entered as not final
    assert searched(daemon, "wombat") == [running]
    while daemon.call("execution.get", execution=running)["status"] != "waiting_input":
        pass
    daemon.call("execution.input", execution=running, value="x")
    repl.final(running)
    assert ids(daemon.call("execution.list", grep="ING_wombat")) == [running]


def test_lists_have_filters(daemon: Daemon, repl: Repl) -> None:
    first = repl.eval("'the first of the filters'")
    second = repl.eval("1 / 0  # filters")
    third = repl.eval("'100% of filters'")
    newest = ids([third, second, first])
    listed = ids(daemon.call("execution.list", since=first["queued_at"], runtime=repl.id))
    assert listed == newest
    until = {"until": third["queued_at"], "since": first["queued_at"]}
    assert ids(daemon.call("execution.list", **until)) == newest[1:]
    assert ids(daemon.call("execution.list", grep="filters", limit=2)) == newest[:2]
    assert ids(daemon.call("execution.list", grep="0% of f")) == newest[:1]
    assert ids(daemon.call("execution.list", grep="filters", status=["error"])) == [newest[1]]
    assert ids(daemon.call("execution.list", foreign=True)) == []
    assert ids(daemon.call("execution.list", foreign=False, limit=3)) == newest
    with pytest.raises(CallFailed, match=r"at `\$\.since`"):
        daemon.call("execution.list", since="yesterday")


def test_a_pin_is_listed_and_told(daemon: Daemon, repl: Repl) -> None:
    execution = repl.eval("'pinned'")
    assert execution["pinned_at"] is None
    pinned = daemon.call("execution.pin", execution=execution["id"])
    assert pinned["pinned_at"] is not None
    assert daemon.call("execution.pin", execution=execution["id"]) == pinned
    assert ids(daemon.call("execution.list", pinned=True)) == [execution["id"]]
    assert daemon.call("execution.unpin", execution=execution["id"])["pinned_at"] is None
    assert daemon.call("execution.list", pinned=True) == []
    assert repl.get(execution["id"])["pinned_at"] is None


def test_code_is_run_again_as_a_new_execution(daemon: Daemon, repl: Repl) -> None:
    repl.eval("count = 0")
    execution = repl.eval(
        "import sys; count += 1; (count, sys.argv)",
        argv=["prog", "a"],
        cell={"notebook": "n", "id": "c"},
    )
    again = daemon.call("execution.rerun", execution=execution["id"])
    assert again["id"] != execution["id"]
    assert (again["runtime"]["id"], again["cell"]) == (repl.id, None)
    (output,) = repl.final(again["id"])["outputs"]
    assert output["data"]["text/plain"] == "(2, ['prog', 'a'])"
    own = execution["id"][:-2] + "ZZ"
    for _ in range(2):  # with its own id it is one
        assert daemon.call("execution.rerun", execution=execution["id"], id=own)["id"] == own
    repl.final(own)
    assert repl.value("count") == "3"


def test_where_its_runtime_is_dead_the_projects_one_is_started(
    daemon: Daemon, repl: Repl, state: State
) -> None:
    done = runt(state, "eval", "--json", "-q", "1", cwd=state.project)
    assert done.returncode == 2  # they exclude each other
    first = runt(state, "eval", "-q", "'again ' + 'and again'").stdout.strip()
    runtime = daemon.call("execution.get", execution=first)["runtime"]["id"]
    daemon.call("runtime.stop", runtime=runtime)
    again = runt(state, "rerun", first)
    assert (again.stdout, again.returncode) == ("'again and again'\n", 0), again
    elsewhere = runt(state, "rerun", first, "--in", repl.id, "--json")
    assert f'"{repl.id}"' in elsewhere.stdout
    detached = runt(state, "rerun", first, "-d").stdout.strip()
    (newest,) = daemon.call("execution.list", limit=1)
    assert detached == newest["id"][-8:].lower()
    assert newest["runtime"]["id"] not in (repl.id, runtime)


def test_the_command_line_looks_things_up(repl: Repl, state: State) -> None:
    repl.eval("quagga = 'striped'")
    repl.eval("print('a qua' + 'gga'); 1/0")
    lines = runt(state, "search", "quagga", "-n", "5").stdout.splitlines()
    assert [line.strip() for line in lines if line.startswith("    ")] == [
        "quagga = 'striped'",
        "print('a qua' + 'gga'); 1/0",
        "output: a quagga",
    ]
    history = ("history", "--mine", "--since", "1h", "-q")
    (failed,) = runt(state, *history, "--grep", "gga", "--status", "error").stdout.split()
    assert runt(state, "search", "quagga", "-q", "--status", "error").stdout.split() == [failed]
    assert runt(state, "history", "--foreign", "-q").stdout == ""
    assert runt(state, "pin", failed).stdout == f"pinned {failed}\n"
    assert runt(state, "history", "--pinned", "-q").stdout.split() == [failed]
    assert "pinned_at" in runt(state, "show", failed).stdout
    assert runt(state, "unpin", failed, "-q").stdout == f"{failed}\n"
    refused = runt(state, "search", "==")
    assert (refused.returncode, "--grep" in refused.stderr) == (2, True)
    wrong = runt(state, "history", "--status", "nonsense")
    assert wrong.returncode == 2
