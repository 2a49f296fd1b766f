#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU: an expander bus that bypasses takes the root ports that name no bus
#
# docs/pcie.txt has pcie.0 as the bus of a root port that names none
# ("[,bus=pcie.0]").  That is so until a pxb-pcie comes before it on the command
# line: then the port is on the expander's bus, without a word.  If the expander
# has bypass_iommu=on, all that is behind the port goes round the vIOMMU, and
# the DMAR table does not list it, though nothing on the command line joins the
# two but their order.  With the same options the other way round the port is on
# pcie.0 and translated.  Seen with 10.0.13 (and, by hand, 11.1.3).
#
# An endpoint without bus= ends up there, too, and is refused ("Only PCI/PCIe
# bridges can be plugged into pxb-pcie"), and so is a second pxb-pcie.
#
# What follows for us: in documentation and tests a port says bus= where the
# machine has an expander.  virtio=require refuses virtio devices that end up
# there, but what is not virtio just bypasses.

set -eu
suite=trixie
version=1:10.0.13+ds-0+deb13u1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# The archive that the machine's own packages come from.
uri=$(apt-get indextargets --format '$(COMPONENT)|$(REPO_URI)' \
          'Created-By: Packages' | sed -n 's/^main|//p' | head -n 1)

# The emulator with everything it needs, down to the C library, in $dir/root.
# Nothing is installed.
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
    "qemu-system-x86=$version" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# The DMAR table as firmware gets it, through qtest; no guest runs.  Prints the
# bridges in the unit's scope, as bus and device.
cat >"$dir/bridges.py" <<'PYTHON'
import struct
import subprocess
import sys

REQUEST, DATA = 0x100000, 0x110000
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, text=True,
                           stdout=subprocess.PIPE)


def do(text):
    process.stdin.write(text + '\n')
    process.stdin.flush()
    while True:
        words = process.stdout.readline().split()
        if words[0] == 'OK':
            return words[1] if len(words) > 1 else None


def fw_cfg(key, size):
    request = struct.pack('>IIQ', key << 16 | 8 | 2, size, DATA)
    do(f'write {REQUEST:#x} 16 0x{request.hex()}')
    do('outl 0x514 0')
    do('outl 0x518 %#x' % int.from_bytes(struct.pack('>I', REQUEST), 'little'))
    return bytes.fromhex(do(f'read {DATA:#x} {size}')[2:])


count, = struct.unpack('>I', fw_cfg(0x19, 4))
directory = fw_cfg(0x19, 4 + 64 * count)
for i in range(count):
    size, key, name = struct.unpack_from('>IHxx56s', directory, 4 + 64 * i)
    if name.rstrip(b'\0') == b'etc/acpi/tables':
        tables = fw_cfg(key, size)
process.kill()
dmar = tables[tables.index(b'DMAR'):]
dmar = dmar[:int.from_bytes(dmar[4:8], 'little')]
at = 48 + 16                            # the scopes of the first unit
end = 48 + int.from_bytes(dmar[50:52], 'little')
found = []
while at < end:
    kind, length, bus, device = struct.unpack_from('BB3xBB', dmar, at)
    if kind == 2:
        found.append(f'{bus:02x}:{device:02x}')
    at += length
print(*found or ['none'])
PYTHON

libs=$dir/root/usr/lib/x86_64-linux-gnu
machine() {
    set -- "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-x86_64" \
        -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
        -L "$dir/root/usr/lib/ipxe/qemu" \
        -M q35 -accel tcg -S -nodefaults -display none -device intel-iommu "$@"
    {
        echo '{"execute": "qmp_capabilities"}'
        echo '{"execute": "qom-get", "arguments":'
        echo '    {"path": "/machine/peripheral/rp0",'
        echo '     "property": "parent_bus"}}'
        echo '{"execute": "quit"}'
    } | "$@" -qmp stdio | sed -n 's/{"return": ".*\/\([^/]*\)"}.*/port on \1/p'
    echo "listed bridges: $(python3 "$dir/bridges.py" "$@" -qtest stdio \
                                -qtest-log none 2>"$dir/said")"
}

expander=pxb-pcie,id=expander,bus_nr=32,bypass_iommu=on
port=pcie-root-port,id=rp0,chassis=1
machine -device "$port" -device "$expander" >"$dir/port-first"
machine -device "$expander" -device "$port" >"$dir/expander-first"
cd "$dir"
grep . port-first expander-first
cmp port-first - <<'SEEN'
port on pcie.0
listed bridges: 00:01
SEEN
cmp expander-first - <<'SEEN'
port on expander
listed bridges: none
SEEN
echo 'as described: the order of two options decides'
