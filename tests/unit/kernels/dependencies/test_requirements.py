from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtimed.kernels.dependencies.requirements import (
    BadRequirement,
    is_satisfied,
    normalized,
    with_ipykernel,
)


def test_the_same_is_the_same() -> None:
    one = normalized(["Ruamel.YAML[libyaml, Jinja2]  <1,>=0.18", "six"])
    other = normalized(["six", "ruamel-yaml[jinja2,libyaml]>=0.18,<1", "six"])
    assert one == other == ["ruamel-yaml[jinja2,libyaml]<1,>=0.18", "six"]


def test_markers_are_kept() -> None:
    (found,) = normalized(["six; python_version<'3.12'"])
    assert found == 'six; python_version < "3.12"'


@pytest.mark.parametrize(
    "hostile",
    [
        *("-r requirements.txt", "--index-url=http://evil", "-e .", "--", " --pre"),
        *("./six", "/tmp/six", "../six", "six.whl/../x", "~/six", "file:///tmp/six", "."),
        *("https://evil/six.whl", "six @ https://evil/six.whl", "six@file:///etc/passwd"),
        *("git+https://evil/six", "six; rm -rf /", "six && rm", "$(rm)", "`rm`", "six|rm"),
        *("six\n--index-url http://evil", "six --hash=sha256:0", "six\0", "", " ", "six six"),
        *("{connection_file}", "six==1.0#egg=x", "six # comment", "\u0455ix"),
    ],
)
def test_what_is_no_package_is_refused(hostile: str) -> None:
    with pytest.raises(BadRequirement) as caught:
        normalized(["six", hostile])
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
@example("six>=1,<2")
@example("x[y]~=1.0; os_name == 'posix'")
def test_what_comes_out_is_a_name_and_what_follows_it(text: str) -> None:
    try:
        (found,) = normalized([text])
    except BadRequirement:
        return
    assert found[0].isascii() and found[0].isalnum()
    assert "\n" not in found
    assert normalized([found]) == [found]


def test_a_kernel_needs_ipykernel_once() -> None:
    assert with_ipykernel(["six"]) == ["ipykernel", "six"]
    assert with_ipykernel(["ipykernel<7", "six"]) == ["ipykernel<7", "six"]


def test_a_python_before_its_release_will_do() -> None:
    assert is_satisfied("3.12.0rc1", ">=3.11")
    assert not is_satisfied("3.11.7", ">=3.12,<4")
