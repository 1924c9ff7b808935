"""`runt mcp install`: in each client's own file, and in nobody's way."""

from __future__ import annotations

import json
import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runt import group
from runt.mcp_clients import files
from runt.mcp_clients.known import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

RUNT = os.path.join(os.path.dirname(sys.executable), "runt")
LINUX = pytest.mark.skipif(sys.platform == "darwin", reason="paths of Linux")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("RUNT", "XDG_", "CLAUDE_", "CODEX_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


@pytest.fixture
def runt(home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*argv: str) -> tuple[int, str, str]:
        code = group.run(["mcp", *argv])
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return code, out, err

    return run


@LINUX
@pytest.mark.parametrize(
    ("client", "file", "path"),
    [
        ("claude-code", ".claude.json", "mcpServers"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json", "mcpServers"),
        ("cursor", ".cursor/mcp.json", "mcpServers"),
        ("vscode", ".config/Code/User/mcp.json", "servers"),
        ("codex", ".codex/config.toml", "mcp_servers"),
        ("gemini", ".gemini/settings.json", "mcpServers"),
    ],
)
def test_each_client_finds_it_where_it_looks(
    home: Path, runt: Any, client: str, file: str, path: str
) -> None:
    code, out, err = runt("install", "--client", client)
    assert (code, err) == (0, "")
    assert out.startswith(f"wrote ~/{file}\n")
    text = (home / file).read_text()
    document = tomllib.loads(text) if file.endswith(".toml") else json.loads(text)
    entry = document[path]["runtimed"]
    assert entry.pop("type", "stdio") == "stdio"
    assert entry == {"command": RUNT, "args": ["mcp", "--agent", client]}
    assert stat.S_IMODE((home / file).stat().st_mode) == 0o600

    code, out, _ = runt("install", "--client", client)
    assert (code, out) == (0, f"~/{file} says so already\n")
    assert (home / file).read_text() == text and not list(home.rglob("*.before-runt"))

    code, out, _ = runt("install", "--client", client, "--print")
    printed = tomllib.loads(out) if file.endswith(".toml") else json.loads(out)
    assert printed == (tomllib.loads(text) if file.endswith(".toml") else json.loads(text))

    code, out, _ = runt("uninstall", "--client", client)
    assert code == 0 and "took 'runtimed' out of" in out
    text = (home / file).read_text()
    document = tomllib.loads(text) if file.endswith(".toml") else json.loads(text)
    assert not document.get(path)
    assert "has no server 'runtimed'" in runt("uninstall", "--client", client)[1]


@pytest.mark.parametrize("client", [each.name for each in CLIENTS if each.project_file])
def test_in_a_project_its_runtime_is_the_one(home: Path, runt: Any, client: str) -> None:
    project = home / "p"
    (project / ".git").mkdir(parents=True)
    code, out, _ = runt("install", "--client", client, "--scope", "project", "--project", "p")
    assert code == 0 and "not for others who have the project" in out
    (file,) = [each for each in project.rglob("*") if each.is_file()]
    text = file.read_text()
    document = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    ((entry,),) = [list(servers.values()) for servers in document.values()]
    assert entry["args"] == ["mcp", "--agent", client, "--project", os.path.realpath(project)]


def test_claude_desktop_has_none(runt: Any) -> None:
    code, _, err = runt("install", "--client", "claude-desktop", "--scope", "project")
    assert (code, "no configuration of a project" in err) == (2, True)


def test_what_is_there_stays(home: Path, runt: Any) -> None:
    file = home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    before = (
        '{\n  // mine\n  "mcpServers": {\n    "github": {"url": "x", "headers": {"k": "secret"}},\n'
        '    "runtimed": {\n      "command": "/old/runt", // where it was\n'
        '      "args": ["mcp"],\n      "timeout": 60,\n      "env": {"MINE": "1"}\n    }\n  }\n}\n'
    )
    file.write_text(before)
    file.chmod(0o640)
    code, out, _ = runt("install", "--client", "cursor", "--read-only", "--runtime", "lab", "--all")
    assert code == 0
    args = json.dumps(
        ["mcp", "--agent", "cursor", "--runtime", "lab", "--all", "--read-only"], indent=2
    )
    args = args.replace("\n", "\n      ")
    after = before.replace("/old/runt", RUNT).replace('["mcp"]', args)
    assert file.read_text() == after
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    backup = file.with_name("mcp.json.before-runt")
    assert backup.read_text() == before and stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert "as it was: ~/.cursor/mcp.json.before-runt" in out


def test_codex_keeps_its_comments(home: Path, runt: Any) -> None:
    file = home / ".codex" / "config.toml"
    file.parent.mkdir()
    before = (
        '# mine\nmodel = "x"\n\n[mcp_servers.docs] # keep\ncommand = "npx"\n\n[profiles.a]\nb = 1\n'
    )
    file.write_text(before)
    assert runt("install", "--client", "codex")[0] == 0
    text = file.read_text()
    assert tomllib.loads(text)["mcp_servers"]["runtimed"]["command"] == RUNT
    assert tomllib.loads(text)["profiles"] == {"a": {"b": 1}}
    assert "# mine\n" in text and "[mcp_servers.docs] # keep\n" in text
    assert runt("uninstall", "--client", "codex")[0] == 0
    assert tomllib.loads(file.read_text()) == tomllib.loads(before)
    file.write_bytes(before.replace("\n", "\r\n").encode())
    assert runt("install", "--client", "codex")[0] == 0
    assert b"\n" not in file.read_bytes().replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("client", "file", "text", "said"),
    [
        ("cursor", ".cursor/mcp.json", '{"mcpServers": {', "line 1, column 17"),
        ("cursor", ".cursor/mcp.json", "\xff", "is not UTF-8"),
        ("codex", ".codex/config.toml", "a = = 1", "line 1"),
        ("codex", ".codex/config.toml", "mcp_servers = 1", "mcp_servers is no table"),
        ("codex", ".codex/config.toml", "mcp_servers = {}", "as it is written there; see --print"),
        ("codex", ".codex/config.toml", "mcp_servers = {a = {command = 'x'}}", "see --print"),
        ("cursor", ".cursor/mcp.json", '{"mcpServers": {"runtimed": {"url": "x"}}}', "--name"),
        ("codex", ".codex/config.toml", '[mcp_servers.runtimed]\ncommand = "x"', "--name"),
    ],
)
def test_what_cannot_be_understood_is_not_touched(
    home: Path, runt: Any, client: str, file: str, text: str, said: str
) -> None:
    place = home / file
    place.parent.mkdir()
    place.write_bytes(text.encode("latin-1"))
    code, out, err = runt("install", "--client", client)
    assert (code, out, said in err) == (4, "", True), err
    assert place.read_bytes() == text.encode("latin-1")
    assert [each.name for each in place.parent.iterdir()] == [place.name]


def test_another_name_goes_beside_it_and_somebody_elses_is_not_taken_out(
    home: Path, runt: Any
) -> None:
    file = home / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text('{"mcpServers": {"runtimed": {"url": "x"}}}')
    assert runt("install", "--client", "cursor", "--name", "repl")[0] == 0
    assert set(json.loads(file.read_text())["mcpServers"]) == {"runtimed", "repl"}
    code, _, err = runt("uninstall", "--client", "cursor")
    assert (code, "not runt's" in err) == (4, True)


def test_a_link_stays_a_link(home: Path, runt: Any) -> None:
    (home / "dotfiles").mkdir()
    target = home / "dotfiles" / "mcp.json"
    target.write_text("{}\n")
    (home / ".cursor").mkdir()
    (home / ".cursor" / "mcp.json").symlink_to(target)
    assert runt("install", "--client", "cursor")[0] == 0
    assert (home / ".cursor" / "mcp.json").is_symlink()
    assert "runtimed" in json.loads(target.read_text())["mcpServers"]


def test_a_file_that_may_not_be_written_is_said(home: Path, runt: Any) -> None:
    (home / ".cursor").write_text("not a directory")
    code, _, err = runt("install", "--client", "cursor")
    assert code == 1 and err.startswith("runt: ") and err.count("\n") == 1


def test_places_that_only_this_shell_knows_go_along(
    home: Path, runt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIMED_STATE_DIR", str(home / "s"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("CODEX_HOME", str(home / "cx"))
    code, out, _ = runt("install", "--client", "codex", "--json")
    document = json.loads(out)
    assert code == 0 and document["schema"] == 1
    assert document["mcp"]["file"] == str(home / "cx" / "config.toml")
    assert document["mcp"]["changed"] is True and document["mcp"]["backup"] is None
    assert document["mcp"]["server"]["env"] == {
        "RUNTIMED_SOCKET": f"{home}/runtimed/runtimed.sock",
        "RUNTIMED_STATE_DIR": str(home / "s"),
    }
    entry = tomllib.loads((home / "cx" / "config.toml").read_text())["mcp_servers"]["runtimed"]
    assert entry == document["mcp"]["server"]


def test_options_in_front_of_the_verb_are_not_ignored(runt: Any) -> None:
    code, _, err = runt("--read-only", "install", "--client", "cursor")
    assert (code, "behind it" in err) == (2, True)


def test_a_client_that_writes_its_file_meanwhile_loses_nothing(home: Path) -> None:
    file = home / "c.json"
    file.write_text('{"a": 1}')
    seen: list[str] = []

    def edit(text: str) -> str:
        if not seen:
            file.write_text('{"a": 2}')
        seen.append(text)
        return text.replace("}", ', "b": 3}')

    backup = files.change(str(file), edit)
    assert seen == ['{"a": 1}', '{"a": 2}']
    assert file.read_text() == '{"a": 2, "b": 3}'
    assert backup is not None and Path(backup).read_text() == '{"a": 2}'
    assert sorted(each.name for each in home.iterdir()) == ["c.json", "c.json.before-runt"]
