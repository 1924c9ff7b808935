from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from runtimed.kernels.rejections import Rejections
from tests.harness.connection_file import connection_file

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_of_a_strangers_file_it_is_told_once_for_its_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rejections = Rejections()

    def told(reason: str = "a stranger has its ports", **facts: str) -> int:
        caplog.clear()
        path = tmp_path / "kernel-1.json"
        file = connection_file(path, **facts)
        os.utime(path, (1, len(facts)))
        rejections.forget_but({str(path)})
        rejections.tell_of(file, reason)
        return len(caplog.records)

    assert [told(), told(), told(kernel_name="other"), told(kernel_name="other")] == [1, 0, 1, 0]
    assert [told("another stranger"), told("another stranger")] == [1, 0]
    rejections.forget_but(set())
    assert told("another stranger") == 1
