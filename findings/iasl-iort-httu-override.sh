#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# iasl and the HTTU override of an SMMUv3 node in the IORT
#
# The node's flags have two bits for it, 2:1 (Arm DEN 0049, "SMMUv3 node
# format"): 0 none, 1 access flag, 2 access flag and dirty state.  Seen with
# acpica-tools 20200925-8 (and, by hand, with 20260408-1): iasl decodes bit 1
# alone, so that a node with 2, the most a unit can do, is disassembled as
# "HTTU Override : 0", and 1 as 1.  Only the raw flags above it tell.
#
# Linux, when it boots with ACPI, takes HTTU from these bits and not from the
# unit's IDR0; who debugs "no dirty tracking" with iasl is led astray.
#
# What follows for us: our tests read the bits themselves.

set -eu
version=20200925-8
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download "acpica-tools=$version"
for deb in ./*.deb; do
    dpkg-deb -x "$deb" root
done

cat >make-iort.py <<'PY'
import struct
import sys

flags = int(sys.argv[1], 0)
its = struct.pack('<BHBIIIII', 0, 24, 1, 0, 0, 0, 1, 0)
smmu = struct.pack('<BHBIII', 4, 88, 3, 0, 1, 68)
smmu += struct.pack('<QIIQIIIIIII', 0x9050000, flags, 0, 0, 0,
                    106, 107, 109, 108, 0, 0)
smmu += struct.pack('<IIIII', 0, 0xffff, 0, 48, 0)
body = struct.pack('<III', 2, 48, 0) + its + smmu
table = bytearray(struct.pack('<4sIBB6s8sI4sI', b'IORT', 36 + len(body), 3, 0,
                              b'TESTID', b'TESTIORT', 1, b'TEST', 1) + body)
table[9] = -sum(table) & 0xff
open(sys.argv[2], 'wb').write(table)
PY

# Prints what iasl says of the flags $1.
httu_of() {
    python3 make-iort.py "$1" iort.dat
    rm -f iort.dsl
    root/usr/bin/iasl -d iort.dat >iasl.log 2>&1
    sed -n 's/.*Flags (decoded below) : 000000/flags 0x/p
            s/^ *\(HTTU Override : .*\)/\1/p' iort.dsl
}

for flags in 0x01 0x03 0x05; do
    httu_of $flags | tee said
    case $flags in
    0x03) grep -q '^HTTU Override : 1$' said ;;
    *) grep -q '^HTTU Override : 0$' said ;;
    esac
done
echo "as described: access and dirty (2) is shown as 0"
