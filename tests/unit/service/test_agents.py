"""What an agent asks for may be less than the settings allow it, and not more."""

from __future__ import annotations

from dataclasses import replace

from runtimed.api.types import Limits
from runtimed.config import Config
from runtimed.kernels.terms import Terms
from runtimed.service.agents import within_settings

DETACHING = Terms(limits=Limits(execution_s=1.0, on_execution_s="detach"))


def test_the_time_limit_of_the_setting_is_not_taken_off_by_detaching() -> None:
    config = replace(Config(), agent_time_limit_s=2.0)
    terms = within_settings(DETACHING, config)
    assert terms.limits == Limits(execution_s=2.0, on_execution_s="interrupt"), "and not after 1 s"
    (notice,) = terms.notices
    assert "on_execution_s is interrupt and not detach, after 2 s:" in notice


def test_without_the_setting_it_may_detach() -> None:
    terms = within_settings(DETACHING, replace(Config(), agent_time_limit_s=0.0))
    assert terms.limits == Limits(execution_s=1.0, on_execution_s="detach")
    assert terms.notices == ()
