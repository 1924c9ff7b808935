"""Ids of executions, made by clients so that a lost connection never means submitting twice.

ULIDs (https://github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, Crockford base32.
Written out because this is on the path of every ``runt eval``.
"""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """Return a new ULID."""
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
