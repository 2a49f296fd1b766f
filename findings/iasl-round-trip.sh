#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# iasl: a table of an IOMMU that is disassembled, and compiled again
#
# So is a table changed by hand, for a guest or a machine with a broken one.
# Seen with acpica-tools 20260408-1 (and, by hand, 20250404-1):
#
# - IORT, a root complex node of revision 4 (DEN 0049E.d and later), which ends
#   in four bytes of flags (bit 0: it supports PASIDs): they are not in the
#   listing, and compiling that makes the node four bytes shorter.  What comes
#   after it moves up, but references stay: the root complex's mapping leads
#   into its SMMUv3 node, not to where that begins.
# - IVRS, type 40h, an ACPI device (F0h) without a UID (UID format 0): the
#   listing lacks the last two bytes of the entry, format and length, and so
#   does what is made of it, where the next two bytes are in their place then.
#   With a UID all is as it was.
#
# Both compile with "0 Errors, 0 Warnings, 0 Remarks".  QEMU's own tables (of
# 10.0.13 and 11.1.3) and a DMAR with a structure of each type come back whole,
# but for the name of the compiler.
#
# What follows for us: tests compare tables as bytes; nobody is told to edit one
# with iasl.

set -eu
suite=sid
version=20260408-1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# iasl with everything it needs, down to the C library, in $dir/root.  Nothing
# is installed.
mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
echo "deb [arch=amd64] $uri $suite main" >"$dir/sources.list"
cat >"$dir/apt.conf" <<CONF
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$dir";
Dir::State::status "/dev/null";
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir";
Dir::Cache::archives "$dir/archives";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
CONF
export APT_CONFIG="$dir/apt.conf"
apt-get -qq update
apt-get -qq -y --download-only --no-install-recommends install \
    "acpica-tools=$version" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

cd "$dir"
cat >make.py <<'PYTHON'
import struct


def table(name, signature, revision, body):
    data = bytearray(struct.pack(
        '<4sIBB6s8sI4sI', signature, 36 + len(body), revision, 0, b'TESTID',
        b'TESTTABL', 1, b'TEST', 1) + body)
    data[9] = -sum(data) & 0xff
    with open(name + '.dat', 'wb') as f:
        f.write(data)


def node(kind, revision, identifier, body, mapping=b''):
    return struct.pack('<BHBIII', kind, 16 + len(body) + len(mapping), revision,
                       identifier, len(mapping) // 20,
                       16 + len(body) if mapping else 0) + body + mapping


# An ITS group, a root complex and an SMMUv3, in this order
group = node(0, 1, 0, struct.pack('<II', 1, 0))
at = 48 + len(group) + 16 + 24 + 20
complex_ = node(2, 4, 1, struct.pack('<IBHBIIBHBI', 1, 0, 0, 3, 0, 0, 48, 0, 0,
                                     1),
                struct.pack('<IIIII', 0, 0xffff, 0, at, 0))
smmu = node(4, 4, 2, struct.pack('<QIIQIIIIIII', 0x9050000, 1, 0, 0, 0, 106,
                                 107, 109, 108, 0, 0),
            struct.pack('<IIIII', 0, 0xffff, 0, 48, 0))
table('iort', b'IORT', 6, struct.pack('<III', 3, 48, 0) + group + complex_ +
      smmu)


def ivrs(name, uid):
    entry = struct.pack('<BHB8s8s', 0xf0, 0x98, 0, b'AMDI0040', bytes(8)) + uid
    entry = struct.pack('<BHB', 2, 0, 0) + entry
    block = struct.pack('<BBHHHQHHIQQ', 0x40, 0, 40 + len(entry), 8, 0x40,
                        0xfed80000, 0, 0, 0, 0x29d3, 0) + entry
    table(name, b'IVRS', 2, struct.pack('<IQ', 0x203043, 0) + block)


ivrs('ivrs-uid', struct.pack('<BBQ', 1, 8, 2))
ivrs('ivrs-none', struct.pack('<BB', 0, 0))
PYTHON
cat >where.py <<'PYTHON'
import struct
import sys

with open(sys.argv[1], 'rb') as f:
    iort = f.read()
at = 48
for _ in range(3):
    kind, length = struct.unpack_from('<BH', iort, at)
    text = f'node {kind} at {at}, {length} bytes'
    if kind == 2:
        first, = struct.unpack_from('<I', iort, at + 12)
        text += ', maps to %d' % struct.unpack_from('<I', iort,
                                                    at + first + 12)
    print(text)
    at += length
PYTHON
python3 make.py

iasl() {
    libs=$dir/root/usr/lib/x86_64-linux-gnu
    "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/iasl" "$@" 2>&1
}

# again NAME: NAME.new is what it makes of its own listing of NAME.dat
again() {
    iasl -d "$1.dat" >"$1.log"
    mv "$1.dsl" "$1.new.dsl"
    iasl -p "$1" "$1.new.dsl" >>"$1.log"
    grep -q '^Compilation successful. 0 Errors, 0 Warnings, 0 Remarks' "$1.log"
    mv "$1.aml" "$1.new"
}
for name in iort ivrs-uid ivrs-none; do
    again $name
done
{
    python3 where.py iort.dat
    echo 'and then'
    python3 where.py iort.new
    for name in ivrs-uid ivrs-none; do
        echo "$name: $(wc -c <$name.dat) bytes, then $(wc -c <$name.new)"
    done
} | tee seen
cmp seen - <<'SEEN'
node 0 at 48, 24 bytes
node 2 at 72, 60 bytes, maps to 132
node 4 at 132, 88 bytes
and then
node 0 at 48, 24 bytes
node 2 at 72, 56 bytes, maps to 132
node 4 at 128, 88 bytes
ivrs-uid: 122 bytes, then 122
ivrs-none: 114 bytes, then 112
SEEN
echo 'as described: what comes back is another table, without a word'
