#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# busybox's read, in a guest that is told what to do over a serial port
#
# Seen with busybox 1:1.35.0-4+deb12u1+b1 (Debian 12) and its shell.  Test guests mostly
# are an initramfs of this, with a loop "while read -r line" as process 1 on a
# serial port or a virtio console, where a command may come in more than one
# piece.
#
# If a child of that shell ends while read waits for the rest of a line, read
# begins anew: what had come of the line is gone, read succeeds, and says the
# rest only.  Nothing is said of it.  Process 1 becomes the parent of every
# process that has lost its own, as what watches over "timeout"'s program has,
# so children end at any time.  dash (0.5.12-2) gives the whole line.
#
# What follows for us: a shell that reads commands is not process 1 and has no
# child in the background, and a line that it does not know fails at once
# (tests/guest/vhostkernel-init, tests/guest/ask-init).  A guest of ours stood
# still in 5 of 22 runs of 76 commands, and looked like a lost interrupt.

set -eu
version=1:1.35.0-4+deb12u1+b1
dash_version=0.5.12-2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download \
    "busybox-static=$version" "dash=$dash_version" >/dev/null
for deb in ./*.deb; do
    dpkg-deb -x "$deb" root
done

# What the shell "$@" reads of "run ab cd", of which " cd" comes after 2 seconds
# and a child of its ends before it, or none does
lines() {
    child=$1
    shift
    rm -f pipe
    mkfifo pipe
    (printf 'run ab'; sleep 2; printf ' cd\n'; sleep 1) >pipe &
    # shellcheck disable=SC2016
    "$@" -c "$child"' read -r line <pipe && echo "[$line]"'
    wait
}

busybox=$dir/root/bin/busybox
quiet=$(lines '' "$busybox" sh)
child=$(lines 'sleep 1 &' "$busybox" sh)
dash=$(lines 'sleep 1 &' "$dir/root/bin/dash")
echo "busybox, no child ends: $quiet"
echo "busybox, a child ends:  $child"
echo "dash, a child ends:     $dash"
[ "$quiet" = '[run ab cd]' ]
[ "$child" = '[cd]' ]
[ "$dash" = '[run ab cd]' ]
echo 'as described: the beginning of the line is lost'
