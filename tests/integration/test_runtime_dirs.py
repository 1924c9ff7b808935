"""News from Jupyter's runtime directories: real directories, by inotify and without it."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtimed.kernels import connection_files, inotify, runtime_dirs
from tests.harness.connection_file import COMPLETE, write

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

#: Longer than any test may take: what is heard of was heard from an event.
NEVER_S = 1000.0


class Watcher:
    """Listens to some directories, as the adopter does."""

    def __init__(self, news: AsyncGenerator[None, None], paths: list[str]) -> None:
        self._news = news
        self._paths = paths

    def found(self) -> set[str]:
        """Return the names of the connection files."""
        return {os.path.basename(path) for path in connection_files.scan(self._paths)}

    async def hears(self, names: set[str]) -> None:
        """Wait for news until exactly these files are there."""
        async for _ in self._news:
            if self.found() == names:
                return

    async def is_quiet(self, time_s: float) -> bool:
        """Say whether no news come for so long."""
        try:
            await asyncio.wait_for(anext(self._news), time_s)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def watching(*paths: Path, rescan_s: float = NEVER_S) -> AsyncIterator[Watcher]:
    names = [str(path) for path in paths]
    news = runtime_dirs.changes(names, rescan_s)
    async with aclosing(news) as generator:
        watcher = Watcher(generator, names)
        await watcher.hears(watcher.found())  # at once
        yield watcher


@pytest.fixture(params=["inotify", "polling"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which means the news come."""
    if request.param == "polling":
        no_more(monkeypatch)
    return str(request.param)


def no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the user have no inotify instance left."""

    class NoMore(inotify.Inotify):
        def __init__(self) -> None:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(runtime_dirs, "Inotify", NoMore)


async def test_a_file_comes_changes_and_goes(tmp_path: Path, how: str) -> None:
    path = tmp_path / "kernel-1.json"
    async with watching(tmp_path) as watcher:
        write(path)
        await watcher.hears({"kernel-1.json"})
        write(tmp_path / ".new", key="other")
        os.replace(tmp_path / ".new", tmp_path / "kernel-2.json")
        await watcher.hears({"kernel-1.json", "kernel-2.json"})
        path.unlink()
        await watcher.hears({"kernel-2.json"})
        (tmp_path / "kernel-2.json").rename(tmp_path / "kernel-2.txt")
        await watcher.hears(set())
        os.link(tmp_path / "kernel-2.txt", tmp_path / "kernel-3.json")
        await watcher.hears({"kernel-3.json"})


async def test_a_file_is_written_slowly(tmp_path: Path, how: str) -> None:
    """As jupyter_client does, which neither renames nor, at times, closes it soon."""
    async with watching(tmp_path) as watcher:
        with (tmp_path / "kernel-1.json").open("w") as file:
            file.write("{")
            file.flush()
            assert not await watcher.is_quiet(30)
            content = str(COMPLETE).replace("'", '"')
            file.write(content[1:])
            file.flush()
            await watcher.hears({"kernel-1.json"})


MISSING = ["d", "a/d", "a/b/c/d"]


@pytest.mark.parametrize("below", MISSING)
async def test_a_directory_comes_later(tmp_path: Path, below: str, how: str) -> None:
    directory = tmp_path / below
    async with watching(directory) as watcher:
        for parent in reversed([directory, *directory.parents]):
            parent.mkdir(exist_ok=True)
            await asyncio.sleep(0)
        write(directory / "kernel-1.json")
        await watcher.hears({"kernel-1.json"})
        write(directory / "kernel-2.json", key="other")
        await watcher.hears({"kernel-1.json", "kernel-2.json"})


async def test_a_directory_comes_all_at_once(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "a" / "b" / "d"
    async with watching(directory) as watcher:
        directory.mkdir(parents=True)
        write(directory / "kernel-1.json")
        await watcher.hears({"kernel-1.json"})


@pytest.mark.parametrize("removed", ["a/b", "a", "."])
async def test_a_directory_is_removed_and_made_again(
    tmp_path: Path, removed: str, how: str
) -> None:
    directory = tmp_path / "t" / "a" / "b"
    directory.mkdir(parents=True)
    write(directory / "kernel-1.json")
    async with watching(directory) as watcher:
        for number in (2, 3):
            shutil.rmtree(tmp_path / "t" / removed)
            await watcher.hears(set())
            directory.mkdir(parents=True)
            write(directory / f"kernel-{number}.json")
            await watcher.hears({f"kernel-{number}.json"})


async def test_a_removed_directory_that_somebody_has_open(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        async with watching(directory) as watcher:
            directory.rmdir()
            assert not await watcher.is_quiet(30)
            directory.mkdir()
            write(directory / "kernel-1.json")
            await watcher.hears({"kernel-1.json"})
    finally:
        os.close(held)


async def test_a_directory_is_replaced_by_another(tmp_path: Path, how: str) -> None:
    directory, other = tmp_path / "d", tmp_path / "other"
    for each, name in ((directory, "old"), (other, "new")):
        each.mkdir()
        write(each / f"kernel-{name}.json")
    async with watching(directory) as watcher:
        directory.rename(tmp_path / "away")
        other.rename(directory)
        await watcher.hears({"kernel-new.json"})
        write(directory / "kernel-2.json", key="other")
        await watcher.hears({"kernel-new.json", "kernel-2.json"})


async def test_a_file_is_where_a_directory_will_be(tmp_path: Path, how: str) -> None:
    """In the middle of the path, at that."""
    in_the_way = tmp_path / "d"
    in_the_way.write_text("")
    async with watching(in_the_way / "runtime") as watcher:
        in_the_way.unlink()
        (in_the_way / "runtime").mkdir(parents=True)
        write(in_the_way / "runtime" / "kernel-1.json")
        await watcher.hears({"kernel-1.json"})


async def test_one_directory_of_many(tmp_path: Path, how: str) -> None:
    """One may lie in another, or be the other by another path."""
    (tmp_path / "link").symlink_to(tmp_path)
    paths = [tmp_path, tmp_path / "a", tmp_path / "link", tmp_path / "missing" / "b"]
    async with watching(*paths) as watcher:
        write(tmp_path / "kernel-1.json")
        await watcher.hears({"kernel-1.json"})
        for number, directory in enumerate((paths[1], paths[3]), 2):
            directory.mkdir(parents=True)
            write(directory / f"kernel-{number}.json", key=str(number))
        await watcher.hears({"kernel-1.json", "kernel-2.json", "kernel-3.json"})


async def test_what_happens_while_nobody_waits_is_heard(tmp_path: Path, how: str) -> None:
    async with watching(tmp_path) as watcher:
        for number in range(20):
            write(tmp_path / f"kernel-{number}.json", key=str(number))
            await asyncio.sleep(0)
        await watcher.hears({f"kernel-{number}.json" for number in range(20)})


async def test_what_is_no_connection_file_is_no_news(tmp_path: Path) -> None:
    async with watching(tmp_path, tmp_path / "missing" / "d") as watcher:
        (tmp_path / "jpserver-1-open.html").write_text("")
        (tmp_path / "missing.json.tmp").write_text("")
        (tmp_path / "directory").mkdir()
        assert await watcher.is_quiet(0.2)


async def test_a_link_leads_elsewhere(tmp_path: Path, how: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write(tmp_path / "b" / "kernel-1.json")
    link = tmp_path / "link"
    link.symlink_to("a")
    async with watching(link) as watcher:
        (tmp_path / "new").symlink_to("b")
        (tmp_path / "new").rename(link)
        await watcher.hears({"kernel-1.json"})
        write(tmp_path / "b" / "kernel-2.json", key="other")
        await watcher.hears({"kernel-1.json", "kernel-2.json"})


async def test_what_no_event_tells_of_is_found_by_the_rescan(tmp_path: Path, how: str) -> None:
    """The directory above its parent moves: what is watched stays as it was."""
    for name in ("a", "b"):
        (tmp_path / name / "c" / "d").mkdir(parents=True)
    write(tmp_path / "b" / "c" / "d" / "kernel-1.json")
    async with watching(tmp_path / "a" / "c" / "d", rescan_s=0.1) as watcher:
        (tmp_path / "a").rename(tmp_path / "away")
        (tmp_path / "b").rename(tmp_path / "a")
        await watcher.hears({"kernel-1.json"})
        if how == "inotify":
            assert os.stat(tmp_path / "a" / "c" / "d").st_ino in watched_inodes()


async def test_a_queue_that_ran_over_is_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflow = inotify.Event(-1, inotify.Mask.Q_OVERFLOW, "")
    read = inotify.Inotify.read
    monkeypatch.setattr(inotify.Inotify, "read", lambda self: [*read(self)[:0], overflow])
    async with watching(tmp_path) as watcher:
        (tmp_path / "anything").touch()
        assert not await watcher.is_quiet(30)


def open_inotify() -> list[str]:
    links = (os.path.join("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
    return [link for link in links if os.path.lexists(link) and "inotify" in os.readlink(link)]


def watched_inodes() -> list[int]:
    """Return what is watched (proc_pid_fdinfo(5))."""
    lines = [
        line.split()
        for link in open_inotify()
        for line in Path(link.replace("/fd/", "/fdinfo/")).read_text().splitlines()
    ]
    return [int(words[2].removeprefix("ino:"), 16) for words in lines if words[0] == "inotify"]


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = len(open_inotify())
    async with watching(tmp_path / "d") as watcher:
        assert len(open_inotify()) == before + 1
        (tmp_path / "d").mkdir()
        assert not await watcher.is_quiet(30)
        assert len(open_inotify()) == before + 1
    assert len(open_inotify()) == before


HOME = "/home/ada"


@pytest.mark.parametrize(
    ("environment", "extra", "expected"),
    [
        ({}, "", [f"{HOME}/.local/share/jupyter/runtime"]),
        (
            {"JUPYTER_RUNTIME_DIR": "/jr"},
            "~/more:/even/../more::/jr",
            ["/jr", f"{HOME}/.local/share/jupyter/runtime", f"{HOME}/more", "/more"],
        ),
        (
            {"JUPYTER_DATA_DIR": "/data", "XDG_DATA_HOME": "/xdg"},
            "",
            ["/data/runtime", f"{HOME}/.local/share/jupyter/runtime"],
        ),
    ],
    ids=["plain", "runtime", "data"],
)
def test_which_directories(
    environment: dict[str, str],
    extra: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RUNTIME_DIR", "DATA_DIR", "PLATFORM_DIRS"):
        monkeypatch.delenv(f"JUPYTER_{name}", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name, value in {"HOME": HOME, **environment}.items():
        monkeypatch.setenv(name, value)
    assert runtime_dirs.directories(extra) == expected
