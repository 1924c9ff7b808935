#!/bin/bash
# Run commands behind a real `systemd --user` and a journal of its own, on a machine without either.
#   sduser.sh USER CMD...     run CMD as USER in a login session of that manager
#   sduser.sh USER --serve    print NAME=VALUE lines, then READY; end when stdin is closed
# USER is an account, or NAME=UID for one that exists behind this manager only. Any number of them
# may run side by side. SDUSER_EXPOSE is a colon-separated list of directories that USER must reach
# although one above them (root's home, mostly) is closed.
# Needs root, cgroup2 in the kernel, and Debian's packages systemd and util-linux.
set -eu
[ -n "${_SDUSER:-}" ] || exec env _SDUSER=1 unshare --mount --propagation private -- "$0" "$@"
user=${1%%=*}
uid=${1#*=}
shift

root=$(mktemp -d /tmp/sduser.XXXXXX)
chmod 755 "$root"
home=$root/home
mkdir -p "$root/run" "$root/journal" "$home/.config/systemd/user"

if [ "$uid" = "$user" ]; then
    uid=$(id -u "$user")
    gid=$(id -g "$user")
else
    gid=$uid
    cp /etc/passwd /etc/group "$root"
    echo "$user:x:$uid:$gid::$home:/bin/bash" >>"$root/passwd"
    echo "$user:x:$gid:" >>"$root/group"
    mount --bind "$root/passwd" /etc/passwd
    mount --bind "$root/group" /etc/group
fi
chown -R "$uid:$gid" "$root/run" "$home"
chmod 700 "$root/run"

# `systemd --user` ends at once unless the machine was booted with systemd: sd_booted(3).
mount -t tmpfs -o mode=755 tmpfs /run/systemd
mkdir -p /run/systemd/system /run/systemd/journal

# Cover a directory that the user cannot enter by an empty one, and show in it what must be reached.
expose() {
    local staged=() path closed number=0
    IFS=: read -ra paths <<<"$1"
    for path in "${paths[@]}"; do
        staged+=("/run/systemd/exposed.$((number++))")
        mkdir "${staged[-1]}"
        mount --bind "$path" "${staged[-1]}"
    done
    for path in "${paths[@]}"; do
        while closed=$(first_closed "$path") && [ -n "$closed" ]; do
            mount -t tmpfs -o mode=755 tmpfs "$closed"
        done
    done
    for number in "${!paths[@]}"; do
        mkdir -p "${paths[number]}"
        mount --bind "${staged[number]}" "${paths[number]}"
        umount "${staged[number]}"
    done
}

first_closed() {
    local part closed=
    IFS=/ read -ra parts <<<"${1#/}"
    for part in "${parts[@]}"; do
        closed=$closed/$part
        [ -d "$closed" ] || return 0
        (($(stat -c 0%a "$closed") & 1)) || { echo "$closed"; return 0; }
    done
}
[ "$uid" = 0 ] || [ -z "${SDUSER_EXPOSE:-}" ] || expose "$SDUSER_EXPOSE"

# Journald writes to /var/log/journal as soon as it is told that it is there for good.
touch /run/systemd/journal/flushed
mkdir -p /run/log /var/log/journal
mount -t tmpfs tmpfs /run/log
mount --bind "$root/journal" /var/log/journal
if [ ! -s /etc/machine-id ]; then
    systemd-id128 new >"$root/machine-id"
    mount --bind "$root/machine-id" /etc/machine-id
fi
mkdir "$root/journal/$(cat /etc/machine-id)" /run/systemd/journald.conf.d
printf '[Journal]\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n' >/run/systemd/journald.conf.d/test.conf

# Its own mount hides a v1 or hybrid layout. The journal tells whose unit a line is from by a path
# of this shape. A manager cannot move a process in from a login session by itself; PID 1 does that
# for it. Here, nobody would: so the slice above both belongs to the user as well.
mount -t cgroup2 none /sys/fs/cgroup
outside=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
top=/sys/fs/cgroup/sduser$$.slice
slice=$top/user-$uid.slice
service=$slice/user@$uid.service
session=$slice/session-1.scope
mkdir -p "$service" "$session" "$top/supervisor"
for directory in /sys/fs/cgroup "$top" "$slice"; do
    for controller in $(cat "$directory/cgroup.controllers"); do
        echo "+$controller" >"$directory/cgroup.subtree_control" 2>/dev/null || :
    done
done
chown "$uid:$gid" "$service" "$slice/cgroup.procs" \
    "$service"/cgroup.{procs,subtree_control,threads}
echo $$ >"$top/supervisor/cgroup.procs"

environment=(
    HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash LANG=C.UTF-8
    PATH="${SDUSER_PATH:-/usr/local/bin:/usr/bin:/bin}"
    XDG_RUNTIME_DIR="$root/run" DBUS_SESSION_BUS_ADDRESS="unix:path=$root/run/bus"
)
as_user() {
    env -i "${environment[@]}" setpriv --reuid "$uid" --regid "$gid" --clear-groups -- "$@"
}

/lib/systemd/systemd-journald 2>"$root/journald.log" &
journald=$!
for _ in $(seq 100); do
    [ -S /run/systemd/journal/stdout ] && break
    sleep 0.02
done
(
    echo "$BASHPID" >"$service/cgroup.procs"
    cd /
    as_user /lib/systemd/systemd --user --log-target=journal &
    wait $!
) </dev/null >"$root/manager.log" 2>&1 &
manager=$!

cleanup() {
    set +e
    trap - EXIT
    cd /
    as_user systemctl --user exit 2>/dev/null
    for _ in $(seq 200); do
        kill -0 $manager 2>/dev/null || break
        sleep 0.05
    done
    echo 1 >"$slice/cgroup.kill"
    wait $manager 2>/dev/null
    kill $journald
    wait $journald 2>/dev/null
    echo $$ >"$outside/cgroup.procs"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$top" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$top" ] || break
        sleep 0.05
    done
    umount /var/log/journal
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT
trap 'exit 143' TERM INT HUP

state=
for _ in $(seq 300); do
    state=$(as_user systemctl --user is-system-running 2>/dev/null || :)
    case $state in running | degraded) break ;; esac
    sleep 0.02
done
if [ "$state" != running ]; then
    { echo "systemd --user is ${state:-not there}:"; cat "$root/manager.log"; } >&2
    as_user systemctl --user --failed --no-pager >&2 || :
fi

set +e
if [ "$1" = --serve ]; then
    printf '%s\n' "${environment[@]}" "SDUSER_UID=$uid" "SDUSER_GID=$gid" "SDUSER_PID=$$" \
        "SDUSER_SESSION=$session" "SDUSER_JOURNAL=$root/journal" READY
    cat >/dev/null
    exit 0
fi
(
    echo "$BASHPID" >"$session/cgroup.procs"
    as_user "$@"
)
exit $?
