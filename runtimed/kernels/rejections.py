"""Say in the log which files in Jupyter's runtime directories are no kernel's, and why."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from runtimed.kernels.connection_files import NOT_WHOLE

if TYPE_CHECKING:
    from collections.abc import Container

    from runtimed.kernels.connection_files import ConnectionFile

log = logging.getLogger(__name__)

#: A file that is being written is given this long to be whole.
WRITING_S = 30.0


class Rejections:
    """Tells of each file once, and again when its content changes; never what that is."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int, str]] = {}
        self._told_of: dict[str, tuple[dict[str, Any], str]] = {}

    def tell(self, rejected: dict[str, str]) -> None:
        """Log what is new among all that a scan has rejected: reasons by path."""
        before, self._told = self._told, {}
        for path, reason in rejected.items():
            try:
                status = os.lstat(path)
            except (OSError, ValueError):  # it is gone again
                continue
            if reason == NOT_WHOLE and time.time() - status.st_mtime < WRITING_S:
                continue
            self._told[path] = known = (status.st_mtime_ns, status.st_size, reason)
            if before.get(path) != known:
                log.info("%s is not adopted: %s", path, reason)

    def tell_of(self, file: ConnectionFile, reason: str) -> None:
        """Log why a file that looks like a living kernel's is none, once for its content."""
        if self._told_of.get(file.path) != (file.info, reason):
            self._told_of[file.path] = file.info, reason
            log.info("%s is not adopted: %s", file.path, reason)

    def forget_but(self, paths: Container[str]) -> None:
        """Forget what was told of files that are gone."""
        self._told_of = {path: told for path, told in self._told_of.items() if path in paths}
