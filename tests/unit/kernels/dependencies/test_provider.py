"""Which environment a start means, before anything is built."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from runtimed.api.errors import Denied, EnvironmentBuildFailed, InvalidParams
from runtimed.environment_cache import Cache, Record
from runtimed.kernels.dependencies import provider
from runtimed.kernels.dependencies.interpreters import Interpreter, Interpreters
from runtimed.kernels.dependencies.provider import Provider
from runtimed.kernels.dependencies.recipe import Recipe, sources_of
from runtimed.kernels.environments import Wish
from tests.harness.jupyter import write_ipykernel, write_kernelspec, write_program

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from runtimed.kernels.dependencies.builder import Plan
    from runtimed.kernels.specs import SpecFinder

KEY = "0123456789abcdef0123"
IPYKERNEL = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]


def builds_nothing(work: Coroutine[None, None, bool], name: str) -> asyncio.Future[bool]:
    work.close()
    raise AssertionError(name)


async def test_the_python_that_uv_has_got_makes_no_other_environment_of_it(
    finder: SpecFinder, env: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = [Interpreter(base="/here/python3", version="3.11.7", platform="linux")]

    async def ask(self: Interpreters, python: str, env: Mapping[str, str]) -> Interpreter:
        return here[0]

    async def satisfying(
        self: Interpreters, specifiers: str, env: Mapping[str, str]
    ) -> Interpreter | None:
        return here[1] if len(here) > 1 else None

    monkeypatch.setattr(Interpreters, "ask", ask)
    monkeypatch.setattr(Interpreters, "satisfying", satisfying)
    monkeypatch.setattr(provider, "find_uv", lambda env: "/bin/uv")
    wish = Wish(env=env, dependencies=["six"], requires_python=">=3.99")
    provides = Provider(finder, builds_nothing)
    first = await provides.recipe(wish)
    assert first is not None and first.base is None
    here.append(Interpreter(base="/uv/python3.99", version="3.99.0", platform="linux"))
    other = await provides.recipe(wish)
    assert other is not None and other.base == "/uv/python3.99", "it was not built: what is here"
    place = home.parent / "cache" / "environments" / first.key
    write_program(place / "bin" / "python")
    write_ipykernel(place)
    provides.cache.mark_ready(first.key, Record(["ipykernel", "six"], "3.99.0", "uv", 1))
    assert await provides.recipe(wish) == first


def recipe_of(*packages: str, **env: str) -> Recipe:
    return Recipe(
        requirements=list(packages),
        base="/usr/bin/python3",
        python_version="3.12",
        platform="linux",
        sources=sources_of(env),
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"argv": ["{box}", *IPYKERNEL]},
        {"env": {"MY_SPARK": "yes"}},
        {"argv": ["{box}", "python", *IPYKERNEL]},
        {"interrupt_mode": "message"},
    ],
)
async def test_a_kernelspec_that_says_more_than_which_python_is_started_as_it_says(
    finder: SpecFinder, env: dict[str, str], home: Path, user_jupyter: Path, facts: dict[str, Any]
) -> None:
    """Else what the code begins with would take it out of its sandbox."""
    box = str(write_program(home / "box" / "python"))
    write_program(home / "bin" / "python")
    if "argv" in facts:
        facts = {"argv": [word.replace("{box}", box) for word in facts["argv"]]}
    write_kernelspec(user_jupyter, "wrapped", **facts)
    provides = Provider(finder, builds_nothing)
    of_code = Wish(env=env, kernel="wrapped", dependencies=["six"], dependencies_are_of_code=True)
    async with provides.choosing(of_code) as choice:
        assert (choice.kernel_name, choice.recipe) == ("wrapped", None)
        (notice,) = choice.notices
        assert "header is not followed: kernel wrapped is started as its kernelspec" in notice
    with pytest.raises(InvalidParams, match="leave the kernel away"):
        await provides.recipe(Wish(env=env, kernel="wrapped", dependencies=["six"]))


async def test_one_that_only_says_which_python_may_be_replaced(
    finder: SpecFinder, env: dict[str, str], home: Path, user_jupyter: Path
) -> None:
    write_program(home / "bin" / "python")
    write_kernelspec(user_jupyter, "mine")
    argv = ["python", "-Xfrozen_modules=off", *IPYKERNEL]
    write_kernelspec(user_jupyter, "debugged", argv=argv)
    provides = Provider(finder, builds_nothing)
    for kernel in ("mine", "debugged"):
        async with provides.choosing(Wish(env=env, kernel=kernel)) as choice:
            assert choice.is_plain


async def test_a_header_that_cannot_be_followed_is_so_for_python_only(
    finder: SpecFinder, env: dict[str, str], home: Path, user_jupyter: Path
) -> None:
    write_program(home / "bin" / "python")
    write_kernelspec(user_jupyter, "bash", argv=["python", "{connection_file}"], language="bash")
    write_kernelspec(user_jupyter, "mine")
    provides = Provider(finder, builds_nothing)
    problem: dict[str, Any] = {"header_problem": "two headers", "dependencies_are_of_code": True}
    assert await provides.recipe(Wish(env=env, kernel="bash", **problem)) is None
    with pytest.raises(InvalidParams, match="two headers"):
        await provides.recipe(Wish(env=env, kernel="mine", **problem))


async def test_what_is_gone_is_not_built_again_from_another_index(
    finder: SpecFinder, env: dict[str, str]
) -> None:
    provides = Provider(finder, builds_nothing)
    of_private = recipe_of("six", PIP_INDEX_URL="http://private/simple")
    with pytest.raises(EnvironmentBuildFailed, match="another index was set where") as caught:
        await provides.build(of_private, env)
    assert "PIP_INDEX_URL" in caught.value.data["detail"]
    with pytest.raises(EnvironmentBuildFailed, match="and here UV_INDEX is"):
        await provides.build(recipe_of("six"), {**env, "UV_INDEX": "http://private/simple"})


class Builds:
    """Builds that go on until they are let, and then fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.under_way: list[str] = []
        self.goes_on = asyncio.Event()
        monkeypatch.setattr(provider, "_build", self._build)

    async def _build(self, plan: Plan) -> bool:
        self.under_way.append(plan.key)
        await self.goes_on.wait()
        raise EnvironmentBuildFailed(kernel="six", detail="it is broken", stderr="")


async def leaves(provides: Provider, recipe: Recipe, env: dict[str, str], who: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await provides.build(recipe, env, who)


def at_once(work: Coroutine[None, None, bool], name: str) -> asyncio.Future[bool]:
    return asyncio.gather(work)  # type: ignore[return-value]


async def test_a_failure_is_told_once_and_to_those_who_asked(
    finder: SpecFinder, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = Builds(monkeypatch)
    provides, recipe = Provider(finder, at_once), recipe_of("six")
    await leaves(provides, recipe, env, "bot")
    builds.goes_on.set()
    with pytest.raises(EnvironmentBuildFailed):
        await provides.build(recipe, env, "runt")
    provides.tell_failure(recipe, "runt")
    provides.tell_failure(recipe, "other")
    with pytest.raises(EnvironmentBuildFailed, match="it is broken"):
        provides.tell_failure(recipe, "bot")
    provides.tell_failure(recipe, "bot")


async def test_two_are_built_at_once_and_others_wait(
    finder: SpecFinder, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = Builds(monkeypatch)
    provides = Provider(finder, at_once)
    recipes = [recipe_of(f"six=={n}") for n in range(3)]
    for recipe in recipes:
        await leaves(provides, recipe, env, "bot")
        await asyncio.sleep(0)
    assert builds.under_way == [recipe.key for recipe in recipes[:2]]
    assert [provides.is_waiting(recipe) for recipe in recipes] == [False, False, True]
    builds.goes_on.set()
    with pytest.raises(EnvironmentBuildFailed):
        await provides.build(recipes[2], env)
    assert len(builds.under_way) == 3


async def test_by_whatever_name_it_is_used_and_kept(
    finder: SpecFinder, env: dict[str, str], cache_dir: Path
) -> None:
    cache = Cache(str(cache_dir))
    cache.create()
    place = cache_dir / "environments" / KEY
    write_program(place / "bin" / "python")
    (place / "pyvenv.cfg").touch()
    write_ipykernel(place)
    cache.mark_ready(KEY, Record(["ipykernel", "six"], "3.12.0", "uv", 1))
    provides = Provider(finder, builds_nothing)
    for wish in (Wish(env=env, kernel="six"), Wish(env=env, python=str(place))):
        os.utime(place / "runtimed.json", (1_000_000, 1_000_000))
        async with provides.choosing(wish) as choice:
            assert choice.environment == str(place)
            assert not cache.is_free(KEY)
        assert cache.look(KEY).used_s == pytest.approx(time.time(), abs=100)
        assert cache.is_free(KEY)
        os.utime(place / "runtimed.json", (1_000_000, 1_000_000))
        async with provides.held(choice, env):
            assert cache.unused_since(1_000_000) == []


async def test_what_belongs_to_others_is_not_started(
    finder: SpecFinder, env: dict[str, str], cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Interpreter(base="/here/python3", version="3.11.7", platform="linux")

    async def ask(self: Interpreters, python: str, env: Mapping[str, str]) -> Interpreter:
        return here

    monkeypatch.setattr(Interpreters, "ask", ask)
    cache = Cache(str(cache_dir))
    cache.create()
    wish = Wish(env=env, dependencies=["six"])
    provides = Provider(finder, builds_nothing)
    recipe = await provides.recipe(wish)
    assert recipe is not None
    place = cache_dir / "environments" / recipe.key
    write_program(place / "bin" / "python")
    write_ipykernel(place)
    cache.mark_ready(recipe.key, Record(["ipykernel", "six"], "3.12.0", "uv", 1))
    assert len(list(cache.all())) == 1
    uid = os.getuid()
    monkeypatch.setattr(Cache, "check", lambda self: None)
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert list(cache.all()) == []
    with pytest.raises(Denied, match=f"{recipe.key} belongs to uid {uid}, not to us"):
        async with provides.choosing(wish):
            pass
