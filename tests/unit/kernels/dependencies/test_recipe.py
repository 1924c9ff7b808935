from __future__ import annotations

from runtimed.kernels.dependencies.recipe import Recipe, sources_of


def key(**env: str) -> str:
    return Recipe(
        requirements=["six"],
        base="/usr/bin/python3",
        python_version="3.12",
        platform="linux",
        sources=sources_of(env),
    ).key


def test_what_comes_from_another_index_is_another() -> None:
    """Else whoever was first would decide what others get."""
    assert key() == key(PATH="/bin", PIP_INDEX_URL="")
    keys = {
        key(),
        key(PIP_INDEX_URL="https://a/simple"),
        key(UV_DEFAULT_INDEX="https://a/simple"),
        key(UV_DEFAULT_INDEX="https://b/simple"),
        key(UV_TORCH_BACKEND="cpu"),
        key(PIP_ONLY_BINARY=":all:"),
    }
    assert len(keys) == 6


def test_another_token_is_the_same_index() -> None:
    first, second = (key(PIP_INDEX_URL=f"https://{who}@a/simple") for who in ("u:1", "u:2"))
    assert first == second
