"""What a client makes of `wait_s`, which JSON has no infinity for."""

from __future__ import annotations

import math

import pytest

from runtimed.api.errors import InvalidParams
from runtimed.api.executions import ExecutionWait
from runtimed.client.patience import Request


def test_for_ever_is_null() -> None:
    params = Request(ExecutionWait(execution="x", wait_s=math.inf)).params()
    assert params.get("wait_s") is None


@pytest.mark.parametrize("wait_s", [-1.0, -math.inf, math.nan])
def test_what_is_no_time_is_refused(wait_s: float) -> None:
    with pytest.raises(InvalidParams, match="wait_s"):
        Request(ExecutionWait(execution="x", wait_s=wait_s))
