"""Which kernel, and which Python, a start means (DESIGN: "Which Python").

First found: what was asked for by name or path; the caller's active environment; the project's
``.venv``; the user's own python3 kernelspec; runtimed's own ipykernel. An environment that cannot
run a kernel is an error, never passed over: the first ``import pandas`` must find the user's.
"""

from __future__ import annotations

import os
import re
import shutil
import string
import sys
from typing import TYPE_CHECKING, Literal

import msgspec

from runtimed.api.errors import (
    AmbiguousReference,
    EnvironmentNotFound,
    EnvironmentUnusable,
    KernelDidNotStart,
    KernelNotFound,
    KernelProgramMissing,
)
from runtimed.aside import aside
from runtimed.kernels import places, pythons
from runtimed.kernels.dependencies.recipe import Recipe  # noqa: TC001 - read by msgspec
from runtimed.kernels.spec_finder import NATIVE_KERNEL
from runtimed.kernels.specs import (
    LOCAL_PROVISIONER,
    Spec,
    begins_with_tcp,
    declares_curve,
    format_argv,
)
from runtimed.plain_files import read_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtimed.kernels.specs import SpecFinder

_IPYKERNEL = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
#: What ``ipykernel install`` adds, so that breakpoints in the standard library work.
_OF_DEBUGGERS = "-Xfrozen_modules=off"
_BARE_PYTHON = re.compile(r"(python|pypy)(\d+(\.\d+)?)?[td]*")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asked for, and where it stands. Paths may be relative to ``cwd``.

    ``dependencies`` are in their one form. Where they ``are_of_code``, nobody has asked for them
    but what the code begins with; ``header_problem`` is why that cannot be followed.
    """

    kernel: str | None = None
    python: str | None = None
    env: dict[str, str] = {}
    project: str | None = None
    cwd: str | None = None
    dependencies: list[str] = []
    requires_python: str | None = None
    dependencies_are_of_code: bool = False
    header_problem: str | None = None

    @property
    def names_packages(self) -> bool:
        """Whether it may be for another environment than those that are there."""
        return bool(self.dependencies or self.requires_python or self.header_problem)

    def __repr__(self) -> str:
        """Without the environment: its values are nowhere to be written."""
        return f"Wish(kernel={self.kernel!r}, python={self.python!r}, project={self.project!r})"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to start.

    ``argv`` is complete but for ``{connection_file}``; its program exists. ``env`` is to be laid
    over the caller's environment. Two choices with one ``key`` are the same Python, or the same
    kernel. ``resource_dir`` is None for an environment. ``spec_mtime_ns`` tells a changed
    kernelspec from the one that something was remembered about. ``recipe`` is that of a cached
    environment. ``is_plain``: all that is said of it is which Python runs ipykernel, so that
    another may take its place.
    """

    kernel_name: str
    argv: list[str]
    env: dict[str, str]
    language: str | None
    environment: str | None
    key: str
    interrupt_mode: Literal["signal", "message"] = "signal"
    supports_curve: bool = False
    begins_with_tcp: bool = False
    notices: list[str] = []
    resource_dir: str | None = None
    spec_mtime_ns: int | None = None
    recipe: Recipe | None = None
    is_plain: bool = False

    def __repr__(self) -> str:
        """Without the environment: its values are nowhere to be written."""
        return f"Choice({self.key!r}, argv={self.argv!r})"


class Pick(msgspec.Struct, frozen=True):
    """What a wish leads to, before it is known to be startable: a kernelspec, or a Python.

    With ``python`` None there is none in the ``directory`` that was meant; ``because`` says
    why it was meant.
    """

    spec: Spec | None = None
    directory: str = ""
    python: str | None = None
    because: str = ""


async def choose(wish: Wish, finder: SpecFinder) -> Choice:
    """Return what to start for a wish.

    Raises `KernelNotFound`, `EnvironmentNotFound`, `EnvironmentUnusable`,
    `KernelProgramMissing`, or `KernelDidNotStart` for a kernelspec that cannot be started here.
    """
    return await aside(_chosen, wish, await finder.find(wish.env))


def _chosen(wish: Wish, specs: Mapping[str, Spec]) -> Choice:
    picked = pick(wish, specs)
    if picked.spec is not None:
        return choice_of_spec(picked.spec, wish)
    if picked.python is None:
        detail = f"{picked.because}, but there is no Python in it"
        raise EnvironmentUnusable(kernel=picked.directory, detail=detail, stderr="")
    return _of_python(picked.python, wish)


def pick(wish: Wish, specs: Mapping[str, Spec]) -> Pick:
    """Apply the order that is this module's first lines. It looks at files: never on the loop.

    Raises `KernelNotFound`, `EnvironmentNotFound` or `AmbiguousReference`.
    """
    if wish.python is not None:
        if found := _python_named(wish.python, wish, may_be_program=True):
            return found
        raise EnvironmentNotFound(path=wish.python)
    if wish.kernel is not None:
        spec = specs.get(wish.kernel.lower())
        if spec is not None and spec.own and (nearest := _nearest(wish)):
            # "python3", where only runtimed's own has that name, is the Python that is at hand.
            return nearest
        if spec is not None:
            return Pick(spec=spec)
        if found := _python_named(wish.kernel, wish, may_be_program=False):
            return found
        if os.sep in wish.kernel:
            raise EnvironmentNotFound(path=wish.kernel)
        raise KernelNotFound(kernel=wish.kernel)
    if nearest := _nearest(wish):
        return nearest
    if spec := specs.get(NATIVE_KERNEL):
        return Pick(spec=spec)
    raise KernelNotFound(kernel=NATIVE_KERNEL)


def _nearest(wish: Wish) -> Pick | None:
    """Return the caller's active environment, else the project's ``.venv``, if there is one."""
    if active := pythons.active_environment(wish.env):
        directory, variable = active
        return _environment(directory, because=f"{variable} names it")
    if venv := pythons.project_environment(wish.project):
        return _environment(venv, because="it is the project's")
    return None


def _python_named(name: str, wish: Wish, *, may_be_program: bool) -> Pick | None:
    path = pythons.resolve(name, wish.env, wish.cwd or wish.project)
    # A program that happens to lie in the directory is not meant by a bare name.
    if (os.sep in name or pythons.kind_of(path)) and (python := pythons.python_of(path)):
        return Pick(python=python)
    if may_be_program and (program := pythons.find_program(name, wish.env, wish.cwd)):
        return Pick(python=program)
    if may_be_program and (program := pythons.of_version(name, wish.env)):
        return Pick(python=program)
    named = [each for each in places.environments(wish.env, wish.project) if each.name == name]
    # What somebody made under that name is meant, before what was built for some packages.
    found = [each for each in named if each.kind != "cached"] or named
    if not found:
        return None
    if len(found) > 1 and not found[0].is_near:
        raise AmbiguousReference(reference=name, candidates=[each.directory for each in found])
    return _environment(found[0].directory, because=f"it goes by the name {name}")


def _environment(directory: str, *, because: str) -> Pick:
    return Pick(directory=directory, python=pythons.python_of(directory), because=because)


def _of_python(python: str, wish: Wish) -> Choice:
    """Return the start of ipykernel in an interpreter, its environment active."""
    environment = pythons.environment_of(python)
    return Choice(
        kernel_name=NATIVE_KERNEL,
        argv=[python, *_IPYKERNEL],
        env=activation(environment, wish.env),
        language="python",
        environment=environment,
        key=_python_key(python),
        is_plain=True,
        supports_curve=environment is not None and _ipykernel_declares_curve(environment),
    )


def _python_key(python: str) -> str:
    environment = pythons.environment_of(python)
    if environment:
        # The directory's links are followed and not the interpreter's: see `python_of`.
        return f"python:{os.path.realpath(environment)}"
    return f"python:{os.path.realpath(python)}"


def activation(environment: str | None, env: Mapping[str, str]) -> dict[str, str]:
    """Return what activating it changes, so that ``!pip`` and subprocesses are its own too.

    No variable can be taken away; one that is empty is as good as none.
    """
    if environment is None:
        return {}
    variable = "VIRTUAL_ENV" if pythons.kind_of(environment) == "venv" else "CONDA_PREFIX"
    programs = os.path.join(environment, "bin")
    path = env.get("PATH", os.defpath)
    changed = {}
    if env.get(variable) != environment:
        changed[variable] = environment
    if variable == "CONDA_PREFIX" and env.get("VIRTUAL_ENV"):
        changed["VIRTUAL_ENV"] = ""  # uv would install into that one
    if shutil.which("python", path=path) != os.path.join(programs, "python"):
        others = (each for each in path.split(os.pathsep) if each != programs)
        changed["PATH"] = os.pathsep.join((programs, *others))
    return changed


def _ipykernel_declares_curve(environment: str) -> bool:
    """Ask the kernelspec that ipykernel installs into its environment."""
    path = os.path.join(environment, "share", "jupyter", "kernels", NATIVE_KERNEL, "kernel.json")
    try:
        found = msgspec.json.decode(read_plain(path))
    except (OSError, msgspec.DecodeError):
        return False
    metadata = found.get("metadata") if isinstance(found, dict) else None
    return isinstance(metadata, dict) and declares_curve(metadata)


def choice_of_spec(spec: Spec, wish: Wish) -> Choice:
    """Return the start of a kernelspec. Raises `KernelDidNotStart` or `KernelProgramMissing`."""
    if spec.unusable:
        raise KernelDidNotStart(kernel=spec.name, detail=spec.unusable, stderr="")
    if spec.provisioner not in (None, LOCAL_PROVISIONER):
        raise KernelDidNotStart(
            kernel=spec.name,
            detail=f"its kernelspec wants the provisioner {spec.provisioner}; kernels on other "
            "machines come with a later release",
            stderr="",
        )
    additions = additions_of(spec, wish.env)
    argv = format_argv(spec.argv, resource_dir=spec.resource_dir, prefix=_prefix(spec, wish))
    program = _program(argv[0], spec, {**wish.env, **additions}, wish.cwd)
    if program is None:
        raise KernelProgramMissing(kernel=spec.name, detail=_missing(argv[0]), stderr="")
    argv = [program, *argv[1:]]
    is_plain_ipykernel = (
        [word for word in argv[1:] if word != _OF_DEBUGGERS] == _IPYKERNEL
        and not additions
        and _is_interpreter(spec.argv[0], program)
    )
    key = _python_key(program) if is_plain_ipykernel else f"{spec.resource_dir}:{program}"
    return Choice(
        kernel_name=spec.name,
        argv=argv,
        env=additions,
        language=spec.language,
        environment=pythons.environment_of(program) if is_plain_ipykernel else None,
        key=key,
        interrupt_mode=spec.interrupt_mode,
        supports_curve=spec.supports_curve,
        begins_with_tcp=begins_with_tcp(argv),
        notices=[_own_notice(wish)] if spec.own else [],
        resource_dir=spec.resource_dir,
        spec_mtime_ns=spec.mtime_ns,
        is_plain=is_plain_ipykernel and spec.interrupt_mode == "signal",
    )


def _is_interpreter(word: str, program: str) -> bool:
    """Say whether a kernelspec's program is a Python, and nothing that starts one in its own way.

    A bare name is what the caller has on its PATH, as pyenv's, which are scripts.
    """
    if _BARE_PYTHON.fullmatch(word):
        return True
    try:
        is_script = read_plain(program, 2) == b"#!"
    except OSError:
        return False
    return _BARE_PYTHON.fullmatch(os.path.basename(program)) is not None and not is_script


def additions_of(spec: Spec, env: Mapping[str, str]) -> dict[str, str]:
    """Return the kernelspec's own variables, with ``${NAME}`` from the caller's filled in."""
    return {name: string.Template(value).safe_substitute(env) for name, value in spec.env.items()}


def _prefix(spec: Spec, wish: Wish) -> str:
    """Return what ``{prefix}`` means: the environment of the Jupyter that the user would run."""
    active = pythons.active_environment(wish.env)
    return spec.prefix or (active[0] if active else sys.prefix)


def _program(word: str, spec: Spec, env: Mapping[str, str], cwd: str | None) -> str | None:
    """Return the program of a kernelspec: a bare ``python`` is the caller's, never ours.

    Except in a kernelspec that lies in an environment: then it is that environment's.
    """
    if spec.prefix and _BARE_PYTHON.fullmatch(word):
        return pythons.python_of(spec.prefix)
    return pythons.find_program(word, env, cwd)


def _missing(word: str) -> str:
    if os.sep in word:
        return f"there is no program {word}"
    return f"there is no {word} on PATH"


def _own_notice(wish: Wish) -> str:
    mine = f"using runtimed's own Python ({sys.version.split()[0]}, {sys.executable})"
    if wish.kernel is None:
        return f"{mine}: there is no active environment, no .venv, and no python3 kernelspec"
    if active := pythons.active_environment(wish.env):
        return f"{mine}: there is no python3 kernelspec; --python {active[0]} takes the active one"
    return f"{mine}: there is no python3 kernelspec"
