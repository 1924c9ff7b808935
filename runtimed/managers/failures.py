"""What can go wrong with a service manager, in sentences."""

from __future__ import annotations


class ServiceFailure(Exception):
    """The service manager did not do it; the text says why."""


class StartFailed(ServiceFailure):
    """The daemon was started and ended without being ready; ``status`` is its exit status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Unfit(StartFailed):
    """The program that was to be started could not start, and says why. Nothing was changed."""


class ForeignFile(ServiceFailure):
    """A file of the name that is ours to write is somebody else's. Nothing was changed."""
