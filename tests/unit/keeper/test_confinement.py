"""A command in a scope, and the environment on both sides of it."""

from __future__ import annotations

from runtimed.keeper.confinement import UNCONFINED, Confinement

SCOPED = Confinement(["systemd-run", "--unit={unit}", "--"], runtime_dir="/run/user/7")
ARGV = ["/bin/kernel", "-f", "{unit}.json"]


def test_without_a_scope_nothing_changes() -> None:
    assert UNCONFINED.command("u", ARGV, {"A": "1"}) == (ARGV, {"A": "1"})


def test_the_unit_is_named_and_the_kernels_own_words_are_not_touched() -> None:
    argv, environment = SCOPED.command("u.scope", ARGV, {"XDG_RUNTIME_DIR": "/run/user/7"})
    assert argv[:3] == ["systemd-run", "--unit=u.scope", "--"]
    assert argv[3].endswith("/env")
    assert argv[4:] == ["-u", "INVOCATION_ID", *ARGV]
    assert environment == {"XDG_RUNTIME_DIR": "/run/user/7"}


def test_the_kernel_has_its_own_runtime_dir_or_none() -> None:
    argv, environment = SCOPED.command("u", ARGV, {"XDG_RUNTIME_DIR": "/else"})
    assert argv[4:7] == ["-u", "INVOCATION_ID", "XDG_RUNTIME_DIR=/else"]
    assert environment == {"XDG_RUNTIME_DIR": "/run/user/7"}
    argv, environment = SCOPED.command("u", ARGV, {})
    assert argv[4:8] == ["-u", "INVOCATION_ID", "-u", "XDG_RUNTIME_DIR"]
    assert environment == {"XDG_RUNTIME_DIR": "/run/user/7"}


def test_a_program_that_looks_like_a_variable_is_not_given_to_env() -> None:
    argv, _ = SCOPED.command("u", ["/a=b/kernel"], {})
    assert argv == ["systemd-run", "--unit=u", "--", "/a=b/kernel"]
