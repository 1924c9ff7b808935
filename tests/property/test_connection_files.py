"""Whatever lies in Jupyter's runtime directory: it is read or left alone, and nothing is raised."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtimed.kernels import connection_files
from tests.harness.connection_file import COMPLETE

TEXT = st.text(st.characters(), max_size=8)  # lone surrogates too: JSON can write them
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PORTS = st.integers(1, 65535)
#: Connection files in which each part is right, wrong or missing.
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        **{name: PORTS | PORTS | VALUES for name in COMPLETE if name.endswith("_port")},
        "ip": st.sampled_from(["127.0.0.1", "*", "::1", "/tmp/k"]) | TEXT | VALUES,
        "transport": st.sampled_from(["tcp", "ipc"]) | VALUES,
        "key": TEXT | VALUES,
        "kernel_name": TEXT | VALUES,
        "signature_scheme": st.just("hmac-sha256") | VALUES,
        "jupyter_session": TEXT | VALUES,
    },
)
#: Right but for a few members.
ALMOST = st.builds(lambda facts: COMPLETE | facts, NEARLY)


def look_at(content: bytes) -> connection_files.ConnectionFile | None:
    """Read the bytes as a connection file, alone and in a scan: both must agree."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kernel-1.json"
        path.write_bytes(content)
        found = connection_files.read(str(path))
        scanned = connection_files.scan([directory])
        assert scanned == ({} if found is None else {str(path): found})
        return found


@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_anything(content: bytes) -> None:
    look_at(content)


@given(ALMOST | NEARLY, st.integers(0, 400), st.booleans())
def test_nearly_a_connection_file(info: dict[str, Any], cut: int, is_whole: bool) -> None:
    content = json.dumps(info).encode()
    found = look_at(content if is_whole else content[:cut])
    if found is not None:
        json.dumps(found.info, ensure_ascii=False).encode()  # what is stored can be encoded
        assert found.address == connection_files.address_of(found.info)
        assert hash(found.address) is not None
        assert all(type(port) is int for port in found.ports.values())


@given(ALMOST, ALMOST)
def test_one_address_is_one_kernel(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (look_at(json.dumps(info).encode()) for info in (one, other))
    if first is not None and second is not None:
        is_same = (first.ports["shell"], first.key) == (second.ports["shell"], second.key)
        if first.address == second.address:
            assert is_same
            assert first.transport == second.transport
