#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU 10.0.2 and 10.0.13: an arm64 machine of type virt-10.0 does not migrate
#
# Both are of one stable series and know one machine type, and the machine has
# nothing but a CPU.  10.0.13's has one system register more (275, 274), so
# 10.0.2 refuses the stream of the newer one ("Invalid value 275 expecting
# positive value <= 274"); 10.0.13 refuses that of the older one as well ("load
# of migration failed: Operation not permitted").  10.0.2 to itself works.
#
# What follows for us: the peer of the arm64 migration tests is the last release
# of the series (scripts/guest-distro-qemu --target aarch64), not whichever of
# them the machine's own release has.

set -eu
first_suite=bookworm-backports
first_version=1:10.0.2+ds-2+deb13u1~bpo12+1
last_suite=trixie
last_version=1:10.0.13+ds-0+deb13u1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# unpack VERSION SUITE...: the emulator of that version with everything it
# needs, down to the C library, in $dir/SUITE/root.  Nothing is installed.
unpack() {
    version=$1
    shift
    here=$dir/$1
    mkdir -p "$here/lists/partial" "$here/archives/partial" "$here/root"
    for suite; do
        echo "deb [arch=amd64] $uri $suite main"
    done >"$here/sources.list"
    cat >"$here/apt.conf" <<CONF
Dir::Etc::sourcelist "$here/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$here";
Dir::State::status "/dev/null";
Dir::State::Lists "$here/lists";
Dir::Cache "$here";
Dir::Cache::archives "$here/archives";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
CONF
    APT_CONFIG=$here/apt.conf apt-get -qq update
    APT_CONFIG=$here/apt.conf apt-get -qq -y --download-only \
        --no-install-recommends -t "$1" \
        install "qemu-system-arm=$version" >/dev/null
    for deb in "$here"/archives/*.deb; do
        dpkg-deb -x "$deb" "$here/root"
    done
}

# machine SUITE ARGUMENTS...: that emulator with a machine that never runs
machine() {
    root=$dir/$1/root
    shift
    ld=$(find "$root" -name 'ld-linux-x86-64.so.2' -type f | head -n 1)
    [ -n "$ld" ] || ld=$(find "$root" -name 'ld-linux-x86-64.so.2' | head -n 1)
    libs=$(find "$root/usr/lib" "$root/lib" -maxdepth 2 -name '*.so*' \
               -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    timeout 60 "$ld" --library-path "$libs" \
        "$root/usr/bin/qemu-system-aarch64" -L "$root/usr/share/qemu" \
        -M virt-10.0 -cpu cortex-a57 -accel tcg -S -nodefaults \
        -display none -qmp stdio "$@"
}

# travel FROM TO: what the destination says
travel() {
    stream=$dir/stream
    rm -f "$stream"
    {
        echo '{"execute": "qmp_capabilities"}'
        echo '{"execute": "migrate", "arguments": {"uri": "file:'"$stream"'"}}'
        sleep 5
        echo '{"execute": "quit"}'
    } | machine "$1" >/dev/null
    {
        echo '{"execute": "qmp_capabilities"}'
        sleep 5
        echo '{"execute": "quit"}'
    } | machine "$2" -incoming "file:$stream" 2>&1 >/dev/null || true
}

unpack "$first_version" "$first_suite" bookworm
unpack "$last_version" "$last_suite"
up=$(travel "$first_suite" "$last_suite")
down=$(travel "$last_suite" "$first_suite")
same=$(travel "$first_suite" "$first_suite")
echo "10.0.2 to 10.0.13: $up"
echo "10.0.13 to 10.0.2: $down"
echo "10.0.2 to 10.0.2: ${same:-loads}"
echo "$up" | grep -q 'load of migration failed: Operation not permitted'
echo "$down" | grep -q 'Invalid value 275 expecting positive value <= 274'
[ -z "$same" ]
echo 'as described: neither loads what the other one saved'
