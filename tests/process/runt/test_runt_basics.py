"""The command line as its user types it, against the real daemon and real kernels."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.jupyter import write_kernelspec
from tests.harness.processes import processes_of
from tests.harness.shell import SHORT_ID, shell

if TYPE_CHECKING:
    from tests.conftest import Runt
    from tests.harness.daemon import Daemon, State

# -- the mission's own examples


def test_start_ps_kill(daemon: Daemon, runt: Runt) -> None:
    started = runt("start", "python3")
    assert re.fullmatch(f"started {SHORT_ID}\n", started.stdout)
    id = started.stdout.split()[1]

    header, row = [line.split("\t") for line in runt("ps").stdout.splitlines()]
    shown = dict(zip(header, row, strict=True))
    assert header[2:] == [
        *("Kernel Name", "Language", "IP", "Transport", "Connection File", "State", "Owner"),
    ]
    assert shown["ID"] == id
    assert (shown["Kernel Name"], shown["Language"], shown["State"]) == (
        "python3",
        "python",
        "alive",
    )
    assert (shown["IP"], shown["Transport"]) == ("-", "ipc")
    assert Path(shown["Connection File"]).expanduser().exists()

    killed = runt("kill", id)
    assert (killed.returncode, killed.stdout) == (0, f"killed {id}\n")
    assert len(runt("ps").stdout.splitlines()) == 1
    assert runt("ps", "--all").stdout.splitlines()[1].endswith("\tdead (SIGKILL)\t-")


def test_it_works_on_a_fresh_machine_and_finds_its_state_again(state: State, runt: Runt) -> None:
    first = runt("eval", "x = 41")
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.startswith("runt: using runtimed's own Python")
    again = runt("eval", "x + 1")
    assert (again.returncode, again.stdout, again.stderr) == (0, "42\n", "")


# -- verbs that only look


@pytest.mark.parametrize("verb", ["ps", "status"])
def test_looking_starts_nothing(state: State, runt: Runt, verb: str) -> None:
    looked = runt(verb)
    assert (looked.returncode, looked.stdout) == (5, "")
    assert len(looked.stderr.splitlines()) == 1
    assert processes_of(str(state.dir)) == []


def test_the_socket_is_told_in_any_case(state: State, runt: Runt) -> None:
    told = runt("socket")
    assert (told.returncode, told.stdout) == (0, f"{state.socket}\n")
    assert processes_of(str(state.dir)) == []


def test_status(daemon: Daemon, runt: Runt) -> None:
    status = json.loads(runt("status", "--json").stdout)
    assert status["schema"] == 1
    assert status["status"]["pid"] == daemon.pid
    assert re.search(rf"^pid +{daemon.pid}$", runt("status").stdout, re.MULTILINE)


def test_twenty_at_once_start_one_daemon(state: State, runt: Runt) -> None:
    with ThreadPoolExecutor(20) as pool:
        runs = list(pool.map(lambda n: runt("eval", f"{n} + 0"), range(20)))
    assert [run.stdout for run in runs] == [f"{n}\n" for n in range(20)], runs
    programs = [" ".join(process.cmdline()) for process in processes_of(str(state.dir))]
    assert len([p for p in programs if "-m runtimed --ready-fd" in p]) == 1, programs
    assert len([p for p in programs if "runtimed keeper" in p]) == 1, programs
    assert len([p for p in programs if "ipykernel_launcher" in p]) == 1, programs


# -- several at once, and references


def test_verbs_take_several_and_go_on_after_a_failure(daemon: Daemon, runt: Runt) -> None:
    for name in ("one", "two"):
        assert runt("start", "python3", "--name", name, "-q").returncode == 0
    done = runt("kill", "one", "nobody", "two")
    assert done.returncode == 3
    assert re.fullmatch(f"killed {SHORT_ID}\nkilled {SHORT_ID}\n", done.stdout)
    assert done.stderr == "runt: No runtime is called nobody; `runt ps` lists them.\n"
    removed = runt("rm", "one", "two", "--json")
    assert json.loads(removed.stdout) == {"schema": 1, "removed": ["one", "two"]}
    again = runt("start", "python3", "--name", "x y", "-q").stdout.strip()
    assert runt("kill", "x y").stdout == f"killed {again}\n"
    assert runt("kill", "x y").stdout == f"already dead {again}\n"
    assert runt("rm", "x y").stdout == f"removed {again}\n"
    assert len(runt("ps", "--all").stdout.splitlines()) == 1


def test_what_destroys_takes_no_prefix(daemon: Daemon, runt: Runt) -> None:
    runt("start", "python3", "--name", "precious")
    assert runt("kill", "prec").returncode == 3
    assert runt("eval", "-r", "prec", "1").stdout == "1\n"


def test_rename_restart_stop(daemon: Daemon, runt: Runt) -> None:
    id = runt("start", "python3", "--name", "old", "-q").stdout.strip()
    assert runt("rename", "old", "new").stdout == f"renamed {id}\n"
    runt("eval", "-r", "new", "x = 1")
    assert runt("restart", "new").stdout == f"restarted {id}\n"
    gone = runt("eval", "-r", "new", "x")
    assert gone.returncode == 1
    assert "NameError" in gone.stderr
    assert runt("stop", "new").stdout == f"stopped {id}\n"
    assert runt("ps", "-q").stdout == ""


# -- eval


def test_streams_and_values(daemon: Daemon, runt: Runt) -> None:
    done = runt("eval", "import sys; print('out'); print('err', file=sys.stderr); 6 * 7")
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("out\n42\n", "err")
    assert runt("eval", "--raw", "print('x'); [1]").stdout == "[1]\n"
    assert runt("eval", "--value", "json", "{'a': (1, None)}").stdout == '{"a": [1, null]}\n'


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("1", 0),
        ("1/0", 1),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(3)", 1),
    ],
)
def test_exit_codes(daemon: Daemon, runt: Runt, code: str, exit_code: int) -> None:
    assert runt("eval", code).returncode == exit_code


def test_a_kernel_that_dies(daemon: Daemon, runt: Runt) -> None:
    """It was seen to run: it asked. One that dies at once may not have begun, and is `lost`."""
    done = runt("eval", "input(); import os; os._exit(9)", stdin="\n")
    assert done.returncode == 8
    assert ": the kernel died: " in done.stderr


def test_a_kernel_that_does_not_exist(daemon: Daemon, runt: Runt) -> None:
    done = runt("eval", "-k", "klingon", "1")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "runt: No kernelspec is called klingon; `runt environments` lists them.\n"
    )


def test_code_from_files_and_pipes(daemon: Daemon, runt: Runt, state: State) -> None:
    (state.project / "prog.py").write_text("import sys\nprint(sys.argv)\n")
    assert runt("eval", "-f", "prog.py", "--", "a", "-b").stdout == "['prog.py', 'a', '-b']\n"
    assert runt("eval", "-f", "prog.py").stdout == "['prog.py']\n"
    assert runt("eval", stdin="print('piped')").stdout == "piped\n"
    assert runt("eval", "-", stdin="1 + 1\n").stdout == "2\n"


def test_arguments_do_not_stay(daemon: Daemon, runt: Runt) -> None:
    assert runt("eval", "import sys; sys.argv[1:]", "--", "a").stdout == "['a']\n"
    assert "a" not in json.loads(runt("eval", "--value", "json", "sys.argv").stdout)


def test_a_pipe_that_closes_early_ends_it(daemon: Daemon, state: State) -> None:
    done = shell(state, "runt eval 'while True: print(1)' | head -1")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert shell(state, "runt eval 2").stdout == "2\n"


def test_a_closed_pipe_is_exit_141(daemon: Daemon, state: State) -> None:
    done = shell(state, "{ runt eval 'while True: print(1)'; echo $? >code; } | head -1")
    assert done.stdout == "1\n"
    assert (state.project / "code").read_text() == "141\n"


def test_a_stdout_that_takes_no_more_ends_it(daemon: Daemon, state: State) -> None:
    done = shell(state, "runt eval 'while True: print(1)' >/dev/full")
    assert done.returncode == 70
    assert done.stderr.endswith("runt: [Errno 28] No space left on device\n")
    assert shell(state, "runt eval 2").stdout == "2\n"
    # Nothing runs on that nobody can see.
    assert shell(state, "runt ps --json").stdout.count('"idle"') == 1


def test_data_is_piped_into_the_code(daemon: Daemon, state: State) -> None:
    (state.project / "data").write_text("3\n4\n")
    total = "import sys; print(sum(int(line) for line in sys.stdin))"
    assert shell(state, f"cat data | runt eval '{total}'").stdout == "7\n"
    assert shell(state, f"runt eval '{total}' <data").stdout == "7\n"
    asked = "print(int(input()) * int(input()))"
    assert shell(state, f"cat data | runt eval '{asked}'").stdout == "12\n"
    assert shell(state, f"(cat data; sleep 0.1) | runt eval '{asked}'").stdout == "12\n"
    assert "EOFError" in shell(state, "runt eval 'input()' </dev/null").stderr


def test_fileinput_reads_what_is_piped(daemon: Daemon, runt: Runt, state: State) -> None:
    (state.project / "data").write_text("3\n4\n")
    code = "import fileinput; [line.strip() for line in fileinput.input()]"
    assert shell(state, f"cat data | runt eval '{code}'").stdout == "['3', '4']\n"
    assert shell(state, f"runt eval '{code}' -- data </dev/null").stdout == "['3', '4']\n"


@pytest.mark.parametrize("code", ["import sys; sys.stdin.read()", "input(); input()"])
def test_data_that_is_not_utf8_is_refused(daemon: Daemon, state: State, code: str) -> None:
    done = shell(state, f"printf 'a\\n\\377\\n' | runt eval '{code}'")
    assert (done.returncode, done.stdout) == (2, "")
    said = [line for line in done.stderr.splitlines() if "stdin" in line]
    assert said[0] == "runt: stdin is not UTF-8 (byte 2)"
    assert shell(state, "runt eval 2").stdout == "2\n"


def test_all_lines_come_through_a_pipe(daemon: Daemon, state: State) -> None:
    done = shell(state, "runt eval 'for i in range(200_000): print(i)' >lines; wc -l <lines")
    assert done.stdout.strip() == "200000"
    assert (state.project / "lines").read_text().split() == [str(i) for i in range(200_000)]


def test_a_wait_that_expires_leaves_it_running(daemon: Daemon, runt: Runt) -> None:
    runt("eval", "import time")
    done = runt("eval", "--wait", "0.3", "print('a'); time.sleep(1.5); print('b'); 7")
    assert (done.returncode, done.stdout) == (124, "a\n")
    id = re.fullmatch(f"({SHORT_ID}) still running\n", done.stderr)[1]  # type: ignore[index]
    assert runt("wait", "--wait", "0", id).returncode == 124
    waited = runt("wait", id)
    assert (waited.returncode, waited.stdout) == (0, f"{id} done\n")
    assert runt("output", id).stdout == "a\nb\n7\n"
    assert runt("output", id, "--tail", "1").stdout == "7\n"
    assert runt("output", id, "--grep", "^[ab]$").stdout == "a\nb\n"


def test_json_has_a_schema(daemon: Daemon, runt: Runt) -> None:
    *events, last = runt("eval", "--json", "print(1); 2").stdout.splitlines()
    assert {json.loads(line)["event"]["type"] for line in events} == {"execution", "output"}
    document = json.loads(last)
    assert document["schema"] == 1
    assert document["execution"]["status"] == "done"
    assert [o["output_type"] for o in document["execution"]["outputs"]] == [
        "stream",
        "execute_result",
    ]


def test_a_throwaway_runtime(daemon: Daemon, runt: Runt) -> None:
    done = runt("eval", "--rm", "6 * 7")
    assert (done.returncode, done.stdout) == (0, "42\n")
    assert done.stderr.count("using runtimed's own Python") == 1
    assert runt("ps", "--all", "-q").stdout == ""


def test_ctrl_c_while_a_throwaway_runtime_starts_leaves_none(
    daemon: Daemon, runt: Runt, state: State
) -> None:
    jupyter = state.home / ".local" / "share" / "jupyter"
    write_kernelspec(jupyter, "mute", argv=["sleep", "600"])  # it starts until it is ended
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "runt"), "eval", "--rm", "-k", "mute", "1"],
        env=state.env,
        cwd=state.project,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not runt("ps", "-q").stdout:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, b"")
    assert runt("ps", "--all", "-q").stdout == ""


def test_the_notice_is_said_once_for_each_runtime(daemon: Daemon, runt: Runt) -> None:
    mine = "using runtimed's own Python"
    assert runt("start", "--name", "lab").stderr.count(mine) == 1
    assert runt("eval", "-r", "lab", "1").stderr == ""
    assert runt("restart", "lab").stderr == ""
    assert runt("eval", "-r", "lab", "1").stderr == ""


def test_ones_own_id_runs_once(daemon: Daemon, runt: Runt) -> None:
    id = "01J8ZQ4X8Y6D7N5K3M2P1R0S9T"
    runt("eval", "n = 0")
    for _ in range(2):
        assert runt("eval", "--id", id, "n += 1; print(n)").stdout == "1\n"
    assert runt("eval", "--id", id, "other").returncode == 4


# -- call, logs


def test_call_prints_the_bare_result(daemon: Daemon, runt: Runt, state: State) -> None:
    assert runt("call", "runtime.list", "{}").stdout == "[]\n"
    assert shell(state, "runt call runtime.list '{}' | jq length").stdout == "0\n"
    assert runt("call", "runtime.list", "-", stdin='{"all": true}').stdout == "[]\n"
    wrong = runt("call", "runtime.list", '{"bogus": 1}')
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "bogus" in wrong.stderr
    assert runt("call", "no.such").returncode == 2
    assert runt("call", "runtime.list", "[]").returncode == 2


def test_logs_are_what_the_process_itself_wrote(daemon: Daemon, runt: Runt) -> None:
    runt("start", "python3", "--name", "lab")
    runt("eval", "-r", "lab", "import os; os.system('echo by itself'); print('printed')")
    logs = runt("logs", "lab")
    assert "printed" not in logs.stdout
    assert json.loads(runt("logs", "lab", "--json").stdout)["logs"]["stdout"] == logs.stdout
