#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU 11.1 and CAP_REG of a pc-q35-10.0 machine's intel-iommu
#
# Bit 63 (ESRTPS: setting the root table pointer invalidates everything, VT-d
# 11.4.2) is set by 11.1.3 for a machine type of 10.0 too.  10.0 has it clear.
# So a guest sees a register change when its machine is started again under
# 11.1, and a stream from 11.1 makes a promise that the unit of a 10.0
# destination does not make for itself.  (It loads: the register's value is part
# of the stream.)
#
# What follows for us: hw/i386/vtd/vtd-migration.c takes a stream with bit 63
# set though our own CAP_REG has it clear.  SRTP invalidates everything here.

set -eu
newer_suite=sid
newer_version=1:11.1.3+ds-1
older_suite=trixie
older_version=1:10.0.13+ds-0+deb13u1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# unpack SUITE VERSION: the emulator of that version with everything it needs,
# down to the C library, in $dir/SUITE/root.  Nothing is installed.
unpack() {
    here=$dir/$1
    mkdir -p "$here/lists/partial" "$here/archives/partial" "$here/root"
    echo "deb [arch=amd64] $uri $1 main" >"$here/sources.list"
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
        --no-install-recommends install "qemu-system-x86=$2" >/dev/null
    for deb in "$here"/archives/*.deb; do
        dpkg-deb -x "$deb" "$here/root"
    done
}

# cap_of SUITE: CAP_REG, read through qtest; no guest runs.  The emulator does
# not end with its input.
cap_of() {
    root=$dir/$1/root
    libs=$root/usr/lib/x86_64-linux-gnu
    echo 'readq 0xfed90008' |
        timeout 10 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
            "$root/usr/bin/qemu-system-x86_64" \
            -L "$root/usr/share/seabios" -L "$root/usr/share/qemu" \
            -L "$root/usr/lib/ipxe/qemu" \
            -M pc-q35-10.0 -accel tcg -S -nodefaults -display none \
            -device intel-iommu -qtest stdio -qtest-log none 2>"$dir/said" |
        sed -n 's/^OK //p'
}

unpack "$older_suite" "$older_version"
unpack "$newer_suite" "$newer_version"
older=$(cap_of "$older_suite")
newer=$(cap_of "$newer_suite")
echo "CAP_REG of pc-q35-10.0: $older ($older_version), $newer ($newer_version)"
[ "$older" = 0x00d2008c222f0606 ]
[ "$newer" = 0x80d2008c222f0606 ]
echo 'as described: bit 63 is set by 11.1 alone'
