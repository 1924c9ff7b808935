"""What the service has written besides its units: removed on request only."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from typing import TYPE_CHECKING

from runtimed.environment_cache import Cache
from runtimed.managers import plists
from runtimed.managers.detached import holder_of
from runtimed.managers.failures import ServiceFailure

if TYPE_CHECKING:
    from runtimed.managers.instance import Instance

#: How the names begin of what daemon and keeper write into the state directory. It may be a
#: directory of the user's choice: whatever else is in it is not ours.
_OURS = (
    *("runtimed.db", "search.db", "blobs", "journal", "kernels"),
    *("runtimed.log", "keeper.", "daemon.", "serve"),
)


def remove(
    instance: Instance,
    config_file: str,
    cache_dir: str | None = None,
    *,
    has_launchd: bool = False,
) -> list[str]:
    """Remove state, settings, cached environments and, with it, launchd's logs.

    Return what was removed, and what stays.

    Raises `ServiceFailure` while a daemon or a keeper uses them, or where something resists.
    """
    state = instance.state
    for lock in (state.daemon_lock, state.keeper_lock):
        if (pid := holder_of(lock)) is not None:
            raise ServiceFailure(f"{state.dir} is in use (pid {pid or 'unknown'})")
    done = []
    try:
        for name in sorted(os.listdir(state.dir)) if os.path.isdir(state.dir) else ():
            path = os.path.join(state.dir, name)
            if not name.startswith(_OURS):
                done.append(f"left {path}, which is not ours")
            elif os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        if os.path.isdir(state.dir) and not done:
            os.rmdir(state.dir)
            done.append(f"removed {state.dir}")
        if os.path.lexists(config_file):
            os.unlink(config_file)
            done.append(f"removed {config_file}")
        for label in plists.LABELS if has_launchd else ():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(plists.log_of(label))
        if cache_dir is not None:
            done += _remove_environments(Cache(cache_dir))
    except OSError as error:
        raise ServiceFailure(f"cannot remove {error.filename}: {error.strerror}") from None
    for path in (instance.socket, instance.socket + ".start"):
        with contextlib.suppress(OSError):
            os.unlink(path)
    socket_dir, config_dir = os.path.dirname(instance.socket), os.path.dirname(config_file)
    logs_dirs = [plists.logs_dir()] if has_launchd else []
    for directory in (socket_dir, config_dir, *logs_dirs):
        if os.path.basename(directory).startswith("runtimed"):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
    return done


def _remove_environments(cache: Cache) -> list[str]:
    """Remove the cached environments, but for those that other instances run kernels in."""
    removed = [
        one.path for one in cache.unused_since(math.inf) if cache.remove(os.path.basename(one.path))
    ]
    left = [one.path for one in cache.all()]
    if not left:
        cache.dissolve()
    done = [f"removed {len(removed)} cached environments"] if removed else []
    return done + [f"left {path}, which something runs in" for path in left]
