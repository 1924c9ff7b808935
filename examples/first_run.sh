#!/usr/bin/env bash
# A first look at runtimed: a real cell in a real kernel, in a place of its own that is removed again.
# `make run` calls this; it leaves no process and no file behind.
set -euo pipefail
cd "$(dirname "$0")/.."
# As `source .venv/bin/activate` does.
export VIRTUAL_ENV=$PWD/.venv PATH=$PWD/.venv/bin:$PATH
unset RUNT_RUNTIME

place=$(mktemp -d /tmp/runtimed-XXXXXX)
export RUNTIMED_STATE_DIR=$place/state RUNTIMED_SOCKET=$place/socket/runtimed.sock
export JUPYTER_RUNTIME_DIR=$place/jupyter

finish() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    # Ends every kernel that was started here, and then the daemon itself.
    runt call daemon.stop '{"kernels": true}' >/dev/null 2>&1 || true
    if [ $status -ne 0 ] && [ -f "$RUNTIMED_STATE_DIR/runtimed.log" ]; then
        echo "It did not work; the daemon wrote:" >&2
        tail -n 20 "$RUNTIMED_STATE_DIR/runtimed.log" >&2
    fi
    wait_until_gone
    rm -rf "$place"
    exit $status
}

# Daemon and keeper hold these locks for as long as they live; the keeper ends after its kernels.
wait_until_gone() {
    [ -d "$RUNTIMED_STATE_DIR" ] || return 0
    python - "$RUNTIMED_STATE_DIR"/{daemon,keeper}.lock <<'PYTHON' || echo "Something still runs in $place" >&2
import fcntl, signal, sys

signal.alarm(20)
for path in sys.argv[1:]:
    fcntl.flock(open(path, "w"), fcntl.LOCK_EX)
PYTHON
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

show() {
    printf '\n$ runt'
    local word
    for word in "$@"; do
        case $word in *[!a-z]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    runt "$@"
}

echo "state directory: $RUNTIMED_STATE_DIR"
echo "socket:          $RUNTIMED_SOCKET"
show eval 'import sys; print("Hello from Python", sys.version.split()[0]); 6 * 7'
show eval 'answer = _; answer + 1'
show ps
cat <<'END'

Both evaluations ran in one kernel, which had outlived the first; it is stopped now, and all this is
removed again. To go on: put .venv/bin on PATH (or `source .venv/bin/activate`), then

    runt eval 'x = 1'       runt ps       runt --help
END
