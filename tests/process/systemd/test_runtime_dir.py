"""XDG_RUNTIME_DIR that is missing, replaced or full."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.process.daemon.adoption.waiting import until

if TYPE_CHECKING:
    from tests.harness.systemd import Manager


def test_without_one_the_socket_is_in_a_private_directory_elsewhere(manager: Manager) -> None:
    """As in a shell that su has begun: no user manager is found, and it works all the same."""
    for nowhere in ("", "/nowhere"):
        env = {"XDG_RUNTIME_DIR": nowhere, "TMPDIR": str(manager.home)}
        try:
            done = manager.runt("eval", "6 * 7", env=env, timeout_s=90)
            assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
            path = manager.runt("socket", env=env).stdout.strip()
            assert path == f"{manager.home}/runtimed-{manager.uid}/runtimed.sock"
        finally:
            manager.runt("call", "daemon.stop", json.dumps({"kernels": True}), env=env)


def test_one_that_was_emptied_is_used_again(manager: Manager) -> None:
    """As by a cleaner of temporary files: kernels live, and what is in them is found again."""
    assert manager.runt("service", "install").returncode == 0
    assert manager.runt("eval", "x = 41").returncode == 0
    for path in manager.socket.parent.iterdir():
        path.unlink()
    done = manager.runt("service", "restart")
    assert done.returncode == 0, done.stderr
    assert manager.runt("eval", "x + 1").stdout == "42\n"


def test_a_full_one_is_an_error_that_says_so(manager: Manager) -> None:
    """And nothing else is harmed: with room again it works."""
    place = str(manager.home / "small")
    manager.run("mkdir", "-m", "700", place)
    options = f"size=8k,nr_inodes=2,mode=700,uid={manager.uid},gid={manager.gid}"
    mounted = manager.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", place, uid=0)
    assert mounted.returncode == 0, mounted.stderr
    env = {"XDG_RUNTIME_DIR": place}
    try:
        manager.run("sh", "-c", f"echo > {place}/full; echo > {place}/fuller")
        refused = manager.runt("eval", "6 * 7", env=env)
        assert refused.returncode == 5, refused
        assert "No space left on device" in refused.stderr
        assert "Traceback" not in refused.stderr
        manager.run("mount", "-o", "remount,nr_inodes=100", place, uid=0)
        done = manager.runt("eval", "6 * 7", env=env, timeout_s=90)
        assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
        manager.runt("call", "daemon.stop", json.dumps({"kernels": True}), env=env)
        until(lambda: manager.runt("ps", env=env).returncode == 5, "its end")
    finally:
        manager.run("umount", "--lazy", place, uid=0)
