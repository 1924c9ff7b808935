"""Have the environment for a start that names packages: found, or built once for all who ask."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

import msgspec

from runtimed.api.errors import Denied, EnvironmentBuildFailed, EnvironmentUnusable, InvalidParams
from runtimed.aside import aside
from runtimed.environment_cache import Cache, Lock, name_of, take
from runtimed.kernels.dependencies import builder
from runtimed.kernels.dependencies.explanation import sentence, tail
from runtimed.kernels.dependencies.interpreters import Interpreters
from runtimed.kernels.dependencies.recipe import Recipe, other_sources, sources_of
from runtimed.kernels.dependencies.requirements import is_satisfied, with_ipykernel
from runtimed.kernels.diagnosis import PythonDoesNotRun
from runtimed.kernels.environments import choice_of_spec, choose, pick
from runtimed.paths import UnsafePath, cache_dir, check_ours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping

    from runtimed.kernels.dependencies.interpreters import Interpreter
    from runtimed.kernels.environments import Choice, Wish
    from runtimed.kernels.specs import SpecFinder

#: No installer takes longer, unless it hangs.
BUILD_S = 3_600.0
_TERM_S = 5.0
#: For so long a failure is kept for who asks again.
_UNHEARD_S = 3_600.0
#: More at once would have the machine, where somebody tries versions.
_BUILDS_AT_ONCE = 2
#: How often a build may be found gone before its lock is had: somebody prunes again and again.
_TRIES = 5


class Provider:
    """Builds environments in the cache. Owned by who starts runtimes.

    ``in_background`` runs a build to its end, whoever waits for it.
    """

    def __init__(
        self,
        finder: SpecFinder,
        in_background: Callable[[Coroutine[None, None, bool], str], asyncio.Future[bool]],
    ) -> None:
        self._finder = finder
        self._in_background = in_background
        self._interpreters = Interpreters()
        self._builds: dict[str, asyncio.Future[bool]] = {}
        self._places = asyncio.Semaphore(_BUILDS_AT_ONCE)
        self._begun: set[str] = set()
        #: Who asked for a build, and did not wait for its end.
        self._left: dict[str, set[str]] = {}
        #: What failed then, when, and who of them has not been told.
        self._unheard: dict[str, tuple[EnvironmentBuildFailed, float, set[str]]] = {}

    @property
    def cache(self) -> Cache:
        """Where they are."""
        return Cache(cache_dir())

    @contextlib.asynccontextmanager
    async def choosing(self, wish: Wish) -> AsyncIterator[Choice]:
        """Yield what to start for a wish; a cached environment is not removed meanwhile.

        Raises what `choose` and `recipe` do, `EnvironmentBuildFailed` or `Denied`.
        """
        recipe = await self.recipe(wish)
        if recipe is None:
            choice = await choose(wish, self._finder)
            if wish.names_packages and choice.language == "python" and not choice.is_plain:
                notice = f"the code's header is not followed: {_as_it_says(choice)}"
                choice = msgspec.structs.replace(choice, notices=[*choice.notices, notice])
            with self._kept(choice.environment):
                yield choice
            return
        begin_s = time.monotonic()
        lock, was_built = await self._held(recipe, wish.env)
        with lock:
            notices = []
            if was_built:
                took = f"{time.monotonic() - begin_s:.0f} s"
                names = name_of(recipe.requirements)
                notices.append(f"built an environment with {names} ({took}); later starts find it")
            place = self.cache.path(recipe.key)
            cached = msgspec.structs.replace(wish, kernel=None, python=place)
            choice = await choose(cached, self._finder)
            yield msgspec.structs.replace(choice, recipe=recipe, notices=notices)

    async def recipe(self, wish: Wish) -> Recipe | None:
        """Return what is to be built for a wish, None if it is for an environment as it is.

        Raises what `pick` and `choice_of_spec` do, `EnvironmentUnusable`,
        `EnvironmentBuildFailed`, or `InvalidParams` where the kernel is not one of Python's.
        """
        if not wish.names_packages or (python := await self._python(wish)) is None:
            return None
        if wish.header_problem is not None:
            raise InvalidParams(detail=f"{wish.header_problem} - at `$.code`")
        requirements = with_ipykernel(wish.dependencies)
        try:
            found = await self._interpreters.ask(python, wish.env)
        except PythonDoesNotRun as problem:
            detail = f"its Python does not run: {problem}"
            raise EnvironmentUnusable(kernel=python, detail=detail, stderr="") from problem
        if wish.requires_python is None or is_satisfied(found.version, wish.requires_python):
            return _recipe(requirements, found, wish) if wish.dependencies else None
        if wish.python is not None or wish.kernel is not None:
            raise _unfit(wish, f"{wish.python or wish.kernel} is Python {found.version}")
        of_uv = Recipe(
            requirements=requirements,
            base=None,
            python_version=None,
            platform=None,
            requires_python=wish.requires_python,
            sources=sources_of(wish.env),
        )
        if self.is_ready(of_uv):
            # The Python that uv has got for it is at hand since: it would be another recipe.
            return of_uv
        if other := await self._interpreters.satisfying(wish.requires_python, wish.env):
            return _recipe(requirements, other, wish)
        if find_uv(wish.env) is None:
            raise _unfit(wish, f"there is none here but {found.version} ({found.base}); uv gets it")
        return of_uv

    async def _python(self, wish: Wish) -> str | None:
        """Return the Python that a start without packages would take.

        None if it takes none, or starts it in a way of its own, and nobody has asked for packages
        but the code.
        """
        picked = await aside(pick, wish, await self._finder.find(wish.env))
        if picked.spec is not None:
            choice = await aside(choice_of_spec, picked.spec, wish)
            if choice.language != "python":
                if wish.dependencies_are_of_code:
                    return None  # what looks like a header is its code
                raise InvalidParams(
                    detail=f"packages can be named for Python only; kernel {choice.kernel_name} "
                    f"is one of {choice.language} - at `$.dependencies`"
                )
            if not choice.is_plain:
                if wish.dependencies_are_of_code:
                    return None
                other = "leave the kernel away" if wish.kernel else "name a Python environment"
                raise InvalidParams(
                    detail=f"{_as_it_says(choice)}: install the packages where that has its own, "
                    f"or {other} - at `$.dependencies`"
                )
            return choice.argv[0]
        if picked.python is None:
            detail = f"{picked.because}, but there is no Python in it"
            raise EnvironmentUnusable(kernel=picked.directory, detail=detail, stderr="")
        return picked.python

    @contextlib.asynccontextmanager
    async def held(self, choice: Choice, env: Mapping[str, str]) -> AsyncIterator[None]:
        """Have what a runtime was started from, built again if it is gone. As `choosing`."""
        if (recipe := choice.recipe) is None:
            with self._kept(choice.environment):
                yield
            return
        lock, _ = await self._held(recipe, env)
        with lock:
            yield

    def is_ready(self, recipe: Recipe) -> bool:
        """Return whether a start with it would not wait."""
        return self.cache.is_ready(recipe.key)

    def is_waiting(self, recipe: Recipe) -> bool:
        """Return whether its build waits for others to end."""
        return (
            recipe.key in self._builds and recipe.key not in self._begun and self._places.locked()
        )

    async def build(self, recipe: Recipe, env: Mapping[str, str], who: str | None = None) -> bool:
        """Build it unless it is there; return whether it was not. Raises `EnvironmentBuildFailed`.

        It goes on where its caller does not wait: ``who`` can be told later that it failed. Those
        who ask meanwhile wait for the same.
        """
        key = recipe.key
        if (building := self._builds.get(key)) is None:
            plan = self._plan(recipe, env)
            building = self._in_background(self._in_turn(plan), f"environment {key}")
            self._builds[key] = building
            self._left[key] = set()
            self._unheard.pop(key, None)
            building.add_done_callback(lambda done: self._ended(key, done))
        try:
            return await asyncio.shield(building)
        finally:
            if who is not None and not building.done():
                self._left[key].add(who)

    def tell_failure(self, recipe: Recipe, who: str) -> None:
        """Raise `EnvironmentBuildFailed` if it was asked for by them, and failed unheard: once.

        Whoever asks again and again without waiting would else start it again and again.
        """
        failure, at_s, left = self._unheard.get(recipe.key, (None, 0.0, set[str]()))
        if failure is not None and who in left:
            left.remove(who)
            if time.monotonic() - at_s < _UNHEARD_S:
                raise failure

    async def _in_turn(self, plan: builder.Plan) -> bool:
        async with self._places:
            self._begun.add(plan.key)
            return await _build(plan)

    def _ended(self, key: str, building: asyncio.Future[bool]) -> None:
        del self._builds[key]
        self._begun.discard(key)
        left = self._left.pop(key)
        if left and not building.cancelled():
            if isinstance(failure := building.exception(), EnvironmentBuildFailed):
                self._unheard[key] = failure, time.monotonic(), left

    async def _held(self, recipe: Recipe, env: Mapping[str, str]) -> tuple[Lock, bool]:
        """Return the lock that keeps an environment there which is whole, and if it was built."""
        was_built = False
        for _ in range(_TRIES):
            lock = self._take(recipe)
            if lock is not None:
                return lock, was_built
            was_built = await self.build(recipe, env) or was_built
        raise _failed(recipe, "it is removed each time that it is built", "")

    def _take(self, recipe: Recipe) -> Lock | None:
        cache, key = self.cache, recipe.key
        try:
            cache.check()
        except (UnsafePath, OSError) as problem:
            raise Denied(detail=f"no kernel is started from there: {problem}") from problem
        if not cache.is_ready(key):
            return None
        try:
            check_ours(cache.path(key))
            lock = take(cache.lock_path(key), is_shared=True, waits=False)
        except FileNotFoundError:
            return None  # it was removed meanwhile
        except UnsafePath as problem:
            raise Denied(detail=str(problem)) from problem
        except OSError as error:
            raise Denied(detail=f"{cache.lock_path(key)}: {error.strerror}") from error
        if lock is not None and cache.is_ready(key):
            cache.mark_used(key)
            return lock
        if lock is not None:
            lock.close()
        return None

    @contextlib.contextmanager
    def _kept(self, environment: str | None) -> Iterator[None]:
        """Have a cached environment that was named, by whatever name, not removed, and used now."""
        cache = self.cache
        key = None if environment is None else cache.key_of(environment)
        lock = None
        if key is not None:
            # One that is being removed says itself that it is not there.
            with contextlib.suppress(OSError):
                lock = take(cache.lock_path(key), is_shared=True, waits=False)
            cache.mark_used(key)
        with lock or contextlib.nullcontext():
            yield

    def _plan(self, recipe: Recipe, env: Mapping[str, str]) -> builder.Plan:
        if sources_of(env) != recipe.sources:
            raise _failed(recipe, other_sources(recipe, env), "")
        try:
            self.cache.create()
        except UnsafePath as problem:
            raise Denied(detail=str(problem)) from problem
        except OSError as error:
            raise _failed(recipe, str(error), "") from error
        return builder.Plan(
            cache_dir=cache_dir(),
            key=recipe.key,
            requirements=recipe.requirements,
            python=recipe.base,
            requires_python=recipe.requires_python,
            uv=find_uv(env),
            env=dict(env),
        )


def find_uv(env: Mapping[str, str]) -> str | None:
    """Return the caller's uv, else the one that was installed with us."""
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    return shutil.which("uv", path=env.get("PATH", os.defpath)) or (
        beside if os.access(beside, os.X_OK) else None
    )


def _recipe(requirements: list[str], found: Interpreter, wish: Wish) -> Recipe:
    version = ".".join(found.version.split(".")[:2])
    return Recipe(
        requirements=requirements,
        base=found.base,
        python_version=version,
        platform=found.platform,
        sources=sources_of(wish.env),
    )


async def _build(plan: builder.Plan) -> bool:
    """Run the child that builds; return whether it had to. Raises `EnvironmentBuildFailed`."""
    name = name_of(plan.requirements)
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", builder.__name__),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,  # so that it ends with all that it has started
        )
    except OSError as error:
        raise EnvironmentBuildFailed(kernel=name, detail=str(error), stderr="") from error
    try:
        async with asyncio.timeout(BUILD_S):
            output, complaint = await child.communicate(msgspec.json.encode(plan._asdict()))
    except TimeoutError as error:
        detail = f"it took longer than {BUILD_S / 60:.0f} minutes"
        raise EnvironmentBuildFailed(kernel=name, detail=detail, stderr="") from error
    finally:
        await _end(child)
    try:
        said = msgspec.json.decode(output, type=dict[str, str])
    except msgspec.DecodeError as error:
        text = complaint.decode("utf-8", "replace")
        detail = f"what builds it ended with status {child.returncode}"
        raise EnvironmentBuildFailed(kernel=name, detail=detail, stderr=tail(text)) from error
    if said["outcome"] == "failed":
        log = said["log"]
        raise EnvironmentBuildFailed(kernel=name, detail=sentence(log), stderr=tail(log))
    return said["outcome"] == "built"


async def _end(child: asyncio.subprocess.Process) -> None:
    """End the child, if it lives, with what it started: it removes what is not whole."""
    if child.returncode is not None:
        if child.returncode < 0:  # somebody killed it, and not what it has started
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TERM_S):
                await child.wait()
                return


def _failed(recipe: Recipe, detail: str, log: str) -> EnvironmentBuildFailed:
    kernel = name_of(recipe.requirements)
    return EnvironmentBuildFailed(kernel=kernel, detail=detail, stderr=tail(log))


def _as_it_says(choice: Choice) -> str:
    return f"kernel {choice.kernel_name} is started as its kernelspec says, and not otherwise"


def _unfit(wish: Wish, but: str) -> EnvironmentBuildFailed:
    kernel = name_of(with_ipykernel(wish.dependencies))
    detail = f"it takes Python {wish.requires_python}, and {but}"
    return EnvironmentBuildFailed(kernel=kernel, detail=detail, stderr="")
