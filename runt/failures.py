"""What ``runt`` itself refuses, before or after a call."""

from __future__ import annotations

from runt import exits


class Failure(Exception):
    """A sentence for stderr, and the exit code that goes with it."""

    exit_code = exits.CODE_RAISED


class UsageFailure(Failure):
    """The command line does not make sense."""

    exit_code = exits.USAGE


class NotFoundFailure(Failure):
    """Nothing is called so, of several kinds of things."""

    exit_code = exits.NOT_FOUND


class ConflictFailure(Failure):
    """The command line does not fit what is there."""

    exit_code = exits.CONFLICT


class DeniedFailure(Failure):
    """The system does not let us."""

    exit_code = exits.DENIED
