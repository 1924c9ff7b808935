"""A blob that is written for what is not stored yet is not removed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtimed.store.blobs import Blobs

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_claimed_stays_until_the_claim_ends(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path), 10)

    async def run() -> None:
        with blobs.claiming():
            sha256, _ = await asyncio.to_thread(blobs.put, [b"large"])
            assert not blobs.remove_unclaimed(sha256)
            assert not blobs.remove_settled(sha256, 1e12)
        assert blobs.get(sha256) == b"large"
        assert blobs.remove_unclaimed(sha256)
        assert blobs.get(sha256) is None

    asyncio.run(run())


def test_what_nobody_claims_is_young_for_a_while(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path), 10)
    sha256, _ = blobs.put([b"large"])
    assert not blobs.remove_unclaimed(sha256)
    # The next daemon knows nothing of it: what it was for was not stored.
    assert Blobs(str(tmp_path), 10).remove_unclaimed(sha256)
