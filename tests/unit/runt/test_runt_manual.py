"""The manual pages are what the commands say, and those who format them have nothing to say."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from runt import manual
from runt.group import VERBS
from runtimed.config import settings

DIRECTORY = Path(__file__).parents[3] / "docs" / "man"
PAGES = ("runt.1", "runtimed.8")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=DIRECTORY, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return manual.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_commands_say(made: dict[str, str], name: str) -> None:
    assert (DIRECTORY / name).read_text() == made[name], "python -m runt.manual docs/man"


def test_there_are_no_other_pages(made: dict[str, str]) -> None:
    assert sorted(made) == sorted(PAGES) == sorted(os.listdir(DIRECTORY))


@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_warn_of(name: str) -> None:
    done = run("groff", "-man", "-ww", "-Kutf8", "-Tutf8", name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_warn_of(name: str) -> None:
    said = run("mandoc", "-T", "lint", "-W", "style", name).stdout.splitlines()
    assert [line for line in said if "missing date" not in line] == []


def text(name: str) -> str:
    """Return a page as a terminal shows it, on very long lines."""
    printed = run("mandoc", "-T", "ascii", "-O", "width=1000", name).stdout
    return re.sub(r".\x08", "", printed)


def test_every_verb_is_there_with_its_options() -> None:
    page = text("runt.1")
    assert not [verb for verb in VERBS if f"\n   runt {verb}\n" not in page]
    assert "\n   runt service install\n" in page
    assert "--no-stop-on-error" in page
    assert "\n       124    The wait has expired" in page


def test_every_setting_is_there() -> None:
    page = text("runtimed.8")
    assert not [name for name in settings() if not re.search(rf"\n       {name}\s", page)]
    assert "runtimed keeper [--take-over]" in page
