"""What pip 26 and uv 0.9 wrote, and the one sentence that is made of it."""

from __future__ import annotations

import pytest

from runtimed.kernels.dependencies.explanation import sentence, tail

PIP_OFFLINE = """\
Looking in indexes: http://user:secret@127.0.0.1:9/simple
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object \
at 0x7ff9>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/six/
ERROR: Could not find a version that satisfies the requirement six (from versions: none)
ERROR: No matching distribution found for six
"""
UV_OFFLINE = """\
error: Request failed after 3 retries in 5.9s
  cause: Failed to fetch: http://127.0.0.1:9/simple/six/
  cause: error sending request for url (http://127.0.0.1:9/simple/six/)
  cause: tcp connect error
"""
UV_NO_NETWORK = """\
error: No solution found when resolving dependencies
  cause: Because cowsay was not found in the cache and you require cowsay<6, we can conclude that \
your requirements are unsatisfiable.

hint: Packages were unavailable because the network was disabled.
"""
PIP_NOTHING = """\
ERROR: Could not find a version that satisfies the requirement six==99 (from versions: 1.16, 1.17)
ERROR: No matching distribution found for six==99
"""
UV_NOTHING = """\
error: No solution found when resolving dependencies
  cause: Because nosuchpackage was not found in the package registry and you require \
nosuchpackage, we can conclude that your requirements are unsatisfiable.
"""
UV_NO_VERSION = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of six==99 and you require six==99, we can conclude that your
      requirements are unsatisfiable.
"""
UV_CONFLICT = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because pandas>=2 depends on numpy>=1.22 and you require numpy<1, we can conclude that your
      requirements are unsatisfiable.
"""
PIP_CONFLICT = """\
ERROR: Cannot install numpy<1 and pandas>=2 because these package versions have conflicting \
dependencies.
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/
"""
NO_VENV = """\
The virtual environment was not created successfully because ensurepip is not
available.  On Debian/Ubuntu systems, you need to install the python3-venv
package using the following command.
"""
PIP_COMPILER = """\
  error: command 'gcc' failed: No such file or directory
  ERROR: Failed building wheel for lxml
ERROR: Failed to build installable wheels for some pyproject.toml based projects (lxml)
"""
NO_ROOM = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (PIP_OFFLINE, "the package index is not to be reached (http://127.0.0.1:9/simple)"),
        (UV_OFFLINE, "the package index is not to be reached (http://127.0.0.1:9/simple/six/)"),
        (UV_NO_NETWORK, "the installer is set not to use the network"),
        (PIP_NOTHING, "the package index has nothing that fits: six==99"),
        (UV_NOTHING, "the package index has nothing that fits: nosuchpackage"),
        (UV_NO_VERSION, "the package index has nothing that fits: six==99"),
        (UV_CONFLICT, "these packages do not go together: Because pandas>=2 depends on numpy"),
        (PIP_CONFLICT, "these packages do not go together: ERROR"),
        (NO_VENV, "this Python cannot make virtual environments; install its venv package"),
        (PIP_COMPILER, "lxml has no ready-made package for this Python"),
        (NO_ROOM, "there is no room left on the disk"),
        ("a\nerror: something else\nb\n", "error: something else"),
        ("", "the installer failed and said nothing"),
    ],
)
def test_the_reason_in_a_sentence(log: str, expected: str) -> None:
    said = sentence(log)
    assert said.startswith(expected)
    assert "\n" not in said


def test_nobodys_password_is_passed_on() -> None:
    assert "secret" not in sentence(PIP_OFFLINE) + tail(PIP_OFFLINE)
    assert "127.0.0.1:9" in tail(PIP_OFFLINE)
    assert tail("from https://u:p@ss@host/simple") == "from https://host/simple"
