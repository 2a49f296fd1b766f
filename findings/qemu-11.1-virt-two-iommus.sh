#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU 11.1: an arm64 virt machine with two IOMMUs on one bus
#
# It is to have one: iommu=smmuv3 with a virtio-iommu is refused, so is an
# arm-smmuv3 after a virtio-iommu, and an arm-smmuv3 on a bus that has one.  But
# a virtio-iommu after "-device arm-smmuv3,primary-bus=pcie.0" is accepted.
# Seen with 11.1.3: devices are translated by the virtio-iommu alone, and there
# is a VIOT for them; the IORT has the same devices behind the SMMUv3.
#
# So the two tables contradict each other about each device, where the device
# tree names the virtio-iommu alone.  Who boots with ACPI is told of the unit
# that does not translate.
#
# What follows for us: nothing yet, with no such device; who adds one looks at
# both orders.

set -eu
suite=sid
version=1:11.1.3+ds-1
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
    "qemu-system-arm=$version" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# The tables as firmware gets them, through qtest; no guest runs.  Prints who
# has PCI requester IDs, and which.
cat >"$dir/tables.py" <<'PYTHON'
import struct
import subprocess
import sys

REQUEST, DATA, FW_CFG = 0x40100000, 0x40110000, 0x9020010
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
    do(f'writeq {FW_CFG:#x} %#x' %
       int.from_bytes(struct.pack('>Q', REQUEST), 'little'))
    return bytes.fromhex(do(f'read {DATA:#x} {size}')[2:])


def table(name):
    found = tables[tables.index(name):]
    return found[:int.from_bytes(found[4:8], 'little')]


count, = struct.unpack('>I', fw_cfg(0x19, 4))
directory = fw_cfg(0x19, 4 + 64 * count)
for i in range(count):
    size, key, name = struct.unpack_from('>IHxx56s', directory, 4 + 64 * i)
    if name.rstrip(b'\0') == b'etc/acpi/tables':
        tables = fw_cfg(key, size)
process.kill()

iort = table(b'IORT')
nodes, at = struct.unpack_from('<II', iort, 36)
for _ in range(nodes):
    kind, length = struct.unpack_from('<BH', iort, at)
    maps, first = struct.unpack_from('<II', iort, at + 8)
    if kind == 2:                       # root complex
        for i in range(maps):
            start, more, _, to = struct.unpack_from('<IIII', iort,
                                                    at + first + 20 * i)
            if iort[to] == 4:
                print(f'IORT: {start:04x} to {start + more:04x}: SMMUv3')
    at += length
viot = table(b'VIOT')
nodes, at = struct.unpack_from('<HH', viot, 36)
for _ in range(nodes):
    kind, length = struct.unpack_from('<BxH', viot, at)
    if kind == 1:                       # PCI range
        start, end, to = struct.unpack_from('<HHH', viot, at + 12)
        if viot[to] == 3:
            print(f'VIOT: {start:04x} to {end:04x}: virtio-iommu')
    at += length
PYTHON

libs=$dir/root/usr/lib/x86_64-linux-gnu
# The emulator, with a machine that never runs
emulator() {
    timeout 60 "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
        "$dir/root/usr/bin/qemu-system-aarch64" -L "$dir/root/usr/share/qemu" \
        -cpu cortex-a57 -accel tcg -S -nodefaults -display none "$@"
}
machine='virt,gic-version=3'
virtio=virtio-iommu-pci,addr=5
smmu=arm-smmuv3,primary-bus=pcie.0
cd "$dir"

# What is refused
for arguments in "-M $machine,iommu=smmuv3 -device $virtio" \
                 "-M $machine -device $virtio -device $smmu" \
                 "-M $machine -device $smmu -device $smmu"; do
    # shellcheck disable=SC2086 # several words
    emulator $arguments 2>&1 </dev/null | sed 's/.*: /refused: /; s/\. .*//'
done | tee refused

# What is not: who translates the device in slot 2, and what the tables say
set -- -M "$machine" -device "$smmu" -device "$virtio" -device edu,addr=2
{
    echo '{"execute": "qmp_capabilities"}'
    echo '{"execute": "human-monitor-command", "arguments":'
    echo '    {"command-line": "info mtree -f"}}'
    echo '{"execute": "quit"}'
} | emulator "$@" -qmp stdio | sed 's/\\r\\n/\n/g' |
    sed -n 's/.* root: \([a-z0-9-]*\)-memory-region-[0-9]*-16$/00:02.0: \1/p' |
    tee accepted
python3 tables.py "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
    "$dir/root/usr/bin/qemu-system-aarch64" -L "$dir/root/usr/share/qemu" \
    -cpu cortex-a57 -accel tcg -S -nodefaults -display none "$@" \
    -qtest stdio -qtest-log none 2>said | tee -a accepted

cmp refused - <<'SEEN'
refused: virt machine does not support multiple IOMMUs
refused: virt machine already has virtio-iommu set
refused: An iommu is already attached to this bus
SEEN
cmp accepted - <<'SEEN'
00:02.0: virtio-iommu
IORT: 0000 to 00ff: SMMUv3
VIOT: 0000 to 00ff: virtio-iommu
SEEN
echo 'as described: accepted in this order alone, with tables that contradict'
