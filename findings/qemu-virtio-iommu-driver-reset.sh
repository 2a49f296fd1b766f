#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# QEMU's virtio-iommu and a reset by the driver
#
# A driver resets a device by writing 0 to device_status, and begins anew with a
# device in its initial state (virtio 1.3, 2.1.2 and 3.1.1).  With 11.1.3 (and,
# by hand, 10.0.2) the virtio-iommu keeps its domains, what is attached to them
# and all mappings: a MAP for a domain that nobody has attached anything to
# since is refused for overlapping a mapping of the life before (S_INVAL), where
# an unknown domain is S_NOENT (5.13.6.5.2).  Only a reset of the machine clears
# it.  The next driver (after the firmware's, or after kexec) inherits what it
# does not know of.
#
# What follows for us: a reset by the driver forgets all of it
# (viommu-virtio-request-test, driver-reset).

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
    "qemu-system-x86=$version" >/dev/null
for deb in "$dir"/archives/*.deb; do
    dpkg-deb -x "$deb" "$dir/root"
done

# The driver, through qtest; no guest runs.
cat >"$dir/driver.py" <<'PYTHON'
import struct
import subprocess
import sys

BAR = 0xe0000000
RING, DATA = 0x100000, 0x110000
ENDPOINT, DOMAIN = 0x10, 1
ATTACH, MAP = 1, 3


class Machine:
    def __init__(self, command):
        self.process = subprocess.Popen(
            command + ['-M', 'q35', '-nodefaults', '-display', 'none',
                       '-accel', 'tcg', '-S', '-qtest', 'stdio', '-qtest-log',
                       'none', '-device', 'virtio-iommu-pci,addr=4',
                       '-device', 'pci-testdev,addr=2'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()
        while True:
            words = self.process.stdout.readline().split()
            if words[0] == 'OK':
                return int(words[1], 0) if len(words) > 1 else None
            assert words[0] == 'IRQ', words

    def config(self, offset, value=None, width='l'):
        self.do(f'outl 0xcf8 {0x80002000 | offset & ~3:#x}')
        port = 0xcfc + (offset & 3)
        if value is None:
            return self.do(f'in{width} {port:#x}')
        return self.do(f'out{width} {port:#x} {value:#x}')

    def memory(self, address, data):
        self.do(f'write {address:#x} {len(data)} 0x{data.hex()}')


class IOMMU:
    def __init__(self, machine):
        self.m = machine
        machine.config(0x20, BAR)
        machine.config(0x24, 0)
        machine.config(4, 6, 'w')
        self.where = {}
        at = machine.config(0x34, width='b')
        while at:
            if machine.config(at, width='b') == 9:
                kind = machine.config(at + 3, width='b')
                self.where.setdefault(kind, machine.config(at + 8))
            at = machine.config(at + 1, width='b')
        self.common = BAR + self.where[1]

    def set(self, offset, value, width):
        self.m.do(f'write{width} {self.common + offset:#x} {value:#x}')

    def begin(self):
        """Reset, features, the request queue, DRIVER_OK."""
        self.set(20, 0, 'b')
        self.set(20, 3, 'b')
        for half, bits in (0, 1 << 2), (1, 1):      # MAP_UNMAP, VERSION_1
            self.set(8, half, 'l')
            self.set(12, bits, 'l')
        self.set(20, 11, 'b')
        self.m.memory(RING, bytes(0x3000))
        self.set(22, 0, 'w')
        for offset, address in (32, RING), (40, RING + 0x1000), \
                               (48, RING + 0x2000):
            self.set(offset, address, 'l')
            self.set(offset + 4, 0, 'l')
        self.set(24, 16, 'w')
        self.set(28, 1, 'w')
        self.set(20, 15, 'b')
        self.index = 0

    def request(self, data):
        self.m.memory(DATA, data + b'\xff' * 4)
        self.m.memory(RING, struct.pack('<QIHHQIHH', DATA, len(data), 1, 1,
                                        DATA + len(data), 4, 2, 0))
        self.index += 1
        self.m.memory(RING + 0x1000 + 2 + 2 * self.index, bytes(2))
        self.m.memory(RING + 0x1002, struct.pack('<H', self.index))
        self.m.do(f'writew {BAR + self.where[2]:#x} 0')
        return self.m.do(f'readb {DATA + len(data):#x}')

    def attach(self):
        return self.request(struct.pack('<BxxxIIIxxxx', ATTACH, DOMAIN,
                                        ENDPOINT, 0))

    def map(self):
        return self.request(struct.pack('<BxxxIQQQI', MAP, DOMAIN, 0x10000,
                                        0x10fff, 0, 3))


iommu = IOMMU(Machine(sys.argv[1:]))
iommu.begin()
print('ATTACH', iommu.attach(), 'MAP', iommu.map(), 'again', iommu.map())
iommu.begin()
print('after a reset: MAP', iommu.map())
iommu.m.process.kill()
PYTHON

libs=$dir/root/usr/lib/x86_64-linux-gnu
python3 "$dir/driver.py" "$libs/ld-linux-x86-64.so.2" --library-path "$libs" \
    "$dir/root/usr/bin/qemu-system-x86_64" \
    -L "$dir/root/usr/share/seabios" -L "$dir/root/usr/share/qemu" \
    -L "$dir/root/usr/lib/ipxe/qemu" 2>"$dir/said" | tee "$dir/answers"
cmp "$dir/answers" - <<'ANSWERS'
ATTACH 0 MAP 0 again 4
after a reset: MAP 4
ANSWERS
echo 'as described: the mappings of before the reset are still there'
