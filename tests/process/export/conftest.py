"""One daemon for all tests of a module."""

from __future__ import annotations

from tests.harness import shared

state, daemon, runt = shared.state, shared.daemon, shared.runt
